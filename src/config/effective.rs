//! The configuration in effect, as TOML that loads again.
//!
//! Every key is written, also where it stands at its default, so that what holds can be read off.
//! Secrets are masked; the password and the client secret, which no file may hold, are comments.
//! `[paging]` and `[deletes]` are written out in each repository, where they take effect, but for what
//! holds for all of them together.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde_json::Value as Json;

use super::address::{self, MASK};
use super::{
    Chosen, Config, DeletesConfig, LogFormat, LogLevel, LoginConfig, LoginMethod, MirrorUrl,
    RepositoryConfig, ServerConfig, StatusListen, Transport,
};

/// What the pager chooses by itself.
const AUTO: &str = "auto";

impl Config {
    /// The configuration as TOML, each key with the value in effect and secrets masked. Loaded
    /// again, with the secrets given again, it is the same configuration.
    pub fn effective(&self) -> String {
        let mut page = Page(String::new());
        server(&mut page, &self.server);
        login(&mut page, &self.login);
        page.section("[session]");
        page.text(
            "transport",
            match self.session.transport {
                Transport::Headers => "headers",
                Transport::Cookies => "cookies",
            },
        );
        page.duration("reauth_interval", self.session.reauth_interval);
        page.duration("max_age", self.session.max_age);
        if let Some(rate) = self.max_requests_per_second {
            page.section("[paging]");
            page.bare("max_requests_per_second", rate);
        }
        for one in &self.repositories {
            repository(&mut page, one);
        }
        page.section("[mirror]");
        page.text("url", &self.mirror.shown());
        if let Some(keep) = self.changes.keep {
            page.section("[changes]");
            page.duration("keep", keep);
        }
        page.section("[status]");
        match &self.status.listen {
            StatusListen::Off => page.text("listen", "off"),
            StatusListen::Tcp(address) => page.text("listen", &address.to_string()),
            StatusListen::Unix(path) => page.text("listen", &format!("unix:{}", path.display())),
        }
        page.duration("max_age", self.status.max_age);
        page.section("[log]");
        page.text(
            "format",
            match self.log.format {
                LogFormat::Auto => "auto",
                LogFormat::Journald => "journald",
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
        );
        page.text(
            "level",
            match self.log.level {
                LogLevel::Off => "off",
                LogLevel::Error => "error",
                LogLevel::Warn => "warn",
                LogLevel::Info => "info",
                LogLevel::Debug => "debug",
                LogLevel::Trace => "trace",
            },
        );
        page.0
    }
}

impl MirrorUrl {
    /// The URL as it may be shown: passwords masked.
    pub fn shown(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => address::masked(url),
        }
    }
}

fn server(page: &mut Page, server: &ServerConfig) {
    page.section("[server]");
    page.text("url", server.url.as_str());
    if let Some(path) = &server.ca_file {
        page.text("ca_file", &path.to_string_lossy());
    }
    if let Some(path) = &server.client_identity_file {
        page.text("client_identity_file", &path.to_string_lossy());
    }
    if let Some(proxy) = &server.proxy {
        page.text("proxy", &address::masked(proxy));
    }
    let hosts: Vec<_> = server.no_proxy.iter().map(|host| quoted(host)).collect();
    page.bare("no_proxy", format_args!("[{}]", hosts.join(", ")));
    page.bare("accept_invalid_certificates", server.accept_invalid_certificates);
    page.duration("connect_timeout", server.connect_timeout);
    page.duration("request_timeout", server.request_timeout);
    page.duration("idle_timeout", server.idle_timeout);
    page.text("max_response_size", &size(server.max_response_size));
}

fn login(page: &mut Page, login: &LoginConfig) {
    page.section("[login]");
    page.text(
        "method",
        match login.method {
            LoginMethod::EnableApi => "enable-api",
            LoginMethod::Oauth => "oauth",
        },
    );
    page.text("username", &login.username);
    page.text("# password", MASK);
    if login.method == LoginMethod::Oauth {
        page.text("client_id", &login.client_id);
        if !login.client_secret.expose().is_empty() {
            page.text("# client_secret", MASK);
        }
    }
}

fn repository(page: &mut Page, repository: &RepositoryConfig) {
    page.section("[[repository]]");
    page.bare("id", repository.id);
    if let Some(name) = &repository.name {
        page.text("name", name);
    }
    page.text("item_id", &repository.item_id.to_string());
    if !repository.search.is_empty() {
        page.bare("search", table(&repository.search));
    }
    if !repository.ignore.is_empty() {
        let ignored: Vec<_> = repository.ignore.iter().map(|it| quoted(&it.to_string())).collect();
        page.bare("ignore", format_args!("[{}]", ignored.join(", ")));
    }
    let paging = &repository.paging;
    page.bare("page_size", paging.page_size);
    match paging.page_interval {
        Chosen::Fixed(interval) => page.duration("page_interval", interval),
        Chosen::Auto => page.text("page_interval", AUTO),
    }
    page.duration("pass_interval", paging.pass_interval);
    page.bare("overlap", paging.overlap);
    match paging.in_flight {
        Chosen::Fixed(in_flight) => page.bare("in_flight", in_flight),
        Chosen::Auto => page.text("in_flight", AUTO),
    }
    if let Some(rate) = paging.max_requests_per_second {
        page.bare("max_requests_per_second", rate);
    }
    page.duration("resume_within", paging.resume_within);
    let DeletesConfig { max_fraction, min_count } = repository.deletes;
    page.bare("max_fraction", format_args!("{max_fraction:?}"));
    page.bare("min_count", min_count);
}

/// The TOML text being written.
struct Page(String);

impl Page {
    fn section(&mut self, header: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.line(format_args!("{gap}{header}"));
    }

    fn bare(&mut self, key: &str, value: impl fmt::Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.bare(key, quoted(value));
    }

    fn duration(&mut self, key: &str, value: Duration) {
        self.text(key, &humantime::format_duration(value).to_string());
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes any text");
    }
}

/// A size in the largest binary unit that is exact.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = units.into_iter().find(|(bits, _)| bytes.trailing_zeros() >= *bits);
    exact.map_or_else(|| format!("{bytes}B"), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(control)).expect("a string takes any text");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A TOML inline table.
fn table(members: &serde_json::Map<String, Json>) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, json)| format!("{} = {}", quoted(name), value(json))).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}

fn value(json: &Json) -> String {
    match json {
        // TOML has no null, so none can have come from there.
        Json::Null => quoted(""),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(list) => {
            format!("[{}]", list.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        Json::Object(members) => table(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_the_largest_exact_unit() {
        assert_eq!(size(64 << 20), "64MiB");
        assert_eq!(size(3 << 30), "3GiB");
        assert_eq!(size((64 << 10) + 1), "65537B");
    }

    #[test]
    fn any_text_survives_being_quoted() {
        for text in ["", "a\"b\\c", "\n\t\u{0}\u{1b}\u{7f}\u{85}", "ä😀"] {
            let document = format!("a = {}", quoted(text));
            let read = toml::de::DeTable::parse(&document).unwrap();
            assert_eq!(read.get_ref().get("a").and_then(|it| it.get_ref().as_str()), Some(text));
        }
    }
}
