//! Every key that there is: its section, its default, and what of its value may be shown.
//!
//! The list is the one source for defaults, for the names of environment variables, for telling a
//! misspelt key and for the order in which missing keys are reported.

/// How the name of each variable begins that belongs to us.
pub(super) const VARIABLE_PREFIX: &str = "EWMIRROR_";

/// The name of the section that stands once for each repository.
pub(super) const REPOSITORY: &str = "repository";

/// How alike two names must be, from 0 to 1, for one to be offered for the other: a letter or two
/// off, or a plural, but not merely the same length.
const LIKENESS: f64 = 0.6;

/// How much of a name must be there to count as its beginning, in bytes.
const BEGINNING: usize = 3;

/// The longest name compared: the comparison takes space by its length, and no key is that long.
const COMPARED_CHARACTERS: usize = 60;

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// `paging.page_size`.
    pub(super) path: &'static str,
    /// What holds where nobody sets it.
    pub(super) default: Option<Preset>,
    /// What a fault may repeat of its value.
    pub(super) exposure: Exposure,
}

/// A built-in default.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preset {
    Text(&'static str),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    EmptyList,
}

/// What a fault may repeat of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    /// All of it.
    Plain,
    /// A URL, without user, password and query.
    Url,
    /// An absolute path; what is none may be the secret itself, put in place of its file.
    SecretFile,
    /// Nothing.
    Hidden,
}

impl Key {
    /// `paging` of `paging.page_size`.
    pub(super) fn section(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(section, _)| section)
    }

    /// `page_size` of `paging.page_size`.
    pub(super) fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    /// `EWMIRROR_PAGING__PAGE_SIZE`.
    pub(super) fn variable(&self) -> String {
        variable(self.path)
    }

    const fn exposed(mut self, exposure: Exposure) -> Self {
        self.exposure = exposure;
        self
    }
}

const fn unset(path: &'static str) -> Key {
    Key { path, default: None, exposure: Exposure::Plain }
}

const fn preset(path: &'static str, default: Preset) -> Key {
    Key { path, default: Some(default), exposure: Exposure::Plain }
}

/// Every key outside `[[repository]]`, section by section.
pub(super) const KEYS: &[Key] = &[
    unset("server.url").exposed(Exposure::Url),
    unset("server.ca_file"),
    unset("server.client_identity_file"),
    unset("server.proxy").exposed(Exposure::Url),
    unset("server.proxy_password").exposed(Exposure::Hidden),
    unset("server.proxy_password_file").exposed(Exposure::SecretFile),
    preset("server.no_proxy", Preset::EmptyList),
    preset("server.accept_invalid_certificates", Preset::Boolean(false)),
    preset("server.connect_timeout", Preset::Text("5s")),
    preset("server.request_timeout", Preset::Text("30s")),
    preset("server.idle_timeout", Preset::Text("30s")),
    preset("server.max_response_size", Preset::Text("64MiB")),
    preset("login.method", Preset::Text("enable-api")),
    unset("login.username"),
    unset("login.password").exposed(Exposure::Hidden),
    unset("login.password_file").exposed(Exposure::SecretFile),
    unset("login.client_id"),
    unset("login.client_secret").exposed(Exposure::Hidden),
    unset("login.client_secret_file").exposed(Exposure::SecretFile),
    preset("session.transport", Preset::Text("headers")),
    preset("session.reauth_interval", Preset::Text("60s")),
    preset("session.max_age", Preset::Text("23h")),
    preset("paging.page_size", Preset::Integer(200)),
    preset("paging.page_interval", Preset::Text("1s")),
    preset("paging.pass_interval", Preset::Text("5m")),
    preset("paging.overlap", Preset::Boolean(true)),
    preset("paging.in_flight", Preset::Integer(1)),
    unset("paging.max_requests_per_second"),
    preset("paging.resume_within", Preset::Text("1h")),
    preset("mirror.url", Preset::Text("sqlite:///var/lib/ewmirror/mirror.db"))
        .exposed(Exposure::Url),
    unset("changes.keep"),
    preset("deletes.max_fraction", Preset::Float(0.1)),
    preset("deletes.min_count", Preset::Integer(10)),
    preset("status.listen", Preset::Text("127.0.0.1:9464")),
    preset("status.max_age", Preset::Text("24h")),
    preset("log.format", Preset::Text("auto")),
    preset("log.level", Preset::Text("info")),
];

/// The sections whose keys a `[[repository]]` may hold, too.
const OVERLAID: [&str; 2] = ["paging", "deletes"];

/// The keys of a `[[repository]]` beside those.
const REPOSITORY_KEYS: &[&str] = &["id", "name", "item_id", "search", "ignore"];

/// The key of this path.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// What a fault may repeat of the value at this path.
pub(super) fn exposure(path: &str) -> Exposure {
    key(path).map_or(Exposure::Plain, |key| key.exposure)
}

/// The variable that sets this path.
pub(super) fn variable(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// Whether there is such a section; [`REPOSITORY`] is none of these.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section() == name)
}

/// The keys that a section may hold, [`REPOSITORY`] included.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let own = KEYS.iter().filter(|key| key.section() == section).map(Key::name);
    if section == REPOSITORY {
        REPOSITORY_KEYS.iter().copied().chain(OVERLAID.into_iter().flat_map(names_in)).collect()
    } else {
        own.collect()
    }
}

/// What to write in place of a key that a section does not know.
pub(super) fn advice_in(section: &str, wrong: &str) -> String {
    let here = names_in(section);
    if let Some(name) = nearest(wrong, here.iter().copied()) {
        return format!("did you mean {name}?");
    }
    elsewhere(wrong).unwrap_or_else(|| format!("{} knows {}", bracketed(section), here.join(", ")))
}

/// What to write in place of a section that nobody knows.
pub(super) fn advice_for_section(wrong: &str) -> String {
    let mut sections: Vec<_> = KEYS.iter().map(Key::section).collect();
    sections.dedup();
    sections.insert(3, REPOSITORY);
    if let Some(advice) = elsewhere(wrong) {
        return advice;
    }
    if let Some(name) = nearest(wrong, sections.iter().copied()) {
        return format!("did you mean {}?", bracketed(name));
    }
    let known: Vec<_> = sections.into_iter().map(bracketed).collect();
    format!("the sections are {}", known.join(", "))
}

/// What to write in place of a variable that nobody knows; `wrong` is without the prefix.
pub(super) fn advice_for_variable(wrong: &str) -> String {
    let known: Vec<_> = KEYS.iter().map(Key::variable).collect();
    let bare = known.iter().filter_map(|name| name.strip_prefix(VARIABLE_PREFIX));
    nearest(wrong, bare).map_or_else(
        || {
            "a variable is EWMIRROR_, the section, two underscores and the key, such as \
             EWMIRROR_SERVER__URL for server.url"
                .to_owned()
        },
        |name| format!("did you mean {VARIABLE_PREFIX}{name}?"),
    )
}

/// Of the names that are possible, the one that was probably meant.
pub(super) fn nearest<'a>(
    wrong: &str,
    possible: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(COMPARED_CHARACTERS).collect::<String>().to_lowercase();
    possible
        .into_iter()
        .map(|name| (name, likeness(&wrong, &name.to_lowercase())))
        .filter(|(_, likeness)| *likeness >= LIKENESS)
        .fold(None, |best: Option<(&str, f64)>, candidate| match best {
            Some(best) if best.1 >= candidate.1 => Some(best),
            _ => Some(candidate),
        })
        .map(|(name, _)| name)
}

fn likeness(a: &str, b: &str) -> f64 {
    let likeness = strsim::normalized_damerau_levenshtein(a, b);
    // The beginning of a name, or one spelt out, such as warning for warn.
    let begun = a.len().min(b.len()) >= BEGINNING && (a.starts_with(b) || b.starts_with(a));
    if begun { likeness.max(LIKENESS) } else { likeness }
}

/// Where a key belongs that stands in the wrong section.
fn elsewhere(name: &str) -> Option<String> {
    if REPOSITORY_KEYS.contains(&name) {
        return Some(format!("{name} belongs in [[{REPOSITORY}]]"));
    }
    let key = KEYS.iter().find(|key| key.name() == name)?;
    Some(format!("{name} belongs in [{}]", key.section()))
}

fn bracketed(section: &str) -> String {
    if section == REPOSITORY { format!("[[{section}]]") } else { format!("[{section}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_the_one_that_was_meant() {
        assert_eq!(advice_in("paging", "Page_Size"), "did you mean page_size?");
        assert_eq!(advice_in("paging", "pagesize"), "did you mean page_size?");
        assert_eq!(advice_in("log", "page_size"), "page_size belongs in [paging]");
        assert_eq!(advice_in("log", "search"), "search belongs in [[repository]]");
        assert_eq!(advice_in("log", "colour"), "[log] knows format, level");
        assert_eq!(advice_for_section("pageing"), "did you mean [paging]?");
        assert_eq!(advice_for_section("repositories"), "did you mean [[repository]]?");
        assert_eq!(advice_for_section("page_size"), "page_size belongs in [paging]");
        assert!(advice_for_section("kafka").starts_with("the sections are [server], [login], "));
        assert_eq!(advice_for_variable("SERVER_URL"), "did you mean EWMIRROR_SERVER__URL?");
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), KEYS.len());
    }
}
