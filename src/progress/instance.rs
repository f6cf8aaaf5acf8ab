//! This daemon among those that share its mirror.

use std::collections::BTreeMap;

use crate::domain::RepositoryId;

/// What this daemon is among those that share its mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceRole {
    /// It reads all that it is configured to read.
    Leader,
    /// It reads its share.
    Sharing,
    /// Another one reads; this one does not sign in.
    Standby,
}

/// How this daemon and the others stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceState {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub role: InstanceRole,
    /// How many daemons share the mirror, this one included; 0: not known yet.
    pub daemons: usize,
    /// The generations of the leases that it has.
    pub held: BTreeMap<RepositoryId, u64>,
    /// The names of the daemons that have the others.
    pub others: BTreeMap<RepositoryId, String>,
    /// Whether the leases could be asked for the last time that they were.
    pub is_known: bool,
}

impl InstanceState {
    /// Before anything is known.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: InstanceRole::Standby,
            daemons: 0,
            held: BTreeMap::new(),
            others: BTreeMap::new(),
            is_known: false,
        }
    }

    /// The daemon that reads while this one stands by, where one does: of several the first.
    pub fn leader(&self) -> Option<&str> {
        match self.role {
            InstanceRole::Leader => Some(&self.name),
            InstanceRole::Sharing => None,
            InstanceRole::Standby => self.others.values().next().map(String::as_str),
        }
    }
}
