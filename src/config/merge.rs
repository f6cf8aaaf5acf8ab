//! Defaults, file and environment laid over each other by the `config` crate.
//!
//! Guarantees: only keys that exist reach the merge, and every other key is an error; so is a
//! section that is no table. That check comes first because `config` would hide such errors (a
//! table laid over a number replaces it) and because it reads a key as a path expression, where
//! `"x[99999999999]"` asks for that much memory. After the merge each setting lies flat under its
//! path, with its source.
//!
//! Names of variables are checked here too: `config` would take any, in any case, and would quote
//! one that is not UTF-8.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::document::{Document, Locations, element, joined};
use super::environment::{CONFIGURATION, Environment};
use super::error::{ConfigError, SettingSource, clipped};
use super::schema::{Schema, SectionSchema, VARIABLE_PREFIX};

/// Settings under their paths: `paging.page_size`, `repository[1].id`.
pub(super) type Settings = BTreeMap<String, ValueKind>;

/// What the layers come to.
pub(super) struct Merged {
    /// The settings in effect.
    pub(super) settings: Settings,
    /// Where each setting comes from that is not a default, and each element of a list.
    pub(super) sources: BTreeMap<String, SettingSource>,
    /// The paths of the elements of each list of sections: `repository[1]`.
    pub(super) elements: BTreeMap<&'static str, Vec<String>>,
    /// Settings and sections that an error has already been told of, so that they are not also
    /// reported missing.
    pub(super) reported: BTreeSet<String>,
    /// Errors found so far.
    pub(super) errors: Vec<ConfigError>,
}

impl Merged {
    /// Lays the file and the environment over the defaults.
    pub(super) fn new(schema: Schema, document: Document, environment: &Environment) -> Self {
        let mut checker = Checker {
            schema,
            locations: document.locations,
            file: Map::new(),
            merged: Self {
                settings: BTreeMap::new(),
                sources: BTreeMap::new(),
                elements: BTreeMap::new(),
                reported: BTreeSet::new(),
                errors: Vec::new(),
            },
        };
        checker.check_file(document.table);
        let variables = checker.checked_variables(environment);
        let Checker { file, mut merged, .. } = checker;
        merged.settings.extend(settings(schema, file, variables));
        merged
    }
}

/// Finds out what may go into the merge.
struct Checker {
    schema: Schema,
    locations: Locations,
    /// What of the file may be merged, under its paths.
    file: Map<String, Value>,
    merged: Merged,
}

impl Checker {
    fn check_file(&mut self, table: Map<String, Value>) {
        for (name, value) in table {
            let path = joined("", &name);
            let Some(section) = self.schema.section(&name) else {
                self.report(&path, "is not known", self.schema.hint_for_section(&name));
                continue;
            };
            if section.is_list {
                self.check_list(section, value.kind);
            } else {
                self.check_section(section, &path, value.kind);
            }
        }
    }

    fn check_list(&mut self, section: &'static SectionSchema, kind: ValueKind) {
        let hint = write_section(section);
        match kind {
            ValueKind::Array(list) if list.is_empty() => {
                self.report(section.name, "is empty", hint);
            }
            ValueKind::Array(list) => {
                for (index, value) in list.into_iter().enumerate() {
                    let path = element(section.name, index);
                    self.merged.sources.insert(path.clone(), self.locations.source(&path));
                    self.check_section(section, &path, value.kind);
                    // Also where it was faulty: the others keep their numbers.
                    self.merged.elements.entry(section.name).or_default().push(path);
                }
            }
            _ => {
                let error = format!("is a list of sections, one for each {}", section.name);
                self.report(section.name, &error, hint);
            }
        }
    }

    /// Sorts the members of one section into those that may be set there and errors.
    fn check_section(&mut self, section: &SectionSchema, path: &str, kind: ValueKind) {
        let ValueKind::Table(table) = kind else {
            return self.report(path, "is a section, not a value", write_section(section));
        };
        for (name, value) in table {
            let path = joined(path, &name);
            match section.all_keys().find(|key| key.name() == name) {
                // Its value is not shown: it may be a misspelt password.
                None => {
                    let hint = self.schema.hint_for_key(section, &name);
                    self.report(&path, "is not known", hint);
                }
                Some(key) if key.is_secret() => {
                    let hint = format!(
                        "take it out, and give it as the systemd credential \"{}\", in a file \
                         named by {path}_file, or in {}",
                        key.credential(),
                        key.variable()
                    );
                    self.report(&path, "is a secret and must not stand in this file", hint);
                }
                Some(_) => {
                    self.merged.sources.insert(path.clone(), self.locations.source(&path));
                    // No other layer sets what stands in a list.
                    if section.is_list {
                        self.merged.settings.insert(path, value.kind);
                    } else {
                        self.file.insert(path, value);
                    }
                }
            }
        }
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
            let source = SettingSource::Variable(clipped(&name));
            let key = self.schema.keys().find(|key| key.variable() == name);
            let (path, error, hint) = match (key, value.to_str()) {
                (Some(key), Some(text)) => {
                    self.merged.sources.insert(key.path.to_owned(), source);
                    known.insert(name.into_owned(), text.to_owned());
                    continue;
                }
                (Some(key), None) => {
                    self.merged.reported.insert(key.path.to_owned());
                    (key.path.to_owned(), "is not UTF-8".to_owned(), "write it in UTF-8".to_owned())
                }
                (None, _) => {
                    let (error, hint) = self.unknown_variable(bare);
                    (bare.to_lowercase().replace("__", "."), error, hint)
                }
            };
            self.report_at(&path, source, &error, hint);
        }
        known
    }

    fn unknown_variable(&self, bare: &str) -> (String, String) {
        let list = self.schema.0.iter().filter(|section| section.is_list).find(|section| {
            let rest = bare.strip_prefix(&section.name.to_uppercase());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        });
        match list {
            Some(list) => (
                format!("{} cannot be set by a variable", list.header()),
                format!("unset it, and write a {} in the file", list.header()),
            ),
            None => ("sets no known key".to_owned(), self.schema.hint_for_variable(bare)),
        }
    }

    fn report(&mut self, path: &str, error: &str, hint: String) {
        self.merged.reported.insert(path.to_owned());
        self.report_at(path, self.locations.source(path), error, hint);
    }

    fn report_at(&mut self, path: &str, source: SettingSource, error: &str, hint: String) {
        let (key, error) = (clipped(path), error.to_owned());
        self.merged.errors.push(ConfigError { key, value: None, source, error, hint });
    }
}

fn write_section(section: &SectionSchema) -> String {
    format!("write {} on a line and its keys below", section.header())
}

/// Whether Kubernetes made this variable: for a service called `ewmirror` it puts
/// `EWMIRROR_SERVICE_HOST`, `EWMIRROR_PORT_9464_TCP` and the like into every container beside it,
/// which must not keep the daemon from starting.
fn is_service_link(bare: &str) -> bool {
    matches!(bare, "PORT" | "SERVICE_HOST" | "SERVICE_PORT")
        || bare.starts_with("SERVICE_PORT_")
        || bare.starts_with("PORT_")
}

/// Checked values of the file under their paths, as a layer of the `config` crate.
#[derive(Clone, Debug)]
struct FileLayer(Map<String, Value>);

impl Source for FileLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The layers laid over each other.
fn settings(
    schema: Schema,
    file: Map<String, Value>,
    variables: HashMap<String, String>,
) -> Settings {
    let variables = config::Environment::with_prefix("EWMIRROR")
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables.into_iter().collect()));
    let merged = config::Config::builder()
        .add_source(File::from_str(&schema.defaults(), FileFormat::Toml))
        .add_source(FileLayer(file))
        .add_source(variables)
        .build()
        .and_then(|merged| merged.collect())
        .expect("the layers are values already, and their root is a table");
    let mut settings = Settings::new();
    for (section, value) in merged {
        if let ValueKind::Table(table) = value.kind {
            let members = table.into_iter();
            settings.extend(members.map(|(name, value)| (joined(&section, &name), value.kind)));
        }
    }
    settings
}
