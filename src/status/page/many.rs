//! Many repositories on the page: their sum, those that differ, and how to see the others.

use std::fmt::Write as _;
use std::time::Duration;

use super::text::{PageContext, PlainText, RepositoriesOnPage, TextPage, counted, span};
use crate::status::document::{RepositoryStatus, StatusDocument};

/// So many problems are told unless all is asked for: a screen full.
pub(super) const MOST_PROBLEMS: usize = 20;

/// So many repositories that differ are told unless more is asked for.
const MOST_REPOSITORIES: usize = 10;

impl TextPage {
    /// All repositories in one line.
    pub(super) fn totals(&mut self, document: &StatusDocument) {
        let totals = document.totals;
        let mut line = format!(
            "{}: {} certified, {} in a pass, {} with problems, {} with deletions held back",
            counted_repositories(totals.repositories),
            totals.certified,
            totals.paging,
            totals.with_problems,
            totals.held_back,
        );
        if let Some(items) = totals.items {
            line.push_str("; ");
            line.push_str(&counted(items, "item"));
        }
        if let Some(daemon) = &document.daemon {
            // In tenths, as a whole number: what is shown is what was counted.
            let over_ms = daemon.uptime_ms.clamp(1000, 60_000);
            let tenths = daemon.requests_last_minute.saturating_mul(10_000) / over_ms;
            write!(line, "; {}.{} page requests/s", tenths / 10, tenths % 10)
                .expect("a string takes any text");
        }
        self.line(format_args!("{line}"));
    }

    /// The repositories that are to be shown, and how to see others.
    pub(super) fn repositories(&mut self, document: &StatusDocument, around: PageContext<'_>) {
        let differing = document.differing();
        let most = match around.shown {
            RepositoriesOnPage::Differing if document.is_of_many() => MOST_REPOSITORIES,
            _ => usize::MAX,
        };
        let is_wanted = |repository: &&RepositoryStatus| match around.shown {
            RepositoriesOnPage::Differing => differing.contains(&repository.id),
            RepositoriesOnPage::All => true,
            RepositoriesOnPage::These(ids) => ids.contains(&repository.id),
        };
        let is_live = document.daemon.is_some();
        for repository in document.repositories.iter().filter(is_wanted).take(most) {
            self.repository(repository, is_live, around);
        }
        if around.shown == RepositoriesOnPage::Differing && document.is_of_many() {
            self.others(document, differing.len(), around);
        }
    }

    /// What is not shown of many repositories.
    fn others(&mut self, document: &StatusDocument, differing: usize, around: PageContext<'_>) {
        let more = differing.saturating_sub(MOST_REPOSITORIES) as u64;
        let alike = (document.repositories.len() - differing) as u64;
        self.0.push('\n');
        if more > 0 {
            let plural = if more == 1 { "y differs" } else { "ies differ" };
            self.line(format_args!("{more} more repositor{plural}"));
        }
        if alike > 0 {
            let word = if differing > 0 { "other " } else { "" };
            let plural = if alike == 1 { "y" } else { "ies" };
            let ages = document.ages_of_others();
            self.line(format_args!("{alike} {word}repositor{plural}{ages}: nothing to tell"));
        }
        let status = PlainText(around.status);
        self.line(format_args!("see one: {status} --repository ID; all: {status} --all"));
    }

    /// How many problems are not told.
    pub(super) fn more_problems(&mut self, more: usize, around: PageContext<'_>) {
        if more > 0 {
            let problems = counted(more as u64, "more problem");
            let status = PlainText(around.status);
            self.line(format_args!("  {problems}: {status} --all"));
        }
    }
}

impl StatusDocument {
    /// Between which ages the last certified passes of those are that do not differ.
    fn ages_of_others(&self) -> String {
        let differing = self.differing();
        let alike = self.repositories.iter().filter(|it| !differing.contains(&it.id));
        let ages: Vec<u64> = alike.filter_map(|it| it.certified_age_ms).collect();
        match (ages.iter().min(), ages.iter().max()) {
            (Some(least), Some(most)) => {
                let [least, most] = [least, most].map(|age| span(Duration::from_millis(*age)));
                if least == most {
                    format!(", last certified pass {least} ago")
                } else {
                    format!(", last certified pass {least} to {most} ago")
                }
            }
            _ => String::new(),
        }
    }
}

fn counted_repositories(count: u64) -> String {
    if count == 1 { "1 repository".to_owned() } else { format!("{count} repositories") }
}
