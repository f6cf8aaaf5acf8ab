//! `ewmirror attributes`: what is known of a repository's attributes.
//!
//! From the mirror and from the names file; where these know nothing, the server is asked.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::query::{self, MirrorQuery, RepositorySelector};
use super::{Exit, online, output};
use crate::client::{Api, Client, Failure};
use crate::config::{self, Environment};
use crate::domain::{RepositoryId, item};
use crate::mirror::{KeptModel, ModelChange};
use crate::model::shape::MirrorShape;
use crate::model::{Attribute, ModelRead, ModelReading, Naming, RawAnswer, RepositoryModel};
use crate::presentation::naming;
use crate::session::SharedSession;
use crate::task::clock;
use crate::text::name;

/// The heads of the columns.
const HEADS: [&str; 6] = ["ID", "NAME", "RESTRICTED NAME", "TYPE", "LANGUAGE", "CODE SET"];
/// The most characters of a text that are shown.
const LONGEST: usize = 63;

/// The flags of `ewmirror attributes`.
#[derive(Args, Debug)]
pub(super) struct AttributesArgs {
    /// The repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// Print all that is known as one JSON object: code sets and links, too
    #[arg(long)]
    json: bool,

    /// Print the server's answers that the mirror keeps, as they came, one JSON object a line
    #[arg(long, conflicts_with = "json")]
    answers: bool,
}

/// Prints what is known.
pub(super) fn run(file: &Path, environment: &Environment, args: &AttributesArgs) -> Exit {
    let config = match config::load_for_queries(file, environment) {
        Ok(config) => config,
        Err(faults) => {
            let (file, count) = (file.display(), faults.count());
            return Exit::Wrong(format!("{file}: {count}\n{faults}"));
        }
    };
    // Where there is none, or it cannot be read, the server may know.
    let query = MirrorQuery::open(file, environment).ok();
    let found = match &query {
        Some(query) => query.find(&args.repository),
        None => query::find(&args.repository, &config.repositories, &MirrorShape::default())
            .map_err(Exit::Wrong),
    };
    let repository = match found {
        Ok(repository) => repository,
        Err(exit) => return exit,
    };
    let configured = query::configured(&config, repository);
    let kept = match query.as_ref().map(|query| kept(query, repository)).transpose() {
        Ok(kept) => kept.flatten(),
        Err(exit) => return exit,
    };
    if args.answers {
        return output::data(&kept.map(|kept| kept.answers).unwrap_or_default());
    }
    let (mut model, mut origin) = kept.map(|kept| (kept.model, kept.origin)).unwrap_or_default();
    naming::say(configured, &mut model);
    origin.from_file |= configured.is_some_and(|known| known.names_file.is_some());
    let id_member = naming::id_member(configured).to_owned();
    if !model.attributes.is_empty() {
        return output::data(&shown(args, repository, (&model, &origin), &id_member));
    }
    online::run(file, environment, async |client, _, session| {
        let read = ask(client, session, repository).await.map_err(|it| online::failed(&it))?;
        for (call, reason) in &read.unanswered {
            let reason = output::visible(reason);
            output::note(&format!("this server does not answer the call {call}: {reason}\n"));
        }
        let origin = Origin { server_ms: Some(clock::now_ms()), ..Origin::default() };
        Ok(shown(args, repository, (&read.model, &origin), &id_member))
    })
}

/// Reads the model from the server.
async fn ask(
    client: &Client,
    session: &SharedSession,
    repository: RepositoryId,
) -> Result<ModelRead, Failure> {
    let credentials = session.credentials().await;
    let listed = client.repositories(&credentials).await?.repositories;
    let listed = listed.into_iter().find(|listed| listed.id == repository);
    let mut reading = ModelReading::new(repository, listed.and_then(|listed| listed.name));
    while let Some(request) = reading.next().cloned() {
        let reply = client.metadata(&credentials, &request).await?;
        reading.take(reply);
    }
    Ok(reading.finish())
}

/// What the mirror has of a repository's model.
struct KeptAttributes {
    model: RepositoryModel,
    origin: Origin,
    /// The answers, a line each.
    answers: String,
}

/// Where it comes from.
#[derive(Debug, Default)]
struct Origin {
    /// When the server told it.
    server_ms: Option<i64>,
    from_file: bool,
    changes: Vec<ModelChange>,
}

fn kept(query: &MirrorQuery, repository: RepositoryId) -> Result<Option<KeptAttributes>, Exit> {
    let Some(kept) = query.wait(query.mirror.model(repository))? else { return Ok(None) };
    let changes = query.wait(query.mirror.model_changes(repository))?;
    let answers = query.wait(query.mirror.model_answers(repository))?;
    let line = |it: &RawAnswer| {
        let body = item::one_line(&it.body);
        let (call, subject) = (json!(it.call), json!(it.subject));
        let body = String::from_utf8_lossy(&body).into_owned();
        format!("{{\"call\":{call},\"subject\":{subject},\"answer\":{body}}}\n")
    };
    let KeptModel { model, server_ms, from_file, .. } = kept;
    let origin = Origin { server_ms, from_file, changes };
    Ok(Some(KeptAttributes { model, origin, answers: answers.iter().map(line).collect() }))
}

fn shown(
    args: &AttributesArgs,
    repository: RepositoryId,
    (model, origin): (&RepositoryModel, &Origin),
    id_member: &str,
) -> String {
    if args.json { document(repository, model, origin, id_member) } else { table(model) }
}

/// All that is known as JSON, on one line.
fn document(
    repository: RepositoryId,
    model: &RepositoryModel,
    origin: &Origin,
    id_member: &str,
) -> String {
    let naming = Naming::of(model, &[id_member]);
    let attribute = |it: &Attribute| {
        let mut value = json!(it);
        value["shown_as"] = naming.name(&it.id).into();
        value
    };
    let attributes: Vec<_> = model.attributes.iter().map(attribute).collect();
    let changes = origin.changes.iter();
    let changes = changes.map(|it| json!({"changed_at_ms": it.changed_ms, "what": it.what}));
    let RepositoryModel { name, code_sets, links, languages, .. } = model;
    let document = json!({
        "repository": repository, "name": name, "languages": languages, "attributes": attributes,
        "code_sets": code_sets, "links": links, "server_at_ms": origin.server_ms,
        "from_file": origin.from_file, "changes": changes.collect::<Vec<_>>(),
    });
    format!("{document}\n")
}

/// One line for each attribute, ordered by field id.
fn table(model: &RepositoryModel) -> String {
    let text = |text: Option<&str>| {
        let text = text.map(|text| name(text, LONGEST)).filter(|text| !text.is_empty());
        text.unwrap_or_else(|| "-".to_owned())
    };
    let row = |it: &Attribute| {
        let texts = [
            Some(&it.id),
            it.name.as_ref(),
            it.restricted_name.as_ref(),
            it.data_type.as_ref(),
            it.language.as_ref(),
            it.code_set.as_ref(),
        ];
        texts.map(|it| text(it.map(String::as_str)))
    };
    let lines = [HEADS.map(str::to_owned)].into_iter().chain(model.attributes.iter().map(row));
    let lines: Vec<_> = lines.collect();
    let widths: [usize; HEADS.len()] = std::array::from_fn(|column| {
        let width =
            |line: &[String; HEADS.len()]| line.get(column).map_or(0, |cell| cell.chars().count());
        lines.iter().map(width).max().unwrap_or_default()
    });
    let mut table = String::new();
    for line in &lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(widths) {
            write!(row, "{cell:width$}  ").expect("a string takes any text");
        }
        writeln!(table, "{}", row.trim_end()).expect("a string takes any text");
    }
    table
}
