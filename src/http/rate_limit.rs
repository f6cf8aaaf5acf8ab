//! What the headers of an answer say of limits on requests, and when to ask again. Pure: the time of
//! day is an argument.
//!
//! How long is really waited is decided by [`crate::task::retry`].

use std::time::{Duration, SystemTime};

use crate::task::retry::RETRY_AFTER_CAP;

/// What the headers of an answer say of limits on requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// Whether they say that there is one, and that it has been reached.
    pub limits: bool,
    /// The least time that the server asks us to wait.
    pub retry_after: Option<Duration>,
}

/// Reads them: `Retry-After`, and the families `RateLimitHeaders-*` (in drafts of the IETF) and
/// `X-RateLimitHeaders-*` (in use), where none is left. `header` finds one by its name, and `now` is our
/// time.
pub fn limit<'h>(
    status: u16,
    header: impl Fn(&'static str) -> Option<&'h str>,
    now: SystemTime,
) -> RateLimitHeaders {
    let retry_after = header("retry-after").and_then(|value| parse_retry_after(value, now));
    let first = |names: [&'static str; 3]| names.into_iter().find_map(&header).map(str::trim);
    let left = first(["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"])
        .or_else(|| header("ratelimit").and_then(|it| parameter(it, &["r", "remaining"])));
    let used_up = left == Some("0");
    // A server says at every answer when its count begins anew; it asks to wait only where it says no.
    let reset = first(["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"])
        .or_else(|| header("ratelimit").and_then(|it| parameter(it, &["t", "reset"])))
        .filter(|_| used_up && matches!(status, 403 | 429 | 503))
        .and_then(|value| parse_reset(value, now));
    RateLimitHeaders {
        limits: retry_after.is_some() || used_up,
        retry_after: retry_after.or(reset),
    }
}

/// The value of a parameter in `"default";r=0;t=30` or `limit=100, remaining=0, reset=30`.
fn parameter<'h>(header: &'h str, names: &[&str]) -> Option<&'h str> {
    header.split([';', ',']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        names.contains(&name.trim()).then(|| value.trim())
    })
}

/// When a count begins anew: in so many seconds, or at a time in seconds or milliseconds of Unix.
fn parse_reset(value: &str, now: SystemTime) -> Option<Duration> {
    /// No count lasts that long in seconds, and no time since 2001 is smaller.
    const TIMES: u64 = 1_000_000_000;
    let number = match value.parse::<u64>() {
        Ok(number) if number >= TIMES => number,
        _ => return parse_retry_after(value, now),
    };
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let then = if number >= TIMES * 1000 {
        Duration::from_millis(number)
    } else {
        Duration::from_secs(number)
    };
    Some(then.saturating_sub(since).min(RETRY_AFTER_CAP))
}

/// Reads a `Retry-After` header: seconds, with a fraction or without, or an HTTP date as seen at
/// `now`.
///
/// A date that is past is zero; numbers too large are [`RETRY_AFTER_CAP`]; nonsense is `None`.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a very long time, not nonsense.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_CAP));
    }
    if let Some((whole, fraction)) = value.split_once('.')
        && [whole, fraction].iter().all(|it| !it.is_empty())
        && [whole, fraction].iter().all(|it| it.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let seconds: f64 = value.parse().ok()?;
        return Some(
            Duration::try_from_secs_f64(seconds)
                .map_or(RETRY_AFTER_CAP, |asked| asked.min(RETRY_AFTER_CAP)),
        );
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(RETRY_AFTER_CAP))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + NOW
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_dates() {
        let date = |offset: i64| {
            let seconds = NOW.as_secs().saturating_add_signed(offset);
            httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        };
        let cases = [
            ("0".to_owned(), Some(0)),
            (" 17 ".to_owned(), Some(17)),
            ("300".to_owned(), Some(300)),
            ("301".to_owned(), Some(300)),
            ("99999999999999999999999999".to_owned(), Some(300)),
            (date(42), Some(42)),
            (date(-42), Some(0)),
            (date(86_400), Some(300)),
            (String::new(), None),
            ("-1".to_owned(), None),
            ("+1".to_owned(), None),
            ("soon.er".to_owned(), None),
            (".5".to_owned(), None),
            ("1.".to_owned(), None),
            ("1e9.5".to_owned(), None),
            (format!("{}.5", "9".repeat(400)), Some(300)),
            ("soon".to_owned(), None),
            ("Fri, 99 Nov 2023".to_owned(), None),
        ];
        for (value, seconds) in cases {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(parse_retry_after(&value, now()), expected, "{value:?}");
        }
    }

    #[test]
    fn a_retry_after_with_a_fraction_is_read_as_it_is_meant() {
        assert_eq!(parse_retry_after("1.5", now()), Some(Duration::from_millis(1500)));
        assert_eq!(parse_retry_after("0.0", now()), Some(Duration::ZERO));
    }

    #[test]
    fn limits_on_requests_are_read_from_each_family_of_headers() {
        type Case<'c> = (u16, &'c [(&'c str, &'c str)], bool, Option<u64>);
        let epoch = NOW.as_secs() + 42;
        let millis = epoch * 1000;
        let (epoch, millis) = (epoch.to_string(), millis.to_string());
        let cases: [Case<'_>; 13] = [
            (403, &[], false, None),
            (403, &[("retry-after", "17")], true, Some(17)),
            (403, &[("retry-after", "soon")], false, None),
            (403, &[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "9")], false, None),
            (403, &[("x-ratelimit-remaining", "0")], true, None),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")], true, Some(9)),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &epoch)], true, Some(42)),
            (429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", &millis)], true, Some(42)),
            (429, &[("ratelimit", "\"default\";r=0;t=30")], true, Some(30)),
            (429, &[("ratelimit", "limit=10, remaining=0, reset=7")], true, Some(7)),
            (429, &[("ratelimit", "\"default\";r=5;t=30")], false, None),
            (
                403,
                &[("retry-after", "4"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "9")],
                true,
                Some(4),
            ),
            // A good answer that used up the count asks for nothing yet.
            (200, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "9")], true, None),
        ];
        for (status, headers, limits, seconds) in cases {
            let find = |name: &str| headers.iter().find(|it| it.0 == name).map(|it| it.1);
            let expected =
                RateLimitHeaders { limits, retry_after: seconds.map(Duration::from_secs) };
            assert_eq!(limit(status, find, now()), expected, "{status} {headers:?}");
        }
    }

    proptest! {
        #[test]
        fn any_retry_after_is_read_without_panic(value: String) {
            let read = parse_retry_after(&value, now());
            prop_assert!(read.is_none_or(|read| read <= RETRY_AFTER_CAP));
        }
    }
}
