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

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::codec::InvalidValue;
use super::document::{Document, Locations, element, joined};
use super::environment::{CONFIGURATION, Environment};
use super::error::{SettingSource, clipped};
use super::parser::Parser;
use super::schema::{Schema, SectionSchema, VARIABLE_PREFIX};

/// Lays the file and the environment over the defaults.
pub fn merge(schema: Schema, document: Document, environment: &Environment) -> Parser {
    let mut merge = Merge { schema, locations: document.locations, parser: Parser::default() };
    let file = merge.check_file(document.table);
    let variables = merge.check_variables(environment);
    let merged = config::Config::builder()
        .add_source(File::from_str(&schema.defaults(), FileFormat::Toml))
        .add_source(Layer(file))
        .add_source(Layer(variables))
        .build()
        .and_then(|merged| merged.collect())
        .expect("the layers are values already, and their root is a table");
    for (section, value) in merged {
        if let ValueKind::Table(table) = value.kind {
            let members = table.into_iter();
            let settings = members.map(|(name, value)| (joined(&section, &name), value.kind));
            merge.parser.settings.extend(settings);
        }
    }
    merge.parser
}

/// Finds out what may go into the merge.
struct Merge {
    schema: Schema,
    locations: Locations,
    parser: Parser,
}

impl Merge {
    /// What of the file may be merged, under its paths.
    fn check_file(&mut self, table: Map<String, Value>) -> Map<String, Value> {
        let mut known = Map::new();
        for (name, value) in table {
            let path = joined("", &name);
            match self.schema.section(&name) {
                None => self.report(&path, "is not known", self.schema.hint_for_section(&name)),
                Some(section) if section.is_list => self.check_list(section, value.kind),
                Some(section) => known.extend(self.check_section(section, &path, value.kind)),
            }
        }
        known
    }

    /// No other layer sets what stands in a list, so its settings are what they will be.
    fn check_list(&mut self, section: &'static SectionSchema, kind: ValueKind) {
        let hint = || format!("write {} on a line and its keys below", section.header());
        let ValueKind::Array(list) = kind else {
            let error = format!("is a list of sections, one for each {}", section.name);
            return self.report(section.name, error, hint());
        };
        if list.is_empty() {
            self.report(section.name, "is empty", hint());
        }
        for (index, value) in list.into_iter().enumerate() {
            let path = element(section.name, index);
            self.parser.sources.insert(path.clone(), self.locations.source(&path));
            let known = self.check_section(section, &path, value.kind).into_iter();
            self.parser.settings.extend(known.map(|(path, value)| (path, value.kind)));
            // Also where it was faulty: the others keep their numbers.
            self.parser.elements.entry(section.name).or_default().push(path);
        }
    }

    /// The members of one section that may be set there, under their paths.
    fn check_section(
        &mut self,
        section: &SectionSchema,
        path: &str,
        kind: ValueKind,
    ) -> Vec<(String, Value)> {
        let ValueKind::Table(table) = kind else {
            let hint = format!("write {} on a line and its keys below", section.header());
            self.report(path, "is a section, not a value", hint);
            return Vec::new();
        };
        let mut known = Vec::new();
        for (name, value) in table {
            let path = joined(path, &name);
            match section.all_keys().find(|key| key.name() == name) {
                Some(key) if key.is_secret() => {
                    let (credential, variable) = (key.credential(), key.variable());
                    let hint = format!(
                        "take it out, and give it as the systemd credential \"{credential}\", in a \
                         file named by {path}_file, or in {variable}"
                    );
                    self.report(&path, "is a secret and must not stand in this file", hint);
                }
                Some(_) => {
                    self.parser.sources.insert(path.clone(), self.locations.source(&path));
                    known.push((path, value));
                }
                // Its value is not shown: it may be a misspelt password.
                None => {
                    let hint = self.schema.hint_for_key(section, &name);
                    self.report(&path, "is not known", hint);
                }
            }
        }
        known
    }

    /// The variables that may be merged, under the paths of their keys.
    fn check_variables(&mut self, environment: &Environment) -> Map<String, Value> {
        let mut known = Map::new();
        for (name, value) in environment.iter() {
            let name = name.to_string_lossy();
            let Some(bare) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            if name == CONFIGURATION || is_service_link(bare) {
                continue;
            }
            let source = SettingSource::Variable(clipped(&name));
            let key = self.schema.keys().find(|key| key.variable() == name);
            match (key, value.to_str()) {
                (Some(key), Some(text)) => {
                    self.parser.sources.insert(key.path.to_owned(), source);
                    known.insert(key.path.to_owned(), Value::from(text));
                }
                (Some(key), None) => {
                    let found = InvalidValue::new("is not UTF-8", "write it in UTF-8");
                    self.parser.report_at(key.path, source, None, found);
                }
                (None, _) => {
                    let path = bare.to_lowercase().replace("__", ".");
                    let found = self.schema.unknown_variable(bare);
                    self.parser.report_stray(&path, source, None, found);
                }
            }
        }
        known
    }

    fn report(&mut self, path: &str, error: impl Into<String>, hint: String) {
        let source = self.locations.source(path);
        self.parser.report_at(path, source, None, InvalidValue::new(error, hint));
    }
}

/// Whether Kubernetes made this variable: for a service called `ewmirror` it puts
/// `EWMIRROR_SERVICE_HOST`, `EWMIRROR_PORT_9464_TCP` and the like into every container beside it,
/// which must not keep the daemon from starting.
fn is_service_link(bare: &str) -> bool {
    matches!(bare, "PORT" | "SERVICE_HOST" | "SERVICE_PORT")
        || bare.starts_with("SERVICE_PORT_")
        || bare.starts_with("PORT_")
}

/// Checked values under their paths, as a layer of the `config` crate.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}
