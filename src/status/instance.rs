//! The daemon among those that share its mirror, as the status document has it. Plain values; names and
//! types are stable, like those of the whole document.

use serde::{Deserialize, Serialize};

use crate::progress::{InstanceRole, InstanceState};

/// The daemon among those that share its mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceStatus {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub role: RoleStatus,
    /// The daemon that leads, where one does and that is known.
    pub leader: Option<String>,
    /// How many daemons share the mirror, this one included; null where that is not known.
    pub daemons: Option<u64>,
}

/// What a daemon is among those that share its mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleStatus {
    /// It reads all repositories.
    Leader,
    /// It reads its share of them.
    Sharing,
    /// It reads none, and takes over when it can.
    Standby,
    /// A word of another version, or none.
    #[default]
    #[serde(other)]
    Unknown,
}

impl From<&InstanceState> for InstanceStatus {
    fn from(state: &InstanceState) -> Self {
        Self {
            name: state.name.clone(),
            role: match state.role {
                InstanceRole::Leader => RoleStatus::Leader,
                InstanceRole::Sharing => RoleStatus::Sharing,
                InstanceRole::Standby => RoleStatus::Standby,
            },
            leader: state.leader().map(str::to_owned),
            daemons: Some(state.daemons as u64).filter(|daemons| *daemons > 0),
        }
    }
}
