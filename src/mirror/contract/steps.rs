//! What may be done to a mirror, at random, in a small world.

use bytes::Bytes;
use proptest::prelude::*;

use crate::domain::ItemId;

/// Something that is done to a mirror.
#[derive(Clone, Debug)]
pub(in crate::mirror) enum MirrorStep {
    Begin {
        repository: u64,
    },
    Page {
        repository: u64,
        rows: Vec<(ItemId, Body, bool)>,
        seen: Vec<u8>,
    },
    /// A page of an incremental pass, which may be its last.
    Incremental {
        repository: u64,
        rows: Vec<(ItemId, Body)>,
        mark: Option<Vec<u8>>,
        ends: bool,
    },
    Delete {
        repository: u64,
        items: Vec<ItemId>,
    },
    End {
        repository: u64,
        reason: Option<String>,
        suspects: Vec<ItemId>,
        /// Whether what is not seen is held back.
        held: bool,
    },
    /// The operator approves what is held back: all, or these.
    Approve {
        repository: u64,
        named: Option<Vec<ItemId>>,
    },
    Unseen {
        repository: u64,
        seen: Vec<ItemId>,
        after: Option<ItemId>,
        limit: usize,
    },
    /// Drops the changes before this share of the steps so far, in percent.
    Drop {
        share: i64,
    },
    Reopen,
}

/// A body that means its value; the rest must not matter.
#[derive(Clone, Copy, Debug)]
pub(in crate::mirror) struct Body {
    pub(super) value: u8,
    ignored: u8,
    turned: bool,
}

impl Body {
    pub(super) fn bytes(self) -> Bytes {
        let Self { value, ignored, .. } = self;
        if self.turned {
            format!(r#"{{"value":{value}.0,"ignored":{ignored}}}"#).into()
        } else {
            format!(r#"{{"ignored": {ignored}, "value": {value}}}"#).into()
        }
    }
}

/// Any steps, in a small world.
pub(in crate::mirror) fn any_steps() -> impl Strategy<Value = Vec<MirrorStep>> {
    prop::collection::vec(any_step(), 1..25)
}

fn any_step() -> impl Strategy<Value = MirrorStep> {
    let ids = |most| prop::collection::vec(any_id(), 0..most);
    let row = (any_id(), any_body(), any::<bool>());
    let marks = prop::option::of(prop::collection::vec(any::<u8>(), 0..3));
    let incremental_rows = prop::collection::vec((any_id(), any_body()), 0..6);
    prop_oneof![
        3 => (1_u64..3, incremental_rows, marks, any::<bool>()).prop_map(
            |(repository, rows, mark, ends)| MirrorStep::Incremental { repository, rows, mark, ends }
        ),
        1 => (1_u64..3).prop_map(|repository| MirrorStep::Begin { repository }),
        6 => (1_u64..3, prop::collection::vec(row, 0..8), prop::collection::vec(any::<u8>(), 0..3))
            .prop_map(|(repository, rows, seen)| MirrorStep::Page { repository, rows, seen }),
        2 => (1_u64..3, ids(6))
            .prop_map(|(repository, items)| MirrorStep::Delete { repository, items }),
        2 => (1_u64..3, prop::option::of("[a-z]{1,5}"), ids(5), any::<bool>()).prop_map(
            |(repository, reason, suspects, held)| MirrorStep::End { repository, reason, suspects, held }
        ),
        2 => (1_u64..3, prop::option::of(ids(3)))
            .prop_map(|(repository, named)| MirrorStep::Approve { repository, named }),
        2 => (1_u64..3, ids(5), prop::option::of(any_id()), 0_usize..8).prop_map(
            |(repository, seen, after, limit)| MirrorStep::Unseen { repository, seen, after, limit }
        ),
        1 => (0_i64..120).prop_map(|share| MirrorStep::Drop { share }),
        1 => Just(MirrorStep::Reopen),
    ]
}

fn any_id() -> impl Strategy<Value = ItemId> {
    let wide = i128::from(i64::MAX);
    prop_oneof![
        4 => (-1_i128..5).prop_map(ItemId::Integer),
        1 => (wide - 1..wide + 3).prop_map(ItemId::Integer),
        1 => (-wide - 3..-wide).prop_map(ItemId::Integer),
        2 => "[012]{0,1}".prop_map(|text| ItemId::Text(text.into())),
    ]
}

/// Every id of the small world.
pub(super) fn all_ids() -> impl Iterator<Item = ItemId> {
    let wide = i128::from(i64::MAX);
    let integers = (-1..5).chain(wide - 1..wide + 3).chain(-wide - 3..-wide);
    let texts = ["", "0", "1", "2"].map(|text| ItemId::Text(text.into()));
    integers.map(ItemId::Integer).chain(texts)
}

fn any_body() -> impl Strategy<Value = Body> {
    (0_u8..3, 0_u8..2, any::<bool>()).prop_map(|(value, ignored, turned)| Body {
        value,
        ignored,
        turned,
    })
}
