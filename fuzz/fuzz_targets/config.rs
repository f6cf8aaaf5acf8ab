//! A configuration: all that is wrong with it, or what it says.
#![no_main]

use ewmirror::config::{Config, Environment, Faults, Loaded, MirrorUrl, load_text};
use libfuzzer_sys::fuzz_target;

const PASSWORD: &str = "Wr0ng-H0rse";
const CLIENT_SECRET: &str = "Batt3ry-Stap1e";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    // Such keys make it look at files, and what these say is not in the text.
    if text.contains("file") || ["\\u", "\\U", "\\x"].iter().any(|escape| text.contains(escape)) {
        return;
    }
    match load(text) {
        Err(faults) => sound(text, &faults),
        Ok(Loaded { config, warnings }) => {
            let effective = config.effective();
            assert!(!effective.contains(PASSWORD) && !effective.contains(CLIENT_SECRET));
            let again = load(&effective).unwrap_or_else(|faults| {
                panic!("the effective form has faults:\n{faults}\n{effective}")
            });
            assert_eq!(without_secrets(&config), without_secrets(&again.config));
            assert_eq!(effective, again.config.effective());
            for warning in warnings {
                assert!(!warning.key.is_empty() && !warning.message.is_empty());
            }
        }
    }
});

fn load(text: &str) -> Result<Loaded, Faults> {
    let variables =
        [("EWMIRROR_LOGIN__PASSWORD", PASSWORD), ("EWMIRROR_LOGIN__CLIENT_SECRET", CLIENT_SECRET)];
    load_text(text, "fuzz.toml", &Environment::from_pairs(variables))
}

/// Each fault says what is wrong and what to do, at a place that there is, and is fit to be shown.
fn sound(text: &str, faults: &Faults) {
    assert_eq!(Err(faults), load(text).as_ref().map(|_| ()), "other faults the second time");
    assert!(faults.iter().count() > 0);
    for fault in faults {
        assert!(!fault.problem.is_empty() && !fault.remedy.is_empty(), "{fault:?}");
        let told = fault.to_string();
        assert!(!told.contains(PASSWORD) && !told.contains(CLIENT_SECRET));
        assert!(told.chars().all(|it| it == '\n' || !it.is_control()), "{told:?}");
        assert!(told.len() < 4_000, "{} bytes: {told}", told.len());
        if let ewmirror::config::Origin::File { place: Some(place), .. } = &fault.origin {
            assert!(place.line <= text.lines().count() + 1, "line {}", place.line);
        }
    }
}

/// The same with the secrets that the effective form masks left out.
fn without_secrets(config: &Config) -> Config {
    let mut config = config.clone();
    config.server.proxy = None;
    if let MirrorUrl::Postgres(_) = config.mirror {
        config.mirror = MirrorUrl::None;
    }
    config
}
