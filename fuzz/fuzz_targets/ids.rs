//! JSON pointers, and the ids of items found along them.
#![no_main]

use ewmirror::fuzzing;
use ewmirror::fuzzing::{ItemId, JsonPointer, LONGEST_ID};
use ewmirror_fuzz::json::{self, Is, Json, Meaning};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [pointer, item] = parts(data);
    let Ok(text) = str::from_utf8(pointer) else { return };
    let Ok(pointer) = text.parse::<JsonPointer>() else {
        let tilde = text.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
        assert!(!text.starts_with('/') || tilde, "a pointer is refused: {text}");
        return;
    };
    assert_eq!(pointer.to_string(), text);
    let names = pointer.tokens();
    let escaped =
        names.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
    assert_eq!(escaped.collect::<String>(), text);

    let (Some(json), Some(told)) = (json::read(item), fuzzing::page_item(item, &pointer)) else {
        return;
    };
    let found = json.is_object().then(|| json.walk(names)).flatten();
    if found.is_some_and(|found| matches!(found.is, Is::Number) && found.meaning(&[]).is_none()) {
        // Too large an exponent to be written out here.
        return;
    }
    let expected = found.and_then(|found| match &found.is {
        Is::Text(_) => found
            .text()
            .filter(|text| text.len() <= LONGEST_ID)
            .map(|text| ItemId::Text(text.into())),
        Is::Number => integer(found).map(ItemId::Integer),
        _ => None,
    });
    match told {
        Ok(told) => {
            assert_eq!(Some(&told.id), expected.as_ref());
            assert_eq!(told.bytes, json.raw, "not the bytes as they came");
        }
        Err(fault) => {
            assert_eq!(expected, None, "{fault}");
            // The pointer is the operator's own, and shown as it is.
            let shown = fault.replace(text, "");
            assert!(shown.len() < 2_000 && !shown.chars().any(char::is_control), "{fault:?}");
        }
    }
});

/// The value of a number without a fraction, however it is written.
fn integer(number: &Json<'_>) -> Option<i128> {
    match number.meaning(&[])? {
        Meaning::Number { negative, whole, fraction } if fraction.is_empty() => {
            let sign = if negative { "-" } else { "" };
            let digits = if whole.is_empty() { "0" } else { &whole };
            format!("{sign}{digits}").parse().ok()
        }
        _ => None,
    }
}
