//! What happens in the demo beside what happens by itself: an item that changes, an outage, and a
//! list that shrinks to a third.
//!
//! Commands are run as a person would run them, by this very program in a process of its own, and
//! shown with what they print.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::output;
use crate::simulator::Simulator;

/// The repository that loses most of its items.
pub(super) const BRANDS_ID: u64 = 10_150;

/// The same as a flag has it.
const BRANDS: &str = "10150";

/// This program, also where its file has been replaced since it started.
const OURSELVES: &str = "/proc/self/exe";

/// When what happens, after the start.
const CHANGE_AT: Duration = Duration::from_secs(2);
const OUTAGE_AT: Duration = Duration::from_secs(6);
const LOSS_AT: Duration = Duration::from_secs(10);

/// How long the server is away.
const OUTAGE: Duration = Duration::from_secs(3);

/// How long an operator takes to look at what is held back.
const THINKING: Duration = Duration::from_secs(2);

/// How often it is looked whether something has come of what happened.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many lines of what a command prints are shown.
const SHOWN_LINES: usize = 4;

/// The most characters of a line that are shown.
const SHOWN_CHARACTERS: usize = 160;

/// Makes all of it happen. The caller drops it when the daemon ends earlier.
pub(super) async fn tell(server: &Simulator, file: &Path, odds: serde_json::Value) {
    let begun = Instant::now();
    sleep_until(begun + CHANGE_AT).await;
    let changed = first_item(file).await;
    if let Some(item) = &changed {
        happen(server, "edit", &json!({"repository": BRANDS_ID, "update": [item]}));
    }
    sleep_until(begun + OUTAGE_AT).await;
    say("the server goes away: each connection breaks off");
    happen(server, "odds", &json!({"drop": 1.0}));
    sleep(OUTAGE).await;
    say("the server is back");
    happen(server, "odds", &odds);
    if let Some(item) = changed {
        let item = item.to_string();
        let history = ["history", "--repository", BRANDS, "--item", &item];
        // Once it has changed, and been seen to.
        while ask(file, &history).await.is_none_or(|told| !told.contains(" updated ")) {
            sleep(LOOK_EVERY).await;
        }
        say("one item's story, attribute by attribute:");
        show(file, &history, ShownPart::FromLast(" updated ")).await;
    }
    sleep_until(begun + LOSS_AT).await;
    say("the list of the brands shrinks to a third: a permission has expired, or so it looks");
    happen(server, "edit", &json!({"repository": BRANDS_ID, "clear": 0.66}));
    let approve = ["approve-deletes", "--repository", BRANDS];
    let list = [approve.as_slice(), &["--list"]].concat();
    while ask(file, &list).await.is_none_or(|told| told.is_empty()) {
        sleep(LOOK_EVERY).await;
    }
    say("nothing is deleted before somebody has looked:");
    show(file, &list, ShownPart::First).await;
    sleep(THINKING).await;
    say("they are gone for good, and are approved:");
    show(file, &approve, ShownPart::First).await;
}

/// The id of the first brand that the mirror has.
async fn first_item(file: &Path) -> Option<u64> {
    let told = ask(file, &["export", "--repository", BRANDS]).await?;
    let first: serde_json::Value = serde_json::from_str(told.lines().next()?).ok()?;
    first.get("itemId")?.as_u64()
}

/// Makes a control call to the look-alike. One that fails makes a shorter story.
fn happen(server: &Simulator, call_name: &str, body: &serde_json::Value) {
    if let Err(why) = server.control(call_name, body) {
        say(&why);
    }
}

/// Which lines are shown of those that a command prints.
#[derive(Clone, Copy)]
enum ShownPart {
    First,
    /// From the last that has these words in it.
    FromLast(&'static str),
}

/// Runs a command and shows it and some lines of what it prints.
async fn show(file: &Path, arguments: &[&str], which: ShownPart) {
    let command = output::command_line(file).with(arguments.iter().copied());
    let told = ask(file, arguments).await.unwrap_or_default();
    let mut text = format!("  $ {command}\n");
    let from = match which {
        ShownPart::First => 0,
        ShownPart::FromLast(words) => told
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(words))
            .last()
            .map_or(0, |it| it.0),
    };
    for (number, line) in told.lines().skip(from).enumerate() {
        if number == SHOWN_LINES {
            text.push_str("  ...\n");
            break;
        }
        let shown: String = output::visible(line).chars().take(SHOWN_CHARACTERS).collect();
        let more = if line.chars().count() > SHOWN_CHARACTERS { "..." } else { "" };
        writeln!(text, "  {shown}{more}").expect("a string takes any text");
    }
    output::note(&text);
}

/// What a command prints; `None` where it fails, as it may before the mirror is made.
async fn ask(file: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(OURSELVES);
    command.arg("--config").arg(file).args(arguments).env_clear();
    command.stdin(Stdio::null()).stderr(Stdio::null());
    // The runtime's own thread for what waits.
    let ended = tokio::task::spawn_blocking(move || command.output()).await.ok()?.ok()?;
    ended.status.success().then(|| String::from_utf8_lossy(&ended.stdout).into_owned())
}

fn say(words: &str) {
    output::note(&format!("\n-- {words}\n"));
}
