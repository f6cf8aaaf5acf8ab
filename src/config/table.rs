//! The table of all keys: a row for each, from which everything else derives.
//!
//! The texts are those of the commented file and of the manual page as well. After a change here,
//! `UPDATE=1 cargo test --lib config::tests::shipped` writes `config/ewmirror.toml` anew.

#![expect(
    clippy::doc_markdown,
    clippy::doc_link_with_quotes,
    reason = "a commented file and a manual page have no Markdown"
)]

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::address::{LISTEN, PROXY_URL, SERVER_URL};
use super::feed_table::FeedConfig;
use super::incremental::{INCREMENTAL, IncrementalConfig};
use super::names_file::{NAMES_FILE, NamesFile};
use super::numbers::{
    AGE, DELETES, DURATION, FRACTION, IN_FLIGHT, LEASE_TTL, PAGE_SIZE, PAUSE, PAUSE_OR_AUTO, RATE,
    REFRESH, REPOSITORIES, REPOSITORY_ID, RESPONSE_SIZE, STORE_SIZE,
};
use super::search::SEARCH;
use super::values::{
    AutoOr, LogFormat, LogLevel, LoginMethod, Rate, Refresh, StatusListen, Transport,
};
use super::words::{
    CALL_PATH, FLAG, INSTANCE_NAME, POINTER, POINTERS, READABLE_FILE, SCHEMA_NAME, TEXT, TOKEN,
    WORDS,
};
use crate::domain::RepositoryId;
use crate::json::JsonPointer;
use crate::mirror_url::{MIRROR_URL, MirrorUrl};
use crate::settings::choice::choice;
use crate::settings::parser::{ParseResult, Parser};
use crate::settings::schema::{ConfigKey, OnReload, Requirement, Schema, SectionSchema};
use crate::settings::secret::Secret;
use crate::settings::secrets::{SECRET, SECRET_FILE};
use crate::settings::section::{ConfigSection, differ, section, shown_field};

/// All sections, in the order in which they are shown.
pub const SCHEMA: Schema = Schema(&[
    ServerConfig::SCHEMA,
    LoginConfig::SCHEMA,
    SessionConfig::SCHEMA,
    RepositoryConfig::SCHEMA,
    PagingConfig::SCHEMA,
    MirrorConfig::SCHEMA,
    InstanceConfig::SCHEMA,
    ModelConfig::SCHEMA,
    FeedConfig::SCHEMA,
    ChangesConfig::SCHEMA,
    DeletesConfig::SCHEMA,
    StatusConfig::SCHEMA,
    LogConfig::SCHEMA,
]);

section! {
    /// Where the server is, and how to reach it.
    pub section "server" => ServerConfig;
    fields {
        /// The base URL: https (or http) and the host, with the port and path if your server has
        /// them, but without /webcm or /enable-api.
        url: Url = SERVER_URL, Required(
            "https://enterworks.example.com",
            "write the server's base URL, such as \"https://enterworks.example.com\""
        ), NewServer;
        /// A PEM file with the certificate authority of your company, trusted beside the system's;
        /// or with the server's own certificate, if it signed that itself.
        ca_file: Option<PathBuf> = READABLE_FILE, Optional("/etc/ewmirror/ca.pem"), Reconnect;
        /// A PEM file with a client certificate and its private key, for servers that ask for one.
        /// Keep it readable for the daemon alone: as a service, by
        /// LoadCredential=client:/etc/ewmirror/client.pem in a drop-in and
        /// "/run/credentials/ewmirror.service/client" here.
        client_identity_file: Option<PathBuf> =
            READABLE_FILE, Optional("/etc/ewmirror/client.pem"), Reconnect;
        /// The proxy: http, https, socks5 or socks5h (socks5h lets the proxy look up host names).
        /// Without it, the usual variables hold (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
        proxy: Option<Secret> =
            PROXY_URL, Optional("http://proxy.example.com:3128"), Reconnect;
    }
    keys {
        /// The password of the user in that URL ("http://user@proxy.example.com:3128"), from one of
        /// three places; the first that is there counts: the systemd credential "proxy-password", the
        /// file named below, or the variable EWMIRROR_SERVER__PROXY_PASSWORD.
        proxy_password = SECRET, Optional("***"), Reconnect;
        /// A file that holds the proxy's password alone.
        proxy_password_file = SECRET_FILE, Optional("/etc/ewmirror/proxy-password"), Reconnect;
    }
    fields {
        /// Hosts and domains reached without that proxy, such as ["localhost", ".example.com"];
        /// ["*"]: use no proxy at all, not even one of these variables.
        no_proxy: Vec<String> = WORDS, Default([]), Reconnect;
        /// true takes any certificate for good: anybody on the way can read the password. For a
        /// trial only; ca_file is the right way to a self-signed certificate.
        accept_invalid_certificates: bool = FLAG, Default(false), Reconnect;
        /// Where the server has a call that answers for up to 500 items by id at once: its path below
        /// webcm/rest/api. It is sent {"repositoryId": 10149, "itemIds": [1, 2]} by POST. Items that a
        /// pass did not see are asked for by it, and singly where it does not show them.
        items_call: Option<String> = CALL_PATH, Optional("items/list"), Reconnect;
        /// How long it may take to get a connection.
        connect_timeout: Duration = DURATION, Default("5s"), Reconnect;
        /// How long it may take to get a whole answer, from the sending of its request.
        request_timeout: Duration = DURATION, Default("30s"), Reconnect;
        /// How long an answer that has begun may stand still.
        idle_timeout: Duration = DURATION, Default("30s"), Reconnect;
        /// The largest answer that is read, after decompression. A page of 200 items is well below
        /// 1 MiB.
        max_response_size: u64 = RESPONSE_SIZE, Default("64MiB"), Reconnect;
        /// How many bytes of pages may be in memory at once, of all repositories together: asked for,
        /// waiting for the pages before them, or being written. Beyond it no page is asked for, but for
        /// one at a time that others wait for.
        page_memory: u64 = RESPONSE_SIZE, Default("64MiB"), Live;
    }
}

section! {
    /// Who signs in.
    pub section "login" => LoginConfig;
    fields {
        /// How to sign in: "enable-api", or "oauth" for servers that are reached without enable-api
        /// (on the webcm port).
        method: LoginMethod = choice::<LoginMethod>(), Default("enable-api"), NewLogin;
        /// The user that signs in. One who can read the repositories is enough: nothing is ever
        /// written.
        username: String = TEXT, Required(
            "system", "write the name of the user that signs in, such as \"system\""
        ), NewUser;
        /// The password must not stand here. Give it in one of three places; the first that is there
        /// counts: the systemd credential "password"
        /// (LoadCredential=password:/etc/ewmirror/password), the file named below, or the variable
        /// EWMIRROR_LOGIN__PASSWORD.
        password: Secret = SECRET, Required(
            "***",
            "give it as the systemd credential \"password\" (LoadCredential= in the unit), in a \
             file named by login.password_file, or in EWMIRROR_LOGIN__PASSWORD; for \
             /etc/ewmirror/ewmirror.toml also in /etc/ewmirror/password"
        ), NewLogin;
    }
    keys {
        /// A file that holds the password alone, which only the daemon should be able to read.
        password_file = SECRET_FILE, Optional("/etc/ewmirror/password"), NewLogin;
    }
    fields {
        /// For "oauth", the name of the client, which must be set.
        client_id: String = TEXT, Optional("ewmirror"), NewLogin;
        /// For "oauth", the client's secret, if it has one, in the same three places as the password:
        /// the credential "client_secret", the file named below, or the variable
        /// EWMIRROR_LOGIN__CLIENT_SECRET.
        client_secret: Secret = SECRET, Optional("***"), NewLogin;
    }
    keys {
        /// A file that holds the client's secret alone.
        client_secret_file = SECRET_FILE, Optional("/etc/ewmirror/client_secret"), NewLogin;
    }
    fields {
        /// For "oauth", whether name and password stand in the URL, where access logs keep them: only
        /// for servers before version 10.2.1, which read them nowhere else. false: they are sent as a
        /// form in the body.
        oauth_credentials_in_url: bool = FLAG, Default(false), NewLogin;
    }
}

section! {
    /// How the session is carried and renewed.
    #[derive(Eq)]
    pub section "session" => SessionConfig;
    fields {
        /// How requests carry the session: as "headers", or as "cookies" where a gateway drops
        /// unknown headers.
        transport: Transport = choice::<Transport>(), Default("headers"), NewSession;
        /// How often the server is asked whether the session still stands.
        reauth_interval: Duration = DURATION, Default("60s"), Live;
        /// The age at which the session is renewed. It ends after 24 hours by itself.
        max_age: Duration = DURATION, Default("23h"), Live;
    }
}

section! {
    /// What is paged: one section for each repository, at least one. Every key of `[paging]` and of
    /// `[deletes]` can be set here too, and then holds for this repository alone.
    pub list "repository" => RepositoryConfig;
    fields {
        /// The number of the repository; or "all", once, for every repository that the server offers
        /// to this login and that has no section of its own, with the keys of this one. Which those are
        /// is asked at the start and at each refresh of the model.
        id: RepositoryId =
            REPOSITORY_ID, Required(10149, "write the repository's number"), Repository;
        /// For "all", the most repositories that are taken; where the server offers more, none is,
        /// and that is told. Not set: 200.
        max_repositories: Option<NonZeroU32> = REPOSITORIES, Optional(200), Repository;
        /// What people call it, for logs and status.
        name: Option<String> = TEXT, Optional("products"), Repository;
        /// Where an item carries its id: a JSON pointer, "/itemId" or, one level down, "/meta/id".
        item_id: JsonPointer = POINTER, Default("/itemId"), NewPass;
        /// Members added to each search request as they are, to page through a part of the
        /// repository. ewmirror sets repositoryId, page and pageSize itself.
        search: serde_json::Map<String, serde_json::Value> =
            SEARCH, Optional({ savedSetId = 7 }), NewPass;
        /// Short passes between the whole ones, over what changed lately: how often they begin, how the
        /// server is asked for it, and where an item says when it changed. mode "since": the search has
        /// "{since}" in one of its texts, in place of which goes the latest change known, less lookback;
        /// since_format and since_zone say how. mode "newest_first": the list has the last change first,
        /// and is read from the top. docs/configure.md has every member.
        incremental: Option<IncrementalConfig> = INCREMENTAL, Optional({
            interval = "10s", mode = "newest_first", cursor = "/modifiedOn"
        }), Repository;
        /// The goal of finding a change: how long after it was made at the server it is to be in the mirror.
        /// It needs incremental with a cursor. Where it is missed, that and why is told as a problem and at
        /// /readyz.
        freshness: Option<Duration> = DURATION, Optional("30s"), Repository;
        /// Members that change on every read and mean nothing, as JSON pointers. They are left out
        /// when an item is compared with its copy: a change in them alone is no change. Not set:
        /// Last_Updated, which changes at mere validations, by this name or as the attribute that the
        /// model calls so. []: none.
        ignore: Option<Arc<[JsonPointer]>> = POINTERS, Optional(["/F_100999"]), Repository;
        /// What the attributes are called: a csv file with the header
        /// "id,name,restricted_name,type,language,code_set", or a JSON file with such members. What
        /// it says wins over what the server says. It must not be a link.
        names_file: Option<NamesFile> =
            NAMES_FILE, Optional("/etc/ewmirror/products.csv"), Repository;
    }
    overrides {
        /// `[paging]` with this repository's own values laid over it.
        paging: PagingConfig;
        /// `[deletes]` with this repository's own values laid over it.
        deletes: DeletesConfig;
    }
}

section! {
    /// How repositories are paged through.
    pub section "paging" => PagingConfig;
    fields {
        /// How many items are asked for at once, from 1 to 100000; below 17, overlapping pages
        /// cannot work for large repositories. "auto": 200 at first, twice as many while items then
        /// come sooner, up to 3200, 8 MiB and what the server sends at most. What is found is kept.
        page_size: AutoOr<NonZeroU32> = PAGE_SIZE, Default(200), Repository;
        /// The time between two page requests of one repository. "0s": as fast as the server
        /// answers. "auto": the same, but for rests between them, of up to 10 s, while the server
        /// answers more slowly than it can although it is asked for one page at a time. Not set: "1s",
        /// and without max_requests_per_second all repositories for which it is not set make at most
        /// 5 requests a second together.
        page_interval: Option<AutoOr<Duration>> = PAUSE_OR_AUTO, Optional("1s"), Repository;
        /// The rest between two passes over a repository.
        pass_interval: Duration = PAUSE, Default("5m"), Repository;
        /// Pages overlap a little, so that a pass can prove that it missed nothing while items came
        /// and went. false: plain pages, which cannot.
        overlap: bool = FLAG, Default(true), Repository;
        /// How many page requests of one repository may be under way at once, from 1 to 64. "auto":
        /// one at first, more while the server answers them as quickly as one alone, and half as
        /// many at once when it gets slower or fails, for us or for others. Set page_interval to
        /// "auto" too, or it stays the bound. It takes 8 at most; for another bound set page_interval to
        /// "auto" and write the most that may be taken here.
        in_flight: AutoOr<NonZeroU32> = IN_FLIGHT, Default(1), Repository;
        /// The most requests for pages and single items a second, from 0.001 to 1000. In `[paging]`
        /// it holds for the server, thus for all repositories together; in a repository for this
        /// one, beside the other. Not counted: sign-in, sign-out and the question whether the
        /// session still stands. Not set: none, but for repositories without a page_interval.
        max_requests_per_second: Option<Rate> = RATE, Optional(5), Live;
        /// Within this time each pass is to end: where requests have to wait for one another, those of a
        /// pass that falls behind go first, with at least a quarter of all.
        pass_deadline: Duration = DURATION, Default("24h"), Repository;
        /// A pass that was interrupted no longer ago than this is taken up where it was after a
        /// restart; an older one starts over.
        resume_within: Duration = DURATION, Default("1h"), Repository;
    }
}

section! {
    /// Where the copy is kept.
    #[derive(Eq)]
    pub section "mirror" => MirrorConfig;
    fields {
        /// "sqlite://" and the absolute path of a file on a local disk, which only one daemon may
        /// use. "postgresql://user@host:5432/database" for a PostgreSQL, also several hosts with
        /// commas between; "postgresql://user@/database?host=/var/run/postgresql" for its socket.
        /// "none": page and log, keep nothing.
        url: MirrorUrl = MIRROR_URL, Default("sqlite:///var/lib/ewmirror/mirror.db"), Restart;
        /// PostgreSQL: the schema that holds the tables and views. It is made if it is not there.
        schema: String = SCHEMA_NAME, Default("ewmirror"), Restart;
        /// PostgreSQL: a PEM file with the certificate authority that issued its certificate, trusted
        /// beside the system's.
        ca_file: Option<PathBuf> = READABLE_FILE, Optional("/etc/ewmirror/mirror-ca.pem"), Restart;
        /// PostgreSQL: the password of the user in the URL, which must not stand there. Give it in one
        /// of three places; the first that is there counts: the systemd credential "mirror-password"
        /// (LoadCredential=mirror-password:/etc/ewmirror/mirror-password in a drop-in), the file named
        /// below, or the variable EWMIRROR_MIRROR__PASSWORD.
        password: Option<Secret> = SECRET, Optional("***"), Restart;
    }
    keys {
        /// A file that holds the password alone.
        password_file = SECRET_FILE, Optional("/etc/ewmirror/mirror-password"), Restart;
    }
}

section! {
    /// This daemon among those that share a mirror in a PostgreSQL.
    #[derive(Eq)]
    pub section "instance" => InstanceConfig;
    fields {
        /// What the others call it. Without it, the name of this host.
        name: Option<String> = INSTANCE_NAME, Optional("ewmirror-a"), Restart;
        /// How long another daemon waits for this one before it takes over, at least "5s".
        lease_ttl: Duration = LEASE_TTL, Default("15s"), Restart;
        /// false: one daemon reads all repositories, and the others stand by. true: they share them
        /// out.
        spread: bool = FLAG, Default(false), Restart;
    }
}

section! {
    /// How the names of attributes are learnt from the server.
    #[derive(Copy, Eq)]
    pub section "model" => ModelConfig;
    fields {
        /// How often the server is asked for the attributes, code sets and links of each repository.
        /// "off": never; what names_file says is used all the same.
        refresh_interval: Refresh = REFRESH, Default("1h"), Live;
    }
}

section! {
    /// How long the log of changes is kept.
    #[derive(Copy, Default, Eq)]
    pub section "changes" => ChangesConfig;
    fields {
        /// How old a change may get before it is dropped from the log of changes. Without it,
        /// changes are kept for ever. The items themselves stay, whatever their age.
        keep: Option<Duration> = AGE, Optional("90d"), Live;
        /// How large the mirror may be for feeds to hold what they have not delivered: once it is larger, or
        /// its disk nearly full, what keep would drop is dropped. Not set: of any size.
        hold_size: Option<u64> = STORE_SIZE, Optional("100GiB"), Live;
    }
}

section! {
    /// How many deletions one pass may make without a human. A pass that would delete more than
    /// max_fraction of a repository, and more than min_count items, or more than half of the
    /// repository (or than max_fraction, where it is more than a half), deletes nothing and waits
    /// for `ewmirror approve-deletes`: an expired permission must not empty a shop.
    #[derive(Copy)]
    pub section "deletes" => DeletesConfig;
    fields {
        /// The largest part of a repository that a pass deletes, from 0 to 1.
        max_fraction: f64 = FRACTION, Default(0.1), Repository;
        /// So many items may go at once, whatever part of a small repository they are, up to a half
        /// of it.
        min_count: u64 = DELETES, Default(10), Repository;
    }
}

section! {
    /// Where status and metrics are served, and what it takes for ready.
    #[derive(Eq)]
    pub section "status" => StatusConfig;
    fields {
        /// Where the endpoint listens: an address and port, "unix:/run/ewmirror/status.sock", or
        /// "off". Who can reach it can read it. Commands such as "ewmirror status" ask
        /// elsewhere, over a control socket that only root and the daemon's own account can use.
        listen: StatusListen = LISTEN, Default("127.0.0.1:9464"), Restart;
        /// How old the last certified pass of a repository may be for /readyz to answer that all is
        /// well.
        max_age: Duration = AGE, Default("24h"), Live;
        /// Who sends this token may read items and changes there; over TCP nobody else may, and without
        /// one nobody at all. At least 32 characters, such as "openssl rand -hex 32" prints. It must not
        /// stand here. Give it in one of three places; the first that is there counts: the systemd
        /// credential "status-token" (LoadCredential=status-token:/etc/ewmirror/status-token in a drop-in),
        /// the file named below, or the variable EWMIRROR_STATUS__TOKEN.
        token: Option<Secret> = TOKEN, Optional("***"), Restart;
    }
    keys {
        /// A file that holds the token alone, which only the daemon should be able to read.
        token_file = SECRET_FILE, Optional("/etc/ewmirror/status-token"), Restart;
    }
}

section! {
    /// What is said, and how.
    #[derive(Eq)]
    pub section "log" => LogConfig;
    fields {
        /// "auto": journald under systemd, text on a terminal, json otherwise. Or one of "journald",
        /// "text", "json".
        format: LogFormat = choice::<LogFormat>(), Default("auto"), Restart;
        /// "off", "error", "warn", "info", "debug" or "trace".
        level: LogLevel = choice::<LogLevel>(), Default("info"), Live;
    }
}
