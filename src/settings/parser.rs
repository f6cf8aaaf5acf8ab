//! Parses merged settings one by one and collects what is wrong with them.
//!
//! A faulty setting is told about once and yields [`Reported`]; the parsing goes on, so that one run
//! finds every error.

use std::collections::{BTreeMap, BTreeSet};

use config::ValueKind;

use super::codec::{Codec, Input, InvalidValue};
use super::error::{ConfigError, ConfigErrors, SettingSource, Warning, clipped};
use super::schema::{ConfigKey, Requirement};

/// A setting is missing or wrong, and has been told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// The outcome of parsing a setting or a section.
pub type ParseResult<T> = Result<T, Reported>;

/// Merged settings being parsed, each under its path: `paging.page_size`, `repository[1].id`.
#[derive(Default)]
pub struct Parser {
    pub settings: BTreeMap<String, ValueKind>,
    /// Where each setting comes from that is not a default, and each element of a list.
    pub sources: BTreeMap<String, SettingSource>,
    /// The paths of the elements of each list of sections: `repository[1]`.
    pub elements: BTreeMap<&'static str, Vec<String>>,
    /// Settings and sections that an error has already been told of.
    reported: BTreeSet<String>,
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
}

impl Parser {
    /// The paths of the elements of a list of sections.
    pub fn elements(&self, list: &str) -> Vec<String> {
        self.elements.get(list).cloned().unwrap_or_default()
    }

    /// A key of the section at this path that may be left out.
    pub fn optional<T>(
        &mut self,
        section: &str,
        key: &ConfigKey,
        codec: &Codec<T>,
    ) -> ParseResult<Option<T>> {
        let path = self.resolve(section, key);
        if self.reported.contains(&path) {
            return Err(Reported);
        }
        match self.parse(&path, codec) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(found)) => {
                let value = self.get(&path).and_then(|kind| codec.sensitivity.shown(kind));
                Err(self.report(&path, value, found))
            }
        }
    }

    /// A key that is set, as somebody must or by its default.
    pub fn required<T>(
        &mut self,
        section: &str,
        key: &ConfigKey,
        codec: &Codec<T>,
    ) -> ParseResult<T> {
        match (self.optional(section, key, codec)?, key.requirement) {
            (Some(value), _) => Ok(value),
            (None, Requirement::Required { hint, .. }) => {
                Err(self.report_missing(&format!("{section}.{}", key.name()), hint))
            }
            (None, _) => Err(self.report_missing(key.path, "write it")),
        }
    }

    /// The value of a key, where it is there and right; nothing is told.
    pub fn peek<T>(&self, section: &str, key: &ConfigKey, codec: &Codec<T>) -> Option<T> {
        self.parse(&self.resolve(section, key), codec)?.ok()
    }

    /// The path of the setting that holds for a section. What an element of a list leaves out stands
    /// in the section that its key comes from.
    fn resolve(&self, section: &str, key: &ConfigKey) -> String {
        let own = format!("{section}.{}", key.name());
        let is_known = self.get(&own).is_some() || self.reported.contains(&own);
        if is_known { own } else { key.path.to_owned() }
    }

    fn parse<T>(&self, path: &str, codec: &Codec<T>) -> Option<Result<T, InvalidValue>> {
        let is_variable = matches!(self.source(path), SettingSource::Variable(_));
        Some((codec.parse)(Input { kind: self.get(path)?, is_variable }))
    }

    /// The value at this path before it is parsed.
    pub fn get(&self, path: &str) -> Option<&ValueKind> {
        self.settings.get(path)
    }

    /// Puts another value in its place.
    pub fn set(&mut self, path: &str, value: impl Into<ValueKind>) {
        self.settings.insert(path.to_owned(), value.into());
    }

    /// Takes the value at this path out.
    pub fn remove(&mut self, path: &str) {
        self.settings.remove(path);
    }

    /// Where it comes from.
    pub fn source(&self, path: &str) -> SettingSource {
        self.sources.get(path).cloned().unwrap_or(SettingSource::Default)
    }

    /// Whether somebody set it.
    pub fn is_set(&self, path: &str) -> bool {
        self.sources.contains_key(path)
    }

    /// Notes that an error has been told of this setting under another name.
    pub fn mark_reported(&mut self, path: &str) {
        self.reported.insert(path.to_owned());
    }

    /// Reports that nobody set what somebody must, unless an error has already explained that.
    pub fn report_missing(&mut self, path: &str, hint: &str) -> Reported {
        let section = path.rsplit_once('.').map_or(path, |(section, _)| section);
        if self.reported.contains(path) || self.reported.contains(section) {
            return Reported;
        }
        // In an element of a list the place of its header is known.
        let source = self.source(section);
        self.report_at(path, source, None, InvalidValue::new("is not set", hint))
    }

    /// Reports a setting, of which this much may be shown.
    pub fn report(&mut self, path: &str, value: Option<String>, found: InvalidValue) -> Reported {
        let source = self.source(path);
        self.report_at(path, source, value, found)
    }

    /// Reports a setting whose value comes from elsewhere than the merged layers.
    pub fn report_at(
        &mut self,
        path: &str,
        source: SettingSource,
        value: Option<String>,
        found: InvalidValue,
    ) -> Reported {
        self.mark_reported(path);
        self.report_stray(path, source, value, found)
    }

    /// Reports what is no setting, whatever its name.
    pub fn report_stray(
        &mut self,
        path: &str,
        source: SettingSource,
        value: Option<String>,
        found: InvalidValue,
    ) -> Reported {
        let InvalidValue { error, hint } = found;
        self.errors.push(ConfigError { key: clipped(path), value, source, error, hint });
        Reported
    }

    /// How many errors there are so far.
    pub fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// Notes what works but should be known.
    pub fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(Warning { key: path.to_owned(), message: message.into() });
    }

    /// The warnings; all errors where there is one or where the parsing came to nothing.
    pub fn finish<T>(self, parsed: ParseResult<T>) -> Result<(T, Vec<Warning>), ConfigErrors> {
        match (ConfigErrors::new(self.errors), parsed) {
            (None, Ok(value)) => Ok((value, self.warnings)),
            (Some(errors), _) => Err(errors),
            (None, Err(Reported)) => Err(ConfigErrors::from(ConfigError {
                key: String::new(),
                value: None,
                source: SettingSource::Default,
                error: "the configuration is faulty, and its error was not told".to_owned(),
                hint: "report this: it is a mistake in ewmirror".to_owned(),
            })),
        }
    }
}
