//! `ewmirror demo`: the look-alike server and the daemon in one process, with tokens that end
//! within seconds and items on the move, so that the whole life of the daemon shows in a minute.
//!
//! It keeps its mirror in a new folder of its own, with a configuration beside it, so that the
//! commands that ask a mirror can be tried while it runs, and afterwards where the folder is kept.

mod story;

use std::fs::{self, DirBuilder};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use self::story::BRANDS_ID;
use super::arguments::DemoArgs;
use super::{Exit, daemon, output};
use crate::client::{Client, ClientSettings};
use crate::config::{self, Config, Environment, LogLevel};
use crate::pager::PassLimit;
use crate::progress::Progress;
use crate::signals::Listener;
use crate::simulator::{
    self, Options, Order, RepositoryOptions, SimulatedFault, Simulator, SimulatorCounts,
};
use crate::supervisor::{ExitReason, LeaseTerms, Supervision, Supervisor};
use crate::systemd::Notifier;
use crate::task::clock::Chance;

/// What the daemon of the demo is told; the URL is added. Paces are a human's: a page a second, and a
/// pass in eight.
const CONFIGURATION: &str = r#"
[login]
username = "system"

[session]
reauth_interval = "3s"
max_age = "12s"

[paging]
page_size = 100
page_interval = "1s"
pass_interval = "3s"

[[repository]]
id = 10149
name = "Products"

[[repository]]
id = 10150
name = "Brands"
"#;

/// The server of the demo: sessions of ten seconds, REST tokens of four, and a request in thirty
/// that is refused or fails.
fn options() -> Options {
    Options {
        repositories: vec![
            RepositoryOptions { id: 10_149, items: 400 },
            RepositoryOptions { id: BRANDS_ID, items: 60 },
        ],
        session_ttl: Duration::from_secs(10),
        rest_token_ttl: Duration::from_secs(4),
        insert_rate: 0.2,
        delete_rate: 0.1,
        update_rate: 1.0,
        order: Order::Id,
        latency: Duration::from_millis(40),
        faults: vec![
            (SimulatedFault::Refuse(None), 0.02),
            (SimulatedFault::E503, 0.01),
            (SimulatedFault::Truncate, 0.01),
        ],
        ..Options::default()
    }
}

/// Runs until Ctrl-C, or for so long, sums up, and takes the folder away unless it is to be kept.
pub(super) fn run(args: &DemoArgs, environment: &Environment) -> Exit {
    let temporary = environment.get("TMPDIR").filter(|path| !path.is_empty());
    let temporary = temporary.map_or(Path::new("/tmp"), Path::new);
    let folder = temporary.join(format!("ewmirror-demo-{}", std::process::id()));
    // Not one that is there: somebody else may have put it there.
    if let Err(error) = DirBuilder::new().mode(0o700).create(&folder) {
        return Exit::Failed(format!("cannot make {}: {error}", folder.display()));
    }
    let demonstrated = demonstrate(args.run_for, &folder, environment);
    let left = if args.keep {
        format!("the mirror is kept in {}\n", folder.display())
    } else {
        match fs::remove_dir_all(&folder) {
            Ok(()) => String::new(),
            Err(error) => format!("cannot remove {}: {error}\n", folder.display()),
        }
    };
    output::note(&left);
    match demonstrated {
        Ok(summary) => output::data(&summary),
        Err(exit) => exit,
    }
}

fn demonstrate(
    run_for: Option<Duration>,
    folder: &Path,
    environment: &Environment,
) -> Result<String, Exit> {
    let unwritable = |error| Exit::Failed(format!("cannot write {}: {error}", folder.display()));
    let port = free_port()?;
    let file = folder.join("ewmirror.toml");
    output::note(&format!(
        "The daemon shows itself at http://127.0.0.1:{port}/ and keeps its mirror in {}.\nAsk it \
         from another terminal:\n  {}\n",
        folder.display(),
        output::command_line(&file).with(["changes", "--follow"]),
    ));
    drop(daemon::start_text_log(environment, LogLevel::Info)?);
    let (signals, _listener) = Listener::start()
        .map_err(|error| Exit::Failed(format!("cannot listen for signals: {error}")))?;
    let runtime = daemon::runtime()?;
    let progress = Arc::new(Progress::of(output::command_line(&file)));
    let counts = runtime.block_on(async {
        let server = simulator::start(options())
            .await
            .map_err(|error| Exit::Failed(output::chain(&error)))?;
        let text = configuration(&server, folder, port);
        fs::write(&file, &text).map_err(unwritable)?;
        let (config, client) = configure(&text)?;
        let odds = options().faults.into_iter().map(|(kind, odds)| (kind.to_string(), odds.into()));
        let odds: serde_json::Map<_, _> = odds.collect();
        let mirror = Arc::new(daemon::open(&config).await?);
        let reader = mirror.reader();
        let serving = daemon::serving(&config, reader.clone(), Vec::new()).await;
        let supervision = Supervision {
            api: Arc::new(client),
            mirror,
            reader,
            lease_terms: LeaseTerms::of(&config.instance),
            config,
            passes: PassLimit::Endless,
            patience: None,
            run_for,
            status: Some(serving),
            notifier: Notifier::nobody(),
            signals,
            // There is no file to read again.
            reload: Box::new(|config| Ok(config.clone())),
            progress: Arc::clone(&progress),
            chance: Arc::new(Chance::new()),
            environment: Environment::empty(),
        };
        let mut daemon = pin!(Supervisor::new(supervision).run());
        let end = tokio::select! {
            end = &mut daemon => end,
            () = story::tell(&server, &file, odds.into()) => daemon.await,
        };
        if let ExitReason::MirrorLost(why) = end {
            return Err(Exit::Failed(why));
        }
        let counts = server.counts();
        server.stop().await;
        Ok(counts)
    })?;
    runtime.shutdown_background();
    Ok(summary(&progress, &counts))
}

/// A port that nobody listens at. Somebody else may take it yet; then the page is tried again.
fn free_port() -> Result<u16, Exit> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    free.map(|address| address.port())
        .map_err(|error| Exit::Failed(format!("no port is free on 127.0.0.1: {error}")))
}

/// What the demo's daemon is told.
fn configuration(server: &Simulator, folder: &Path, port: u16) -> String {
    // The server is this process: a proxy of the environment leads elsewhere.
    format!(
        "[server]\nurl = \"{}\"\nno_proxy = [\"*\"]\n{CONFIGURATION}\n\
         [mirror]\nurl = \"sqlite://{}/mirror.db\"\n\n[status]\nlisten = \"127.0.0.1:{port}\"\n",
        server.url(),
        folder.display()
    )
}

fn configure(text: &str) -> Result<(Config, Client), Exit> {
    let password = [("EWMIRROR_LOGIN__PASSWORD", Options::default().password)];
    let config = config::load_text(text, "demo", &Environment::from_pairs(password))
        .map_err(|faults| Exit::Failed(faults.to_string()))?
        .config;
    let settings = ClientSettings {
        server: &config.server,
        login: &config.login,
        transport: config.session.transport,
        environment: &Environment::empty(),
    };
    let client = Client::new(&settings).map_err(|error| Exit::Failed(output::chain(&error)))?;
    Ok((config, client))
}

fn summary(progress: &Progress, counts: &SimulatorCounts) -> String {
    let lines = [
        ("ran for", format!("{} s", progress.uptime().as_secs())),
        ("passes", format!("{}, {} certified", progress.passes.get(), progress.certified.get())),
        ("pages", progress.pages.get().to_string()),
        ("items read", progress.items.get().to_string()),
        (
            "changes",
            format!(
                "{} created, {} updated, {} deleted",
                progress.created.get(),
                progress.updated.get(),
                progress.deleted.get()
            ),
        ),
        ("logins", progress.logins.get().to_string()),
        ("REST tokens renewed", progress.rest_tokens.get().to_string()),
        ("refusals survived", progress.refusals.get().to_string()),
        ("failures survived", progress.failures.get().to_string()),
        (
            "meanwhile on the server",
            format!(
                "{} items inserted, {} deleted, {} updated",
                counts.inserted, counts.deleted, counts.updated
            ),
        ),
    ];
    lines.map(|(name, value)| format!("{name:<24}{value}\n")).concat()
}
