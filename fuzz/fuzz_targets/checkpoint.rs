//! A pass that is stored, damaged, and taken up again.
#![no_main]

use std::time::Duration;

use ewmirror::fuzzing::{
    IdSet, Interrupted, ItemDigest, ItemId, JsonPointer, ListId, Pass, PassSettings,
    PassStatistics, checkpoint,
};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

/// More answers than any pass over so small a list needs.
const ANSWERS: usize = 2_000;
/// The longest list.
const LONGEST: u64 = 100;

fuzz_target!(|data: &[u8]| {
    let [script, damage, seen] = parts(data);
    let item_id: JsonPointer = "/itemId".parse().unwrap();
    let list = ListId::new(7, &serde_json_map(), &item_id);
    let settings = PassSettings {
        page_size: 1 + u32::from(script.first().copied().unwrap_or(9) % 50),
        overlap: script.get(1).is_none_or(|byte| byte % 4 != 0),
    };
    let mut pass = Pass::new(settings);
    let mut ids = IdSet::new();
    for step in script.get(2..).unwrap_or_default() {
        answer(&mut pass, *step, &mut ids);
    }
    let state = checkpoint::state(&pass, list);
    let stored = |state: &[u8], seen: Vec<Vec<u8>>| Interrupted {
        saved_ms: 0,
        statistics: PassStatistics::default(),
        state: state.to_vec(),
        seen,
    };
    let taken_up = |interrupted: &Interrupted| {
        let (age, within) = (Duration::ZERO, Duration::from_secs(1));
        checkpoint::resume(interrupted, list, age, within, settings)
    };

    // As it was.
    let parts = vec![checkpoint::seen(&ids)].into_iter().filter(|part| !part.is_empty()).collect();
    let whole = stored(&state, parts);
    let mut same = taken_up(&whole).expect("what was stored is taken up");
    assert_eq!(checkpoint::state(&same, list), state, "taken up as another");
    assert_eq!(same.counts(), pass.counts());
    finish(&mut same);

    // Damaged: bytes of the state are replaced, two bytes of the input each time.
    let mut broken = state.clone();
    for change in damage.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
        if at < broken.len() {
            broken[at] = change[2];
        } else {
            broken.truncate(at % (broken.len() + 1));
        }
    }
    let parts = if seen.is_empty() { whole.seen.clone() } else { vec![seen.to_vec()] };
    if let Ok(mut pass) = taken_up(&stored(&broken, parts)) {
        assert!(broken == state, "a damaged state is taken up");
        finish(&mut pass);
    }
});

fn serde_json_map() -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::new()
}

/// Answers the next window as a list does that has as many items as the step says, moved along
/// by what it says.
fn answer(pass: &mut Pass, step: u8, ids: &mut IdSet) {
    let Some(request) = pass.plan() else { return };
    let total = if step & 0x40 == 0 { LONGEST } else { u64::from(step & 0x3f) };
    let rows: Vec<ItemDigest> = (request.window.start()..request.window.end().min(total))
        .take(60)
        .map(|position| position + u64::from(step & 3))
        .map(|id| ItemDigest { id: ItemId::Integer(id.into()), digest: id })
        .collect();
    for row in &rows {
        ids.insert(&row.id);
    }
    pass.take(request.ticket, rows, total);
}

/// A pass ends whatever it was before.
fn finish(pass: &mut Pass) {
    let mut ids = IdSet::new();
    for _ in 0..ANSWERS {
        if pass.verdict().is_some() {
            return;
        }
        answer(pass, 0, &mut ids);
    }
    panic!("the pass does not end");
}
