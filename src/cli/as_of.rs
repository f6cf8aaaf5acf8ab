//! WHEN, as `--as-of`, `--from` and `--to` take it: a sequence, a time, or an age; and which change that
//! is.

use std::time::{Duration, UNIX_EPOCH};

use super::Exit;
use super::query::MirrorQuery;
use crate::domain::Sequence;
use crate::mirror::LogTime;
use crate::task::clock;
use crate::text::moment;

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
    time_ms(text).map(AsOf::Time).ok_or_else(|| {
        "neither a sequence (460), nor a time (2026-11-24T14:09:35Z), nor an age (2h)".to_owned()
    })
}

/// A date and a time of day as RFC 3339 has it, in milliseconds since 1970 (UTC). What is finer than that
/// is left out: no change is timed more finely.
fn time_ms(text: &str) -> Option<i64> {
    let (utc, ahead_ms) = if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        (utc, 0)
    } else {
        let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
        (time, offset_ms(offset)?)
    };
    // The library takes some offsets by itself, and some twice.
    if !utc.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let time = humantime::parse_rfc3339(&format!("{utc}Z").replace('t', "T")).ok()?;
    let since_1970 = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_millis()).ok()?.checked_sub(ahead_ms)
}

/// How far ahead of UTC an offset such as `+01:00` is.
fn offset_ms(text: &str) -> Option<i64> {
    let two =
        |digits: &str| digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok());
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = rest.split_once(':').filter(|it| it.0.len() == 2 && it.1.len() == 2)?;
    let (hours, minutes): (i64, i64) = (two(hours)??, two(minutes)??);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// The last change that had been made by then.
pub(super) fn find(query: &MirrorQuery, as_of: AsOf) -> Result<Sequence, Exit> {
    let now_ms = clock::now_ms();
    let at_ms = match as_of {
        AsOf::Change(_) => now_ms,
        AsOf::Time(at_ms) => at_ms,
        AsOf::Age(age) => now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
    };
    let log = query.wait(query.mirror.at_time(at_ms, now_ms))?;
    let last = log.bounds.last;
    match as_of {
        AsOf::Change(sequence) if sequence > last => {
            Err(Exit::Failed(format!("there is no change {sequence} yet: the last one is {last}")))
        }
        AsOf::Change(sequence) if sequence < log.bounds.dropped_through => Err(forgotten(&log)),
        AsOf::Change(sequence) => Ok(sequence),
        // By another machine's clock it may have come already.
        AsOf::Time(at_ms)
            if at_ms > now_ms && log.last_ms.is_none_or(|last_ms| at_ms > last_ms) =>
        {
            Err(Exit::Failed(format!(
                "{} is still to come: it is {} now",
                moment(at_ms),
                moment(now_ms)
            )))
        }
        AsOf::Time(_) | AsOf::Age(_) => log.sequence.ok_or_else(|| forgotten(&log)),
    }
}

/// From when on it can be told.
fn forgotten(log: &LogTime) -> Exit {
    let earliest = log.bounds.dropped_through;
    let time = log.earliest_ms.map(|earliest_ms| format!(", {}", moment(earliest_ms)));
    Exit::Failed(format!(
        "what there was then can no longer be told: changes up to {earliest} have been dropped \
         (changes.keep); the earliest that can be told is {earliest}{}",
        time.unwrap_or_default()
    ))
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

    #[test]
    fn a_time_has_an_offset_and_is_cut_to_milliseconds() {
        let at = Ok(AsOf::Time(1_795_529_375_791));
        for same in [
            "2026-11-24T14:09:35.791Z",
            "2026-11-24t14:09:35.791999z",
            "2026-11-24T15:09:35.791+01:00",
            "2026-11-24T08:39:35.7911-05:30",
            "2026-11-25T00:09:35.791+10:00",
            "2026-11-24T14:09:35.791-00:00",
        ] {
            assert_eq!(parse(same), at, "{same}");
        }
        for wrong in [
            "2026-11-24T14:09:35",
            "2026-11-24T14:09:35+0100",
            "2026-11-24T14:09:35+24:00",
            "2026-11-24T14:09:35+01:60",
            "2026-11-24T14:09:35+1:000",
            "2026-11-24T14:09:35Z+01:00",
            "2026-13-24T14:09:35Z",
            "ä+01:00",
            "+01:00",
        ] {
            parse(wrong).unwrap_err();
        }
    }
}
