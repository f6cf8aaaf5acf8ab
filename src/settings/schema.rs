//! What there is to say of each key and section, whichever table they stand in.
//!
//! A [`Schema`] is the one source for defaults, for the names of environment variables, for telling a
//! misspelt key and for what the documentation must have.

use super::codec::InvalidValue;
use super::sensitivity::Sensitivity;
use super::similarity::nearest;

/// How the name of each variable begins that belongs to us.
pub const VARIABLE_PREFIX: &str = "EWMIRROR_";

/// One key.
#[derive(Debug)]
pub struct ConfigKey {
    /// `paging.page_size`.
    pub path: &'static str,
    /// Whether somebody must set it, and what holds otherwise.
    pub requirement: Requirement,
    /// What an error may repeat of its value.
    pub sensitivity: Sensitivity,
    /// What a reload does with another value.
    pub on_reload: OnReload,
    /// What it is for, in lines of text.
    pub doc: &'static [&'static str],
}

/// Whether a key must be set. The values are as TOML writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// It has a default.
    Default(&'static str),
    /// It may be left out, and then nothing takes its place; this is an example.
    Optional(&'static str),
    /// Somebody must set it.
    Required {
        /// A right value.
        example: &'static str,
        /// What to do where it is missing.
        hint: &'static str,
    },
}

/// What a reload does with the new value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReload {
    /// Nothing: the value holds from the next start on.
    Restart,
    /// It holds from now on.
    Live,
    /// It holds from now on for each repository that it applies to.
    Repository,
    /// So too, and the pass of the repository starts over: it is over one list, in which items are
    /// known by one member.
    NewPass,
    /// Connections are made anew.
    Reconnect,
    /// The session is renewed.
    NewSession,
    /// The session is renewed with another login.
    NewLogin,
    /// So too, and passes start over: the user sees another list.
    NewUser,
    /// All of these.
    NewServer,
}

impl ConfigKey {
    /// `paging` of `paging.page_size`.
    pub fn section(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(section, _)| section)
    }

    /// `page_size` of `paging.page_size`.
    pub fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    /// `EWMIRROR_PAGING__PAGE_SIZE`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.path.replace('.', "__").to_uppercase())
    }

    /// The systemd credential that holds it, where it is a secret.
    pub fn credential(&self) -> &'static str {
        // These are spelt as credentials of units are.
        match self.path {
            "server.proxy_password" => "proxy-password",
            "mirror.password" => "mirror-password",
            "status.token" => "status-token",
            _ => self.name(),
        }
    }

    /// Whether it is a secret, which the file must not hold.
    pub fn is_secret(&self) -> bool {
        self.sensitivity == Sensitivity::Secret
    }
}

/// One section.
#[derive(Debug)]
pub struct SectionSchema {
    /// `paging`.
    pub name: &'static str,
    /// Whether it stands in a list, any number of times.
    pub is_list: bool,
    /// What it is about, in lines of text.
    pub doc: &'static [&'static str],
    /// Its keys.
    pub keys: &'static [ConfigKey],
    /// The sections whose keys it may hold too, to lay them over what stands there.
    pub overrides: &'static [SectionSchema],
}

impl SectionSchema {
    /// `[paging]` or `[[repository]]`.
    pub fn header(&self) -> String {
        if self.is_list { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }

    /// The keys that it may hold.
    pub fn all_keys(&self) -> impl Iterator<Item = &'static ConfigKey> {
        self.keys.iter().chain(self.overrides.iter().flat_map(|section| section.keys))
    }
}

/// A table of keys: all sections there are.
#[derive(Clone, Copy, Debug)]
pub struct Schema(pub &'static [SectionSchema]);

impl Schema {
    /// The section of this name.
    pub fn section(self, name: &str) -> Option<&'static SectionSchema> {
        self.0.iter().find(|section| section.name == name)
    }

    /// Every key that stands once, which a variable can set too.
    pub fn keys(self) -> impl Iterator<Item = &'static ConfigKey> {
        self.0.iter().filter(|section| !section.is_list).flat_map(|section| section.keys)
    }

    /// The defaults, as TOML. Those of a list stand in a section of its name.
    pub fn defaults(self) -> String {
        let line = |key: &ConfigKey| match key.requirement {
            Requirement::Default(value) => Some(format!("{} = {value}\n", key.path)),
            Requirement::Optional(_) | Requirement::Required { .. } => None,
        };
        self.0.iter().flat_map(|section| section.keys).filter_map(line).collect()
    }

    /// What to write in place of a key that a section does not know.
    pub fn hint_for_key(self, section: &SectionSchema, wrong: &str) -> String {
        let here: Vec<_> = section.all_keys().map(ConfigKey::name).collect();
        match nearest(wrong, here.iter().copied()) {
            Some(name) => format!("did you mean {name}?"),
            None => self
                .home_of(wrong)
                .unwrap_or_else(|| format!("{} knows {}", section.header(), here.join(", "))),
        }
    }

    /// What to write in place of a section that nobody knows.
    pub fn hint_for_section(self, wrong: &str) -> String {
        let near = nearest(wrong, self.0.iter().map(|section| section.name));
        if let Some(section) = near.and_then(|name| self.section(name)) {
            return format!("did you mean {}?", section.header());
        }
        self.home_of(wrong).unwrap_or_else(|| {
            let known: Vec<_> = self.0.iter().map(SectionSchema::header).collect();
            format!("the sections are {}", known.join(", "))
        })
    }

    /// What is wrong with a variable that nobody knows; `bare` is its name without the prefix.
    pub fn unknown_variable(self, bare: &str) -> InvalidValue {
        let is_in = |list: &&SectionSchema| {
            let rest = bare.strip_prefix(&list.name.to_uppercase());
            list.is_list && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        if let Some(list) = self.0.iter().find(is_in) {
            let header = list.header();
            let hint = format!("unset it, and write a {header} in the file");
            return InvalidValue::new(format!("{header} cannot be set by a variable"), hint);
        }
        let known: Vec<_> = self.keys().map(ConfigKey::variable).collect();
        let hint =
            match nearest(bare, known.iter().filter_map(|it| it.strip_prefix(VARIABLE_PREFIX))) {
                Some(name) => format!("did you mean {VARIABLE_PREFIX}{name}?"),
                None => {
                    "a variable is EWMIRROR_, the section, two underscores and the key, such as \
                     EWMIRROR_SERVER__URL for server.url"
                        .to_owned()
                }
            };
        InvalidValue::new("sets no known key", hint)
    }

    /// Where a key belongs that stands in the wrong section.
    fn home_of(self, name: &str) -> Option<String> {
        let mut sections = self.0.iter();
        let home = sections.find(|section| section.keys.iter().any(|key| key.name() == name))?;
        Some(format!("{name} belongs in {}", home.header()))
    }
}
