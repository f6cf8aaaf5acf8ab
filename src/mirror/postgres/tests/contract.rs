//! The contract of all mirrors, run against PostgreSQL.

use std::sync::Arc;

use proptest::prelude::*;

use super::place::{Place, aside, lease};
use super::views::views;
use crate::domain::RepositoryId;
use crate::mirror::contract::{self, ImplementationUnderTest, MirrorContent, Views};
use crate::mirror::postgres::PostgresMirror;
use crate::mirror::{Lease, MirrorReader};

impl ImplementationUnderTest for Place {
    type Mirror = PostgresMirror;

    fn open(&self) -> PostgresMirror {
        self.mirror()
    }

    fn reader(&self, mirror: &PostgresMirror) -> Arc<dyn MirrorReader> {
        Arc::new(mirror.reader())
    }

    fn lease(&self, _: RepositoryId) -> Lease {
        lease()
    }

    fn content(&self) -> MirrorContent {
        aside(self.content())
    }

    fn views(&self) -> Option<Views> {
        Some(views(self))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_mirror_is_the_fold_of_its_log_and_forgets_nothing(steps in contract::any_steps()) {
        let Some(place) = Place::new() else { return Ok(()) };
        contract::a_mirror_is_the_fold_of_its_log_and_forgets_nothing(&place, steps);
    }
}
