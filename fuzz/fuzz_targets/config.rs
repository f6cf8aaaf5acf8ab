//! A configuration: all that is wrong with it, or what it says.
#![no_main]

use ewmirror::fuzzing::{Config, ConfigErrors, Environment, Loaded, load_text};
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
        Err(errors) => sound(text, &errors),
        Ok(Loaded { config, warnings }) => {
            let effective = config.effective();
            assert!(!effective.contains(PASSWORD) && !effective.contains(CLIENT_SECRET));
            let again = load(&effective).unwrap_or_else(|errors| {
                panic!("the effective form has errors:\n{errors}\n{effective}")
            });
            assert_eq!(without_secrets(&config), without_secrets(&again.config));
            assert_eq!(effective, again.config.effective());
            for warning in warnings {
                assert!(!warning.key.is_empty() && !warning.message.is_empty());
            }
        }
    }
});

fn load(text: &str) -> Result<Loaded, ConfigErrors> {
    let variables =
        [("EWMIRROR_LOGIN__PASSWORD", PASSWORD), ("EWMIRROR_LOGIN__CLIENT_SECRET", CLIENT_SECRET)];
    load_text(text, "fuzz.toml", &Environment::from_pairs(variables))
}

/// Each error says what is wrong and what to do, at a place that there is, and is fit to be shown.
fn sound(text: &str, errors: &ConfigErrors) {
    assert_eq!(Err(errors), load(text).as_ref().map(|_| ()), "other faults the second time");
    assert!(errors.iter().count() > 0);
    for error in errors {
        assert!(!error.error.is_empty() && !error.hint.is_empty(), "{error:?}");
        let told = error.to_string();
        assert!(!told.contains(PASSWORD) && !told.contains(CLIENT_SECRET));
        assert!(told.chars().all(|it| it == '\n' || !it.is_control()), "{told:?}");
        assert!(told.len() < 4_000, "{} bytes: {told}", told.len());
        if let ewmirror::fuzzing::SettingSource::File { location: Some(at), .. } = &error.source {
            assert!(at.line <= text.lines().count() + 1, "line {}", at.line);
        }
    }
}

/// The same with the secrets that the effective form masks left out.
fn without_secrets(config: &Config) -> Config {
    let mut config = config.clone();
    config.server.proxy = None;
    config.mirror.password = None;
    config
}
