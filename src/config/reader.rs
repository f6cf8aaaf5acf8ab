//! Reads merged settings one by one and collects what is wrong with them.
//!
//! A faulty setting is told about once and yields [`Reported`]; the reading goes on, so that one
//! run finds every fault. What of a value may be shown is decided here, in one place.

use config::ValueKind;

use super::address;
use super::fault::{Fault, Faults, Origin, Warning, clipped, quoted};
use super::keys::{self, Exposure};
use super::layers::Layers;
use super::units::{Parsed, Raw, Rejection, name_of};

/// A setting that is missing or wrong, and has been told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reported;

/// The outcome of reading a setting.
pub(super) type Read<T> = Result<T, Reported>;

/// Merged settings being read.
#[derive(Debug)]
pub(super) struct Reader {
    layers: Layers,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

impl Reader {
    /// Starts with the faults found while merging.
    pub(super) fn new(mut layers: Layers) -> Self {
        let faults = std::mem::take(&mut layers.faults);
        Self { layers, faults, warnings: Vec::new() }
    }

    /// The paths of the repositories.
    pub(super) fn repositories(&self) -> Vec<String> {
        self.layers.repositories.clone()
    }

    /// A setting that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        path: &str,
        parse: impl FnOnce(Raw<'_>) -> Parsed<T>,
    ) -> Read<Option<T>> {
        let Some(value) = self.layers.settings.get(path) else { return Ok(None) };
        let variable = matches!(self.layers.origins.get(path), Some(Origin::Variable(_)));
        match parse(Raw { kind: &value.kind, variable }) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(rejection) => {
                let value = shown(&value.kind, keys::exposure(path));
                Err(self.fault(path, value, rejection))
            }
        }
    }

    /// A setting that somebody must give; `example` is a right one.
    pub(super) fn required<T>(
        &mut self,
        path: &str,
        example: &str,
        parse: impl FnOnce(Raw<'_>) -> Parsed<T>,
    ) -> Read<T> {
        match self.optional(path, parse)? {
            Some(value) => Ok(value),
            None => Err(self.missing(path, format!("write {example}"))),
        }
    }

    /// A setting that has a default.
    pub(super) fn preset<T>(
        &mut self,
        path: &str,
        parse: impl FnOnce(Raw<'_>) -> Parsed<T>,
    ) -> Read<T> {
        self.required(path, "it", parse)
    }

    /// The value itself, for the few settings that a parse function alone cannot read.
    pub(super) fn raw(&self, path: &str) -> Option<&ValueKind> {
        self.layers.settings.get(path).map(|value| &value.kind)
    }

    /// Where it comes from.
    pub(super) fn origin(&self, path: &str) -> Origin {
        self.layers.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// Whether somebody set it.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.layers.origins.contains_key(path)
    }

    /// Notes that nobody set what somebody must, unless a fault has already explained that.
    pub(super) fn missing(&mut self, path: &str, remedy: String) -> Reported {
        let section = path.rsplit_once('.').map_or(path, |(section, _)| section);
        let settled = &self.layers.settled;
        if settled.contains(path) || settled.contains(section) {
            return Reported;
        }
        // In a repository the place of its header is known.
        let origin = self.origin(section);
        self.faults.push(Fault {
            key: path.to_owned(),
            value: None,
            origin,
            problem: "is not set".to_owned(),
            remedy,
        });
        Reported
    }

    /// Notes a fault of a setting that holds this value.
    pub(super) fn fault(
        &mut self,
        path: &str,
        value: Option<String>,
        rejection: Rejection,
    ) -> Reported {
        let origin = self.origin(path);
        self.fault_at(path, origin, value, rejection)
    }

    /// Notes a fault whose value comes from elsewhere than the merged layers.
    pub(super) fn fault_at(
        &mut self,
        path: &str,
        origin: Origin,
        value: Option<String>,
        rejection: Rejection,
    ) -> Reported {
        let Rejection { problem, remedy } = rejection;
        self.faults.push(Fault { key: clipped(path), value, origin, problem, remedy });
        Reported
    }

    /// Notes what works but should be known.
    pub(super) fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(Warning { key: path.to_owned(), message: message.into() });
    }

    /// The warnings; all faults where there is one or where the reading came to nothing.
    pub(super) fn finish<T>(self, read: Read<T>) -> Result<(T, Vec<Warning>), Faults> {
        match (Faults::new(self.faults), read) {
            (None, Ok(value)) => Ok((value, self.warnings)),
            (Some(faults), _) => Err(faults),
            (None, Err(Reported)) => Err(Faults::one(Fault {
                key: String::new(),
                value: None,
                origin: Origin::Default,
                problem: "the configuration is faulty, and its fault was not told".to_owned(),
                remedy: "report this: it is a mistake in ewmirror".to_owned(),
            })),
        }
    }
}

/// What of a value a fault may repeat.
pub(super) fn shown(kind: &ValueKind, exposure: Exposure) -> Option<String> {
    match (exposure, kind) {
        (Exposure::Hidden, _) | (_, ValueKind::Nil) => None,
        // Their elements may be anything.
        (_, ValueKind::Array(_) | ValueKind::Table(_)) => Some(name_of(kind).to_owned()),
        (Exposure::Url, ValueKind::String(text)) => address::shown(text).map(|text| quoted(&text)),
        (Exposure::SecretFile, ValueKind::String(text)) => {
            text.starts_with('/').then(|| quoted(text))
        }
        // A number or a truth in place of text: it may be a misplaced password.
        (Exposure::Url | Exposure::SecretFile, _) => None,
        (Exposure::Plain, ValueKind::String(text)) => Some(quoted(text)),
        (Exposure::Plain, number) => Some(number.to_string()),
    }
}
