//! What is shown of a body that holds a secret.
#![no_main]

use ewmirror::fuzzing;
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

/// In none of the words that our own output is made of.
const SECRET: &str = "Zq7X;w9Kj";
const HALVES: [&str; 2] = ["Zq7X", "w9Kj"];

fuzz_target!(|data: &[u8]| {
    // The letter S in the input stands for the secret, so that it is found easily.
    let [more, body] = parts(data);
    let mut body = String::from_utf8_lossy(body).into_owned();
    while HALVES.iter().any(|half| body.contains(half)) {
        body = HALVES.iter().fold(body, |body, half| body.replace(half, ""));
    }
    let body = body.replace('S', SECRET);
    let more = String::from_utf8_lossy(more);
    for secrets in [&[SECRET][..], &[SECRET, &more], &[&more, SECRET]] {
        if let Some(shown) = fuzzing::redacted(secrets, body.as_bytes()) {
            assert!(!shown.contains(SECRET), "{shown}");
            // Another secret may begin before this one and end in it.
            let alone = secrets.len() == 1;
            assert!(!alone || HALVES.iter().all(|half| !shown.contains(half)), "{shown}");
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            // Two hundred characters, escaped, then a mask and that it was cut.
            assert!(shown.chars().count() <= 200 * 10 + 6, "{} characters", shown.len());
        }
    }
    // A reader who does not know it still sees nothing of what is called a secret.
    if !body.contains(['"', '\\']) {
        let json = format!("{{\"token\":\"{}\"}}", SECRET);
        let shown = fuzzing::redacted(&[], json.as_bytes()).expect("there is something in it");
        assert!(!shown.contains(SECRET), "{shown}");
    }
});
