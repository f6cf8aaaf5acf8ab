//! `mirror.url` where it names a PostgreSQL database: parsed once, and shown again without anything
//! that is left to chance.
//!
//! Pure functions. The URL may carry a password by mistake, so no error here repeats any of its text.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Host;

use crate::settings::choice::{Choice, choices};
use crate::settings::codec::{Parsed, invalid};
use crate::settings::nearest;

/// The port of a server whose URL names none.
const DEFAULT_PORT: u16 = 5432;

/// The name under which the server lists our connections unless the URL gives another.
const APPLICATION_NAME: &str = "ewmirror";

/// How long a connection may take where the URL does not say, in seconds.
const CONNECT_TIMEOUT: u64 = 10;

/// The longest time that a connection may be given, in seconds.
const LONGEST_TIMEOUT: u64 = 3600;

/// The longest name of a user, a database or a program that PostgreSQL does not cut off, in bytes.
const LONGEST_NAME: usize = 63;

/// More hosts than any cluster has: a longer list is a slip.
const MOST_HOSTS: usize = 16;

/// The longest host name that DNS has, in bytes; also a limit on what is read for one.
const LONGEST_HOST: usize = 253;

/// The longest folder of a socket, in bytes: the socket's own name must fit behind it.
const LONGEST_FOLDER: usize = 90;

/// What a URL looks like.
pub(super) const HINT: &str = "write \"postgresql://user@host/database\", or for a server on this machine \
                               \"postgresql://user@/database?host=/var/run/postgresql\"";

/// Where the password belongs.
const PASSWORD_HINT: &str = "take the password out of the URL and give it as the systemd credential \
                             \"mirror-password\", in a file named by mirror.password_file, or in \
                             EWMIRROR_MIRROR__PASSWORD";

/// The parameters that a URL may have.
const PARAMETERS: [&str; 9] = [
    "sslmode",
    "channel_binding",
    "target_session_attrs",
    "host",
    "port",
    "user",
    "dbname",
    "application_name",
    "connect_timeout",
];

/// What stands in a URL as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same in the part behind the question mark.
const PLAIN_VALUE: &AsciiSet = &PLAIN.remove(b'/').remove(b':').remove(b',');

choices! {
    /// `sslmode` of a PostgreSQL URL, as libpq has it.
    SslMode:
    /// No encryption.
    "disable" => Disable,
    /// Encryption where the server has it. Anybody on the way can read along.
    "prefer" => Prefer,
    /// Encryption, with any server that answers; with `mirror.ca_file` the same as `verify-ca`.
    "require" => Require,
    /// The certificate must be of an authority that is trusted here, whatever its name.
    "verify-ca" => VerifyCa,
    /// So too, and must be for the host of the URL.
    "verify-full" => VerifyFull,
}

choices! {
    /// `channel_binding` of a PostgreSQL URL: whether the password's proof is for this TLS connection alone,
    /// so that nobody on the way can pass it on.
    ChannelBinding:
    /// Never.
    "disable" => Disable,
    /// Where the server's certificate and its way to ask for a password allow it.
    "prefer" => Prefer,
    /// Always: a server that does without it is refused.
    "require" => Require,
}

choices! {
    /// `target_session_attrs` of a PostgreSQL URL: which of several servers is wanted.
    TargetSession:
    /// The first that answers.
    "any" => Any,
    /// One that can be written, thus no standby.
    "read-write" => ReadWrite,
    /// One that cannot be written, for commands that only read.
    "read-only" => ReadOnly,
}

/// A PostgreSQL database, without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUrl {
    /// The servers, at least one, in the order in which they are tried.
    pub hosts: Vec<PostgresHost>,
    /// The user; `None`: the account of the process.
    pub user: Option<String>,
    /// The database; `None`: the one named like the user.
    pub database: Option<String>,
    /// How connections over TCP are secured, to every host.
    pub ssl_mode: SslMode,
    /// Whether the password's proof is bound to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// Which of the servers will do.
    pub target: TargetSession,
    /// The name under which the server lists our connections.
    pub application_name: String,
    /// How long it may take to get a connection to one server.
    pub connect_timeout: Duration,
}

/// Where a PostgreSQL server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresHost {
    /// At a TCP port of a host, which is a name or an address.
    Tcp(Host, u16),
    /// At a socket in this folder, which the port gives its name.
    Socket(PathBuf, u16),
}

impl PostgresUrl {
    /// Parses such a URL, for tests.
    #[cfg(test)]
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(text).ok()
    }

    /// Whether any of its servers is reached over TCP.
    pub fn is_over_tcp(&self) -> bool {
        self.hosts.iter().any(|host| matches!(host, PostgresHost::Tcp(..)))
    }

    /// Parses a text that begins with `postgresql://` or `postgres://`.
    pub(crate) fn of(text: &str) -> Parsed<Self> {
        let Some((_, rest)) = text.split_once("://") else { return invalid("is no URL", HINT) };
        if rest.contains('#') {
            return invalid("holds a #", "write %23 in its place");
        }
        // Where a password holds one of / ? the URL is not what it looks like.
        let is_cut = rest.find(['/', '?']).zip(rest.rfind('@')).is_some_and(|(end, at)| end < at);
        if is_cut {
            return invalid(
                "holds an @ behind the hosts",
                "write %40 in its place, and no password",
            );
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        if !password.is_empty() {
            return invalid("holds a password", PASSWORD_HINT);
        }
        let mut parts = Parts::of_query(query)?;
        parts.add("user", "user", user)?;
        parts.add("dbname", "database", database)?;
        if !hosts.is_empty() && parts.get("host").is_some() {
            return invalid("names hosts twice", "name them either before the / or as host=");
        }
        let hosts = match parts.get("host") {
            Some(names) => listed(names, parts.get("port").unwrap_or_default())?,
            None if parts.get("port").is_some() => {
                return invalid("names a port without a host", "write the port behind the host");
            }
            None => hosts.split(',').map(host_and_port).collect::<Parsed<Vec<_>>>()?,
        };
        if hosts.len() > MOST_HOSTS {
            return invalid(format!("names more than {MOST_HOSTS} hosts"), HINT);
        }
        let usual = if hosts.len() > 1 { TargetSession::ReadWrite } else { TargetSession::Any };
        let ssl_mode = parts.choice("sslmode")?.unwrap_or(SslMode::VerifyFull);
        let channel_binding = parts.choice("channel_binding")?.unwrap_or(ChannelBinding::Prefer);
        let has_socket = hosts.iter().any(|host| matches!(host, PostgresHost::Socket(..)));
        if channel_binding == ChannelBinding::Require
            && (has_socket || ssl_mode == SslMode::Disable)
        {
            let hint = "take channel_binding=require out, or reach the server over TCP with TLS";
            return invalid("requires channel binding where there is no TLS", hint);
        }
        Ok(Self {
            user: parts.name("user", "user")?,
            database: parts.name("dbname", "database")?,
            ssl_mode,
            channel_binding,
            target: parts.choice("target_session_attrs")?.unwrap_or(usual),
            application_name: parts
                .name("application_name", "application_name")?
                .unwrap_or_else(|| APPLICATION_NAME.to_owned()),
            connect_timeout: Duration::from_secs(timeout(parts.get("connect_timeout"))?),
            hosts,
        })
    }
}

/// The parameters of a URL, decoded, each at most once.
struct Parts(Vec<(&'static str, String)>);

impl Parts {
    fn of_query(query: &str) -> Parsed<Self> {
        let mut parts = Self(Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name)?;
            let Some(known) = PARAMETERS.into_iter().find(|known| *known == name) else {
                return unknown(&name);
            };
            if value.is_empty() {
                return invalid(
                    format!("has nothing for {known}"),
                    "write a value, or leave it out",
                );
            }
            parts.add(known, known, value)?;
        }
        Ok(parts)
    }

    /// Adds what is there, still encoded.
    fn add(&mut self, name: &'static str, shown: &str, value: &str) -> Parsed<()> {
        if value.is_empty() {
            return Ok(());
        }
        if self.get(name).is_some() {
            return invalid(format!("names the {shown} twice"), "take one of the two out");
        }
        self.0.push((name, decoded(value)?));
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A name as PostgreSQL has them.
    fn name(&self, name: &str, shown: &str) -> Parsed<Option<String>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.len() > LONGEST_NAME {
            let error = format!("has a {shown} of more than {LONGEST_NAME} bytes");
            return invalid(error, "PostgreSQL has no names that long");
        }
        Ok(Some(value.to_owned()))
    }

    fn choice<T: Choice>(&self, name: &str) -> Parsed<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let choice = T::CHOICES.iter().find(|(word, _)| *word == value);
        let Some((_, choice)) = choice else {
            let all: Vec<_> = T::CHOICES.iter().map(|(word, _)| *word).collect();
            let hint = format!("the choices are {}", all.join(", "));
            return invalid(format!("has an unknown {name}"), hint);
        };
        Ok(Some(*choice))
    }
}

/// What is wrong with a parameter that there is not.
fn unknown<T>(name: &str) -> Parsed<T> {
    match name {
        "password" | "sslpassword" | "passfile" => invalid("holds a password", PASSWORD_HINT),
        "sslrootcert" => invalid("names a certificate", "name its file in mirror.ca_file"),
        _ => {
            let all = PARAMETERS.join(", ");
            let hint = match nearest(name, PARAMETERS) {
                Some(near) => format!("did you mean {near}? the parameters are {all}"),
                None => format!("the parameters are {all}"),
            };
            invalid("has an unknown parameter", hint)
        }
    }
}

/// A part of a URL without its escapes.
fn decoded(part: &str) -> Parsed<String> {
    let Ok(text) = percent_decode_str(part).decode_utf8() else {
        return invalid("is not UTF-8", "write it as UTF-8");
    };
    if text.contains(char::is_control) {
        return invalid("holds a control character", "take it out");
    }
    Ok(text.into_owned())
}

/// Hosts and their ports, each in a list of its own: one port is that of all.
fn listed(names: &str, ports: &str) -> Parsed<Vec<PostgresHost>> {
    let names: Vec<_> = names.split(',').collect();
    let ports: Vec<_> = if ports.is_empty() { Vec::new() } else { ports.split(',').collect() };
    if ports.len() > 1 && ports.len() != names.len() {
        return invalid(
            "has another number of ports than of hosts",
            "write one port for each host",
        );
    }
    let port = |index: usize| match ports.get(index).or_else(|| ports.first()) {
        Some(text) => port(text),
        None => Ok(DEFAULT_PORT),
    };
    names.into_iter().enumerate().map(|(index, name)| host(name, port(index)?)).collect()
}

/// `host`, `host:port`, `[::1]:port`, or the folder of a socket with its slashes escaped.
fn host_and_port(text: &str) -> Parsed<PostgresHost> {
    // The colons of an address are inside of brackets.
    let after_address = text.rfind(']').unwrap_or_default();
    let colon = text.rfind(':').filter(|colon| *colon >= after_address);
    let (name, number) = match colon.and_then(|colon| text.split_at_checked(colon)) {
        Some((name, number)) => (name, port(number.trim_start_matches(':'))?),
        None => (text, DEFAULT_PORT),
    };
    host(&decoded(name)?, number)
}

fn host(name: &str, port: u16) -> Parsed<PostgresHost> {
    if name.is_empty() {
        return invalid("names no host", HINT);
    }
    if name.starts_with('/') {
        if name.len() > LONGEST_FOLDER || name.contains(',') {
            let hint = "a socket's path has at most 107 bytes, and no comma here";
            return invalid("names a folder that no socket fits in", hint);
        }
        return Ok(PostgresHost::Socket(PathBuf::from(name), port));
    }
    if name.len() > LONGEST_HOST {
        return invalid("has a host name that is too long", HINT);
    }
    // Where hosts stand in a list, an address of version 6 may stand without brackets.
    let parsed = match name.parse() {
        Ok(address) => Ok(Host::Ipv6(address)),
        Err(_) => Host::parse(name),
    };
    match parsed {
        Ok(host) => Ok(PostgresHost::Tcp(host, port)),
        Err(_) => invalid("has a host that is neither a name nor an address", HINT),
    }
}

fn port(text: &str) -> Parsed<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => invalid("has a port that is none", "write a number from 1 to 65535, such as 5432"),
    }
}

fn timeout(text: Option<&str>) -> Parsed<u64> {
    match text.map_or(Ok(CONNECT_TIMEOUT), str::parse) {
        Ok(seconds) if (1..=LONGEST_TIMEOUT).contains(&seconds) => Ok(seconds),
        _ => {
            let hint =
                format!("write a number of seconds from 1 to {LONGEST_TIMEOUT}, without a unit");
            invalid("has a connect_timeout that is none", hint)
        }
    }
}

/// As an error names it: `db.example.com:5432`, `/var/run/postgresql:5432`.
impl fmt::Display for PostgresHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(folder, port) => write!(f, "{}:{port}", folder.display()),
        }
    }
}

/// The URL as it may be shown: parsed again, it is the same.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        f.write_str("postgresql://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", plain(user))?;
        }
        let mut parameters = Vec::new();
        match &self.hosts[..] {
            [PostgresHost::Socket(folder, port)] => {
                parameters.push(("host", folder.display().to_string()));
                if *port != DEFAULT_PORT {
                    parameters.push(("port", port.to_string()));
                }
            }
            hosts => {
                for (index, host) in hosts.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    let (name, port) = match host {
                        PostgresHost::Tcp(host, port) => (host.to_string(), port),
                        PostgresHost::Socket(folder, port) => {
                            (plain(&folder.display().to_string()), port)
                        }
                    };
                    write!(f, "{comma}{name}")?;
                    if *port != DEFAULT_PORT {
                        write!(f, ":{port}")?;
                    }
                }
            }
        }
        if let Some(database) = &self.database {
            write!(f, "/{}", plain(database))?;
        } else if !parameters.is_empty() {
            f.write_str("/")?;
        }
        if self.is_over_tcp() || self.ssl_mode != SslMode::VerifyFull {
            parameters.push(("sslmode", self.ssl_mode.word().to_owned()));
        }
        if self.channel_binding != ChannelBinding::Prefer {
            parameters.push(("channel_binding", self.channel_binding.word().to_owned()));
        }
        let usual =
            if self.hosts.len() > 1 { TargetSession::ReadWrite } else { TargetSession::Any };
        if self.target != usual {
            parameters.push(("target_session_attrs", self.target.word().to_owned()));
        }
        if self.application_name != APPLICATION_NAME {
            parameters.push(("application_name", self.application_name.clone()));
        }
        let seconds = self.connect_timeout.as_secs();
        if seconds != CONNECT_TIMEOUT {
            parameters.push(("connect_timeout", seconds.to_string()));
        }
        for (index, (name, value)) in parameters.iter().enumerate() {
            let mark = if index > 0 { '&' } else { '?' };
            write!(f, "{mark}{name}={}", utf8_percent_encode(value, PLAIN_VALUE))?;
        }
        Ok(())
    }
}
