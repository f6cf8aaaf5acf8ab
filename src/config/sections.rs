//! The sections of the configuration, read from the merged settings.
//!
//! Each function reads all keys of its section before it fails, so that every fault is told. A
//! limit has its reason beside it.

use std::time::Duration;

use super::environment::Environment;
use super::reader::{Read, Reader};
use super::units::Rejection;
use super::{
    AskConfig, ChangesConfig, Config, LogConfig, LogFormat, LogLevel, LoginConfig, LoginMethod,
    MirrorUrl, Secret, ServerConfig, SessionConfig, StatusConfig, Transport,
};
use super::{address, credentials, repositories, units};

/// How long a session lasts (vendor).
const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

const URL: &str = "server.url";
const URL_EXAMPLE: &str = "the server's base URL, such as \"https://enterworks.example.com\"";

/// Reads everything.
pub(super) fn config(reader: &mut Reader, environment: &Environment) -> Read<Config> {
    let server = server(reader, environment);
    let login = login(reader, environment);
    let session = session(reader);
    let repositories = repositories::read(reader);
    let mirror = mirror(reader);
    let keep = reader.optional("changes.keep", units::age);
    let listen = reader.preset("status.listen", address::status);
    let max_age = reader.preset("status.max_age", units::age);
    let log = log(reader);
    let (max_requests_per_second, repositories) = repositories?;
    Ok(Config {
        server: server?,
        login: login?,
        session: session?,
        max_requests_per_second,
        repositories,
        mirror: mirror?,
        changes: ChangesConfig { keep: keep? },
        status: StatusConfig { listen: listen?, max_age: max_age? },
        log: log?,
    })
}

/// Reads what it takes to ask a mirror.
pub(super) fn ask(reader: &mut Reader) -> Read<AskConfig> {
    let server = reader.required(URL, URL_EXAMPLE, address::server);
    let repositories = repositories::read(reader);
    let mirror = mirror(reader);
    let status = reader.preset("status.listen", address::status);
    let (_, repositories) = repositories?;
    Ok(AskConfig { server: server?, repositories, mirror: mirror?, status: status? })
}

/// `server.proxy`, with the password that is kept elsewhere.
fn proxy(reader: &mut Reader, environment: &Environment) -> Read<Option<Secret>> {
    const PROXY: &str = "server.proxy";
    const PASSWORD: &str = "server.proxy_password";
    let url = reader.optional(PROXY, address::proxy);
    let password = credentials::proxy_password(reader, environment)?;
    let Some(url) = url? else {
        if password.is_some() {
            reader.warn(PASSWORD, "is ignored, because server.proxy is not set");
        }
        return Ok(None);
    };
    let Some(password) = password else {
        if address::has_password(&url) {
            credentials::warn_if_readable(reader, PROXY);
        }
        return Ok(Some(url));
    };
    address::with_password(&url, &password)
        .map(Some)
        .map_err(|rejection| reader.fault(PROXY, None, rejection))
}

fn server(reader: &mut Reader, environment: &Environment) -> Read<ServerConfig> {
    const IDENTITY: &str = "server.client_identity_file";
    const INVALID: &str = "server.accept_invalid_certificates";
    let url = reader.required(URL, URL_EXAMPLE, address::server);
    if url.as_ref().is_ok_and(|url| url.scheme() == "http" && !address::is_loopback(url)) {
        reader.warn(URL, "is plain http: password, tokens and items travel readably");
    }
    let ca_file = reader.optional("server.ca_file", credentials::readable_file);
    let client_identity_file = reader.optional(IDENTITY, credentials::readable_file);
    if let Ok(Some(path)) = &client_identity_file {
        credentials::warn_if_exposed(reader, IDENTITY, path);
    }
    let proxy = proxy(reader, environment);
    let no_proxy = reader.preset("server.no_proxy", units::words);
    let accept_invalid_certificates = reader.preset(INVALID, units::truth);
    if accept_invalid_certificates == Ok(true) {
        reader.warn(INVALID, "is true: anybody on the way can pose as the server and read all");
    }
    let connect_timeout = reader.preset("server.connect_timeout", units::duration);
    let request_timeout = reader.preset("server.request_timeout", units::duration);
    let idle_timeout = reader.preset("server.idle_timeout", units::duration);
    let max_response_size = reader.preset("server.max_response_size", units::response_size);
    Ok(ServerConfig {
        url: url?,
        ca_file: ca_file?,
        client_identity_file: client_identity_file?,
        proxy: proxy?,
        no_proxy: no_proxy?,
        accept_invalid_certificates: accept_invalid_certificates?,
        connect_timeout: connect_timeout?,
        request_timeout: request_timeout?,
        idle_timeout: idle_timeout?,
        max_response_size: max_response_size?,
    })
}

fn login(reader: &mut Reader, environment: &Environment) -> Read<LoginConfig> {
    const CLIENT_ID: &str = "login.client_id";
    let methods = [("enable-api", LoginMethod::EnableApi), ("oauth", LoginMethod::Oauth)];
    let method = reader.preset("login.method", |raw| units::choice(raw, &methods));
    let example = "the name of the user that signs in, such as \"system\"";
    let username = reader.required("login.username", example, units::text);
    let password = credentials::password(reader, environment);
    let (client_id, client_secret) = if method == Ok(LoginMethod::Oauth) {
        let example = "the name of the OAuth client, or another login.method";
        let client_id = reader.required(CLIENT_ID, example, units::text);
        let secret = credentials::client_secret(reader, environment);
        // RFC 6749 (2.3.1): a client without a secret has the empty one.
        (client_id, secret.map(|secret| secret.unwrap_or_else(|| Secret::new(""))))
    } else {
        for key in [CLIENT_ID, "login.client_secret", "login.client_secret_file"] {
            if reader.is_set(key) && method.is_ok() {
                reader.warn(key, "is ignored, because login.method is not \"oauth\"");
            }
        }
        let client_id = reader.optional(CLIENT_ID, units::text);
        (client_id.map(|_| String::new()), Ok(Secret::new("")))
    };
    Ok(LoginConfig {
        method: method?,
        username: username?,
        password: password?,
        client_id: client_id?,
        client_secret: client_secret?,
    })
}

fn session(reader: &mut Reader) -> Read<SessionConfig> {
    const MAX_AGE: &str = "session.max_age";
    let transports = [("headers", Transport::Headers), ("cookies", Transport::Cookies)];
    let transport = reader.preset("session.transport", |raw| units::choice(raw, &transports));
    let reauth_interval = reader.preset("session.reauth_interval", units::duration);
    let max_age = reader.preset(MAX_AGE, units::duration);
    if max_age.is_ok_and(|age| age >= SESSION_LIFETIME) {
        reader.warn(MAX_AGE, "is not below 24h, when a session ends: it is renewed only then");
    }
    Ok(SessionConfig {
        transport: transport?,
        reauth_interval: reauth_interval?,
        max_age: max_age?,
    })
}

fn mirror(reader: &mut Reader) -> Read<MirrorUrl> {
    match reader.preset("mirror.url", address::mirror)? {
        MirrorUrl::Postgres(url) => {
            let remedy =
                "take \"sqlite:///var/lib/ewmirror/mirror.db\", or \"none\" to page and log only";
            let rejection = Rejection::new("this version has no PostgreSQL mirror yet", remedy);
            Err(reader.fault("mirror.url", Some(address::masked(&url)), rejection))
        }
        mirror => Ok(mirror),
    }
}

fn log(reader: &mut Reader) -> Read<LogConfig> {
    let formats = [
        ("auto", LogFormat::Auto),
        ("journald", LogFormat::Journald),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
    ];
    let levels = [
        ("off", LogLevel::Off),
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let format = reader.preset("log.format", |raw| units::choice(raw, &formats));
    let level = reader.preset("log.level", |raw| units::choice(raw, &levels));
    Ok(LogConfig { format: format?, level: level? })
}
