//! What holds between keys, and what works but should be known.

use std::collections::BTreeMap;
use std::time::Duration;

use config::ValueKind;

use super::address::{self, PROXY_URL};
use super::every::EveryRepository;
use super::feed_rules;
use super::incremental::{self, INCREMENTAL, IncrementalConfig};
use super::numbers::{DURATION, REPOSITORY_ID};
use super::search;
use super::table::{
    LoginConfig, MirrorConfig, RepositoryConfig, ServerConfig, SessionConfig, StatusConfig,
};
use super::values::{AutoOr, LoginMethod};
use super::whole::Config;
use super::words::{FLAG, POINTER, POINTERS, POINTERS_HINT, TEXT};
use crate::domain::RepositoryId;
use crate::mirror_url::{MIRROR_URL, MirrorUrl, SslMode};
use crate::settings::choice::{Choice as _, choice};
use crate::settings::codec::InvalidValue;
use crate::settings::environment::Environment;
use crate::settings::error::{SettingSource, quoted};
use crate::settings::parser::Parser;
use crate::settings::secrets::{SecretKey, mode_for_others, warn_if_exposed};
use crate::settings::section::ConfigSection as _;
use crate::settings::sensitivity::Sensitivity;

/// How long a session lasts (vendor).
const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// From this page size on, the first position at which no window overlaps the one before lies
/// beyond 12 million items; below it, within reach of a real repository.
const CERTIFIABLE_PAGE: u32 = 17;

/// The list of repositories.
const REPOSITORY: &str = RepositoryConfig::SCHEMA.name;

/// `login.password` and the places that may hold it.
pub(super) fn password(environment: &Environment) -> SecretKey<'_> {
    let (key, file) = (LoginConfig::key("password"), LoginConfig::key("password_file"));
    SecretKey { key, file, unit: environment.unit_password() }
}

/// Finds the secrets, each where its key has a use.
pub(super) fn find_secrets(parser: &mut Parser, environment: &Environment) {
    password(environment).resolve(parser, environment);
    let (id, key) = (LoginConfig::key("client_id"), LoginConfig::key("client_secret"));
    let client = SecretKey { key, file: LoginConfig::key("client_secret_file"), unit: None };
    let method = parser.peek("login", LoginConfig::key("method"), &choice::<LoginMethod>());
    if method == Some(LoginMethod::Oauth) {
        client.resolve(parser, environment);
    } else {
        for key in [id, client.key, client.file] {
            if parser.is_set(key.path) && method.is_some() {
                parser.warn(key.path, "is ignored, because login.method is not \"oauth\"");
            }
        }
        // What is ignored is still no nonsense.
        if parser.optional("login", id, &TEXT).is_ok() {
            parser.remove(id.path);
        }
        parser.remove(key.path);
        let key = LoginConfig::key("oauth_credentials_in_url");
        if parser.peek("login", key, &FLAG) == Some(true) && method.is_some() {
            parser.warn(key.path, "is ignored, because login.method is not \"oauth\"");
        }
    }
    let key = ServerConfig::key("proxy_password");
    let proxy = SecretKey { key, file: ServerConfig::key("proxy_password_file"), unit: None };
    proxy.resolve(parser, environment);
    put_into_proxy(parser, key.path);
    let (key, file) = (StatusConfig::key("token"), StatusConfig::key("token_file"));
    SecretKey { key, file, unit: None }.resolve(parser, environment);
    find_mirror_password(parser, environment);
    feed_rules::find_secrets(parser, environment);
}

/// Finds the password of the mirror, where there is one that takes a password.
pub(super) fn find_mirror_password(parser: &mut Parser, environment: &Environment) {
    let url = parser.peek("mirror", MirrorConfig::key("url"), &MIRROR_URL);
    let (key, file) = (MirrorConfig::key("password"), MirrorConfig::key("password_file"));
    match url {
        None => {}
        Some(MirrorUrl::Postgres(_)) => {
            let unit = environment.unit_mirror_password();
            SecretKey { key, file, unit }.resolve(parser, environment);
        }
        Some(MirrorUrl::None | MirrorUrl::Sqlite(_)) => {
            for key in [key, file] {
                if parser.is_set(key.path) {
                    parser.warn(key.path, "is ignored, because mirror.url is no PostgreSQL");
                }
            }
            parser.remove(key.path);
        }
    }
}

/// Puts the password that is kept elsewhere into `server.proxy`.
fn put_into_proxy(parser: &mut Parser, password_key: &str) {
    let key = ServerConfig::key("proxy");
    let password = parser.get(password_key).map(ToString::to_string);
    if parser.get(key.path).is_none() && password.is_some() {
        parser.warn(password_key, "is ignored, because server.proxy is not set");
    }
    let Some(url) = parser.peek("server", key, &PROXY_URL) else { return };
    match password.map(|password| address::with_password(&url, &password)) {
        Some(Ok(whole)) => parser.set(key.path, whole),
        Some(Err(found)) => {
            parser.report(key.path, None, found);
        }
        None if address::has_password(&url) => {
            let SettingSource::File { name, .. } = parser.source(key.path) else { return };
            let Some(mode) = mode_for_others(name.as_ref()) else { return };
            let message = format!(
                "holds a password, and others can read {name} (mode {mode:04o}): give it as the \
                 systemd credential \"proxy-password\" or in server.proxy_password_file"
            );
            parser.warn(key.path, message);
        }
        None => {}
    }
}

/// Reports what is wrong between the keys of what a mirror is asked by.
pub(super) fn check(parser: &mut Parser) {
    let repositories = parser.elements(REPOSITORY);
    if repositories.is_empty() {
        let hint = "write [[repository]] on a line, and id = and its number below";
        parser.report_missing(REPOSITORY, hint);
    }
    let mut known = BTreeMap::new();
    for path in &repositories {
        check_id(parser, path, &mut known);
        check_every(parser, path);
        check_ignored(parser, path);
        check_freshness(parser, path);
    }
    feed_rules::check(parser);
}

/// Each repository stands there once.
fn check_id<'a>(parser: &mut Parser, path: &'a str, known: &mut BTreeMap<u64, &'a str>) {
    let key = RepositoryConfig::key("id");
    let Some(id) = parser.peek(path, key, &REPOSITORY_ID) else { return };
    if let Some(first) = known.get(&id.0) {
        let error = format!("is also the id of {first}");
        let found = InvalidValue::new(error, "keep one of the two: a repository is paged once");
        let shown = if id == RepositoryId::EVERY { "\"all\"".to_owned() } else { id.to_string() };
        parser.report(&format!("{path}.id"), Some(shown), found);
    } else {
        known.insert(id.0, path);
    }
}

/// What makes no sense of every repository at once, and what makes none of one.
fn check_every(parser: &mut Parser, path: &str) {
    let Some(id) = parser.peek(path, RepositoryConfig::key("id"), &REPOSITORY_ID) else { return };
    let own = |name: &str| format!("{path}.{name}");
    if id == RepositoryId::EVERY && parser.is_set(&own("name")) {
        let hint = "take it out, or give the repository a section of its own";
        let found = InvalidValue::new("would be the name of every repository", hint);
        parser.report(&own("name"), None, found);
    }
    if id != RepositoryId::EVERY && parser.is_set(&own("max_repositories")) {
        parser.warn(&own("max_repositories"), "is ignored, because id is not \"all\"");
    }
}

/// A goal of freshness can be measured, and met by passes as often as they are made.
fn check_freshness(parser: &mut Parser, path: &str) {
    let Some(goal) = parser.peek(path, RepositoryConfig::key("freshness"), &DURATION) else {
        return;
    };
    let own = |name: &str| format!("{path}.{name}");
    let found = match parser.peek(path, RepositoryConfig::key("incremental"), &INCREMENTAL) {
        Some(IncrementalConfig { cursor: Some(_), interval, .. }) if interval <= goal => return,
        Some(IncrementalConfig { cursor: Some(_), .. }) => InvalidValue::new(
            "is shorter than incremental.interval, so that it cannot be met",
            "lower incremental.interval, to a third of it or less",
        ),
        // What is wrong with that is told there.
        None if parser.is_set(&own("incremental")) => return,
        Some(_) | None => InvalidValue::new(
            "cannot be measured: nothing says when an item changed",
            "set incremental with a cursor, or take it out",
        ),
    };
    parser.report(&own("freshness"), None, found);
}

/// No member that is ignored holds the id.
fn check_ignored(parser: &mut Parser, path: &str) {
    let item_id = parser.peek(path, RepositoryConfig::key("item_id"), &POINTER);
    let ignored = parser.peek(path, RepositoryConfig::key("ignore"), &POINTERS);
    let (Some(item_id), Some(ignored)) = (item_id, ignored) else { return };
    if let Some(it) = ignored.iter().find(|it| item_id.tokens().starts_with(it.tokens())) {
        let error = format!("holds {}, which is where the id is", quoted(&it.to_string()));
        let path = format!("{path}.ignore");
        let value = parser.get(&path).and_then(|kind| Sensitivity::Plain.shown(kind));
        parser.report(&path, value, InvalidValue::new(error, POINTERS_HINT));
    }
}

/// Reports what is wrong with single members of a `search`, and of `incremental`, whose source is that
/// of the whole.
pub(super) fn check_searches(parser: &mut Parser) {
    type FindErrors = fn(&str, &config::Map<String, config::Value>) -> Vec<(String, InvalidValue)>;
    let tables: [(&str, FindErrors); 2] =
        [("search", search::errors), ("incremental", incremental::errors)];
    let elements = parser.elements(REPOSITORY);
    for (path, (name, errors)) in elements.iter().flat_map(|path| tables.map(|it| (path, it))) {
        let path = format!("{path}.{name}");
        let Some(ValueKind::Table(members)) = parser.get(&path) else { continue };
        let errors = errors(&path, members);
        if !errors.is_empty() {
            parser.mark_reported(&path);
        }
        for (member, found) in errors {
            let source = parser.source(&path);
            parser.report_at(&member, source, None, found);
        }
    }
}

/// Reports what only some ways to sign in need.
pub(super) fn check_login(parser: &mut Parser) {
    let method = parser.peek("login", LoginConfig::key("method"), &choice::<LoginMethod>());
    if method == Some(LoginMethod::Oauth) && !parser.is_set("login.client_id") {
        let hint = "write the name of the OAuth client, or another login.method";
        parser.report_missing("login.client_id", hint);
    }
}

/// Warns of what works but should be known.
pub(super) fn warn(parser: &mut Parser, config: &Config) {
    let Config { server, login, session, mirror, .. } = config;
    if server.url.scheme() == "http" && !address::is_loopback(&server.url) {
        let key = ServerConfig::key("url");
        parser.warn(key.path, "is plain http: password, tokens and items travel readably");
    }
    if let Some(path) = &server.client_identity_file {
        warn_if_exposed(parser, ServerConfig::key("client_identity_file").path, path);
    }
    if login.oauth_credentials_in_url && login.method == LoginMethod::Oauth {
        let key = LoginConfig::key("oauth_credentials_in_url");
        parser.warn(key.path, "is true: the password stands in a URL, which access logs keep");
    }
    if server.accept_invalid_certificates {
        let key = ServerConfig::key("accept_invalid_certificates");
        parser.warn(key.path, "is true: anybody on the way can pose as the server and read all");
    }
    if let MirrorUrl::Postgres(url) = &mirror.url
        && url.is_over_tcp()
        && let Some(what) = risk(url.ssl_mode, mirror.ca_file.is_some())
    {
        let key = MirrorConfig::key("url");
        parser.warn(key.path, format!("has sslmode={}: {what}", url.ssl_mode.word()));
    }
    if session.max_age >= SESSION_LIFETIME {
        let key = SessionConfig::key("max_age");
        parser.warn(key.path, "is not below 24h, when a session ends: it is renewed only then");
    }
    feed_rules::warn(parser);
    let mut warned_of_paging = false;
    for path in &parser.elements(REPOSITORY) {
        let peeked = parser.peek(path, RepositoryConfig::key("id"), &REPOSITORY_ID);
        let every = config.every.as_ref().map(EveryRepository::keys);
        let mut sections = config.repositories.iter().chain(every);
        let Some(RepositoryConfig { paging, .. }) = sections.find(|it| Some(it.id) == peeked)
        else {
            continue;
        };
        // What is found by itself is never that small, but where the server is to blame.
        let AutoOr::Value(page_size) = paging.page_size else { continue };
        let page_size = page_size.get();
        let own = format!("{path}.page_size");
        let is_own = parser.is_set(&own);
        if !paging.overlap || page_size >= CERTIFIABLE_PAGE || (!is_own && warned_of_paging) {
            continue;
        }
        // Of `[paging]` only once, however many repositories take it from there.
        warned_of_paging |= !is_own;
        let dead_end = dead_end(page_size);
        parser.warn(
            if is_own { &own } else { "paging.page_size" },
            format!(
                "no window of {page_size} items or fewer reaches across position {dead_end}, so \
                 a pass over more items than that cannot be certified: take {CERTIFIABLE_PAGE} or \
                 more, or overlap = false for plain pages"
            ),
        );
    }
}

/// What an encryption that is less than whole lets happen.
fn risk(mode: SslMode, has_ca_file: bool) -> Option<&'static str> {
    match mode {
        SslMode::Disable => Some("items travel readably"),
        SslMode::Prefer => Some("anybody on the way can have the encryption left out"),
        SslMode::Require if !has_ca_file => {
            Some("anybody on the way can pose as the database; verify-full is the right way")
        }
        SslMode::Require | SslMode::VerifyCa => Some(
            "anybody with a certificate of an authority that is trusted here can pose as the database",
        ),
        SslMode::VerifyFull => None,
    }
}

/// The first position at which every window of at most `page_size` items ends: the least common
/// multiple of all sizes (2520 at 10).
fn dead_end(page_size: u32) -> u64 {
    (1..=u64::from(page_size)).fold(1, |multiple, size| multiple / divisor(multiple, size) * size)
}

/// The greatest common divisor.
fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_end_of_a_page_size_is_where_all_windows_end() {
        assert_eq!(dead_end(1), 1);
        assert_eq!(dead_end(10), 2520);
        assert_eq!(dead_end(CERTIFIABLE_PAGE - 1), 720_720);
        assert_eq!(dead_end(CERTIFIABLE_PAGE), 12_252_240);
    }
}
