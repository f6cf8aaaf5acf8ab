//! `--as-of WHEN`: a sequence, a time, or an age, and which change that is.

use std::time::{Duration, UNIX_EPOCH};

use super::Exit;
use super::history;
use super::query::MirrorQuery;
use crate::domain::Sequence;
use crate::task::clock;

/// An instant of a mirror as a flag names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AsOf {
    /// When this change had been made.
    Change(Sequence),
    /// At this time, in milliseconds since 1970 (UTC).
    Time(i64),
    /// So long ago.
    Age(Duration),
}

/// Reads such a flag.
pub(super) fn parse(text: &str) -> Result<AsOf, String> {
    if let Ok(sequence) = text.parse() {
        return Ok(AsOf::Change(Sequence(sequence)));
    }
    if let Ok(age) = humantime::parse_duration(text) {
        return Ok(AsOf::Age(age));
    }
    let time = humantime::parse_rfc3339(text).ok().and_then(|time| {
        let since_1970 = time.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since_1970.as_millis()).ok()
    });
    time.map(AsOf::Time).ok_or_else(|| {
        "neither a sequence (460), nor a time (2026-11-24T14:09:35Z), nor an age (2h)".to_owned()
    })
}

/// The last change that had been made by then.
pub(super) fn find(query: &MirrorQuery, as_of: AsOf) -> Result<Sequence, Exit> {
    let first = query.wait(query.mirror.changes(None, None, 1))?;
    let (dropped, last) = (first.dropped_through, first.last);
    let at = match as_of {
        AsOf::Change(sequence) if sequence < dropped => {
            return Err(Exit::Failed(format!(
                "what there was after change {sequence} can no longer be told: changes up to \
                 {dropped} have been dropped, and {dropped} is the earliest"
            )));
        }
        AsOf::Change(sequence) if sequence > last => {
            return Err(Exit::Failed(format!(
                "there is no change {sequence} yet: the last one is {last}"
            )));
        }
        AsOf::Change(sequence) => return Ok(sequence),
        AsOf::Time(at) => at,
        AsOf::Age(age) => {
            clock::now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        }
    };
    let first = first.changes.first().map(|change| (change.sequence, change.ts_ms));
    let (mut before, mut after) = match first {
        Some((sequence, ts_ms)) if ts_ms <= at => (sequence, Sequence(last.0.saturating_add(1))),
        // Nothing had been found yet.
        _ if dropped == Sequence(0) => return Ok(dropped),
        first => {
            let earliest = first.map_or(clock::now_ms(), |(_, ts_ms)| ts_ms);
            return Err(Exit::Failed(format!(
                "what there was then can no longer be told: changes up to {dropped} have been \
                 dropped, and {} is the earliest time",
                history::time(earliest)
            )));
        }
    };
    // The log is in the order of time, but where the machine's clock was put back.
    while after.0 - before.0 > 1 {
        let middle = Sequence(u64::midpoint(before.0, after.0));
        match query.wait(query.mirror.change(middle))? {
            Some(change) if change.ts_ms > at => after = middle,
            // Dropped meanwhile; whether it was too early is found out when it is asked for.
            _ => before = middle,
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_sequence_and_what_has_a_unit_is_an_age() {
        assert_eq!(parse("460"), Ok(AsOf::Change(Sequence(460))));
        assert_eq!(parse("2h"), Ok(AsOf::Age(Duration::from_secs(7200))));
        assert_eq!(parse("3d"), Ok(AsOf::Age(Duration::from_secs(259_200))));
        assert_eq!(parse("2026-11-24T14:09:35.791Z"), Ok(AsOf::Time(1_795_529_375_791)));
        for wrong in ["", "-1", "yesterday", "2026-11-24", "1.5", "1969-12-31T23:59:59Z"] {
            parse(wrong).unwrap_err();
        }
    }
}
