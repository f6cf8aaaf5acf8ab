//! The whole configuration: parsed, shown, and compared with another one.

use std::fmt::Write as _;

use url::Url;

use super::address::{LISTEN, SERVER_URL};
use super::budget::{SharedBudget, shared_budget};
use super::every::EveryRepository;
use super::feed_table::FeedConfig;
use super::numbers::RATE;
use super::table::{
    ChangesConfig, DeletesConfig, InstanceConfig, LogConfig, LoginConfig, MirrorConfig,
    ModelConfig, PagingConfig, RepositoryConfig, ServerConfig, SessionConfig, StatusConfig,
};
use super::values::{Rate, StatusListen};
use crate::domain::RepositoryId;
use crate::settings::parser::{ParseResult, Parser};
use crate::settings::schema::ConfigKey;
use crate::settings::section::{ConfigSection, shown_field};

/// Everything that the configuration says, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`: where the server is and how to reach it.
    pub server: ServerConfig,
    /// `[login]`: who signs in.
    pub login: LoginConfig,
    /// `[session]`: how the session is carried and renewed.
    pub session: SessionConfig,
    /// `paging.max_requests_per_second`: the most requests for pages and items that the server is
    /// sent for all repositories together; `None`: no such bound.
    pub max_requests_per_second: Option<Rate>,
    /// `[[repository]]`: what is paged, ids unique; at least one, where there is none for every one.
    pub repositories: Vec<RepositoryConfig>,
    /// `[[repository]]` with `id = "all"`: every other one that the server offers.
    pub every: Option<EveryRepository>,
    /// `[mirror]`: where the copy is kept.
    pub mirror: MirrorConfig,
    /// `[instance]`: this daemon among those that share a mirror.
    pub instance: InstanceConfig,
    /// `[model]`: how the names of attributes are learnt.
    pub model: ModelConfig,
    /// `[[feed]]`: what is delivered to others, names unique.
    pub feeds: Vec<FeedConfig>,
    /// `[changes]`: how long the change log is kept.
    pub changes: ChangesConfig,
    /// `[status]`: where the status endpoint listens, and what it takes for ready.
    pub status: StatusConfig,
    /// `[log]`: what is said, and how.
    pub log: LogConfig,
}

/// What it takes to ask a mirror about its items: of a whole configuration the parts that need no
/// secret of the server's and no file that only the daemon can read.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryConfig {
    /// `server.url`, as in [`ServerConfig::url`].
    pub server: Url,
    /// `[[repository]]`: what is paged, ids unique; at least one, where there is none for every one.
    pub repositories: Vec<RepositoryConfig>,
    /// `[[repository]]` with `id = "all"`: every other one that the server offers.
    pub every: Option<EveryRepository>,
    /// `[mirror]`: where the copy is kept.
    pub mirror: MirrorConfig,
    /// `[[feed]]`: what is delivered to others, names unique.
    pub feeds: Vec<FeedConfig>,
    /// `[status]`: where browsers and scrapers ask a running daemon.
    pub status: StatusListen,
}

impl Config {
    /// Parses all sections, each before any fails.
    pub(super) fn parse(parser: &mut Parser) -> ParseResult<Self> {
        let server = once(parser);
        let login = once(parser);
        let session = once(parser);
        let max_requests_per_second = shared_paging(parser);
        let repositories = repository_list(parser);
        let mirror = once(parser);
        let instance = once(parser);
        let model = once(parser);
        let feeds = list(parser);
        let changes = once(parser);
        let status = once(parser);
        let log = once(parser);
        let (repositories, every) = repositories?;
        Ok(Self {
            server: server?,
            login: login?,
            session: session?,
            max_requests_per_second: max_requests_per_second?,
            repositories,
            every,
            mirror: mirror?,
            instance: instance?,
            model: model?,
            feeds: feeds?,
            changes: changes?,
            status: status?,
            log: log?,
        })
    }

    /// The configuration as TOML, each key with the value in effect, also where that is its default,
    /// so that what holds can be read off. Secrets are masked, and those that no file may hold are
    /// comments. Loaded again, with the secrets given again, it is the same configuration.
    ///
    /// What `[paging]` and `[deletes]` say stands in each repository, where it takes effect.
    pub fn effective(&self) -> String {
        let mut page = String::new();
        let rate = shown_field(&RATE, &self.max_requests_per_second);
        let paging = rate.map(|rate| (PagingConfig::key("max_requests_per_second"), rate));
        show_section(&mut page, &self.server);
        show_section(&mut page, &self.login);
        show_section(&mut page, &self.session);
        let every = self.every.as_ref().map(EveryRepository::keys);
        for repository in self.repositories.iter().chain(every) {
            show_section(&mut page, repository);
            if repository.paging.page_interval.is_none() {
                // Written as set, it would free the repository of the default budget.
                page.push_str("# page_interval = \"1s\"\n");
            }
        }
        show(&mut page, &PagingConfig::SCHEMA.header(), paging);
        if let Some(SharedBudget { rate, is_for_all: false }) = self.shared_budget() {
            let rate = (RATE.show)(&rate);
            let header = PagingConfig::SCHEMA.header();
            let whose = "of all repositories without a page_interval";
            write!(page, "\n{header}\n# max_requests_per_second = {rate} {whose}\n")
                .expect("a string takes any text");
        }
        show_section(&mut page, &self.mirror);
        show_section(&mut page, &self.instance);
        show_section(&mut page, &self.model);
        for feed in &self.feeds {
            show_section(&mut page, feed);
        }
        show_section(&mut page, &self.changes);
        show_section(&mut page, &self.status);
        show_section(&mut page, &self.log);
        page
    }

    /// The budget of requests that repositories share: as it is set, or the default one for those without a page
    /// interval of their own; `None` where there is no such repository.
    pub fn shared_budget(&self) -> Option<SharedBudget> {
        let every = self.every.as_ref().map(EveryRepository::keys);
        let all = self.repositories.iter().chain(every).map(|it| &it.paging);
        shared_budget(self.max_requests_per_second, all)
    }

    /// Reads these repositories as well, with the keys of `id = "all"`, in place of those that were
    /// taken so before; nothing, where there is no such section.
    pub fn take_offered(&mut self, offered: &[RepositoryId]) {
        if let Some(every) = &self.every {
            every.take(&mut self.repositories, offered);
        }
    }

    /// The keys with another value, but for those of repositories and feeds.
    pub fn changed(&self, other: &Self) -> Vec<&'static ConfigKey> {
        let mut changed = self.server.changed(&other.server);
        changed.extend(self.login.changed(&other.login));
        changed.extend(self.session.changed(&other.session));
        if self.max_requests_per_second != other.max_requests_per_second {
            changed.push(PagingConfig::key("max_requests_per_second"));
        }
        changed.extend(self.mirror.changed(&other.mirror));
        changed.extend(self.instance.changed(&other.instance));
        changed.extend(self.model.changed(&other.model));
        changed.extend(self.changes.changed(&other.changes));
        changed.extend(self.status.changed(&other.status));
        changed.extend(self.log.changed(&other.log));
        changed
    }
}

impl QueryConfig {
    /// Parses these parts alone.
    pub(super) fn parse(parser: &mut Parser) -> ParseResult<Self> {
        let server = parser.required("server", ServerConfig::key("url"), &SERVER_URL);
        let shared = shared_paging(parser);
        let repositories = repository_list(parser);
        let mirror = once(parser);
        let feeds = list(parser);
        let status = parser.required("status", StatusConfig::key("listen"), &LISTEN);
        shared?;
        let (repositories, every) = repositories?;
        Ok(Self {
            server: server?,
            repositories,
            every,
            mirror: mirror?,
            feeds: feeds?,
            status: status?,
        })
    }
}

/// A section that stands once.
fn once<S: ConfigSection>(parser: &mut Parser) -> ParseResult<S> {
    S::parse(parser, S::SCHEMA.name)
}

/// `[[repository]]`, and of these the one for every repository.
fn repository_list(
    parser: &mut Parser,
) -> ParseResult<(Vec<RepositoryConfig>, Option<EveryRepository>)> {
    let mut repositories = list(parser)?;
    let every = EveryRepository::split(&mut repositories);
    Ok((repositories, every))
}

/// The sections of a list.
fn list<S: ConfigSection>(parser: &mut Parser) -> ParseResult<Vec<S>> {
    let paths = parser.elements(S::SCHEMA.name);
    // Every one is parsed before the first that is faulty ends it.
    let all: Vec<_> = paths.iter().map(|path| S::parse(parser, path)).collect();
    all.into_iter().collect()
}

/// Of `[paging]` and `[deletes]` what is not for each repository by itself: a bound on what the
/// server gets is shared by all.
fn shared_paging(parser: &mut Parser) -> ParseResult<Option<Rate>> {
    let paging = once::<PagingConfig>(parser);
    let deletes = once::<DeletesConfig>(parser);
    parser.remove(PagingConfig::key("max_requests_per_second").path);
    deletes?;
    Ok(paging?.max_requests_per_second)
}

fn show_section<S: ConfigSection>(page: &mut String, section: &S) {
    show(page, &S::SCHEMA.header(), section.shown());
}

/// Writes a section, unless nothing holds in it.
fn show(
    page: &mut String,
    header: &str,
    values: impl IntoIterator<Item = (&'static ConfigKey, toml::Value)>,
) {
    let line = |(key, value): (&'static ConfigKey, toml::Value)| {
        let mark = if key.is_secret() { "# " } else { "" };
        format!("{mark}{} = {value}\n", key.name())
    };
    let lines: String = values.into_iter().map(line).collect();
    if !lines.is_empty() {
        let gap = if page.is_empty() { "" } else { "\n" };
        write!(page, "{gap}{header}\n{lines}").expect("a string takes any text");
    }
}
