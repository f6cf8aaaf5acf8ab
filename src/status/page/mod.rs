//! The status document as a page for people.
//!
//! What is wrong comes first, with its cause, since when, the next try and what to do; the next line
//! says whether the daemon runs; then each repository begins with its first line, the
//! age of its last certified pass. Many repositories are summed up, and those shown that differ from the others
//! unless more is asked for. Whatever comes from elsewhere (names, reasons, words of the
//! server) is shown without control characters: a terminal must not obey it.

mod freshness;
mod many;
mod text;

use std::fmt::Write as _;
use std::time::Duration;

use bytesize::ByteSize;

pub use self::text::{PageContext, PlainText, RepositoriesOnPage};
use self::text::{TextPage, counted, moment, span};
use super::document::{
    DaemonStatus, FeedStateStatus, FeedStatus, HealthStatus, HeldStatus, InstanceStatus,
    MirrorStatus, PassStatus, RepositoryStatus, RoleStatus, SignInStatus, StateStatus,
    StatusDocument,
};
use crate::progress::problems::Scope;

impl StatusDocument {
    /// The page.
    pub fn page(&self, around: PageContext<'_>) -> String {
        let mut page = TextPage(String::new());
        page.wrong(self, around);
        if self.is_of_many() {
            page.totals(self);
        }
        if let Some(daemon) = &self.daemon {
            page.daemon(daemon, self.instance.as_ref(), &self.version, around.now_ms);
        }
        page.mirror(&self.mirror);
        for feed in self.daemon.iter().flat_map(|daemon| &daemon.feeds) {
            page.feed(feed);
        }
        page.repositories(self, around);
        page.0
    }
}

/// What a terminal takes for colours, and for the end of one.
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const PLAIN: &str = "\u{1b}[0m";

/// The scope whose count is one of items, not of tries.
const DELETES: &str = Scope::Deletes.name();

impl TextPage {
    fn wrong(&mut self, document: &StatusDocument, around: PageContext<'_>) {
        let (words, colour_of_them) = match document.health {
            _ if document.daemon.is_none() => (around.no_daemon, RED),
            HealthStatus::Ok => return,
            HealthStatus::Failing => ("FAILING: nothing goes on", RED),
            HealthStatus::Degraded => ("DEGRADED: not all goes on as it should", YELLOW),
            HealthStatus::Unknown => {
                ("UNKNOWN whether anything is wrong: this daemon is of another version", YELLOW)
            }
        };
        let paint = |on| if around.colour { on } else { "" };
        let (begin, end) = (paint(colour_of_them), paint(PLAIN));
        self.line(format_args!("{begin}{}{end}", PlainText(words)));
        let told = match around.shown {
            RepositoriesOnPage::All => usize::MAX,
            _ => many::MOST_PROBLEMS,
        };
        for problem in document.problems.iter().take(told) {
            if problem.error == words {
                self.line(format_args!("    {}", PlainText(&problem.remedy)));
                continue;
            }
            let about = match problem.repository {
                Some(id) => document.called(id),
                None => problem.scope.clone(),
            };
            let (about, error) = (PlainText(&about), PlainText(&problem.error));
            self.line(format_args!("{begin}  {about}: {error}{end}"));
            let mut when = format!("for {}", span(Duration::from_millis(problem.since_ms)));
            if problem.failures > 1 && problem.scope != DELETES {
                write!(when, ", {} times in a row", problem.failures)
                    .expect("a string takes any text");
            }
            match problem.retry_in_ms.map(Duration::from_millis) {
                Some(Duration::ZERO) => when.push_str("; next try now"),
                Some(left) => {
                    write!(when, "; next try in {}", span(left)).expect("a string takes any text");
                }
                None => {}
            }
            self.line(format_args!("    {when}"));
            self.line(format_args!("    {}", PlainText(&problem.remedy)));
        }
        self.more_problems(document.problems.len().saturating_sub(told), around);
        if document.daemon.is_some() {
            self.0.push('\n');
        }
    }

    fn instance(&mut self, instance: &InstanceStatus) {
        let name = PlainText(&instance.name);
        let daemons = match instance.daemons {
            Some(daemons) if daemons > 1 => format!(", of {daemons} daemons"),
            _ => String::new(),
        };
        match (instance.role, &instance.leader) {
            (RoleStatus::Leader, _) => self.line(format_args!("instance {name}: leader{daemons}")),
            (RoleStatus::Sharing, _) => {
                self.line(format_args!("instance {name}: reads its share{daemons}"));
            }
            (RoleStatus::Standby, Some(leader)) => self.line(format_args!(
                "instance {name}: STANDBY, {} reads{daemons}",
                PlainText(leader)
            )),
            (RoleStatus::Standby, None) => {
                self.line(format_args!("instance {name}: STANDBY, nobody reads{daemons}"));
            }
            (RoleStatus::Unknown, _) => self.line(format_args!("instance {name}")),
        }
    }

    fn daemon(
        &mut self,
        daemon: &DaemonStatus,
        instance: Option<&InstanceStatus>,
        version: &str,
        now_ms: i64,
    ) {
        let uptime = Duration::from_millis(daemon.uptime_ms);
        let since = now_ms.saturating_sub_unsigned(daemon.uptime_ms);
        let reason = daemon.sign_in_reason.as_deref().unwrap_or_default();
        let session = match daemon.sign_in {
            SignInStatus::SignedIn => "signed in".to_owned(),
            SignInStatus::Trying => "NOT signed in yet".to_owned(),
            SignInStatus::Renewing => {
                let out = Duration::from_millis(daemon.signed_out_ms.unwrap_or_default());
                format!("NOT signed in for {}: the session was refused", span(out))
            }
            SignInStatus::StandingBy => "standing by".to_owned(),
            SignInStatus::Denied => format!("SIGN-IN DENIED: {}", PlainText(reason)),
            SignInStatus::Unknown if daemon.signed_in => "signed in".to_owned(),
            SignInStatus::Unknown => "not signed in".to_owned(),
        };
        self.line(format_args!(
            "ewmirror {} runs since {} ({}), pid {}, {session}",
            PlainText(version),
            moment(since),
            span(uptime),
            daemon.pid,
        ));
        if let Some(instance) = instance {
            self.instance(instance);
        }
        self.line(format_args!(
            "{}, {}; {} refused, {} failed",
            counted(daemon.logins, "login"),
            counted(daemon.requests, "page request"),
            daemon.refusals,
            daemon.failures,
        ));
        if daemon.restarts > 0 {
            self.line(format_args!(
                "{} after a defect of this program: please report it",
                counted(daemon.restarts, "task restart"),
            ));
        }
    }

    fn mirror(&mut self, mirror: &MirrorStatus) {
        let url = mirror.url.as_deref().unwrap_or("unknown");
        let mut line = format!("mirror {}", PlainText(url));
        if let (Some(database), Some(wal)) = (mirror.database_bytes, mirror.wal_bytes) {
            let (database, wal) = (ByteSize::b(database), ByteSize::b(wal));
            write!(line, ": {database}, WAL {wal}").expect("a string takes any text");
        }
        if let Some(last) = mirror.last_sequence {
            write!(line, ", last change {last}").expect("a string takes any text");
        }
        if let Some(dropped) = mirror.dropped_through.filter(|dropped| *dropped > 0) {
            write!(line, ", changes up to {dropped} dropped").expect("a string takes any text");
        }
        if let Some(error) = &mirror.error {
            write!(line, ": {}", PlainText(error)).expect("a string takes any text");
        }
        self.line(format_args!("{line}"));
    }

    fn feed(&mut self, feed: &FeedStatus) {
        let state = match feed.state {
            FeedStateStatus::Waiting if feed.lag_changes == Some(0) => "up to date",
            FeedStateStatus::Waiting => "waiting",
            FeedStateStatus::Delivering => "delivering",
            FeedStateStatus::Retrying => "RETRYING",
            FeedStateStatus::Paused => "PAUSED",
            FeedStateStatus::Standby => {
                let name = PlainText(&feed.name);
                return self.line(format_args!("feed {name}: another daemon delivers it"));
            }
            FeedStateStatus::Unknown => "unknown",
        };
        let mut line = format!("feed {}: {state}", PlainText(&feed.name));
        if let Some((delivered, through)) = feed.delivered.zip(feed.delivered_through) {
            write!(line, ", {delivered} delivered, through change {through}")
                .expect("a string takes any text");
        }
        if let Some(behind) = feed.lag_changes.filter(|behind| *behind > 0) {
            write!(line, ", {behind} behind").expect("a string takes any text");
        }
        for (figure, word) in [(feed.parked, "parked"), (feed.missed, "missed")] {
            if let Some(figure) = figure.filter(|figure| *figure > 0) {
                write!(line, ", {figure} {word}").expect("a string takes any text");
            }
        }
        self.line(format_args!("{line}"));
    }

    fn repository(&mut self, repository: &RepositoryStatus, live: bool, around: PageContext<'_>) {
        self.0.push('\n');
        let name = repository.name.as_deref().map(|name| format!(" {}", PlainText(name)));
        let mut first_line = format!("{}{}: ", repository.id, name.unwrap_or_default());
        match (repository.certified_age_ms, repository.last_certified) {
            (Some(age), Some(pass)) => {
                let age = span(Duration::from_millis(age));
                let pass = pass.iteration;
                write!(first_line, "last certified pass {age} ago (pass {pass})")
            }
            _ => write!(first_line, "no certified pass yet"),
        }
        .expect("a string takes any text");
        if let Some(items) = repository.items {
            write!(first_line, ", {items} items").expect("a string takes any text");
        }
        first_line.push_str(&activity(repository, live));
        self.line(format_args!("{first_line}"));
        if let Some(read) = repository.model_read_at_ms {
            self.line(format_args!("  model read {}", moment(read)));
        }
        if let Some(held) = &repository.held_deletions {
            self.held(repository.id, held, around.approve);
        }
        if let Some(suspects) = repository.suspects.filter(|suspects| *suspects > 0) {
            let suspects = counted(suspects, "suspect");
            self.line(format_args!("  {suspects}: not seen by the last certified pass"));
        }
        for line in freshness::delay_lines(repository) {
            self.line(format_args!("  {line}"));
        }
        if let Some(incremental) = repository.incremental.as_ref().filter(|_| live) {
            self.line(format_args!("  {}", freshness::incremental_line(incremental)));
        }
        self.passes(&repository.passes);
    }

    fn held(&mut self, repository: u64, held: &HeldStatus, approve: &str) {
        let HeldStatus { count, iteration, since_at_ms, approved, waiting, first } = held;
        let (iteration, since_at_ms) = (*iteration, *since_at_ms);
        let deletions = counted(if *approved { *count } else { *waiting }, "deletion");
        let since = since_at_ms.map(|at| format!(" since {}", moment(at))).unwrap_or_default();
        let pass = iteration.map(|pass| format!(" (pass {pass})")).unwrap_or_default();
        if *approved {
            self.line(format_args!(
                "  {deletions} held back{since}{pass} and approved: the next certified \
                 pass does them"
            ));
        } else {
            let items = match first.as_slice() {
                [] => String::new(),
                _ if first.len() as u64 >= *waiting => format!(", of items {}", first.join(", ")),
                _ => format!(", of items {}, ...", first.join(", ")),
            };
            let items = PlainText(&items);
            self.line(format_args!("  HELD BACK: {deletions}{since}{pass}{items}"));
            let approve = format!("{} --repository {repository}", PlainText(approve));
            self.line(format_args!("    see them: {approve} --list"));
            self.line(format_args!("    if they are right: {approve}"));
        }
    }

    fn passes(&mut self, passes: &[PassStatus]) {
        const HEADER: [&str; 8] =
            ["pass", "ended", "pages", "items", "created", "updated", "deleted", "certified"];
        if passes.is_empty() {
            return;
        }
        let mut rows = vec![HEADER.map(str::to_owned)];
        rows.extend(passes.iter().map(row));
        let mut widths = [0; HEADER.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.len().max(*width);
            }
        }
        for row in &rows {
            let mut line = String::new();
            for (place, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Moments and reasons begin at the left, numbers end at the right.
                match place {
                    1 => write!(line, "  {cell:<width$}"),
                    7 => write!(line, "  {cell}"),
                    _ => write!(line, "  {cell:>width$}"),
                }
                .expect("a string takes any text");
            }
            self.line(format_args!("{}", line.trim_end()));
        }
    }
}

fn activity(repository: &RepositoryStatus, live: bool) -> String {
    if live && repository.state.is_none() {
        return "; not read by this daemon".to_owned();
    }
    let (Some(iteration), Some(pages)) = (repository.iteration, repository.pages) else {
        return String::new();
    };
    let mut pass = format!("page {pages}");
    match (repository.covered, repository.total) {
        (Some(covered), Some(total)) => write!(pass, ", {covered} of {total}"),
        (Some(covered), None) => write!(pass, ", {covered} read"),
        (None, Some(total)) => write!(pass, " of a list of {total}"),
        (None, None) => Ok(()),
    }
    .expect("a string takes any text");
    match repository.state {
        Some(StateStatus::Paging) => format!("; pass {iteration} under way, {pass}"),
        Some(StateStatus::Resting) => format!("; resting after pass {iteration}"),
        Some(StateStatus::Waiting) => format!("; WAITING in pass {iteration}, {pass}"),
        Some(StateStatus::Stopped) => format!("; stopped in pass {iteration}, {pass}"),
        Some(StateStatus::Standby) => match repository.owner.as_deref() {
            Some(owner) => format!("; {} reads it", PlainText(owner)),
            None => "; nobody reads it".to_owned(),
        },
        Some(StateStatus::Unknown) => format!("; pass {iteration}, {pass}"),
        None if repository.passes.first().is_some_and(|pass| pass.ended_at_ms.is_none()) => {
            format!("; pass {iteration} has not ended, {pass}")
        }
        None => String::new(),
    }
}

fn row(pass: &PassStatus) -> [String; 8] {
    let ended = pass.ended_at_ms.map_or_else(|| "not yet".to_owned(), |at| moment(at).to_string());
    let verdict = match (&pass.reason, pass.ended_at_ms) {
        (_, None) => String::new(),
        _ if pass.certified => "yes".to_owned(),
        (Some(reason), _) => format!("no: {}", PlainText(reason)),
        (None, _) => "no".to_owned(),
    };
    [
        pass.iteration.to_string(),
        ended,
        pass.pages.to_string(),
        pass.distinct_ids.to_string(),
        pass.created.to_string(),
        pass.updated.to_string(),
        pass.deleted.to_string(),
        verdict,
    ]
}

#[cfg(test)]
mod tests;
