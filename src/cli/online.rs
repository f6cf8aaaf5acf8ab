//! Commands that ask the server something and end: they sign in, ask, and sign out again.
//!
//! They have no tasks, so that nothing is tried again: what fails is told. `check --online`, the
//! short form of `doctor`, is here.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::{Exit, daemon, output};
use crate::client::{Api, Client, Failure, RepositoryList, SearchRequest};
use crate::config::{Config, Environment, Loaded, RepositoryConfig};
use crate::domain::{Item, RepositoryId};
use crate::progress::{ACCESS_REMEDY, AccessDenied, ReadAccess};
use crate::session::SharedSession;

/// What the server says of the repositories that there are: asked for once by a command, and only where it
/// is needed.
pub(super) struct OfferedList<'a> {
    client: &'a Client,
    session: &'a SharedSession,
    list: OnceCell<Result<RepositoryList, Failure>>,
}

impl<'a> OfferedList<'a> {
    pub(super) fn new(client: &'a Client, session: &'a SharedSession) -> Self {
        Self { client, session, list: OnceCell::new() }
    }

    /// The list.
    pub(super) async fn list(&self) -> Result<&RepositoryList, &Failure> {
        let ask = async || self.client.repositories(&self.session.credentials().await).await;
        self.list.get_or_init(ask).await.as_ref()
    }

    /// [`taken`] from it; where the configuration lists all by their numbers, it is not asked for.
    pub(super) async fn taken(&self, config: &Config) -> Result<(Config, Vec<String>), String> {
        if config.every.is_none() {
            return Ok((config.clone(), Vec::new()));
        }
        taken(config, self.list().await.map_err(describe)?)
    }

    /// That this login may not read a repository, where the server says so.
    pub(super) async fn denied(&self, repository: RepositoryId) -> Option<AccessDenied> {
        let access = ReadAccess::default();
        access.note(self.list().await.ok()?.repositories.iter().map(|it| (it.id, it.can_read)));
        access.denied(repository)
    }
}

/// The configuration with what `id = "all"` takes of a list, and what is to be said of those that are left
/// out, a line each; or why nothing is taken.
pub(super) fn taken(
    config: &Config,
    list: &RepositoryList,
) -> Result<(Config, Vec<String>), String> {
    let mut config = config.clone();
    let Some(every) = &config.every else { return Ok((config, Vec::new())) };
    let offered = list.repositories.iter().map(|it| (it.id, it.can_read));
    let chosen =
        every.choose(offered, &[]).map_err(|unfit| format!("{unfit}; {}", unfit.remedy()))?;
    config.take_offered(&chosen.taken.into_iter().collect::<Vec<_>>());
    let left_out =
        chosen.unreadable.iter().map(|id| format!("repository {id}: left out: {AccessDenied}"));
    Ok((config, left_out.collect()))
}

/// Signs in, does what `ask` does, signs out, and prints what it returns.
pub(super) fn run<F>(file: &Path, environment: &Environment, ask: F) -> Exit
where
    F: AsyncFnOnce(&Client, &Config, &SharedSession) -> Result<String, Exit>,
{
    let asked = daemon::load(file, environment).and_then(|Loaded { config, .. }| {
        let client = Client::new(&daemon::settings(&config, environment))
            .map_err(|error| Exit::Wrong(output::chain(&error)))?;
        let runtime = daemon::runtime()?;
        let asked = runtime.block_on(async {
            let session = sign_in(&client).await.map_err(|failure| failed(&failure))?;
            let asked = ask(&client, &config, &session).await;
            sign_out(&client, &session).await;
            asked
        });
        runtime.shutdown_background();
        asked
    });
    match asked {
        Ok(report) => output::data(&report),
        Err(exit) => exit,
    }
}

/// `check --online`: reads the first page of each repository, and shows the settings if all is well.
pub(super) fn check(file: &Path, environment: &Environment, settings: &str) -> Exit {
    run(file, environment, async |client, config, session| {
        let (mut report, failures) = first_pages(client, config, session).await;
        if failures.is_empty() {
            let (valid, settings) = settings.split_once('\n').unwrap_or((settings, ""));
            return Ok(format!("{valid}\n{report}{settings}"));
        }
        report.insert_str(0, "valid\n");
        // Told together with what failed: that comes last, where it is seen.
        match output::data(&report) {
            Exit::Done => Err(Exit::Failed(failures.join("\newmirror: "))),
            exit => Err(exit),
        }
    })
}

/// What was read, a line each, and what was not.
async fn first_pages(
    client: &Client,
    config: &Config,
    session: &SharedSession,
) -> (String, Vec<String>) {
    let mut report = format!("signed in as {}\n", config.login.username);
    let mut failures = Vec::new();
    let offer = OfferedList::new(client, session);
    let config = match offer.taken(config).await {
        Ok((config, left_out)) => {
            for line in &left_out {
                report.extend([line, "\n"]);
            }
            config
        }
        Err(error) => {
            failures.push(error);
            config.clone()
        }
    };
    for repository in &config.repositories {
        let id = repository.id;
        match first_page(client, session, repository).await {
            Ok(FirstPage { items, total, .. }) => {
                let denied = if items.is_empty() { offer.denied(id).await } else { None };
                if let Some(denied) = denied {
                    failures.push(format!("repository {id}: {denied}; {ACCESS_REMEDY}"));
                }
                writeln!(report, "repository {id}: {} of {total} items read", items.len())
                    .expect("a string takes any text");
            }
            Err(failure) => {
                let denied = match &failure {
                    Failure::Refused(_) => offer.denied(id).await,
                    _ => None,
                };
                failures.push(match denied {
                    Some(denied) => format!(
                        "repository {id}: {denied}: {}; {ACCESS_REMEDY}",
                        output::chain(&failure)
                    ),
                    None => format!("repository {id}: {}", describe(&failure)),
                });
            }
        }
    }
    (report, failures)
}

/// A new session.
pub(super) async fn sign_in(client: &Client) -> Result<SharedSession, Failure> {
    let session = SharedSession::new();
    session.replace(client.login().await?);
    Ok(session)
}

/// Ends a session. Where the server does not take the logout it ends by itself.
pub(super) async fn sign_out(client: &Client, session: &SharedSession) {
    drop(client.logout(&session.credentials().await).await);
}

/// The first page of a repository.
pub(super) struct FirstPage {
    pub(super) items: Vec<Item>,
    pub(super) total: u64,
    /// How long it took.
    pub(super) elapsed: Duration,
}

/// Reads the first page of a repository.
pub(super) async fn first_page(
    client: &Client,
    session: &SharedSession,
    repository: &RepositoryConfig,
) -> Result<FirstPage, Failure> {
    let request = SearchRequest {
        repository: repository.id,
        page: 1,
        page_size: repository.paging.page_size.first_page_size(),
        conditions: Arc::new(repository.search.clone()),
        item_id: repository.item_id.clone(),
        fingerprints: None,
    };
    let credentials = session.credentials().await;
    let begun = Instant::now();
    let answer = client.search(&credentials, &request).await?;
    if let Some(token) = answer.rest_token {
        session.adopt_rest_token(&credentials, token);
    }
    Ok(FirstPage { items: answer.items, total: answer.total, elapsed: begun.elapsed() })
}

/// The end of a command whose request failed.
pub(super) fn failed(failure: &Failure) -> Exit {
    Exit::Failed(describe(failure))
}

/// A failure and what can be done about it.
fn describe(failure: &Failure) -> String {
    match remedy(failure) {
        Some(remedy) => format!("{}; {remedy}", output::chain(failure)),
        None => output::chain(failure),
    }
}

/// What can be done about a failure, where there is something.
pub(super) fn remedy(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Denied(denial) => {
            Some(denial.remedy().unwrap_or("check login.username and the password"))
        }
        Failure::Refused(_) => None,
        Failure::Failed(error) => error.remedy(),
    }
}
