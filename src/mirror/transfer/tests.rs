//! A mirror that was moved, at once or with interruptions, beside the model.

use proptest::prelude::*;

use super::transfer;
use crate::mirror::contract;
use crate::mirror::sqlite::SqliteTransfer;
use crate::mirror::sqlite::tests::Place;
use crate::testing::slow_property;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn source(place: &Place) -> SqliteTransfer {
    SqliteTransfer::source(&place.file()).unwrap()
}

fn target(place: &Place) -> SqliteTransfer {
    SqliteTransfer::target(&place.file()).unwrap()
}

proptest! {
    #![proptest_config(slow_property(32))]

    #[test]
    fn what_was_moved_goes_on_as_if_nothing_had_happened(
        before in contract::any_steps(), after in contract::any_steps(),
    ) {
        let (from, to) = (Place::new(), Place::new());
        let mut mirror = contract::MovedMirror::default();
        mirror.goes_on_in(&from, before);
        wait(transfer(&source(&from), &target(&to), &mut |_| {})).unwrap();
        mirror.goes_on_in(&to, after);
    }
}
