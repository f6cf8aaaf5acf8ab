//! A moment as people and other programs read it. Pure.

use std::time::{Duration, SystemTime};

/// The last moment of the year 9999, beyond which a date has no such form: milliseconds since 1970 (UTC).
const LAST_DATE_MS: u64 = 253_402_300_799_999;

/// A moment (milliseconds since 1970, UTC) as an RFC 3339 date with milliseconds; one without such a date as
/// its number.
pub fn moment(ts_ms: i64) -> String {
    match u64::try_from(ts_ms) {
        Ok(ms @ ..=LAST_DATE_MS) => {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
            humantime::format_rfc3339_millis(time).to_string()
        }
        _ => format!("{ts_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_date_can_show_are_shown_all_the_same() {
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(moment(253_402_300_800_000), "253402300800000 ms");
    }
}
