//! `ewmirror learn`: asks the server how it behaves, and reports that without anything of what it keeps.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Exit, online, output};
use crate::config::Environment;
use crate::learn::{self, LearnTarget, Learned};

/// The flags of `ewmirror learn`.
#[derive(Args, Debug)]
pub(super) struct LearnArgs {
    /// Write the report to this file, which must not exist, instead of to stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Asks the server, and writes the report as JSON. The page of text and the configuration that fits go to
/// stdout where the report does not.
pub(super) fn run(file: &Path, environment: &Environment, args: &LearnArgs) -> Exit {
    // Before the server is asked: a minute's answers must not be lost for a wrong path.
    let target = match args.output.as_deref().map(create).transpose() {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let exit = online::run(file, environment, async |client, config, session| {
        let targets: Vec<LearnTarget> = config
            .repositories
            .iter()
            .map(|repository| LearnTarget {
                repository: repository.id,
                item_id: repository.item_id.clone(),
                conditions: Arc::new(repository.search.clone()),
            })
            .collect();
        output::note("asking at most one request a second, and reading only\n");
        let told = |part: &str| output::note(&format!("looking at {part}\n"));
        let Learned { report, local } =
            learn::learn(client, session, &targets, learn::PACE, told).await;
        let mut json = serde_json::to_string_pretty(&report)
            .map_err(|error| Exit::Failed(format!("cannot write the report: {error}")))?;
        json.push('\n');
        let proposed = learn::proposal(&targets, &report, &local);
        let text = format!(
            "{}\nThe configuration that fits (these lines hold names of the server's; the report \
             holds none):\n\n{}",
            learn::summary(&report),
            proposed
        );
        let Some((mut file, path)) = target.as_ref().map(|(file, path)| (file, path)) else {
            output::note(&text);
            return Ok(json);
        };
        let written = file.write_all(json.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| unwritten(path, &error))?;
        Ok(text)
    });
    if let (Some((file, path)), Exit::Failed(_) | Exit::Wrong(_)) = (target, &exit)
        && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    {
        // Nothing is in it, and it would be in the way of the next try.
        drop(std::fs::remove_file(path));
    }
    exit
}

/// Makes the file, which only its owner can read until he gives it away.
fn create(path: &Path) -> Result<(File, &Path), Exit> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path).map_err(|error| unwritten(path, &error))?;
    Ok((file, path))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Exit {
    Exit::Failed(format!("cannot write {}: {error}", path.display()))
}
