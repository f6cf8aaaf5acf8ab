//! What of the log belongs to a feed. Pure.

use std::collections::BTreeSet;

use crate::domain::{Change, Op, RepositoryId};
use crate::json::difference;
use crate::model::Naming;

/// What a feed is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedSelection {
    /// Of these repositories; `None`: of all.
    pub repositories: Option<BTreeSet<RepositoryId>>,
    /// Of these operations; `None`: of all.
    pub operations: Option<Vec<Op>>,
    /// Of updates those alone that change one of these attributes, by name or field id; `None`: all.
    /// What comes or goes does so with all its attributes.
    pub attributes: Option<Vec<String>>,
}

/// The members of the items of one repository that an update has to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedMembers(Option<BTreeSet<String>>);

impl FeedSelection {
    /// The one repository that it is about, where it is one alone.
    pub fn only_repository(&self) -> Option<RepositoryId> {
        let repositories = self.repositories.as_ref()?;
        repositories.first().copied().filter(|_| repositories.len() == 1)
    }

    /// Whether a repository belongs to it.
    pub fn takes_repository(&self, repository: RepositoryId) -> bool {
        self.repositories.as_ref().is_none_or(|taken| taken.contains(&repository))
    }

    /// Whether an operation does.
    pub fn takes_operation(&self, op: Op) -> bool {
        self.operations.as_ref().is_none_or(|taken| taken.contains(&op))
    }

    /// The members that its attributes are in a repository, as these are called there. A name that several
    /// attributes have means all of them.
    pub fn watched(&self, naming: &Naming) -> WatchedMembers {
        let members = self.attributes.as_ref().map(|attributes| {
            let members = attributes.iter().flat_map(|text| match naming.member(text) {
                Ok(member) => vec![member],
                Err(ambiguous) => ambiguous.ids,
            });
            members.collect()
        });
        WatchedMembers(members)
    }

    /// Whether a change belongs to it; `watched` is what [`FeedSelection::watched`] has of its repository.
    pub fn takes(&self, change: &Change, watched: &WatchedMembers) -> bool {
        self.takes_repository(change.repository)
            && self.takes_operation(change.op)
            && (change.op != Op::Update || watched.are_changed(change))
    }
}

impl WatchedMembers {
    fn are_changed(&self, change: &Change) -> bool {
        self.0.as_ref().is_none_or(|members| {
            let changed = difference::between(change.before.as_deref(), change.after.as_deref());
            changed.iter().any(|member| members.contains(&*member.name))
        })
    }
}
