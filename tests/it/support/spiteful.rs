//! A server that throws the secrets of a request back at whoever sent it, in every shape of an
//! answer and every spelling that a server might use.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::DEADLINE;
use super::servers::tokens_in;

/// How many shapes of an answer there are.
pub(crate) const SHAPES: usize = 24;

/// How many kinds of an answer, each of which has its shapes.
pub(crate) const KINDS: usize = 12;

/// Stands before the look-alike; lives as long as the test process.
#[derive(Debug)]
pub(crate) struct Spiteful {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// What whoever asks knows besides the tokens.
    passwords: Vec<String>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    tokens: BTreeSet<String>,
    mood: Mood,
    requests: usize,
    spites: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mood {
    /// Each shape in turn to every fourth request, but to logins, which it lets through, and to
    /// whether a session stands: one that ended each time would have to be waited for ever longer.
    #[default]
    Changing,
    Always(usize),
    Fair,
}

impl Spiteful {
    /// Starts one before this server.
    pub(crate) fn start(server: SocketAddr, passwords: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let passwords = passwords.iter().map(|it| (*it).to_owned()).collect();
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { server, passwords, state, changed });
        let of_all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_all);
                // What the client thinks of a connection that breaks shows in its log.
                std::thread::spawn(move || drop(shared.answer(client)));
            }
        });
        Self { url: format!("http://{address}"), shared }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on it answers everything in this shape.
    pub(crate) fn always(&self, shape: usize) {
        self.shared.lock().mood = Mood::Always(shape);
    }

    /// From now on it is no worse than the server behind it.
    pub(crate) fn fair(&self) {
        self.shared.lock().mood = Mood::Fair;
    }

    /// Waits until so many answers were spiteful, each in the shape after the one before.
    pub(crate) fn wait_for_spites(&self, spites: usize) {
        let some = |state: &mut State| state.spites < spites;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), DEADLINE, some);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        assert!(state.spites >= spites, "{} spites only", state.spites);
    }

    /// Every token that has passed.
    pub(crate) fn tokens(&self) -> BTreeSet<String> {
        self.shared.lock().tokens.clone()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut client: TcpStream) -> std::io::Result<()> {
        let request = read_request(&mut client)?;
        let text = String::from_utf8_lossy(&request).into_owned();
        let shape = {
            let mut state = self.lock();
            state.tokens.extend(tokens_in(&text));
            state.requests += 1;
            let is_of_session = text.lines().next().is_some_and(|line| {
                ["/login", "/reauth", "oauth", "token"].iter().any(|call| line.contains(call))
            });
            let shape = match state.mood {
                Mood::Changing if !is_of_session && state.requests.is_multiple_of(4) => {
                    Some(state.spites % SHAPES)
                }
                Mood::Always(shape) => Some(shape),
                Mood::Changing | Mood::Fair => None,
            };
            state.spites += usize::from(shape.is_some());
            shape
        };
        self.changed.notify_all();
        let answer = match shape {
            Some(shape) => spite(shape, &self.echo(&text)),
            None => self.pass_on(&request)?,
        };
        client.write_all(&answer)?;
        client.shutdown(Shutdown::Write)
    }

    fn pass_on(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server)?;
        let line = request.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        server.write_all(&request[..line])?;
        server.write_all(b"Connection: close\r\n")?;
        server.write_all(&request[line..])?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        self.lock().tokens.extend(tokens_in(&String::from_utf8_lossy(&answer)));
        Ok(answer)
    }

    /// The request, and each of its secrets in each spelling.
    fn echo(&self, request: &str) -> Vec<String> {
        let tokens = tokens_in(request);
        let secrets = tokens.iter().chain(&self.passwords);
        let mut echo: Vec<String> = secrets.flat_map(|secret| spellings(secret)).collect();
        echo.push(request.to_owned());
        echo
    }
}

fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
            });
            if request.len() >= head.len() + 4 + length.unwrap_or(0) {
                return Ok(request);
            }
        }
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&buffer[..read]);
    }
}

/// The ways in which a server may write a text.
fn spellings(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let json = json.trim_matches('"').to_owned();
    let each = |write: &dyn Fn(char) -> String| text.chars().map(write).collect::<String>();
    let percent = |hex: fn(u8) -> String| {
        let byte = |byte: u8| {
            if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { hex(byte) }
        };
        text.bytes().map(byte).collect::<String>()
    };
    let unicode = |character: char| {
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units).iter();
        units.map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>().concat()
    };
    let plain = |character: char| character.is_ascii_alphanumeric();
    vec![
        text.to_owned(),
        json.replace('/', "\\/"),
        serde_json::Value::from(json.as_str()).to_string(),
        each(&|it| if plain(it) { it.into() } else { unicode(it) }),
        each(&|it| if plain(it) { it.into() } else { format!("&#{};", u32::from(it)) }),
        each(&|it| if plain(it) { it.into() } else { format!("&#x{:x};", u32::from(it)) }),
        text.replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
            .replace('\'', "&#39;"),
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
        percent(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") }),
        percent(|byte| format!("%25{byte:02X}")),
        STANDARD.encode(text),
        URL_SAFE_NO_PAD.encode(text),
        STANDARD.encode(format!("system:{text}")),
        STANDARD.encode(format!("it is {text}, is it not")),
        text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
    ]
}

/// An answer of this shape. Shapes beyond the kinds show other spellings first: only the beginning
/// of an answer is ever shown.
fn spite(shape: usize, echo: &[String]) -> Vec<u8> {
    let words: Vec<&str> =
        echo.iter().cycle().skip(shape * 5).take(echo.len()).map(String::as_str).collect();
    let words = words.join(" ");
    let line = words.replace(['\r', '\n'], " ");
    let page = format!("<html><title>{words}</title></html>");
    let answer = |status: &str, head: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\n{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let said = |status: &str| {
        let body = serde_json::json!({"success": false, "error": line}).to_string();
        answer(status, "Content-Type: application/json\r\n", &body)
    };
    let html = |status: &str| answer(status, "Content-Type: text/html\r\n", &page);
    let text = match shape % KINDS {
        0 => said("200 OK"),
        1 => said("401 Unauthorized"),
        2 => html("403 Forbidden"),
        3 => answer("404 Not Found", "", &words),
        4 => answer(&format!("500 {line}"), "", &words),
        5 => {
            answer("302 Found", &format!("Location: http://127.0.0.1:1/?{}\r\n", ascii(&line)), "")
        }
        6 => answer("429 Too Many", &format!("Retry-After: {}\r\n", ascii(&line)), &words),
        7 => answer(
            "200 OK",
            &format!("Content-Type: {0}\r\nContent-Encoding: {0}\r\n", ascii(&line)),
            &words,
        ),
        8 => format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{{\"{line}"),
        9 => format!("{words}\r\n\r\n"),
        10 => html("200 OK"),
        _ => {
            let body = serde_json::json!({"status": -1, "errorMessages": [words], "data": line});
            answer("200 OK", "", &body.to_string())
        }
    };
    text.into_bytes()
}

/// What a header can hold of a text.
fn ascii(text: &str) -> String {
    text.replace(' ', "+").chars().filter(char::is_ascii_graphic).collect()
}
