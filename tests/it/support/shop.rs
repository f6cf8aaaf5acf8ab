//! A receiver of webhooks that answers as it is told, and does things at moments of a delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

use super::{DEADLINE, Daemon, eventually, pause};

/// The secret of every feed that such a receiver takes from.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Delivery {
    /// What the batch is called.
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The body.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// The envelopes.
    pub(crate) fn changes(&self) -> Vec<Value> {
        self.document()["data"]["changes"].as_array().expect("a list").clone()
    }

    /// Whether it is about this item.
    pub(crate) fn is_about(&self, item: u64) -> bool {
        self.changes().iter().any(|change| change["source"]["item"] == item)
    }

    /// Whether the secret has signed it.
    pub(crate) fn is_signed(&self) -> bool {
        self.is_signed_by(SECRET)
    }

    /// Whether this secret, or one of those that it may have, has signed it.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").expect("a secret");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).expect("base64"));
        let signed = self.signed();
        let is_valid = |it: &Vec<u8>| hmac::verify(&key, signed.as_bytes(), it).is_ok();
        self.signatures("v1,").iter().any(is_valid)
    }

    /// The signatures of this kind.
    pub(crate) fn signatures(&self, kind: &str) -> Vec<Vec<u8>> {
        let all = self.headers["webhook-signature"].split(' ');
        all.filter_map(|it| STANDARD.decode(it.strip_prefix(kind)?).ok()).collect()
    }

    /// What is signed.
    pub(crate) fn signed(&self) -> String {
        format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body)
    }
}

/// What a receiver answers: a status and further headers; `None`: nothing, and the connection ends.
pub(crate) type Answer = Box<dyn FnMut(&Delivery) -> Option<(u16, String)> + Send>;

/// A moment of a delivery, as its receiver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Somebody has connected, and nothing is read yet.
    Connected,
    /// The request is there, and nothing has been answered.
    Heard,
    /// The answer has been written.
    Answered,
}

/// What is done at a moment.
type Act = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<Delivery>>,
    /// `None`: each is taken.
    answer: Mutex<Option<Answer>>,
    /// What is done at which moment, after so many others of its kind.
    acts: Mutex<Vec<(Moment, usize, Act)>>,
    door: Mutex<Door>,
    /// Somebody has come in or gone.
    moved: Condvar,
}

/// Who is in the shop.
#[derive(Default)]
struct Door {
    /// How many are being served.
    served: usize,
    /// Connections of [`Shop::quiet`], which nobody serves.
    marks: BTreeSet<SocketAddr>,
}

/// Somebody who is being served, until this is dropped.
struct Guest<'a>(&'a Shared);

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        lock(&self.0.door).served -= 1;
        self.0.moved.notify_all();
    }
}

/// Somebody who takes webhooks.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Shop {
    /// One that takes all; it lives as long as the test process.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shop = Self { port, shared: Arc::default() };
        let open = shop.clone();
        std::thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                {
                    let mut door = lock(&open.shared.door);
                    if door.marks.remove(&from) {
                        open.shared.moved.notify_all();
                        continue;
                    }
                    door.served += 1;
                }
                let open = open.clone();
                std::thread::spawn(move || {
                    let _guest = Guest(&open.shared);
                    open.serve(&stream);
                });
            }
        });
        shop
    }

    fn serve(&self, mut stream: &TcpStream) {
        self.act(Moment::Connected);
        // Who goes away half-way is nobody's fault here.
        let Some(delivery) = read(stream) else { return };
        lock(&self.shared.heard).push(delivery.clone());
        self.act(Moment::Heard);
        let told = match lock(&self.shared.answer).as_mut() {
            Some(answer) => answer(&delivery),
            None => Some((204, String::new())),
        };
        if let Some((status, headers)) = told {
            let answer = format!(
                "HTTP/1.1 {status} Told\r\nconnection: close\r\n{headers}content-length: 0\r\n\r\n"
            );
            drop(stream.write_all(answer.as_bytes()));
        }
        self.act(Moment::Answered);
    }

    /// Does this once, at a moment of this kind, after so many others of it.
    pub(crate) fn at(&self, moment: Moment, after: usize, act: impl FnOnce() + Send + 'static) {
        lock(&self.shared.acts).push((moment, after, Box::new(act)));
    }

    fn act(&self, now: Moment) {
        let mut due = Vec::new();
        {
            let mut acts = lock(&self.shared.acts);
            for (moment, after, act) in std::mem::take(&mut *acts) {
                match after.checked_sub(usize::from(moment == now)) {
                    Some(after) => acts.push((moment, after, act)),
                    None => due.push(act),
                }
            }
        }
        for act in due {
            act();
        }
    }

    /// Waits until nobody is being served or waits to be, and forgets what was still to be done: what comes
    /// after that is of a later round. For a moment when nobody delivers.
    pub(crate) fn quiet(&self) {
        let mut door = lock(&self.shared.door);
        // Connections are taken in the order in which they came, so when this one is, all before it have been.
        let mark = TcpStream::connect(("127.0.0.1", self.port)).expect("it is open");
        let mark = mark.local_addr().expect("an address");
        door.marks.insert(mark);
        let is_busy = |door: &mut Door| door.served > 0 || door.marks.contains(&mark);
        let waited = self.shared.moved.wait_timeout_while(door, DEADLINE, is_busy);
        let is_late = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!is_late, "somebody is served for ever");
        lock(&self.shared.acts).clear();
    }

    /// Answers so from now on.
    pub(crate) fn answers(
        &self,
        answer: impl FnMut(&Delivery) -> Option<(u16, String)> + Send + 'static,
    ) {
        *lock(&self.shared.answer) = Some(Box::new(answer));
    }

    /// All that has come whole so far.
    pub(crate) fn heard(&self) -> Vec<Delivery> {
        lock(&self.shared.heard).clone()
    }

    /// Waits until what has been heard is so.
    pub(crate) fn wait_for(
        &self,
        daemon: &Daemon,
        is_so: impl Fn(&[Delivery]) -> bool,
    ) -> Vec<Delivery> {
        eventually(|| {
            let heard = self.heard();
            let words = || format!("{} deliveries:\n{}", heard.len(), daemon.tail());
            super::is_so(is_so(&heard), words).map(|()| heard)
        })
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request; `None` where it does not come whole.
fn read(stream: &TcpStream) -> Option<Delivery> {
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Delivery { path, headers, body: String::from_utf8(body).ok()? })
}

/// The sequences of all changes that were heard, in the order in which they came.
pub(crate) fn sequences(heard: &[Delivery]) -> Vec<u64> {
    let changes = heard.iter().flat_map(Delivery::changes);
    changes.filter_map(|change| change["source"]["sequence"].as_u64()).collect()
}

/// What came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// Batches that came again.
    pub(crate) again: usize,
    /// Those among them that came after others had.
    pub(crate) late: usize,
}

/// What at-least-once allows has been heard, and no more: every one of these changes, in their order; twice
/// only whole batches, with the same id and the same changes; all signed.
#[track_caller]
pub(crate) fn judge(heard: &[Delivery], expected: &[Value], what: &str) -> Repeats {
    let mut told = Vec::new();
    let (mut known, mut last) = (BTreeMap::new(), "");
    let mut repeats = Repeats { again: 0, late: 0 };
    for delivery in heard {
        assert!(delivery.is_signed(), "{what}: {delivery:?}");
        let (id, changes) = (delivery.id(), delivery.changes());
        if let Some(before) = known.get(id) {
            assert_eq!(*before, changes, "{what}: one id, two batches");
            repeats.again += 1;
            repeats.late += usize::from(last != id);
            continue;
        }
        told.extend(changes.iter().cloned());
        known.insert(id, changes);
        last = id;
    }
    for (place, (told, expected)) in told.iter().zip(expected).enumerate() {
        assert_eq!(told, expected, "{what}: change {place} of those delivered");
    }
    assert_eq!(told.len(), expected.len(), "{what}: changes delivered");
    repeats
}

/// Sends a signal at once, with no shell between. One that stops has been heeded by every thread when this
/// returns: until then some may still read an answer.
pub(crate) fn signal(process: u32, signal: Signal) {
    let number = i32::try_from(process).ok().and_then(Pid::from_raw);
    kill_process(number.expect("a process"), signal).expect("it is there");
    if signal != Signal::STOP {
        return;
    }
    // Stopped, or at its end.
    let rests = |it: &str| it.starts_with(['T', 'Z', 'X']);
    let runs = |stat: String| !stat.rsplit_once(") ").is_some_and(|(_, it)| rests(it));
    let begun = Instant::now();
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it is there");
        let stats = tasks.flatten().map(|it| std::fs::read_to_string(it.path().join("stat")));
        if !stats.flatten().any(runs) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "it does not stop");
        pause(Duration::from_millis(1));
    }
}
