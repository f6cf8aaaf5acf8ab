//! A broker that refuses every login, and throws back what it was told, as it came and in base64.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The numbers of requests, and of errors.
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;
const UNSUPPORTED_VERSION: i16 = 35;
const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// A section of the configuration: the feed "stream" to such a broker, which lives as long as the test process.
pub(crate) fn feed(secret_file: &Path) -> String {
    format!(
        "[[feed]]\nname = 'stream'\ntype = 'kafka'\nsecret_file = '{}'\n\
         properties = {{ 'bootstrap.servers' = '127.0.0.1:{}', 'security.protocol' = 'sasl_plaintext', \
         'sasl.mechanism' = 'PLAIN', 'sasl.username' = 'heron', 'transaction.timeout.ms' = 10000 }}\n",
        secret_file.display(),
        start()
    )
}

fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // Who goes away half-way is nobody's fault here.
            std::thread::spawn(move || drop(answer(client)));
        }
    });
    port
}

fn answer(mut client: TcpStream) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut request)?;
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (kind, version) = (number(0), number(2));
        // The number of the request, and then what was asked.
        let mut answer = request[4..8].to_vec();
        match kind {
            API_VERSIONS => {
                let error = if version == 0 { 0 } else { UNSUPPORTED_VERSION };
                answer.extend(error.to_be_bytes());
                let known = [(SASL_HANDSHAKE, 1_i16), (API_VERSIONS, 0), (SASL_AUTHENTICATE, 0)];
                answer.extend(3_i32.to_be_bytes());
                for (kind, last) in known {
                    answer.extend([kind, 0, last].into_iter().flat_map(i16::to_be_bytes));
                }
            }
            SASL_HANDSHAKE => {
                answer.extend(0_i16.to_be_bytes());
                answer.extend(1_i32.to_be_bytes());
                answer.extend(text("PLAIN"));
            }
            SASL_AUTHENTICATE => {
                // Behind the name of the client: the length, and what a login says.
                let name = usize::try_from(number(8)).unwrap_or_default();
                let login = &request[10 + name + 4..];
                let plain = String::from_utf8_lossy(login).replace('\0', ":");
                answer.extend(SASL_AUTHENTICATION_FAILED.to_be_bytes());
                answer.extend(text(&format!("refused {plain}, {}", STANDARD.encode(login))));
                answer.extend(0_i32.to_be_bytes());
            }
            _ => return Ok(()),
        }
        let length = u32::try_from(answer.len()).expect("an answer is short");
        client.write_all(&[&length.to_be_bytes()[..], &answer].concat())?;
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("a text is short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}
