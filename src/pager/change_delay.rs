//! How late changes are found: when an item says that it changed, against when the mirror has it.
//!
//! Only of items that are created or updated after the first pass, whichever pass finds them, and only where
//! `incremental.cursor` says where an item tells the time of its last change. The two times are of two clocks: a
//! server whose clock is ahead seems to be mirrored before it changes, which counts as no delay at all.

use std::time::Duration;

use super::request::fetcher::Fetcher;
use crate::config::RepositoryConfig;
use crate::json::{JsonPointer, members};
use crate::mirror::MemberChanges;
use crate::task::clock;

/// What is to be kept of the changes of a pass.
pub(super) fn kept_changes(config: &RepositoryConfig) -> MemberChanges {
    let cursor = config.incremental.as_ref().and_then(|it| it.cursor.as_ref());
    if cursor.is_some() { MemberChanges::keeping_found() } else { MemberChanges::default() }
}

/// Takes note of how late the changes of a page were found that the mirror has now.
pub(super) fn note_delays<A>(
    fetcher: &Fetcher<A>,
    config: &RepositoryConfig,
    changes: &MemberChanges,
) {
    let found = changes.take_found();
    let Some(incremental) = &config.incremental else { return };
    let Some(cursor) = &incremental.cursor else { return };
    let (now_ms, uptime) = (clock::now_ms(), fetcher.progress.uptime());
    for item in found {
        let moment = value_at(&item, cursor).and_then(|value| incremental.form.read(value));
        if let Some(changed_ms) = moment {
            fetcher.counts.delays.note(uptime, delay(changed_ms, now_ms));
        }
    }
}

/// The time between two moments, in milliseconds since 1970; none where they are the other way round.
fn delay(changed_ms: i64, found_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(found_ms.saturating_sub(changed_ms)).unwrap_or_default())
}

/// The JSON text of a member of an item.
pub(super) fn value_at<'a>(item: &'a [u8], pointer: &JsonPointer) -> Option<&'a str> {
    let mut json = std::str::from_utf8(item).ok()?;
    for token in pointer.tokens() {
        let members = members::of(json.as_bytes()).ok()?;
        json = members.into_iter().rfind(|member| member.name == **token)?.value.get();
    }
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_ahead_makes_no_delay_and_no_moment_is_out_of_range() {
        assert_eq!(delay(1000, 3500), Duration::from_millis(2500));
        assert_eq!(delay(3500, 1000), Duration::ZERO);
        assert_eq!(delay(i64::MIN, i64::MAX), Duration::from_millis(u64::MAX / 2));
        assert_eq!(delay(i64::MAX, i64::MIN), Duration::ZERO);
    }

    #[test]
    fn the_last_of_two_members_of_one_name_counts() {
        let pointer: JsonPointer = "/a/b".parse().unwrap();
        assert_eq!(value_at(br#"{"a": {"b": 1, "b": "2"}}"#, &pointer), Some("\"2\""));
        assert_eq!(value_at(br#"{"a": 1}"#, &pointer), None);
        assert_eq!(value_at(b"\xff", &pointer), None);
    }
}
