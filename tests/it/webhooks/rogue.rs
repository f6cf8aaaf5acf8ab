//! A receiver that misbehaves once, in one way, and takes everything after that.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;

use crate::support::pause;

/// An authority that issues certificates.
pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

/// How it misbehaves.
#[derive(Clone, Debug)]
pub(super) enum Misdeed {
    /// The connection is reset before the request is read.
    Reset,
    /// It says no more, and listens on.
    HalfClosed,
    /// It says this, and the connection ends.
    Says(String),
    /// It answers nothing, and keeps the connection.
    Silent,
    /// It says this, and then a blank now and then, without end.
    Drips(&'static str),
    /// It says this, and then blanks as fast as they are taken, without end.
    Pours(&'static str),
}

/// A proxy that connects whoever asks, for whatever host, to this port of this machine; its own port, and what it
/// was asked.
pub(super) fn tunnel(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let heard = Arc::clone(&heard);
            // Who goes away half-way is nobody's fault here.
            std::thread::spawn(move || drop(carry(stream, to, &heard)));
        }
    });
    (port, asked)
}

fn carry(mut client: TcpStream, to: u16, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let asked = read(&mut client)?;
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let mut server = TcpStream::connect(("127.0.0.1", to))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut back) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut back, &mut client));
        drop(client.shutdown(Shutdown::Write));
    });
    std::io::copy(&mut from, &mut server)?;
    server.shutdown(Shutdown::Write)
}

/// What it is that listens.
pub(super) struct Rogue {
    pub(super) port: u16,
    /// How often somebody has connected.
    pub(super) connections: Arc<AtomicUsize>,
}

impl Rogue {
    /// One that takes everything after that; it lives as long as the test process.
    pub(super) fn start(misdeed: Option<Misdeed>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            let mut misdeed = misdeed;
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let (misdeed, tls) = (misdeed.take(), tls.clone());
                // Who goes away half-way is nobody's fault here.
                std::thread::spawn(move || drop(serve(stream, misdeed, tls)));
            }
        });
        Self { port, connections }
    }
}

fn serve(
    mut stream: TcpStream,
    misdeed: Option<Misdeed>,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> std::io::Result<()> {
    let taken = "HTTP/1.1 204 Told\r\nconnection: close\r\n\r\n";
    if let Some(tls) = tls {
        let connection = rustls::ServerConnection::new(tls).map_err(std::io::Error::other)?;
        let mut stream = rustls::StreamOwned::new(connection, stream);
        read(&mut stream)?;
        stream.write_all(taken.as_bytes())?;
        stream.conn.send_close_notify();
        return stream.flush();
    }
    if matches!(misdeed, Some(Misdeed::Reset)) {
        stream.peek(&mut [0])?;
        // What is not read when it is closed has it reset.
        return Ok(());
    }
    read(&mut stream)?;
    let endless = |mut stream: TcpStream, head: &str, piece: &[u8], every| {
        stream.write_all(head.as_bytes())?;
        loop {
            stream.write_all(piece)?;
            pause(every);
        }
    };
    match misdeed {
        None => stream.write_all(taken.as_bytes()),
        Some(Misdeed::Says(words)) => stream.write_all(words.as_bytes()),
        Some(Misdeed::HalfClosed) => {
            stream.shutdown(Shutdown::Write)?;
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
        }
        Some(Misdeed::Silent | Misdeed::Reset) => {
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
        }
        Some(Misdeed::Drips(head)) => endless(stream, head, b" ", Duration::from_millis(100)),
        Some(Misdeed::Pours(head)) => endless(stream, head, &[b' '; 1 << 13], Duration::ZERO),
    }
}

/// Reads a request, to the end of its body.
fn read(from: &mut impl Read) -> std::io::Result<String> {
    let mut heard = Vec::new();
    let is_whole = |heard: &[u8]| {
        // A proxy is told where to, and no more.
        heard.ends_with(b"]}}") || heard.starts_with(b"CONNECT") && heard.ends_with(b"\r\n\r\n")
    };
    while !is_whole(&heard) {
        let mut piece = [0; 4096];
        match from.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => heard.extend_from_slice(&piece[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

/// An authority.
pub(super) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("params of an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// What shows a certificate of this authority for this name, which ends with this year.
pub(super) fn secured(authority: &Authority, host: &str, until: i32) -> Arc<rustls::ServerConfig> {
    let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("its key is PKCS 8");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("key and certificate belong together");
    Arc::new(config)
}
