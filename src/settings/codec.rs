//! How one kind of value is parsed and shown, and what can be wrong with it.

use std::fmt::Display;
use std::str::FromStr;

use config::ValueKind;
use serde::Serialize;
use toml::Value;

use super::sensitivity::{Sensitivity, type_name};

/// What is wrong with a value, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidValue {
    pub error: String,
    pub hint: String,
}

impl InvalidValue {
    pub fn new(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hint: hint.into() }
    }
}

/// The outcome of parsing one value.
pub type Parsed<T> = Result<T, InvalidValue>;

/// The outcome of parsing a value that is wrong.
pub fn invalid<T>(error: impl Into<String>, hint: impl Into<String>) -> Parsed<T> {
    Err(InvalidValue::new(error, hint))
}

/// A kind of value: from a setting to a type that cannot be wrong, and back to TOML.
pub struct Codec<T> {
    pub parse: fn(Input<'_>) -> Parsed<T>,
    pub show: fn(&T) -> Value,
    /// What an error may repeat of such a value.
    pub sensitivity: Sensitivity,
}

impl<T> Codec<T> {
    pub const fn new(parse: fn(Input<'_>) -> Parsed<T>, show: fn(&T) -> Value) -> Self {
        Self { parse, show, sensitivity: Sensitivity::Plain }
    }

    /// The same, of whose values an error may repeat less.
    pub const fn with(mut self, sensitivity: Sensitivity) -> Self {
        self.sensitivity = sensitivity;
        self
    }
}

impl<T: Serialize> Codec<T> {
    /// Of values that are the same in TOML.
    pub const fn plain(parse: fn(Input<'_>) -> Parsed<T>) -> Self {
        Self::new(parse, |value| Value::try_from(value).expect("TOML can say what came from it"))
    }
}

impl<T: Display> Codec<T> {
    /// Of values that are text in TOML.
    pub const fn text(parse: fn(Input<'_>) -> Parsed<T>) -> Self {
        Self::new(parse, |value| Value::String(value.to_string()))
    }
}

/// A setting before it is parsed. One from the file has a TOML type and must have the right one.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub kind: &'a ValueKind,
    /// Whether it is a variable's text, so that `"200"` is a number and `"a,b"` a list.
    pub is_variable: bool,
}

impl<'a> Input<'a> {
    /// The text, which must not be empty; `example` is a right one.
    pub fn text(self, example: &str) -> Parsed<&'a str> {
        match self.kind {
            ValueKind::String(text) if text.is_empty() => {
                invalid("is empty", format!("write {example}, or take the key out"))
            }
            ValueKind::String(text) => Ok(text),
            _ => self.is_not("text", format!("write it in quotes, such as {example}")),
        }
    }

    /// A variable's text as `T`; `None` for anything else.
    pub fn variable_as<T: FromStr>(self) -> Option<T> {
        match self.kind {
            ValueKind::String(text) if self.is_variable => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// What a hint adds where the file must hold a value without quotes.
    pub fn unquoted(self) -> &'static str {
        if self.is_variable { "" } else { ", unquoted" }
    }

    /// That the value is of another type than the one expected.
    pub fn is_not<T>(self, expected: &str, hint: impl Into<String>) -> Parsed<T> {
        invalid(format!("is {}, not {expected}", type_name(self.kind)), hint)
    }
}
