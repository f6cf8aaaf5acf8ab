//! What the task is to follow.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::RepositoryId;
use crate::mirror::Lease;
use crate::model::NameRows;

/// All that it is to follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelDuties {
    /// `model.refresh_interval`; `None`: the server is not asked.
    pub interval: Option<Duration>,
    /// The repositories that this daemon reads.
    pub repositories: Vec<ModelDuty>,
}

/// A repository whose model is to be followed.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDuty {
    /// Which.
    pub repository: RepositoryId,
    /// What it is written under.
    pub lease: Lease,
    /// What its names file says.
    pub names: Option<Arc<NameRows>>,
}
