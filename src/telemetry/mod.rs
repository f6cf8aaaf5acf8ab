//! The log: one subscriber, three formats, and every event in [`event`].
//!
//! Guarantees: only this crate's own events are written, at any level, because the libraries below
//! log headers and URLs that hold tokens; and a log that cannot be written stops nothing.

mod catalog;
pub mod event;
mod journal;
mod visible;

use std::io;
use std::os::linux::fs::MetadataExt;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use self::journal::Journal;
use self::visible::Visible;
use crate::config::{LogConfig, LogFormat, LogLevel};

/// Where lines go and what is there to read them.
#[derive(Debug)]
pub struct Sink {
    /// Writes the lines; standard error, if need be around a progress bar.
    pub writer: BoxMakeWriter,
    /// Whether a person reads them.
    pub terminal: bool,
    /// Whether that person's terminal has colours and may use them.
    pub colour: bool,
    /// `JOURNAL_STREAM` of the environment: the device and inode that systemd connected.
    pub journal_stream: Option<String>,
}

/// Whether a journal listens on this machine.
///
/// # Errors
///
/// What the system says where none does.
pub fn journal_listens() -> io::Result<()> {
    Journal::new().map(drop)
}

/// Changes the running log.
#[derive(Debug)]
pub struct Telemetry {
    level: reload::Handle<Targets, Registry>,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.format = "journald"` where no journal listens.
    #[error("log.format: the journal does not listen: use \"text\" or \"json\" outside of systemd")]
    Journal(#[source] io::Error),
    /// A subscriber has been set before.
    #[error("the log is set up already")]
    Twice,
}

/// Sets the log up for the whole process.
pub fn start(config: &LogConfig, sink: Sink) -> Result<Telemetry, TelemetryError> {
    let (level, handle) = reload::Layer::new(own_events(config.level));
    let format = match config.format {
        LogFormat::Auto if is_journal(sink.journal_stream.as_deref()) => LogFormat::Journald,
        LogFormat::Auto if sink.terminal => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        chosen => chosen,
    };
    let layer = match format {
        LogFormat::Journald => match Journal::new() {
            Ok(journal) => journal.boxed(),
            // Nobody asked for the journal by name: its stream on standard error takes lines, too.
            Err(_) if config.format == LogFormat::Auto => text(sink),
            Err(error) => return Err(TelemetryError::Journal(error)),
        },
        LogFormat::Text => text(sink),
        LogFormat::Json | LogFormat::Auto => json(sink),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(level))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry { level: handle })
}

impl Telemetry {
    /// Writes events of this level and above from now on.
    pub fn set_level(&self, level: LogLevel) {
        // An error means that the subscriber is gone, and with it the log.
        drop(self.level.reload(own_events(level)));
    }
}

/// Lines for people: the message, then the fields.
fn text<S>(sink: Sink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_ansi(sink.colour)
        .with_target(false)
        .log_internal_errors(false)
        .with_writer(Visible(sink.writer))
        .boxed()
}

/// One JSON object a line, the fields beside `timestamp`, `level` and `message`.
fn json<S>(sink: Sink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .log_internal_errors(false)
        .with_writer(Visible(sink.writer))
        .boxed()
}

fn own_events(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_target(event::TARGET, level)
}

/// Whether standard error is the journal's own stream, as systemd says in `JOURNAL_STREAM`; a
/// variable merely inherited does not match.
fn is_journal(journal_stream: Option<&str>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|stderr| {
        device.parse() == Ok(stderr.st_dev()) && inode.parse() == Ok(stderr.st_ino())
    })
}
