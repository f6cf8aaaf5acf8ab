//! Two answers to the same search: the second, read with the fingerprints of the first, is taken for
//! what it is taken for when it is read from scratch, with the same fingerprints.
#![no_main]

use ewmirror::fuzzing::{self, FuzzedReply, JsonPointer};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [before, after] = parts(data);
    let item_id: JsonPointer = "/itemId".parse().unwrap();
    let came = |body| FuzzedReply {
        status: 200,
        content_type: "application/json",
        foreign_redirect: false,
        cookies: &[],
        body,
    };
    // An answer that came before is mostly the one that comes again.
    let after = if after.is_empty() { before } else { after };
    let along = fuzzing::search_along(came(before), came(after), 100, &item_id);
    if let Some(along) = along {
        assert_eq!(along, fuzzing::search(came(after), 100, &item_id));
    }
});
