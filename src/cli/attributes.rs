//! `ewmirror attributes`: what is known of a repository's attributes.
//!
//! From the mirror and from the names file; where these know nothing, the server is asked.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::query::{self, MirrorQuery, RepositorySelector};
use super::{Exit, known_model, online, output};
use crate::client::{Api, Client, Failure};
use crate::config::{self, Environment};
use crate::domain::RepositoryId;
use crate::model::{Attribute, ModelRead, ModelReading, Naming, RepositoryModel};
use crate::session::SharedSession;
use crate::text::name;

/// The heads of the columns.
const HEADS: [&str; 6] = ["ID", "NAME", "RESTRICTED NAME", "TYPE", "LANGUAGE", "CODE SET"];
/// The most characters of a text that are shown.
const LONGEST: usize = 63;

/// The flags of `ewmirror attributes`.
#[derive(Args, Debug)]
pub(super) struct AttributesArgs {
    /// The repository, by its number or its configured name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// Print all that is known as one JSON object: code sets and links, too
    #[arg(long)]
    json: bool,
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
    let repository = match query::find(&args.repository, &config.repositories) {
        Ok(repository) => repository,
        Err(error) => return Exit::Wrong(error),
    };
    let configured = config.repositories.iter().find(|known| known.id == repository);
    let mut model = match MirrorQuery::open(file, environment) {
        Ok(query) => match known_model::of(&query, repository) {
            Ok(model) => model,
            Err(exit) => return exit,
        },
        // There is none, or it cannot be read: the server may know.
        Err(_) => RepositoryModel::default(),
    };
    known_model::say(configured, &mut model);
    let id_member = known_model::id_member(configured);
    if !model.attributes.is_empty() {
        return output::data(&shown(args, repository, &model, &id_member));
    }
    online::run(file, environment, async |client, _, session| {
        let read = ask(client, session, repository).await.map_err(|it| online::failed(&it))?;
        for (call, reason) in &read.unanswered {
            let reason = output::visible(reason);
            output::note(&format!("this server does not answer the call {call}: {reason}\n"));
        }
        Ok(shown(args, repository, &read.model, &id_member))
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

fn shown(
    args: &AttributesArgs,
    repository: RepositoryId,
    model: &RepositoryModel,
    id_member: &str,
) -> String {
    if args.json { document(repository, model, id_member) } else { table(model) }
}

/// All that is known as JSON, on one line.
fn document(repository: RepositoryId, model: &RepositoryModel, id_member: &str) -> String {
    let naming = Naming::of(model, &[id_member]);
    let attribute = |it: &Attribute| {
        let mut value = json!(it);
        value["shown_as"] = naming.name(&it.id).into();
        value
    };
    let attributes: Vec<_> = model.attributes.iter().map(attribute).collect();
    let RepositoryModel { name, code_sets, links, languages, .. } = model;
    let document = json!({
        "repository": repository, "name": name, "languages": languages, "attributes": attributes,
        "code_sets": code_sets, "links": links,
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
