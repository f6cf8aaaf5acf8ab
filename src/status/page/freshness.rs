//! How soon changes are found, on the page.

use std::fmt::Write as _;
use std::time::Duration;

use super::text::{PlainText, counted, moment, span};
use crate::status::document::{
    ChangeDelayStatus, FreshnessStatus, IncrementalStatus, RepositoryStatus,
};

/// How late changes were found, and how that stands to the goal.
pub(super) fn delay_lines(repository: &RepositoryStatus) -> Vec<String> {
    let told = |ms: u64| span(Duration::from_millis(ms));
    let delay = repository.change_delay.map(|delay| {
        let ChangeDelayStatus { changes, p50_ms, p99_ms } = delay;
        let changes = counted(changes, "change");
        let (p50, p99) = (told(p50_ms), told(p99_ms));
        format!("{changes} found in the last hour, half of them within {p50}, 99% within {p99}")
    });
    let goal = repository.freshness.as_ref().map(|it| {
        let FreshnessStatus { goal_ms, missed } = it;
        let goal = told(*goal_ms);
        match missed {
            Some(cause) => format!("freshness goal {goal}: MISSED ({})", PlainText(cause)),
            None => format!("freshness goal {goal}: met"),
        }
    });
    goal.into_iter().chain(delay).collect()
}

/// How incremental passes stand.
pub(super) fn incremental_line(it: &IncrementalStatus) -> String {
    let mode = PlainText(&it.mode);
    let mut line = format!("incremental passes ({mode}): {}", it.passes);
    if let Some(age) = it.last_age_ms {
        let age = span(Duration::from_millis(age));
        let found = counted(it.created + it.updated, "change");
        write!(line, ", the last {age} ago, which found {found}").expect("a string takes any text");
    }
    if let Some(mark) = it.mark_at_ms {
        write!(line, "; latest change {}", moment(mark)).expect("a string takes any text");
    }
    line.push_str(match it.obstacle.as_deref() {
        Some("failing") => "; their search is not answered",
        Some("ignored") => "; their condition is ignored",
        Some("out_of_order") => "; the list is in another order",
        Some(_) | None => "",
    });
    line
}
