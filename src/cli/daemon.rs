//! `ewmirror run`, and what other commands share with it.
//!
//! What can fail without a runtime fails before there is one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::{Exit, output};
use crate::client::{Client, ClientSettings};
use crate::config::{
    self, Config, Environment, InstanceConfig, Loaded, LogConfig, LogFormat, LogLevel,
    RepositoryConfig, Warning,
};
use crate::mirror::{MirrorReader, OpenMirror, Store};
use crate::pager::PassLimit;
use crate::progress::Progress;
use crate::signals::{Listener, Signal};
use crate::status::control::{self, ControlOrigin};
use crate::status::{ListenAddress, PullApi, StatusEndpoint, SummaryReader};
use crate::supervisor::{ExitReason, LeaseTerms, ReloadConfig, Supervision, Supervisor};
use crate::systemd::Notifier;
use crate::task::clock::Chance;
use crate::telemetry::{self, Sink, Telemetry, event};

/// Runs the daemon until a signal ends it.
pub(super) fn run(file: &Path, environment: Environment) -> Exit {
    let prepared = match Prepared::new(file, environment, stderr_writer()) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    match prepared.supervise(PassLimit::Endless, None, Supervisor::run) {
        ExitReason::MirrorLost(why) => Exit::Failed(why),
        _ => Exit::Done,
    }
}

/// Everything that a command needs before its supervisor starts.
pub(super) struct Prepared {
    runtime: Runtime,
    config: Config,
    client: Arc<Client>,
    mirror: OpenMirror,
    control: Vec<control::ControlAddress>,
    reload: ReloadConfig,
    notifier: Notifier,
    signals: mpsc::Receiver<Signal>,
    _listener: Listener,
    pub(super) progress: Arc<Progress>,
    environment: Environment,
}

impl Prepared {
    /// Loads the configuration, sets up the log and the client, and listens for signals.
    pub(super) fn new(
        file: &Path,
        environment: Environment,
        writer: BoxMakeWriter,
    ) -> Result<Self, Exit> {
        let progress = Arc::new(Progress::of(output::command_line(file)));
        let Loaded { config, warnings } = load(file, &environment)?;
        let telemetry = start_log(&config.log, &environment, writer)?;
        warn(&warnings);
        let client = Arc::new(
            Client::new(&settings(&config, &environment))
                .map_err(|error| Exit::Wrong(output::chain(&error)))?,
        );
        // Before the mirror is opened, which may take a while: a signal must not end that halfway.
        let (signals, listener) = Listener::start()
            .map_err(|error| Exit::Failed(format!("cannot listen for signals: {error}")))?;
        let runtime = runtime()?;
        let mirror = runtime.block_on(open(&config))?;
        let origin = ControlOrigin { file, mirror: &config.mirror.url, environment: &environment };
        let control = origin.of_daemon();
        let notifier = Notifier::of(&environment);
        let reload = reload(file.to_owned(), environment.clone(), Arc::clone(&client), telemetry);
        Ok(Self {
            runtime,
            config,
            client,
            mirror,
            control,
            reload,
            notifier,
            signals,
            _listener: listener,
            progress,
            environment,
        })
    }

    /// The repositories, in the order in which the supervisor has them.
    pub(super) fn repositories(&self) -> &[RepositoryConfig] {
        &self.config.repositories
    }

    /// Runs a supervisor, as `drive` likes.
    pub(super) fn supervise<F, D>(
        self,
        passes: PassLimit,
        patience: Option<Duration>,
        drive: D,
    ) -> ExitReason
    where
        F: Future<Output = ExitReason>,
        D: FnOnce(Supervisor<Client, OpenMirror>) -> F,
    {
        let runtime = self.runtime;
        let reader = self.mirror.reader();
        let (status, notifier) = match passes {
            PassLimit::Endless => (
                Some(runtime.block_on(serving(&self.config, reader.clone(), self.control))),
                self.notifier,
            ),
            // A unit that is done when its process is needs to be told nothing.
            PassLimit::One => (None, Notifier::nobody()),
        };
        event::starting(env!("CARGO_PKG_VERSION"), self.config.repositories.len());
        let supervision = Supervision {
            api: self.client,
            mirror: Arc::new(self.mirror),
            reader,
            lease_terms: LeaseTerms::of(&self.config.instance),
            config: self.config,
            passes,
            patience,
            run_for: None,
            status,
            notifier,
            signals: self.signals,
            reload: self.reload,
            progress: self.progress,
            chance: Arc::new(Chance::new()),
            environment: self.environment,
        };
        let end = runtime.block_on(drive(Supervisor::new(supervision)));
        // A name that is being looked up in a thread of its own cannot be interrupted; it must
        // not hold up the end.
        runtime.shutdown_background();
        end
    }
}

/// What the daemon is asked, at `status.listen` and at its control sockets. A place that cannot be
/// had is tried again while it serves: a mirror does not stop for its status page.
pub(super) async fn serving(
    config: &Config,
    reader: Option<Arc<dyn MirrorReader>>,
    control: Vec<control::ControlAddress>,
) -> Arc<StatusEndpoint> {
    let places = control
        .into_iter()
        .map(ListenAddress::Control)
        .chain(ListenAddress::of(&config.status.listen));
    let pull = reader.clone().map(|reader| PullApi::new(reader, config.status.token.clone()));
    let mirror_url = config.mirror.url.to_string();
    Arc::new(StatusEndpoint::at(places, mirror_url, reader.map(figures), pull).await)
}

/// What reads the mirror's figures; it waits for them.
fn figures(reader: Arc<dyn MirrorReader>) -> SummaryReader {
    Arc::new(move || {
        let summary = Handle::current().block_on(reader.summary());
        summary.map_err(|error| output::chain(&error))
    })
}

/// Opens the mirror that is configured.
pub(super) async fn open(config: &Config) -> Result<OpenMirror, Exit> {
    let store = Store::of(&config.mirror);
    let mirror = store.open_to_write(&instance_name(&config.instance)).await.map_err(|error| {
        let text = format!("{}; {}", output::chain(&error), error.remedy());
        Exit::Failed(text)
    })?;
    if let Some(path) = store.local_file() {
        event::mirror_opened(path);
    }
    Ok(mirror)
}

/// What other daemons that share the mirror call this one.
fn instance_name(config: &InstanceConfig) -> String {
    config
        .name
        .clone()
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// Loads the configuration; an error tells all its faults.
pub(super) fn load(file: &Path, environment: &Environment) -> Result<Loaded, Exit> {
    config::load(file, environment)
        .map_err(|faults| Exit::Wrong(format!("{}: {}\n{faults}", file.display(), faults.count())))
}

/// What of a configuration a client is built from.
pub(super) fn settings<'a>(config: &'a Config, environment: &'a Environment) -> ClientSettings<'a> {
    ClientSettings {
        environment,
        server: &config.server,
        login: &config.login,
        transport: config.session.transport,
    }
}

fn warn(warnings: &[Warning]) {
    for warning in warnings {
        event::configuration_warning(&warning.key, &warning.message);
    }
}

/// Reads the file again, with the environment that the process was started with.
fn reload(
    file: PathBuf,
    environment: Environment,
    client: Arc<Client>,
    telemetry: Telemetry,
) -> ReloadConfig {
    Box::new(move |old| {
        let Loaded { config, warnings } = config::load(&file, &environment)?;
        client.reconfigure(&settings(&config, &environment))?;
        if config.log.level != old.log.level {
            telemetry.set_level(config.log.level);
        }
        warn(&warnings);
        Ok(config)
    })
}

/// Stderr as the log's writer.
pub(super) fn stderr_writer() -> BoxMakeWriter {
    BoxMakeWriter::new(std::io::stderr)
}

fn start_log(
    config: &LogConfig,
    environment: &Environment,
    writer: BoxMakeWriter,
) -> Result<Telemetry, Exit> {
    let journal_stream = environment.get("JOURNAL_STREAM").and_then(|value| value.to_str());
    let sink = Sink {
        writer,
        terminal: output::on_terminal(),
        colour: output::colour_on_stderr(environment),
        journal_stream: journal_stream.map(str::to_owned),
    };
    telemetry::start(config, sink).map_err(|error| Exit::Wrong(output::chain(&error)))
}

/// A log for commands without a configuration: warnings and above.
pub(super) fn start_plain_log(environment: &Environment) -> Result<(), Exit> {
    let config = LogConfig { format: LogFormat::Auto, level: LogLevel::Warn };
    start_log(&config, environment, stderr_writer()).map(drop)
}

/// A log of lines for people.
pub(super) fn start_text_log(
    environment: &Environment,
    level: LogLevel,
) -> Result<Telemetry, Exit> {
    let config = LogConfig { format: LogFormat::Text, level };
    start_log(&config, environment, stderr_writer())
}

pub(super) fn runtime() -> Result<Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("ewmirror")
        .enable_all()
        .build()
        .map_err(|error| Exit::Failed(format!("cannot start the runtime: {error}")))
}

/// Tells of a panic through the log, with its place; its message only where it is a constant of
/// this program, because a composed one may hold anything.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        if tracing::dispatcher::has_been_set() {
            event::panicked(thread, &place, message);
        } else {
            output::error(&format!("panic in thread {thread} at {place}: {message}"));
        }
    }));
}
