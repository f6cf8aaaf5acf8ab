//! The line that `systemctl status` shows: what the daemon is doing.
//!
//! Pure. `10149: pass 12, page 40, 8000 of 10432; last certified pass 3 min ago; signed in 5 h`,
//! with ` | ` between several repositories. What is wrong comes first, with what to do.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::domain::RepositoryId;
use crate::progress::problems::Problem;
use crate::progress::{Activity, RepositoryProgress};
use crate::text::is_hidden;

/// About the longest line, in bytes: a few lines of a terminal. Of more repositories than fit it
/// says how many they are.
const LONGEST: usize = 400;

/// The most characters of a problem: the longest of our errors, its causes and its remedy.
const LONGEST_PROBLEM: usize = 500;

/// A next try that is nearer than this is under way when the line is read.
const NOW: Duration = Duration::from_secs(1);

/// How signing in stands, and for how long it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInLine {
    /// Under way.
    Trying,
    /// There is a session.
    SignedIn(Duration),
    /// The session was refused, and there is no newer one yet.
    Renewing(Duration),
    /// The server did not accept the name or the password.
    Denied(Duration),
    /// Another daemon reads: no session is needed.
    StandingBy,
}

/// One repository.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryLine {
    /// Which.
    pub id: RepositoryId,
    /// How far it is.
    pub progress: RepositoryProgress,
    /// How long ago its last certified pass ended.
    pub certified: Option<Duration>,
}

/// The line; `problems` are those that are told, worst first.
pub fn status_line(
    problems: &[Problem],
    repositories: &[RepositoryLine],
    session: SignInLine,
    leader: Option<&str>,
) -> String {
    let trouble = match session {
        _ if !problems.is_empty() => Some(wrong(problems)),
        SignInLine::Trying => Some("signing in".to_owned()),
        SignInLine::SignedIn(_) => None,
        SignInLine::Renewing(time) => Some(format!("not signed in since {}", RoughDuration(time))),
        SignInLine::Denied(time) => Some(format!("wrong password since {}", RoughDuration(time))),
        SignInLine::StandingBy => Some(match leader {
            Some(leader) => format!("standing by, {} reads", leader.replace(is_hidden, " ")),
            None => "standing by".to_owned(),
        }),
    };
    let fine = match session {
        SignInLine::SignedIn(time) => Some(format!("signed in {}", RoughDuration(time))),
        _ => None,
    };
    let mut line = trouble.unwrap_or_default();
    let longest = LONGEST + line.len();
    for (place, repository) in repositories.iter().enumerate() {
        let part = part(repository);
        let separator = if line.is_empty() { "" } else { " | " };
        if !line.is_empty() && line.len() + part.len() > longest {
            let remainder = format!(" | and {} more", repositories.len() - place);
            line.push_str(&remainder);
            break;
        }
        line.push_str(separator);
        line.push_str(&part);
    }
    if let Some(fine) = fine {
        line.push_str(if repositories.len() > 1 { " | " } else { "; " });
        line.push_str(&fine);
    }
    line
}

/// The worst problem, and how many others there are. One line, whatever is in it.
fn wrong(problems: &[Problem]) -> String {
    let Some(worst) = problems.first() else { return String::new() };
    let text = worst.to_string().replace(is_hidden, " ");
    let mut line: String = text.chars().take(LONGEST_PROBLEM).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    write!(line, " (for {}", RoughDuration(worst.since)).expect("a string takes any text");
    if let Some(retry_in) = worst.report.retry_in {
        // Rounded, so that the line is not another one each time it is looked at.
        let next = if retry_in < NOW {
            "now".to_owned()
        } else {
            format!("in {}", RoughDuration(retry_in))
        };
        write!(line, ", next try {next}").expect("a string takes any text");
    }
    match problems.len() - 1 {
        0 => line.push(')'),
        more => write!(line, "; and {more} more)").expect("a string takes any text"),
    }
    line
}

fn part(repository: &RepositoryLine) -> String {
    let RepositoryProgress { activity, iteration, pages, covered, total, held, .. } =
        repository.progress;
    let doing = match (activity, total) {
        (Activity::Waiting, _) => "waiting".to_owned(),
        (Activity::Paging, Some(total)) if pages > 0 => {
            format!("pass {iteration}, page {pages}, {covered} of {total}")
        }
        (Activity::Paging, _) => format!("pass {iteration} begins"),
        (Activity::Idle, _) => format!("resting after pass {iteration}"),
        (Activity::Stopped, _) => "stopped".to_owned(),
        (Activity::StandingBy, _) => "standing by".to_owned(),
    };
    let mut line = format!("{}: {doing}", repository.id);
    let mut say = |words: String| {
        line.push_str("; ");
        line.push_str(&words);
    };
    if held > 0 {
        say(format!("deletions held: {held}"));
    }
    match repository.certified {
        Some(time) => say(format!("last certified pass {} ago", RoughDuration(time))),
        None => say("no certified pass since the start".to_owned()),
    }
    line
}

/// A duration in its largest unit.
struct RoughDuration(Duration);

impl fmt::Display for RoughDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{seconds} s"),
            60..3600 => write!(f, "{} min", seconds / 60),
            // Two days, because "1 d" leaves too much open.
            3600..172_800 => write!(f, "{} h", seconds / 3600),
            _ => write!(f, "{} d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Iteration;
    use crate::progress::problems::{ProblemReport, Scope, Source};
    use crate::testing::{HOUR, MINUTE, SECOND};

    fn paging(id: u64) -> RepositoryLine {
        let progress = RepositoryProgress {
            activity: Activity::Paging,
            iteration: Iteration(12),
            pages: 40,
            covered: 8000,
            total: Some(10_432),
            ..RepositoryProgress::START
        };
        RepositoryLine { id: RepositoryId(id), progress, certified: Some(200 * SECOND) }
    }

    fn doing(activity: Activity) -> RepositoryLine {
        let mut repository = paging(7);
        repository.progress.activity = activity;
        repository
    }

    #[test]
    fn it_says_what_the_daemon_is_doing() {
        let signed_in = SignInLine::SignedIn(5 * HOUR);
        let mut held = doing(Activity::Idle);
        held.progress.held = 75;
        let new =
            RepositoryLine { progress: RepositoryProgress::START, certified: None, ..paging(7) };
        let mut first = paging(7);
        (first.progress.pages, first.progress.iteration) = (0, Iteration(1));
        let certified = "last certified pass 3 min ago";
        let cases = [
            (
                vec![paging(10_149)],
                signed_in,
                format!("10149: pass 12, page 40, 8000 of 10432; {certified}; signed in 5 h"),
            ),
            (
                vec![held],
                signed_in,
                format!("7: resting after pass 12; deletions held: 75; {certified}; signed in 5 h"),
            ),
            (
                vec![new, first],
                SignInLine::Trying,
                format!(
                    "signing in | 7: waiting; no certified pass since the start | \
                     7: pass 1 begins; {certified}"
                ),
            ),
            (
                vec![doing(Activity::Stopped)],
                SignInLine::Denied(9 * SECOND),
                format!("wrong password since 9 s | 7: stopped; {certified}"),
            ),
            (
                vec![paging(7)],
                SignInLine::Renewing(2 * MINUTE),
                format!(
                    "not signed in since 2 min | 7: pass 12, page 40, 8000 of 10432; {certified}"
                ),
            ),
            (
                vec![doing(Activity::Waiting), doing(Activity::Idle)],
                SignInLine::SignedIn(72 * HOUR),
                format!(
                    "7: waiting; {certified} | 7: resting after pass 12; {certified} | \
                     signed in 3 d"
                ),
            ),
            (
                vec![doing(Activity::StandingBy)],
                SignInLine::StandingBy,
                format!("standing by, b reads | 7: standing by; {certified}"),
            ),
        ];
        for (repositories, session, line) in cases {
            assert_eq!(status_line(&[], &repositories, session, Some("b")), line);
        }
    }

    #[test]
    fn many_repositories_are_counted() {
        let many: Vec<_> = (1..=100).map(paging).collect();
        let line = status_line(&[], &many, SignInLine::SignedIn(HOUR), None);
        assert!(line.len() < LONGEST + 50, "{line}");
        assert!(line.contains(" | and 95 more | signed in 1 h"), "{line}");
    }

    #[test]
    fn what_is_wrong_comes_first_in_one_line_of_bounded_length() {
        let problem = |error: &str, repository| Problem {
            source: Source { scope: Scope::Server, repository, what: "search" },
            since: 250 * SECOND,
            failures: 12,
            report: ProblemReport {
                error: error.to_owned(),
                remedy: "check server.url".to_owned(),
                retry_in: Some(8 * SECOND),
                halts: true,
            },
        };
        let away = problem("search failed: no connection: 127.0.0.1:9", None);
        let line = status_line(
            std::slice::from_ref(&away),
            &[paging(7)],
            SignInLine::SignedIn(HOUR),
            None,
        );
        let begins = "search failed: no connection: 127.0.0.1:9; check server.url (for 4 min, next \
                      try in 8 s) | 7: pass 12, page 40";
        assert!(line.starts_with(begins), "{line}");
        let own = problem(&"\n\u{9b}é".repeat(1000), Some(RepositoryId(7)));
        let many: Vec<_> = (1..=100).map(paging).collect();
        let line = status_line(&[own, away], &many, SignInLine::Trying, None);
        assert!(line.starts_with("repository 7:   é"), "{line}");
        assert!(line.contains("… (for 4 min, next try in 8 s; and 1 more) | 1: pass 12"), "{line}");
        assert!(!line.contains(char::is_control) && line.chars().count() < 1100, "{line}");
    }
}
