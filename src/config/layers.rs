//! Defaults, file and environment laid over each other by the `config` crate.
//!
//! Guarantees: only keys that exist reach the merge, and every other key is a fault; so is a
//! section that is no table. That check comes first because `config` would hide such faults (a
//! table laid over a number replaces it) and because it reads a top-level key as a path
//! expression, where `"x[99999999999]"` asks for that much memory. After the merge each setting
//! lies flat under its path, with its origin.
//!
//! Names of variables are checked here too: `config` would take any, in any case, and would quote
//! one that is not UTF-8.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;

use config::{Config as Builder, ConfigError, Map, Source, Value, ValueKind};

use super::document::{Document, Places, element, joined};
use super::environment::{CONFIGURATION, Environment};
use super::fault::{Fault, Origin, clipped};
use super::keys::{self, Exposure, KEYS, Preset, REPOSITORY, VARIABLE_PREFIX};

/// The merged settings.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Each setting under its path: `paging.page_size`, `repository[1].id`.
    pub(super) settings: BTreeMap<String, Value>,
    /// Where each setting comes from that is not a default.
    pub(super) origins: BTreeMap<String, Origin>,
    /// Keys, sections and repositories that a fault has already been told about, so that they are
    /// not also reported missing.
    pub(super) settled: BTreeSet<String>,
    /// The paths of the repositories: `repository[1]`.
    pub(super) repositories: Vec<String>,
    /// Faults found so far.
    pub(super) faults: Vec<Fault>,
}

impl Layers {
    /// Lays the file and the environment over the defaults.
    pub(super) fn merge(document: Document, environment: &Environment) -> Self {
        let mut layers = Self::default();
        let (table, places) = document.into_parts();
        let file = layers.checked_file(table, &places);
        let variables = layers.checked_variables(environment);
        let merged = merged(file, variables);
        layers.flatten(merged);
        layers
    }

    /// What of the file may go into the merge.
    fn checked_file(&mut self, table: Map<String, Value>, places: &Places) -> Map<String, Value> {
        let mut known = Map::new();
        for (name, value) in table {
            let path = joined("", &name);
            if name == REPOSITORY {
                let repositories = self.checked_repositories(value, places);
                known.insert(name, Value::new(None, ValueKind::Array(repositories)));
            } else if !keys::is_section(&name) {
                let remedy = keys::advice_for_section(&name);
                self.fault(&path, places.origin(&path), "is not known", remedy);
            } else if let ValueKind::Table(section) = value.kind {
                let section = self.checked_section(&name, &name, section, places);
                known.insert(name, Value::new(None, ValueKind::Table(section)));
            } else {
                let remedy = format!("write [{name}] on a line and its keys below");
                self.fault(&path, places.origin(&path), "is a section, not a value", remedy);
            }
        }
        known
    }

    fn checked_repositories(&mut self, value: Value, places: &Places) -> Vec<Value> {
        let remedy = || format!("write [[{REPOSITORY}]] on a line and its keys below");
        let ValueKind::Array(list) = value.kind else {
            let problem = "is a list of sections, one for each repository";
            self.fault(REPOSITORY, places.origin(REPOSITORY), problem, remedy());
            return Vec::new();
        };
        if list.is_empty() {
            self.fault(REPOSITORY, places.origin(REPOSITORY), "is empty", remedy());
        }
        let mut known = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let path = element(REPOSITORY, index);
            self.origins.insert(path.clone(), places.origin(&path));
            if let ValueKind::Table(table) = value.kind {
                let table = self.checked_section(REPOSITORY, &path, table, places);
                known.push(Value::new(None, ValueKind::Table(table)));
            } else {
                self.fault(&path, places.origin(&path), "is a section, not a value", remedy());
                known.push(Value::new(None, ValueKind::Table(Map::new())));
            }
            // Also where it was faulty: the others keep their numbers.
            self.repositories.push(path);
        }
        known
    }

    /// What of one section may go into the merge; the origin of each setting is noted.
    fn checked_section(
        &mut self,
        section: &str,
        path: &str,
        table: Map<String, Value>,
        places: &Places,
    ) -> Map<String, Value> {
        let names = keys::names_in(section);
        let mut known = Map::new();
        for (name, value) in table {
            let path = joined(path, &name);
            let origin = places.origin(&path);
            if !names.contains(&name.as_str()) {
                // Its value is not shown: it may be a misspelt password.
                self.fault(&path, origin, "is not known", keys::advice_in(section, &name));
            } else if keys::exposure(&path) == Exposure::Hidden {
                // That of the proxy is spelt as others of the unit's credentials are.
                let credential =
                    if name == "proxy_password" { "proxy-password" } else { name.as_str() };
                let remedy = format!(
                    "take it out, and give it as the systemd credential \"{credential}\", in a file \
                     named by {path}_file, or in {}",
                    keys::variable(&path)
                );
                self.fault(&path, origin, "is a secret and must not stand in this file", remedy);
            } else {
                self.origins.insert(path, origin);
                known.insert(name, value);
            }
        }
        known
    }

    /// The variables that may go into the merge, by name.
    fn checked_variables(&mut self, environment: &Environment) -> HashMap<String, String> {
        let mut known = HashMap::new();
        for (name, value) in environment.iter() {
            let name = name.to_string_lossy();
            let Some(bare) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            if name == CONFIGURATION || is_service_link(bare) {
                continue;
            }
            let origin = Origin::Variable(clipped(&name));
            let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
                let (problem, remedy) = unknown_variable(bare);
                let key = clipped(&bare.to_lowercase().replace("__", "."));
                let problem = problem.to_owned();
                self.faults.push(Fault { key, value: None, origin, problem, remedy });
                continue;
            };
            match OsStr::to_str(value) {
                Some(text) => {
                    self.origins.insert(key.path.to_owned(), origin);
                    known.insert(name.into_owned(), text.to_owned());
                }
                None => self.fault(key.path, origin, "is not UTF-8", "write it in UTF-8".into()),
            }
        }
        known
    }

    /// Each setting under its path.
    fn flatten(&mut self, merged: Map<String, Value>) {
        for (section, value) in merged {
            match value.kind {
                ValueKind::Table(table) => self.flatten_section(&section, table),
                ValueKind::Array(list) => {
                    for (index, value) in list.into_iter().enumerate() {
                        if let ValueKind::Table(table) = value.kind {
                            self.flatten_section(&element(&section, index), table);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn flatten_section(&mut self, path: &str, table: Map<String, Value>) {
        for (name, value) in table {
            self.settings.insert(joined(path, &name), value);
        }
    }

    fn fault(&mut self, path: &str, origin: Origin, problem: &str, remedy: String) {
        self.settled.insert(path.to_owned());
        self.faults.push(Fault {
            key: clipped(path),
            value: None,
            origin,
            problem: problem.to_owned(),
            remedy,
        });
    }
}

/// Checked values of the file, as a layer of the `config` crate.
#[derive(Clone, Debug)]
struct FileLayer(Map<String, Value>);

impl Source for FileLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn merged(file: Map<String, Value>, variables: HashMap<String, String>) -> Map<String, Value> {
    let variables = config::Environment::with_prefix("EWMIRROR")
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables.into_iter().collect()));
    let mut builder = Builder::builder();
    for key in KEYS {
        if let Some(preset) = key.default {
            builder = builder.set_default(key.path, value_of(preset)).expect("a key is a path");
        }
    }
    builder
        .add_source(FileLayer(file))
        .add_source(variables)
        .build()
        .and_then(|merged| merged.collect())
        .expect("the layers are values already, and their root is a table")
}

fn value_of(preset: Preset) -> ValueKind {
    match preset {
        Preset::Text(text) => ValueKind::String(text.to_owned()),
        Preset::Integer(number) => ValueKind::I64(number),
        Preset::Float(number) => ValueKind::Float(number),
        Preset::Boolean(truth) => ValueKind::Boolean(truth),
        Preset::EmptyList => ValueKind::Array(Vec::new()),
    }
}

/// Whether Kubernetes made this variable: for a service called `ewmirror` it puts
/// `EWMIRROR_SERVICE_HOST`, `EWMIRROR_PORT_9464_TCP` and the like into every container beside it,
/// which must not keep the daemon from starting.
fn is_service_link(bare: &str) -> bool {
    bare == "PORT"
        || bare == "SERVICE_HOST"
        || bare == "SERVICE_PORT"
        || bare.starts_with("SERVICE_PORT_")
        || bare.starts_with("PORT_")
}

fn unknown_variable(bare: &str) -> (&'static str, String) {
    if bare.strip_prefix("REPOSITORY").is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    {
        let problem = "repositories cannot be set by a variable";
        return (problem, format!("unset it, and write a [[{REPOSITORY}]] in the file"));
    }
    ("sets no known key", keys::advice_for_variable(bare))
}
