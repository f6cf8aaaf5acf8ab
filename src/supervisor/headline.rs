//! The line that `systemctl status` shows: what the daemon is doing.
//!
//! Pure. `10149: pass 12, page 40, 8000 of 10432; last certified pass 3 min ago; signed in 5 h`,
//! with ` | ` between several repositories. What keeps all of them from being read comes first.

use std::fmt;
use std::time::Duration;

use crate::ids::RepositoryId;
use crate::progress::{Activity, RepositoryProgress};

/// About the longest line, in bytes: a few lines of a terminal. Of more repositories than fit it
/// says how many they are.
const LONGEST: usize = 400;

/// How signing in stands, and for how long it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Under way.
    Trying,
    /// There is a session.
    SignedIn(Duration),
    /// The session was refused, and there is no newer one yet.
    Renewing(Duration),
    /// The server did not accept the name or the password.
    Denied(Duration),
    /// Logins fail for want of an answer.
    Away(Duration),
}

/// One repository.
#[derive(Clone, Copy, Debug)]
pub struct Repository {
    /// Which.
    pub id: RepositoryId,
    /// How far it is.
    pub progress: RepositoryProgress,
    /// How long ago its last certified pass ended.
    pub certified: Option<Duration>,
    /// For how long its requests have failed, where they do.
    pub away: Option<Duration>,
}

/// The line.
pub fn headline(repositories: &[Repository], session: Session) -> String {
    let (trouble, fine) = match session {
        Session::Trying => (Some("signing in".to_owned()), None),
        Session::SignedIn(time) => (None, Some(format!("signed in {}", Span(time)))),
        Session::Renewing(time) => (Some(format!("not signed in since {}", Span(time))), None),
        Session::Denied(time) => (Some(format!("wrong password since {}", Span(time))), None),
        Session::Away(time) => (Some(format!("server away since {}", Span(time))), None),
    };
    let mut line = trouble.unwrap_or_default();
    for (place, repository) in repositories.iter().enumerate() {
        let part = part(repository, session);
        let separator = if line.is_empty() { "" } else { " | " };
        if !line.is_empty() && line.len() + part.len() > LONGEST {
            let rest = format!(" | and {} more", repositories.len() - place);
            line.push_str(&rest);
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

fn part(repository: &Repository, session: Session) -> String {
    let RepositoryProgress { activity, iteration, pages, covered, total, held, .. } =
        repository.progress;
    let doing = match (activity, total) {
        (Activity::Waiting, _) => "waiting".to_owned(),
        (Activity::Paging, Some(total)) if pages > 0 => {
            format!("pass {iteration}, page {pages}, {covered} of {total}")
        }
        (Activity::Paging, _) => format!("pass {iteration} begins"),
        (Activity::Resting, _) => format!("resting after pass {iteration}"),
        (Activity::Stopped, _) => "stopped".to_owned(),
    };
    let mut line = format!("{}: {doing}", repository.id);
    let mut say = |words: String| {
        line.push_str("; ");
        line.push_str(&words);
    };
    if let Some(away) = repository.away
        && !matches!(session, Session::Away(_))
    {
        say(format!("server away since {}", Span(away)));
    }
    if held > 0 {
        say(format!("deletions held: {held}"));
    }
    match repository.certified {
        Some(time) => say(format!("last certified pass {} ago", Span(time))),
        None => say("no certified pass since the start".to_owned()),
    }
    line
}

/// A duration in its largest unit.
struct Span(Duration);

impl fmt::Display for Span {
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
    use crate::ids::Iteration;
    use crate::testing::{HOUR, MINUTE, SECOND};

    fn paging(id: u64) -> Repository {
        let progress = RepositoryProgress {
            activity: Activity::Paging,
            iteration: Iteration(12),
            pages: 40,
            covered: 8000,
            total: Some(10_432),
            ..RepositoryProgress::START
        };
        Repository { id: RepositoryId(id), progress, certified: Some(200 * SECOND), away: None }
    }

    fn doing(activity: Activity) -> Repository {
        let mut repository = paging(7);
        repository.progress.activity = activity;
        repository
    }

    #[test]
    fn it_says_what_the_daemon_is_doing() {
        let signed_in = Session::SignedIn(5 * HOUR);
        let mut held = doing(Activity::Resting);
        held.progress.held = 75;
        let away = Repository { away: Some(4 * MINUTE), ..paging(7) };
        let new = Repository { progress: RepositoryProgress::START, certified: None, ..paging(7) };
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
                vec![away],
                signed_in,
                format!(
                    "7: pass 12, page 40, 8000 of 10432; server away since 4 min; {certified}; \
                     signed in 5 h"
                ),
            ),
            (
                vec![new, first],
                Session::Trying,
                format!(
                    "signing in | 7: waiting; no certified pass since the start | \
                     7: pass 1 begins; {certified}"
                ),
            ),
            (
                vec![away],
                Session::Away(4 * MINUTE),
                format!(
                    "server away since 4 min | 7: pass 12, page 40, 8000 of 10432; {certified}"
                ),
            ),
            (
                vec![doing(Activity::Stopped)],
                Session::Denied(9 * SECOND),
                format!("wrong password since 9 s | 7: stopped; {certified}"),
            ),
            (
                vec![paging(7)],
                Session::Renewing(2 * MINUTE),
                format!(
                    "not signed in since 2 min | 7: pass 12, page 40, 8000 of 10432; {certified}"
                ),
            ),
            (
                vec![doing(Activity::Waiting), doing(Activity::Resting)],
                Session::SignedIn(72 * HOUR),
                format!(
                    "7: waiting; {certified} | 7: resting after pass 12; {certified} | \
                     signed in 3 d"
                ),
            ),
        ];
        for (repositories, session, line) in cases {
            assert_eq!(headline(&repositories, session), line);
        }
    }

    #[test]
    fn many_repositories_are_counted() {
        let many: Vec<_> = (1..=100).map(paging).collect();
        let line = headline(&many, Session::SignedIn(HOUR));
        assert!(line.len() < LONGEST + 50, "{line}");
        assert!(line.contains(" | and 95 more | signed in 1 h"), "{line}");
    }
}
