//! A connection to one of the servers that the address names, and why there is none.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{
    ChannelBinding as LibraryBinding, SslMode as LibraryMode, TargetSessionAttrs,
};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Host;

use super::address::PostgresAddress;
use super::database_error::DatabaseError;
use crate::config::{ChannelBinding, PostgresHost, Secret, SslMode, TargetSession};
use crate::http::{TlsFault, tls_fault};
use crate::mirror::MirrorErrorKind;

/// The oldest version of the server whose SQL we speak.
const OLDEST_SERVER: u32 = 13;

/// How soon the system notices that the other side of a silent connection is gone.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// How often it then asks, and how many times.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// How long what was sent may go unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// What carries a connection.
pub(super) type Wires = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Why no server would do.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Unreached(Vec<(PostgresHost, ConnectFault)>);

/// Why one server would not do.
#[derive(Debug)]
enum ConnectFault {
    /// It does not answer, or said no.
    Database(DatabaseError),
    /// It took too long.
    Late(Duration),
    /// It cannot be written, and one that can is wanted; or the other way round.
    WrongTarget(TargetSession),
    /// It is older than we know how to speak to.
    TooOld(String),
    /// The database keeps text in another encoding.
    Encoding(String),
}

/// Connects to the first of the servers that will do.
pub(super) async fn connect(
    address: &PostgresAddress,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Wires), Unreached> {
    let mut tried = Vec::new();
    for host in &address.url.hosts {
        let within = address.url.connect_timeout;
        let fault = match timeout(within, connect_to(address, host, tls)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(fault)) => fault,
            Err(_) => ConnectFault::Late(within),
        };
        tried.push((host.clone(), fault));
    }
    Err(Unreached(tried))
}

async fn connect_to(
    address: &PostgresAddress,
    host: &PostgresHost,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Wires), ConnectFault> {
    let target = address.url.target;
    let (client, connection) =
        config(address, host).connect(tls.clone()).await.map_err(|error| {
            let error = DatabaseError::from(error);
            // The library says so by this kind of failure, which no socket gives.
            let is_wrong = error.io().is_some_and(|it| {
                it.kind() == io::ErrorKind::PermissionDenied && it.raw_os_error().is_none()
            });
            if is_wrong { ConnectFault::WrongTarget(target) } else { ConnectFault::Database(error) }
        })?;
    let said = |name| connection.parameter(name).map(str::to_owned);
    // "15.18 (Debian 15.18-0+deb12u1)", "16beta1".
    if let Some(version) = said("server_version") {
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        if digits.parse().is_ok_and(|version: u32| version < OLDEST_SERVER) {
            return Err(ConnectFault::TooOld(version));
        }
    }
    match said("server_encoding") {
        Some(encoding) if encoding != "UTF8" => Err(ConnectFault::Encoding(encoding)),
        _ => Ok((client, connection)),
    }
}

/// One server as the library has it.
fn config(address: &PostgresAddress, host: &PostgresHost) -> Config {
    let url = &address.url;
    let mut config = Config::new();
    match host {
        PostgresHost::Tcp(Host::Ipv6(address), port) => {
            config.host(address.to_string()).port(*port)
        }
        PostgresHost::Tcp(host, port) => config.host(host.to_string()).port(*port),
        PostgresHost::Socket(folder, port) => config.host_path(folder).port(*port),
    };
    if let Some(user) = &url.user {
        config.user(user);
    }
    if let Some(database) = &url.database {
        config.dbname(database);
    }
    if let Some(password) = address.password.as_ref().map(Secret::expose) {
        config.password(password);
    }
    let mode = match host {
        PostgresHost::Socket(..) => SslMode::Disable,
        PostgresHost::Tcp(..) => url.ssl_mode,
    };
    config
        .application_name(&url.application_name)
        .connect_timeout(url.connect_timeout)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(UNACKNOWLEDGED)
        .ssl_mode(library_mode(mode))
        .channel_binding(match url.channel_binding {
            ChannelBinding::Disable => LibraryBinding::Disable,
            ChannelBinding::Prefer => LibraryBinding::Prefer,
            ChannelBinding::Require => LibraryBinding::Require,
        })
        .target_session_attrs(match url.target {
            TargetSession::Any => TargetSessionAttrs::Any,
            TargetSession::ReadWrite => TargetSessionAttrs::ReadWrite,
            TargetSession::ReadOnly => TargetSessionAttrs::ReadOnly,
        });
    config
}

/// What the library does by itself: whether TLS is used at all.
fn library_mode(mode: SslMode) -> LibraryMode {
    match mode {
        SslMode::Disable => LibraryMode::Disable,
        SslMode::Prefer => LibraryMode::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => LibraryMode::Require,
    }
}

impl Unreached {
    /// What kind of failure it is.
    pub(crate) fn kind(&self) -> MirrorErrorKind {
        self.telling().map_or(MirrorErrorKind::Unavailable, ConnectFault::kind)
    }

    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        self.telling().map_or("see to the database", ConnectFault::remedy)
    }

    /// Of several faults the one that says most: a server that answers knows better than one that
    /// does not.
    fn telling(&self) -> Option<&ConnectFault> {
        let faults = || self.0.iter().map(|(_, fault)| fault);
        faults().find(|fault| fault.is_of_server()).or_else(|| faults().next())
    }
}

impl ConnectFault {
    fn is_of_server(&self) -> bool {
        match self {
            Self::Database(error) => error.code().is_some() || error.tls().is_some(),
            Self::Late(_) | Self::WrongTarget(_) => false,
            Self::TooOld(_) | Self::Encoding(_) => true,
        }
    }

    fn kind(&self) -> MirrorErrorKind {
        match self {
            Self::Database(error) => error.kind(),
            Self::WrongTarget(TargetSession::ReadWrite) => MirrorErrorKind::ReadOnly,
            _ => MirrorErrorKind::Unavailable,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Database(error) if error.tls().is_some() => match error.tls().map(tls_fault) {
                Some(TlsFault::UntrustedIssuer) => {
                    "set mirror.ca_file to a PEM file with the CA that issued the database's \
                     certificate, or with that certificate itself"
                }
                Some(TlsFault::WrongName | TlsFault::NoName) => {
                    "use a host name in mirror.url that the database's certificate is for, or have \
                     it made anew with a subjectAltName for this host"
                }
                Some(TlsFault::Expired) => {
                    "have the database's certificate renewed, and check this machine's clock"
                }
                _ => "see the database's certificate (ssl_cert_file), and what lies between",
            },
            Self::Database(error) if error.lacks_binding() => {
                "have the database ask for the password by scram-sha-256 over TLS, with a certificate signed \
                 by RSA or ECDSA, or set channel_binding=prefer in mirror.url"
            }
            Self::Database(error) if error.lacks_tls() => {
                "turn ssl on in the database; or, where nobody can read along, set sslmode=disable \
                 in mirror.url"
            }
            Self::Database(error) => match error.io().map(io::Error::kind) {
                Some(io::ErrorKind::PermissionDenied) => {
                    "see who may use the database's socket (unix_socket_permissions)"
                }
                Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
                    "see whether the database runs there, and whether mirror.url names it right"
                }
                _ => error.remedy(),
            },
            Self::Late(_) => "see whether the database runs, and what lies between",
            Self::WrongTarget(TargetSession::ReadWrite) => {
                "name the primary in mirror.url, or all hosts; it is tried again"
            }
            Self::WrongTarget(_) => "take target_session_attrs out of mirror.url",
            Self::TooOld(_) => "upgrade the database to PostgreSQL 13 or later",
            Self::Encoding(_) => "create the database anew with ENCODING 'UTF8' TEMPLATE template0",
        }
    }
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => match error.tls() {
                Some(tls) => write!(f, "{}", tls_fault(tls)),
                None if error.lacks_tls() => f.write_str("the server has no TLS"),
                None if error.lacks_binding() => {
                    f.write_str("the server did without channel binding, which mirror.url requires")
                }
                None => error.fmt(f),
            },
            Self::Late(within) => write!(f, "no connection within {} s", within.as_secs()),
            Self::WrongTarget(TargetSession::ReadOnly) => f.write_str("can be written"),
            Self::WrongTarget(_) => f.write_str("is read only: a standby, or set so"),
            Self::TooOld(version) => {
                write!(f, "is PostgreSQL {version}, and {OLDEST_SERVER} is the oldest that will do")
            }
            Self::Encoding(encoding) => {
                write!(f, "the database's encoding is {encoding}, not UTF8")
            }
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection to PostgreSQL")?;
        for (index, (host, fault)) in self.0.iter().enumerate() {
            let mark = if index > 0 { ";" } else { ":" };
            write!(f, "{mark} {host}: {fault}")?;
        }
        Ok(())
    }
}
