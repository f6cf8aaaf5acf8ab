//! What lies between a daemon and its database: a cable that can be cut, stopped and made slow, and
//! that counts the messages of the daemon, to do something at the n-th.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A message of the daemon: a byte that says its kind, and its length, which counts itself.
const HEAD: usize = 5;

/// A statement that has this in it writes a repository, and is a transaction by itself.
const WRITES: &str = "UPDATE lease SET writes";

/// One that has this in it writes where a feed is.
pub(super) const SAVES: &str = " feed AS f";

/// At which message something is done, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The n-th of all.
    Message(u64),
    /// This message of the n-th statement that writes (a repository, or what else the proxy looks for): `B` has its parameters, `E` has it
    /// executed, `S` ends it.
    Write(u64, u8),
}

/// What is done at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The message gets through, and then the process is killed.
    KillAfter(u32),
    /// The process is killed, and the message does not get through.
    KillBefore(u32),
    /// The message gets through, and the connection breaks before any answer does.
    BreakAfter,
    /// The connection breaks, and the message does not get through.
    BreakBefore,
    /// The message gets through, and the server's process that it is for is killed.
    KillServer,
    /// The process is stopped between two of its statements, and the message waits until all is healed.
    Stop(u32),
}

#[derive(Debug, Default)]
struct State {
    /// Nothing gets through, and connections stay as they are.
    stopped: bool,
    /// Nobody gets in.
    cut: bool,
    /// How long each message waits.
    delay: Duration,
    /// Messages of the daemon so far.
    messages: u64,
    /// Statements of the daemon so far that write.
    writes: u64,
    /// At which message something is done.
    at: Option<(Place, Act)>,
    streams: Vec<TcpStream>,
}

/// A way to the database.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    port: u16,
    /// What is in the statements that it counts as writes.
    writes: &'static str,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Proxy {
    /// One to this port of this machine; it lives as long as the test process.
    pub(super) fn start(to: u16) -> Self {
        Self::counting(WRITES, to)
    }

    /// The same, and what counts as a write is a statement with this text in it.
    pub(super) fn counting(writes: &'static str, to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let proxy = Self { port, writes, shared: Arc::default() };
        let accepting = proxy.clone();
        let to = SocketAddr::from(([127, 0, 0, 1], to));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                accepting.connect(client, server);
            }
        });
        proxy
    }

    /// Where it listens on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Lets nothing through, in either direction, and closes nothing: a cable pulled.
    pub(super) fn hold(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Breaks all connections and lets nobody in.
    pub(super) fn cut(&self) {
        self.change(|state| {
            state.cut = true;
            state.break_all();
        });
    }

    /// Lets everything through again.
    pub(super) fn heal(&self) {
        self.change(|state| (state.stopped, state.cut) = (false, false));
    }

    /// Has each message wait.
    pub(super) fn delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// Does this once, at that message of the daemon from now on.
    pub(super) fn at(&self, place: Place, act: Act) {
        self.change(|state| {
            let place = match place {
                Place::Message(n) => Place::Message(state.messages + n),
                Place::Write(n, kind) => Place::Write(state.writes + n, kind),
            };
            state.at = Some((place, act));
        });
    }

    /// Does it no more, where that message has not come.
    pub(super) fn forget(&self) {
        self.change(|state| state.at = None);
    }

    /// How many statements the daemon has sent that write.
    pub(super) fn writes(&self) -> u64 {
        self.state().writes
    }

    /// How many messages the daemon has sent.
    pub(super) fn messages(&self) -> u64 {
        self.state().messages
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.shared.1.notify_all();
    }

    /// Waits until something may get through; `None` once nothing may any more.
    fn pass(&self) -> Option<Duration> {
        let stopped = |state: &mut State| state.stopped && !state.cut;
        let state = self.shared.1.wait_while(self.state(), stopped);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        (!state.cut).then_some(state.delay)
    }

    fn connect(&self, client: TcpStream, server: TcpStream) {
        let clones = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let (Some(there), Some(back)) = (clones(), clones()) else { return };
        for stream in [&client, &server] {
            drop(stream.set_nodelay(true));
        }
        {
            let mut state = self.state();
            if state.cut {
                return close([&client, &server]);
            }
            state.streams.extend([client, server]);
        }
        let process = Arc::new(AtomicU32::new(0));
        let (proxy, server) = (self.clone(), Arc::clone(&process));
        std::thread::spawn(move || {
            drop(proxy.forward(&there.0, &there.1, &server));
            close([&there.0, &there.1]);
        });
        let proxy = self.clone();
        std::thread::spawn(move || {
            drop(proxy.answer(&back.0, &back.1, &process));
            close([&back.0, &back.1]);
        });
    }

    /// From the daemon to the database, message by message.
    fn forward(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        server: &AtomicU32,
    ) -> std::io::Result<()> {
        // The first message has no kind.
        let mut begin = [0; 4];
        from.read_exact(&mut begin)?;
        let rest = body(&mut from, begin)?;
        self.pass().ok_or(ErrorKind::ConnectionAborted)?;
        to.write_all(&[&begin[..], &rest].concat())?;
        let mut begins = true;
        let mut statements = Statements::default();
        loop {
            let mut head = [0; HEAD];
            from.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            let rest = body(&mut from, length)?;
            let message = [&head[..], &rest].concat();
            let delay = self.pass().ok_or(ErrorKind::ConnectionAborted)?;
            std::thread::park_timeout(delay);
            statements.hear(kind, &rest, self.writes);
            let act = self.count(begins, kind, &mut statements);
            // A statement ends with Sync, or is a simple query.
            begins = matches!(kind, b'S' | b'Q');
            match act {
                None => to.write_all(&message)?,
                Some(Act::KillAfter(process)) => {
                    to.write_all(&message)?;
                    signal("KILL", process);
                }
                Some(Act::KillBefore(process)) => signal("KILL", process),
                Some(Act::KillServer) => {
                    to.write_all(&message)?;
                    signal("KILL", server.load(Ordering::SeqCst));
                }
                Some(Act::Stop(process)) => {
                    signal("STOP", process);
                    self.hold();
                    self.pass().ok_or(ErrorKind::ConnectionAborted)?;
                    to.write_all(&message)?;
                }
                Some(Act::BreakAfter) => {
                    // What it answers is not heard; what it was told it does.
                    close([from]);
                    to.write_all(&message)?;
                    std::thread::park_timeout(Duration::from_millis(100));
                    return Ok(());
                }
                Some(Act::BreakBefore) => return Ok(()),
            }
        }
    }

    /// From the database to the daemon; which process answers is noted.
    fn answer(
        &self,
        mut to: &TcpStream,
        mut from: &TcpStream,
        server: &AtomicU32,
    ) -> std::io::Result<()> {
        loop {
            let mut head = [0; HEAD];
            from.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            let rest = body(&mut from, length)?;
            if let (b'K', Some(process)) = (kind, rest.first_chunk()) {
                server.store(u32::from_be_bytes(*process), Ordering::SeqCst);
            }
            self.pass().ok_or(ErrorKind::ConnectionAborted)?;
            to.write_all(&[&head[..], &rest].concat())?;
        }
    }

    /// Counts a message, which begins a statement or is one in the middle of it; what is to be done.
    fn count(&self, begins: bool, kind: u8, statements: &mut Statements) -> Option<Act> {
        let mut state = self.state();
        state.messages += 1;
        if kind == b'B' && statements.writes {
            state.writes += 1;
            statements.number = state.writes;
        }
        let messages = state.messages;
        let is_due = |(place, act): &mut (Place, Act)| match *place {
            Place::Message(at) => at <= messages && (begins || !matches!(act, Act::Stop(_))),
            Place::Write(at, part) => statements.writes && statements.number == at && part == kind,
        };
        state.at.take_if(is_due).map(|(_, act)| act)
    }
}

/// The statements of a connection.
#[derive(Debug, Default)]
struct Statements {
    /// By name, whether it writes a repository.
    prepared: HashMap<Vec<u8>, bool>,
    /// Whether the one that is being executed does.
    writes: bool,
    /// Which one it is of those that do, over all connections.
    number: u64,
}

impl Statements {
    /// Hears a message: a statement that is prepared, one that is to be executed, or something else.
    fn hear(&mut self, kind: u8, message: &[u8], searched: &str) {
        let mut texts = message.split(|byte| *byte == 0);
        match kind {
            b'P' => {
                let (name, text) = (texts.next(), texts.next());
                let text = String::from_utf8_lossy(text.unwrap_or_default());
                let writes = text.contains(searched);
                self.prepared.insert(name.unwrap_or_default().to_vec(), writes);
                self.writes = false;
            }
            // The first text is the name of a portal.
            b'B' => {
                let name = texts.nth(1).unwrap_or_default();
                self.writes = self.prepared.get(name).copied().unwrap_or_default();
            }
            b'E' | b'S' => {}
            _ => self.writes = false,
        }
    }
}

impl State {
    fn break_all(&mut self) {
        for stream in self.streams.drain(..) {
            close([&stream]);
        }
    }
}

/// The rest of a message whose length has been read.
fn body(from: &mut impl Read, length: [u8; 4]) -> std::io::Result<Vec<u8>> {
    let length = u32::from_be_bytes(length).checked_sub(4).ok_or(ErrorKind::InvalidData)?;
    let mut rest = vec![0; length as usize];
    from.read_exact(&mut rest)?;
    Ok(rest)
}

fn close<const N: usize>(streams: [&TcpStream; N]) {
    for stream in streams {
        drop(stream.shutdown(Shutdown::Both));
    }
}

/// Sends a signal. The shell does it, because that takes no unsafe code.
fn signal(name: &str, process: u32) {
    let line = format!("kill -{name} {process}");
    drop(std::process::Command::new("sh").args(["-c", &line]).status());
}
