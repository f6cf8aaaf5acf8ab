//! `ewmirror feeds`: what each feed has delivered, and putting one right.
//!
//! It says what the mirror keeps, and leaves word there: so it works whether or not a daemon runs, and
//! whichever daemon delivers. The one that does heeds it within seconds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::query::MirrorQuery;
use super::{Exit, output};
use crate::config::Environment;
use crate::domain::{FeedName, Sequence};
use crate::mirror::{FeedRequest, FeedState, ParkedChange};
use crate::text::moment;

/// How many parked changes are read at once.
const PAGE: usize = 1000;

/// The flags of `ewmirror feeds`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct FeedsArgs {
    /// Print one JSON object a line, with what is parked
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    action: Option<FeedAction>,
}

/// What is to be done with a feed.
#[derive(Debug, Subcommand)]
enum FeedAction {
    /// Have a feed stand still; the log keeps its changes for as long as its hold
    Pause {
        /// The feed
        name: String,
        /// Why, for those who look
        #[arg(long, default_value = "by the operator")]
        reason: String,
    },
    /// Have it go on
    Resume {
        /// The feed
        name: String,
    },
    /// Have it deliver again what comes after a change; without one, an r for each item that there is now,
    /// and the changes after that
    Replay {
        /// The feed
        name: String,
        /// The change
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
    },
    /// Forget all that is kept of a feed that is not in the configuration any more
    Remove {
        /// The feed
        name: String,
    },
    /// Have it deliver what is parked: all, or one change with the others of its item
    Unpark {
        /// The feed
        name: String,
        /// The change
        #[arg(long, value_name = "SEQ")]
        sequence: Option<u64>,
    },
}

/// A feed that is configured or kept.
struct ShownFeed {
    name: String,
    is_configured: bool,
    /// `None`: nothing is kept yet.
    state: Option<FeedState>,
    parked: Vec<ParkedChange>,
}

/// Shows all feeds, or does what is asked for with one.
pub(super) fn run(file: &Path, environment: &Environment, args: &FeedsArgs) -> Exit {
    let done = MirrorQuery::open(file, environment).and_then(|query| match &args.action {
        None => show(&query, args.json),
        Some(action) => act(&query, action),
    });
    match done {
        Ok(exit) | Err(exit) => exit,
    }
}

fn act(query: &MirrorQuery, action: &FeedAction) -> Result<Exit, Exit> {
    let (name, request, done) = match action {
        FeedAction::Pause { name, reason } => {
            (name, FeedRequest::Pause { reason: reason.clone() }, "is paused".to_owned())
        }
        FeedAction::Resume { name } => (name, FeedRequest::Resume, "goes on".to_owned()),
        FeedAction::Replay { name, after: 0 } => (
            name,
            FeedRequest::Replay { after: Sequence(0) },
            "delivers every item again, and then the changes".to_owned(),
        ),
        FeedAction::Replay { name, after } => (
            name,
            FeedRequest::Replay { after: Sequence(*after) },
            format!("delivers again what comes after change {after}"),
        ),
        FeedAction::Remove { name } => return remove(query, name),
        FeedAction::Unpark { name, sequence } => (
            name,
            FeedRequest::Unpark { sequence: sequence.map(Sequence) },
            "delivers what is parked".to_owned(),
        ),
    };
    if let FeedRequest::Replay { after } = request {
        let last = query.wait(async { Ok(query.mirror.snapshot(None).await?.sequence()) })?;
        if after > last {
            let what = format!("there is no change {after} yet: the last one is {last}");
            return Err(Exit::Failed(what));
        }
    }
    let shown = output::visible(name);
    if !query.wait(query.mirror.change_feed(name, request))? {
        let known = shown_feeds(query)?;
        let names: Vec<_> = known.iter().map(|feed| feed.name.as_str()).collect();
        let of = match (action, known.iter().any(|feed| feed.name == *name && feed.state.is_some()))
        {
            (FeedAction::Unpark { sequence: Some(sequence), .. }, true) => {
                format!("change {sequence} is not parked by feed {shown}")
            }
            _ if names.contains(&name.as_str()) => {
                format!("feed {shown} has not begun: no daemon has delivered it yet")
            }
            _ if names.is_empty() => "there is no feed".to_owned(),
            _ => format!("there is no feed {shown}; there are {}", names.join(", ")),
        };
        return Err(Exit::Failed(of));
    }
    Ok(output::data(&format!("feed {shown} {done}\n")))
}

fn remove(query: &MirrorQuery, name: &str) -> Result<Exit, Exit> {
    let shown = output::visible(name);
    let known = shown_feeds(query)?;
    match known.iter().find(|feed| feed.name == name) {
        Some(feed) if feed.is_configured => Err(Exit::Failed(format!(
            "feed {shown} is in the configuration: take it out there, and reload the daemon, first"
        ))),
        Some(_) => {
            query.wait(query.mirror.remove_feed(name))?;
            Ok(output::data(&format!("feed {shown} is forgotten\n")))
        }
        None => Err(Exit::Failed(format!("there is no feed {shown}"))),
    }
}

fn show(query: &MirrorQuery, json: bool) -> Result<Exit, Exit> {
    let feeds = shown_feeds(query)?;
    let last = query.wait(async { Ok(query.mirror.snapshot(None).await?.sequence()) })?;
    let mut text = String::new();
    for feed in &feeds {
        if json {
            text.push_str(&feed.json(last).to_string());
            text.push('\n');
        } else {
            text.push_str(&feed.lines(last));
        }
    }
    if feeds.is_empty() && !json {
        text.push_str("there is no feed: write a [[feed]] in the configuration\n");
    }
    Ok(output::data(&text))
}

/// The feeds that are configured, and those that are kept, by name.
fn shown_feeds(query: &MirrorQuery) -> Result<Vec<ShownFeed>, Exit> {
    let kept = query.wait(query.mirror.feeds())?;
    let configured: Vec<FeedName> = query.config.feeds.iter().map(|feed| feed.name).collect();
    let mut feeds = Vec::new();
    for name in &configured {
        if !kept.iter().any(|(known, _)| known == name.as_str()) {
            let (name, parked) = (name.to_string(), Vec::new());
            feeds.push(ShownFeed { name, is_configured: true, state: None, parked });
        }
    }
    for (name, state) in kept {
        let mut parked = Vec::new();
        loop {
            let after = parked.last().map_or(Sequence(0), |it: &ParkedChange| it.sequence);
            let page = query.wait(query.mirror.parked(&name, after, PAGE))?;
            let is_last = page.len() < PAGE;
            parked.extend(page);
            if is_last {
                break;
            }
        }
        let is_configured = configured.iter().any(|known| known.as_str() == name);
        feeds.push(ShownFeed { name, is_configured, state: Some(state), parked });
    }
    feeds.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(feeds)
}

impl ShownFeed {
    fn lines(&self, last: Sequence) -> String {
        let mut text = output::visible(&self.name);
        let Some(state) = &self.state else {
            text.push_str(": has not begun\n");
            return text;
        };
        let through = state.delivered_through;
        let behind = last.0.saturating_sub(through.0);
        write!(text, ": delivered {}, through change {through} of {last}", state.delivered)
            .expect("a string takes any text");
        if behind > 0 {
            write!(text, ", {behind} behind").expect("a string takes any text");
        }
        if let Some(success_ms) = state.last_success_ms {
            write!(text, ", last at {}", moment(success_ms)).expect("a string takes any text");
        }
        text.push('\n');
        if !self.is_configured {
            text.push_str("  is not in the configuration: nobody delivers it\n");
        }
        if let Some(reason) = &state.paused {
            writeln!(text, "  paused: {}", output::visible(reason))
                .expect("a string takes any text");
        }
        let mut items: BTreeMap<_, (&ParkedChange, usize)> = BTreeMap::new();
        for parked in &self.parked {
            let first = items.entry((parked.repository, &parked.item)).or_insert((parked, 0));
            first.1 += usize::from(first.0.sequence != parked.sequence);
        }
        let mut firsts: Vec<_> = items.into_values().collect();
        firsts.sort_by_key(|(parked, _)| parked.sequence);
        for (parked, held) in firsts {
            writeln!(
                text,
                "  parked: change {} of item {} in repository {}, and {held} behind it: {}",
                parked.sequence,
                output::visible(&parked.item.to_string()),
                parked.repository,
                output::visible(&parked.reason),
            )
            .expect("a string takes any text");
        }
        text
    }

    fn json(&self, last: Sequence) -> serde_json::Value {
        let state = self.state.as_ref();
        let parked: Vec<_> = self
            .parked
            .iter()
            .map(|it| {
                json!({
                    "sequence": it.sequence.0,
                    "repository": it.repository.0,
                    "item": it.item.to_string(),
                    "reason": it.reason,
                    "parked_at_ms": it.parked_at_ms,
                    "behind": it.behind.map(|behind| behind.0),
                    "released": it.released,
                })
            })
            .collect();
        json!({
            "name": self.name,
            "configured": self.is_configured,
            "delivered_through": state.map(|it| it.delivered_through.0),
            "lag_changes": state.map(|it| last.0.saturating_sub(it.delivered_through.0)),
            "delivered": state.map_or(0, |it| it.delivered),
            "last_success_at_ms": state.and_then(|it| it.last_success_ms),
            "paused": state.and_then(|it| it.paused.as_deref()),
            "parked": parked,
        })
    }
}
