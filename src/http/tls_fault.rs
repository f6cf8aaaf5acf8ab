//! Why no secured connection came about, in an operator's words, and what to do about it.

use std::fmt;

/// Why no secured connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// The server's certificate was issued by nobody that we trust.
    UntrustedIssuer,
    /// The server's certificate is for another host name.
    WrongName,
    /// The server's certificate has no `subjectAltName`; its common name counts nowhere any more.
    NoName,
    /// The server's certificate is not valid yet, or no longer.
    Expired,
    /// The server's certificate is bad in another way.
    BadCertificate,
    /// The server wants a client certificate, or another one than ours.
    ClientCertificate,
    /// The other side does not speak TLS.
    NotTls,
    /// None of these.
    Other,
}

impl TlsFault {
    /// What the operator can do about it, where there is something.
    pub(crate) fn remedy(self) -> Option<&'static str> {
        match self {
            Self::UntrustedIssuer => Some(
                "set server.ca_file to a PEM file with the CA that issued the server's certificate, \
                 or with that certificate itself",
            ),
            Self::WrongName => Some("use a host name in server.url that the certificate is for"),
            Self::NoName => Some(
                "have the server's certificate made anew with a subjectAltName for the host in \
                 server.url, such as -addext subjectAltName=DNS:pim.example.com with openssl req",
            ),
            Self::Expired => {
                Some("have the server's certificate renewed, and check this machine's clock")
            }
            Self::BadCertificate => Some("have the server's certificate replaced"),
            Self::ClientCertificate => {
                Some("set server.client_identity_file to a certificate that the server accepts")
            }
            Self::NotTls => Some("check scheme and port of server.url: http or https"),
            Self::Other => None,
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UntrustedIssuer => "server certificate issued by nobody trusted here",
            Self::WrongName => "server certificate is for another host name",
            Self::NoName => "server certificate names no host: it has no subjectAltName",
            Self::Expired => "server certificate is not valid at this time",
            Self::BadCertificate => "server certificate is not acceptable",
            Self::ClientCertificate => "the server did not accept our client certificate",
            Self::NotTls => "the server does not speak TLS on this port",
            Self::Other => "no secured connection",
        })
    }
}
