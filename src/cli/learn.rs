//! `ewmirror learn`: asks the server how it behaves, and reports that without anything of what it keeps.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, new_file, online, output};
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
    let create = |path| Ok((new_file::create(path, 0o600)?, path));
    let target = match args.output.as_deref().map(create).transpose() {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let exit = online::run(file, environment, async |client, config, session| {
        let offer = online::OfferedList::new(client, session);
        let (config, _) = offer.taken(config).await.map_err(Exit::Failed)?;
        let targets: Vec<LearnTarget> = config.repositories.iter().map(LearnTarget::of).collect();
        output::note("asking at most one request a second, and reading only\n");
        let told = |part: &str| output::note(&format!("looking at {part}\n"));
        let Learned { report, local } =
            learn::learn(client, session, &targets, learn::PACE, told).await;
        let mut json = serde_json::to_string_pretty(&report)
            .map_err(|error| Exit::Failed(format!("cannot write the report: {error}")))?;
        json.push('\n');
        let proposed = learn::proposal(&targets, &report, &local);
        // Names of the server's stand in it, which may hold what a terminal obeys.
        let proposed: Vec<String> = proposed.lines().map(output::visible).collect();
        let text = format!(
            "{}\nThe configuration that fits (these lines hold names of the server's; the report \
             holds none):\n\n{}",
            learn::summary(&report),
            proposed.join("\n") + "\n"
        );
        let Some((mut file, path)) = target.as_ref().map(|(file, path)| (file, path)) else {
            output::note(&text);
            return Ok(json);
        };
        let written = file.write_all(json.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| new_file::unwritten(path, &error))?;
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
