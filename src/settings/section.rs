//! A section as a table of its keys, from which its struct is made and everything else derives.
//!
//! A row of [`section!`] is a field (and its name, where that is a word of Rust) with its documentation and
//! four columns: how it is parsed and
//! shown, whether it must be set (with its default or an example as TOML), and what a reload does.
//! What has no field, such as the place of a secret, stands in `keys`; what an element of a list
//! lays over a section of its own, in `overrides`.

use super::codec::Codec;
use super::parser::{ParseResult, Parser};
use super::schema::{ConfigKey, SectionSchema};

/// A section that is a struct.
pub trait ConfigSection: Sized {
    /// What there is to say of its keys.
    const SCHEMA: SectionSchema;

    /// Parses the section at this path. Each key is parsed before any fails, so that every error is
    /// told.
    fn parse(parser: &mut Parser, path: &str) -> ParseResult<Self>;

    /// The keys in effect and their values, passwords masked.
    fn shown(&self) -> Vec<(&'static ConfigKey, toml::Value)>;

    /// The keys with another value.
    fn changed(&self, other: &Self) -> Vec<&'static ConfigKey>;

    /// The key of this name, which there must be.
    fn key(name: &str) -> &'static ConfigKey {
        let found = Self::SCHEMA.keys.iter().find(|key| key.name() == name);
        found.expect("the caller names a row of the table")
    }
}

/// A field of a key that may be left out.
pub trait OptionalField<T> {
    /// What it holds, unless it was left out.
    fn given(&self) -> Option<&T>;
}

impl<T> OptionalField<T> for Option<T> {
    fn given(&self) -> Option<&T> {
        self.as_ref()
    }
}

impl<T: Default + PartialEq> OptionalField<T> for T {
    fn given(&self) -> Option<&T> {
        (*self != T::default()).then_some(self)
    }
}

/// The value of an optional field as TOML, unless it was left out.
pub fn shown_field<T>(codec: &Codec<T>, field: &impl OptionalField<T>) -> Option<toml::Value> {
    field.given().map(|value| (codec.show)(value))
}

/// Whether two fields differ, floats bit for bit in all that matters here.
pub fn differ<T: PartialEq>(one: &T, other: &T) -> bool {
    one != other
}

/// Makes a struct and its [`ConfigSection`] of a table of keys.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:ident),+)])?
        $visibility:vis $shape:ident $name:literal => $section:ident;
        $(
            fields {
                $(
                    $(#[doc = $doc:literal])+
                    $field:ident $(as $written:literal)?: $type:ty =
                        $codec:expr, $requirement:ident($($value:tt)+), $reload:ident;
                )*
            }
            $(keys {
                $(
                    $(#[doc = $key_doc:literal])+
                    $key:ident = $key_codec:expr, Optional($example:tt), $key_reload:ident;
                )*
            })?
        )+
        $(overrides { $( $(#[doc = $over_doc:literal])+ $over:ident: $over_type:ty; )* })?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq $($(, $derive)+)?)]
        $visibility struct $section {
            $($( $(#[doc = $doc])+ pub $field: $type, )*)+
            $($( $(#[doc = $over_doc])+ pub $over: $over_type, )*)?
        }

        impl $crate::settings::section::ConfigSection for $section {
            const SCHEMA: SectionSchema = SectionSchema {
                name: $name,
                is_list: section!(@is_list $shape),
                doc: &[$($about),+],
                keys: &[$(
                    $(ConfigKey {
                        path: concat!($name, ".", section!(@name $field $($written)?)),
                        requirement: section!(@requirement $requirement $($value)+),
                        sensitivity: $codec.sensitivity,
                        on_reload: OnReload::$reload,
                        doc: &[$($doc),+],
                    },)*
                    $($(ConfigKey {
                        path: concat!($name, ".", stringify!($key)),
                        requirement: Requirement::Optional(stringify!($example)),
                        sensitivity: $key_codec.sensitivity,
                        on_reload: OnReload::$key_reload,
                        doc: &[$($key_doc),+],
                    },)*)?
                )+],
                overrides: &[$($(<$over_type as ConfigSection>::SCHEMA),*)?],
            };

            fn parse(parser: &mut Parser, path: &str) -> ParseResult<Self> {
                $($(
                    let $field = section!(@parse $requirement)(
                        parser, path, Self::key(section!(@name $field $($written)?)), &$codec,
                    );
                )*)+
                $($( let $over = <$over_type as ConfigSection>::parse(parser, path); )*)?
                Ok(Self {
                    $($( $field: section!(@field $requirement $field?), )*)+
                    $($( $over: $over?, )*)?
                })
            }

            fn shown(&self) -> Vec<(&'static ConfigKey, toml::Value)> {
                let mut shown = Vec::new();
                $($(
                    let value = section!(@show $requirement $codec, &self.$field);
                    shown.extend(value.map(|value| (Self::key(section!(@name $field $($written)?)), value)));
                )*)+
                $($( shown.extend(self.$over.shown()); )*)?
                shown
            }

            fn changed(&self, other: &Self) -> Vec<&'static ConfigKey> {
                let mut changed = Vec::new();
                $($(
                    if differ(&self.$field, &other.$field) {
                        changed.push(Self::key(section!(@name $field $($written)?)));
                    }
                )*)+
                $($( changed.extend(self.$over.changed(&other.$over)); )*)?
                changed
            }
        }
    };

    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $written:literal) => { $written };

    (@is_list section) => { false };
    (@is_list list) => { true };

    (@requirement Default $value:tt) => { Requirement::Default(stringify!($value)) };
    (@requirement Optional $value:tt) => { Requirement::Optional(stringify!($value)) };
    (@requirement Required $value:tt, $hint:literal) => {
        Requirement::Required { example: stringify!($value), hint: $hint }
    };

    (@parse Optional) => { Parser::optional };
    (@parse $requirement:ident) => { Parser::required };

    (@field Optional $value:expr) => { $value.map_or_else(Default::default, Into::into) };
    (@field $requirement:ident $value:expr) => { $value };

    (@show Optional $codec:expr, $field:expr) => { shown_field(&$codec, $field) };
    (@show $requirement:ident $codec:expr, $field:expr) => { Some(($codec.show)($field)) };
}

pub(crate) use section;
