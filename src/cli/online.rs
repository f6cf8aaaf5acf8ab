//! Commands that ask the server something and end: they sign in, ask, and sign out again.
//!
//! They have no tasks, so that nothing is tried again: what fails is told. `check --online` is
//! here.

use std::path::Path;
use std::sync::Arc;

use super::{Exit, daemon, output};
use crate::client::{Api, Client, Failure, SearchRequest};
use crate::config::{Config, Environment, Loaded};
use crate::session::SharedSession;

/// Signs in, does what `ask` does, signs out, and prints what it returns.
pub(super) fn run<F>(file: &Path, environment: &Environment, ask: F) -> Exit
where
    F: AsyncFnOnce(&Client, &Config, &SharedSession) -> Result<String, Exit>,
{
    let asked = daemon::load(file, environment).and_then(|Loaded { config, .. }| {
        let client = Client::new(&daemon::settings(&config))
            .map_err(|error| Exit::Wrong(output::chain(&error)))?;
        let runtime = daemon::runtime()?;
        let asked = runtime.block_on(async {
            let tokens = client.login().await.map_err(|failure| failed(&failure))?;
            let session = SharedSession::new();
            session.replace(tokens);
            let asked = ask(&client, &config, &session).await;
            // The session ends by itself where the server does not take the logout.
            drop(client.logout(&session.credentials().await).await);
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

/// `check --online`: reads the first page of each repository.
pub(super) fn check(file: &Path, environment: &Environment) -> Exit {
    run(file, environment, first_pages)
}

async fn first_pages(
    client: &Client,
    config: &Config,
    session: &SharedSession,
) -> Result<String, Exit> {
    let mut report = vec![format!("\nsigned in as {}", config.login.username)];
    let mut failures = Vec::new();
    for repository in &config.repositories {
        let request = SearchRequest {
            repository: repository.id,
            page: 1,
            page_size: repository.paging.page_size.get(),
            conditions: Arc::new(repository.search.clone()),
            item_id: repository.item_id.clone(),
        };
        let credentials = session.credentials().await;
        match client.search(&credentials, &request).await {
            Ok(answer) => {
                let (items, total) = (answer.items.len(), answer.total);
                report.push(format!("repository {}: {items} of {total} items read", repository.id));
                if let Some(token) = answer.rest_token {
                    session.adopt_rest_token(credentials.generation, token);
                }
            }
            Err(failure) => {
                failures.push(format!("repository {}: {}", repository.id, describe(&failure)));
            }
        }
    }
    report.push(String::new());
    if failures.is_empty() { Ok(report.join("\n")) } else { Err(Exit::Failed(failures.join("; "))) }
}

/// The end of a command whose request failed.
pub(super) fn failed(failure: &Failure) -> Exit {
    Exit::Failed(describe(failure))
}

/// A failure and what can be done about it.
fn describe(failure: &Failure) -> String {
    let remedy = match failure {
        Failure::Denied(_) => Some("check login.username and the password"),
        Failure::Refused(_) => None,
        Failure::Failed(error) => error.remedy(),
    };
    match remedy {
        Some(remedy) => format!("{}; {remedy}", output::chain(failure)),
        None => output::chain(failure),
    }
}
