//! `ewmirror status`: the running daemon's own words, or what the database alone can tell.
//!
//! It asks over the control socket alone, needs no password, changes nothing, and says so where the
//! two do not belong together: a daemon that keeps another mirror is not the one that was asked for.
//! That the daemon does not run is said only where nobody has its database.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::arguments::StatusArgs;
use super::query::{RepositorySelector, listed};
use super::{Exit, daemon, output};
use crate::config::{self, Environment, QueryConfig};
use crate::domain::RepositoryId;
use crate::mirror::{KeptModel, MirrorError, MirrorSummary, Store};
use crate::progress::problems::{Problem, ProblemReport, Scope, Source};
use crate::status::control::ControlOrigin;
use crate::status::control_client::{self, ControlAnswer, ControlRequestError};
use crate::status::document::{
    HealthStatus, RepositoryStatus, STATUS_PATH, StatusDocument, WHOLE_STATUS_PATH,
};
use crate::status::page::{PageContext, PlainText, RepositoriesOnPage};
use crate::status::{ConfiguredRepository, DocumentInput, compose};
use crate::task::clock;
use crate::text::{CommandLine, visible_but};

/// Shows how things stand: as JSON, or as a page. A success only where the daemon runs and nothing
/// is wrong.
pub(super) fn run(file: &Path, environment: &Environment, args: &StatusArgs) -> Exit {
    let is_more_asked = args.all || !args.repository.is_empty();
    let StatusAnswer { document, received, no_daemon } =
        match look(file, environment, is_more_asked) {
            Ok(found) => found,
            Err(exit) => return exit,
        };
    let chosen = match chosen(&document, &args.repository) {
        Ok(chosen) => chosen,
        Err(exit) => return exit,
    };
    let text = if args.json {
        let text = match received {
            Some(received) => received_json(received, &chosen),
            None if chosen.is_empty() => document.json(),
            None => document.only(&chosen).json(),
        };
        // JSON stays what it is where hidden characters are escaped in it.
        visible_but(&text, &['\n']).into_owned()
    } else {
        let shown = match (args.all, chosen.is_empty()) {
            (true, _) => RepositoriesOnPage::All,
            (false, true) => RepositoriesOnPage::Differing,
            (false, false) => RepositoriesOnPage::These(&chosen),
        };
        document.page(PageContext {
            now_ms: clock::now_ms(),
            no_daemon: &no_daemon,
            approve: &output::command_line(file).with(["approve-deletes"]),
            status: &output::command_line(file).with(["status"]),
            shown,
            colour: output::colour_on_stdout(environment),
        })
    };
    match output::data(&text) {
        // What is wrong has been told.
        Exit::Done if document.daemon.is_none() || document.health != HealthStatus::Ok => {
            Exit::Failed(String::new())
        }
        exit => exit,
    }
}

/// What there is to show.
struct StatusAnswer {
    document: StatusDocument,
    /// The document as the daemon sent it, which may know more than this version.
    received: Option<Value>,
    /// What to say of a daemon that did not answer.
    no_daemon: String,
}

/// Why no daemon says how things stand.
struct UnansweredDaemon {
    error: String,
    remedy: String,
    /// Whether none runs, as far as anybody can tell.
    nobody_runs: bool,
}

/// The repositories that were named; none: all that there are.
fn chosen(
    document: &StatusDocument,
    selectors: &[RepositorySelector],
) -> Result<BTreeSet<u64>, Exit> {
    let found = selectors.iter().map(|selector| {
        let is_wanted = |it: &&RepositoryStatus| match selector {
            RepositorySelector::Id(id) => it.id == id.0,
            RepositorySelector::Name(name) => it.name.as_deref() == Some(name),
        };
        let found: Vec<u64> =
            document.repositories.iter().filter(is_wanted).map(|it| it.id).collect();
        let what = match selector {
            RepositorySelector::Id(id) => format!("repository {id}"),
            RepositorySelector::Name(name) => format!("repository \"{}\"", output::visible(name)),
        };
        match found[..] {
            [id] => Ok(id),
            [] => {
                let known = document.repositories.iter().map(|it| match &it.name {
                    Some(name) => format!("{} ({})", it.id, output::visible(name)),
                    None => it.id.to_string(),
                });
                let known = listed(known);
                let error = format!("{what} is neither configured nor in the mirror: {known}");
                Err(Exit::Wrong(error))
            }
            _ => {
                let ids = listed(found.iter().map(u64::to_string));
                Err(Exit::Wrong(format!("{what} is more than one: take one of {ids}")))
            }
        }
    });
    found.collect()
}

/// The daemon's own words, as far as they are about these repositories, or about any where none is chosen.
fn received_json(mut received: Value, chosen: &BTreeSet<u64>) -> String {
    let repositories = received.get_mut("repositories").and_then(Value::as_array_mut);
    if let Some(repositories) = repositories.filter(|_| !chosen.is_empty()) {
        repositories.retain(|repository| {
            repository.get("id").and_then(Value::as_u64).is_some_and(|id| chosen.contains(&id))
        });
    }
    format!("{received:#}\n")
}

fn look(file: &Path, environment: &Environment, is_more_asked: bool) -> Result<StatusAnswer, Exit> {
    let config = config::load_for_queries(file, environment).map_err(|faults| {
        Exit::Wrong(format!("{}: {}\n{faults}", file.display(), faults.count()))
    })?;
    let origin = ControlOrigin { file, mirror: &config.mirror.url, environment };
    let runtime = daemon::runtime()?;
    let asked = runtime.block_on(async {
        let path = if is_more_asked { WHOLE_STATUS_PATH } else { STATUS_PATH };
        match control_client::ask_for(path, origin, &config.status).await {
            Err(error @ ControlRequestError::Nobody { .. }) => {
                Err((error, control_client::is_somebody_at(&config.status).await))
            }
            asked => asked.map_err(|error| (error, false)),
        }
    });
    let (error, somebody) = match asked {
        Ok(ControlAnswer { document, json, .. }) => {
            return Ok(StatusAnswer { document, received: Some(json), no_daemon: String::new() });
        }
        Err(error) => error,
    };
    let is_another = matches!(error, ControlRequestError::Another { .. });
    let command = output::command_line(file);
    let silence = unanswered(&error, somebody, &config, &command);
    let summary = summary(&config, &runtime);
    // A name that is being looked up in a thread of its own must not hold up the end.
    runtime.shutdown_background();
    match summary {
        Ok((summary, models)) => {
            let document = document(&config, (&summary, &models), &command, &silence);
            let document = if is_more_asked { document } else { document.brief() };
            if is_another {
                let error = &silence.error;
                output::note(&format!("ewmirror: {error}; this is from the database\n"));
            }
            Ok(StatusAnswer { document, received: None, no_daemon: silence.error })
        }
        Err(why) => Err(Exit::Failed(format!("{}; {}; {why}", silence.error, silence.remedy))),
    }
}

/// What is known of the models of repositories.
type ModelsById = HashMap<RepositoryId, KeptModel>;

fn summary(config: &QueryConfig, runtime: &Runtime) -> Result<(MirrorSummary, ModelsById), String> {
    match Store::of(&config.mirror) {
        Store::None => Err("mirror.url is \"none\", so that nobody else can tell".to_owned()),
        store => runtime
            .block_on(async {
                let reader = store.open_to_read().await?;
                let summary = reader.summary().await?;
                let mut models = ModelsById::new();
                let kept = summary.repositories.iter().map(|it| it.id);
                let configured = config.repositories.iter().map(|it| it.id);
                for id in kept.chain(configured).collect::<BTreeSet<_>>() {
                    // A document without them is better than none.
                    if let Ok(Some(model)) = reader.model(id).await {
                        models.insert(id, model);
                    }
                }
                Ok((summary, models))
            })
            .map_err(|error: MirrorError| format!("{}; {}", output::chain(&error), error.remedy())),
    }
}

/// Why no daemon answered, and whether one runs all the same.
fn unanswered(
    error: &ControlRequestError,
    somebody: bool,
    config: &QueryConfig,
    command: &CommandLine,
) -> UnansweredDaemon {
    let said = PlainText(&output::chain(error)).to_string();
    let lock_owner = Store::of(&config.mirror).lock_owner();
    let remedy = if error.is_forbidden() {
        "ask as root (sudo), or as the daemon's user".to_owned()
    } else {
        format!("see its log, and: {}", command.with(["doctor"]))
    };
    let (error, remedy, nobody_runs) = match (error, lock_owner) {
        (ControlRequestError::Another { .. }, _) => {
            let remedy = "name the configuration of that daemon with --config";
            (said, remedy.to_owned(), false)
        }
        (_, Ok(Some(lock_owner))) => {
            let process = match lock_owner.process {
                Some(process) => format!("process {process}"),
                None => "a process".to_owned(),
            };
            (format!("{process} keeps the mirror, but cannot be asked: {said}"), remedy, false)
        }
        (ControlRequestError::Nobody { .. }, Ok(None)) if !somebody => {
            let start = format!("start it: {}", command.start());
            (format!("the daemon does not run: {said}"), start, true)
        }
        (ControlRequestError::Nobody { .. }, Ok(None)) => {
            let at = control_client::address(&config.status);
            let error = format!(
                "no daemon can be asked: {said}; somebody listens at status.listen ({at}), but \
                 that may be anybody"
            );
            (error, format!("see who listens there, and: {}", command.with(["doctor"])), false)
        }
        _ => (format!("the daemon cannot be asked: {said}"), remedy, false),
    };
    UnansweredDaemon { error, remedy, nobody_runs }
}

/// The document of the database alone.
fn document(
    config: &QueryConfig,
    (summary, models): (&MirrorSummary, &ModelsById),
    command: &CommandLine,
    silence: &UnansweredDaemon,
) -> StatusDocument {
    let unasked = Problem {
        source: Source { scope: Scope::Mirror, repository: None, what: "daemon" },
        since: Duration::ZERO,
        failures: 1,
        report: ProblemReport {
            error: silence.error.clone(),
            remedy: silence.remedy.clone(),
            retry_in: None,
            halts: silence.nobody_runs,
        },
    };
    let own = config.repositories.iter().map(|it| (it.id, it.name.clone()));
    let is_own = |id: RepositoryId| config.repositories.iter().any(|it| it.id == id);
    let others = summary.repositories.iter().map(|it| it.id).filter(|id| !is_own(*id));
    let known = own.chain(others.map(|id| (id, None)));
    let repositories = known.map(|(id, name)| ConfiguredRepository {
        id,
        name: name.or_else(|| models.get(&id)?.model.name.clone()),
        model_read_ms: models.get(&id).and_then(|model| model.server_ms),
        progress: None,
        last_certified: None,
        delays: None,
    });
    compose(DocumentInput {
        instance: None,
        now_ms: clock::now_ms(),
        daemon: None,
        mirror_url: &config.mirror.url.to_string(),
        summary: Some(Ok(summary)),
        repositories: repositories.collect(),
        problems: vec![unasked],
        max_age: None,
        server: None,
        command,
    })
}
