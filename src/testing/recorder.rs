//! Hears this crate's events, as long as it lives, on the thread that made it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::telemetry::event::TARGET;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) at: Instant,
    pub(crate) level: Level,
    pub(crate) message: String,
    fields: BTreeMap<&'static str, String>,
}

impl Recorded {
    /// A field as text.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// A field as a number.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.field(name).parse().unwrap_or_else(|_| panic!("{name} is no number in {self:?}"))
    }

    /// Whether it is about this repository.
    pub(crate) fn is_of(&self, repository: u64) -> bool {
        self.fields.get("repository").is_some_and(|id| *id == repository.to_string())
    }

    /// Whether an operator sees it at the default level.
    pub(crate) fn is_seen(&self) -> bool {
        self.level <= Level::INFO
    }
}

#[derive(Debug)]
struct Heard {
    events: Mutex<Vec<Recorded>>,
    count: watch::Sender<usize>,
}

/// The ear.
pub(crate) struct Recorder {
    heard: Arc<Heard>,
    /// `None`: it hears what another one hears.
    _guard: Option<DefaultGuard>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let heard = Arc::new(Heard { events: Mutex::default(), count: watch::Sender::new(0) });
        let ear = Ear(Arc::clone(&heard));
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(ear));
        Self { heard, _guard: Some(guard) }
    }

    /// One that hears the same, for as long as this one lives.
    pub(crate) fn another(&self) -> Self {
        Self { heard: Arc::clone(&self.heard), _guard: None }
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<Recorded> {
        self.heard.events().clone()
    }

    /// Everything since it was last taken, which is forgotten.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.heard.events())
    }

    /// All events with this message so far.
    pub(crate) fn named(&self, message: &str) -> Vec<Recorded> {
        let events = self.heard.events();
        events.iter().filter(|event| event.message == message).cloned().collect()
    }

    /// The first event that meets the condition, whether it has come or not.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(&Recorded) -> bool) -> Recorded {
        let mut count = self.heard.count.subscribe();
        let mut looked_at = 0;
        loop {
            count.borrow_and_update();
            {
                let events = self.heard.events();
                if let Some(event) = events[looked_at..].iter().find(|event| wanted(event)) {
                    return event.clone();
                }
                looked_at = events.len();
            }
            count.changed().await.unwrap();
        }
    }

    /// Waits for so many events with this message; returns the last of them.
    pub(crate) async fn nth(&self, message: &str, number: usize) -> Recorded {
        let mut count = self.heard.count.subscribe();
        loop {
            count.borrow_and_update();
            if let Some(event) = self.named(message).get(number - 1) {
                return event.clone();
            }
            count.changed().await.unwrap();
        }
    }
}

impl Heard {
    fn events(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ear(Arc<Heard>);

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.events().push(Recorded {
            at: Instant::now(),
            level: *event.metadata().level(),
            message: fields.0.remove("message").unwrap_or_default(),
            fields: fields.0,
        });
        self.0.count.send_modify(|count| *count += 1);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
