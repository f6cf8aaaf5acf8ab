//! From a file and the environment to a [`Config`], or to everything that is wrong with it.

use std::path::Path;

use super::credentials;
use super::document::{Document, Lines};
use super::environment::Environment;
use super::fault::{Fault, Faults, Origin, Place, Warning};
use super::guarded;
use super::layers::Layers;
use super::reader::Reader;
use super::sections;
use super::{AskConfig, Config, SecretPlace};

/// The largest file read, in bytes: a thousand repositories fit, and it ends the reading of a
/// device.
const LARGEST_FILE: usize = 1 << 20;

/// What some editors put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A configuration that holds, and what an operator should know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works but should be known, in a stable order.
    pub warnings: Vec<Warning>,
}

/// Loads a file: built-in defaults, then the file, then the environment.
///
/// A key is set by the variable `EWMIRROR_`, its section, two underscores and its name, all in
/// upper case: `EWMIRROR_PAGING__PAGE_SIZE`. Repositories stand in the file only.
pub fn load(file: &Path, environment: &Environment) -> Result<Loaded, Faults> {
    let (text, name) = text_of(file)?;
    load_text(&text, &name, &environment.clone().with_unit_of(file))
}

/// Loads what it takes to ask a mirror, so that whoever may read the mirror can, without the
/// password. Keys must exist, as everywhere; of their values only those that are needed are read.
pub fn load_to_ask(file: &Path, environment: &Environment) -> Result<AskConfig, Faults> {
    let (text, name) = text_of(file)?;
    let document = Document::parse(&text, &name)?;
    let mut reader = Reader::new(Layers::merge(document, environment));
    let config = sections::ask(&mut reader);
    // Warnings are the daemon's to tell.
    reader.finish(config).map(|(config, _)| config)
}

/// The same of a configuration that may have faults elsewhere; `None` where those parts have some.
pub fn load_what_holds(file: &Path, environment: &Environment) -> Option<AskConfig> {
    let (text, name) = text_of(file).ok()?;
    let document = Document::parse(&text, &name).ok()?;
    sections::ask(&mut Reader::new(Layers::merge(document, environment))).ok()
}

/// Where `login.password` would be taken from, faulty or not; `None` where nobody gives one or the
/// file is none at all.
pub fn password_place(file: &Path, environment: &Environment) -> Option<SecretPlace> {
    let (text, name) = text_of(file).ok()?;
    let document = Document::parse(&text, &name).ok()?;
    let mut reader = Reader::new(Layers::merge(document, environment));
    credentials::password_place(&mut reader, &environment.clone().with_unit_of(file))
}

/// Loads a text in place of a file; `name` is what faults call it.
pub fn load_text(toml: &str, name: &str, environment: &Environment) -> Result<Loaded, Faults> {
    let document = Document::parse(toml, name)?;
    let mut reader = Reader::new(Layers::merge(document, environment));
    let config = sections::config(&mut reader, environment);
    let (config, warnings) = reader.finish(config)?;
    Ok(Loaded { config, warnings })
}

/// The text of a file, and what faults call it.
fn text_of(file: &Path) -> Result<(String, String), Faults> {
    let name = file.display().to_string();
    let remedy = "name the configuration file with --config FILE or in EWMIRROR_CONFIG";
    let mut bytes = guarded::read(file, LARGEST_FILE, remedy)
        .map_err(|found| unreadable(&name, None, found.problem, &found.remedy))?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, name)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let sound = error.as_bytes().get(..valid).unwrap_or_default();
            let place = Lines::of(&String::from_utf8_lossy(sound)).place(valid);
            let problem = "is not UTF-8".to_owned();
            Err(unreadable(&name, Some(place), problem, "save the file as UTF-8"))
        }
    }
}

fn unreadable(name: &str, place: Option<Place>, problem: String, remedy: &str) -> Faults {
    Faults::one(Fault {
        key: String::new(),
        value: None,
        origin: Origin::File { name: name.to_owned(), place },
        problem,
        remedy: remedy.to_owned(),
    })
}
