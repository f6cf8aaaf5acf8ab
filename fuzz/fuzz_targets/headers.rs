//! `Retry-After` and `Location`.
#![no_main]

use std::time::{Duration, SystemTime};

use ewmirror::fuzzing::{self, RETRY_AFTER_CAP, parse_retry_after};
use ewmirror_fuzz::{date, parts};
use libfuzzer_sys::fuzz_target;
use url::Url;

/// The last second of the year 9999, after which HTTP has no dates.
const LAST: u64 = 253_402_300_799;

/// What the path of a sign-in page has in it.
const SIGN_IN: [&str; 6] = ["login", "logon", "signin", "sign-in", "sso", "saml"];

fuzz_target!(|data: &[u8]| {
    let [numbers, text] = parts(data);
    let number = |at: usize| {
        let bytes = numbers.get(at..).unwrap_or_default().iter().take(5);
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) % (LAST + 1)
    };
    // A date of our own writing is understood to the second, and no wait is longer than the cap.
    let (now, then) = (number(0), number(5));
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let wait = Duration::from_secs(then.saturating_sub(now)).min(RETRY_AFTER_CAP);
    assert_eq!(parse_retry_after(&date::http(then), at(now)), Some(wait), "{}", date::http(then));

    let Ok(text) = str::from_utf8(text) else { return };
    let told = parse_retry_after(text, at(now));
    let bare = text.trim();
    if !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = bare.trim_start_matches('0');
        let capped = digits.len() > 3 || digits.parse::<u64>().unwrap_or(0) > 300;
        let expected = if capped { 300 } else { digits.parse().unwrap_or(0) };
        assert_eq!(told, Some(Duration::from_secs(expected)));
    } else if let (Some(told), Ok(seconds)) = (told, bare.parse::<f64>()) {
        let expected = seconds.min(RETRY_AFTER_CAP.as_secs_f64());
        assert!((told.as_secs_f64() - expected).abs() < 1e-6, "{bare}: {told:?}");
    } else if let Some(told) = told {
        assert!(told <= RETRY_AFTER_CAP && bare.ends_with(|it: char| it.is_ascii_alphanumeric()));
        assert!(bare.bytes().filter(|byte| *byte == b':').count() == 2, "no date: {bare}");
    }

    for base in ["http://pim.example.com/ew/enable-api/login?a=b", "https://pim.example.com:8443/x"]
    {
        let from = Url::parse(base).unwrap();
        for status in 300..=309 {
            if let Some(to) = fuzzing::followed(&from, status, text) {
                not_astray(&from, status, &to);
            }
        }
    }
});

/// What must hold of a redirect that is followed.
fn not_astray(from: &Url, status: u16, to: &Url) {
    assert!(matches!(status, 301 | 302 | 303 | 307 | 308), "{status} is no redirect");
    // To the same server, not out of https, as nobody else.
    assert_eq!(from.host_str(), to.host_str(), "to another host: {to}");
    assert!(to.scheme() == "https" || from.scheme() == "http" && to.scheme() == "http");
    assert!(to.scheme() != from.scheme() || to.port() == from.port(), "to another port: {to}");
    assert!(to.username().is_empty() && to.password().is_none());
    // To the same call; to another only where method and body stay, and to no sign-in page.
    if (call(from), from.query()) != (call(to), to.query()) {
        assert!(matches!(status, 307 | 308), "{status} to another call: {to}");
        let (asked, path) = (from.path(), to.path().to_ascii_lowercase());
        let astray = SIGN_IN.iter().find(|word| path.contains(**word) && !asked.contains(**word));
        assert_eq!(astray, None, "to a sign-in page: {to}");
    }
}

/// The parts of a path, without their parameters and without a final slash.
fn call(url: &Url) -> Vec<&str> {
    let parts = url.path().split('/').map(|part| part.split_once(';').map_or(part, |it| it.0));
    let mut parts: Vec<&str> = parts.collect();
    while parts.pop_if(|part| part.is_empty()).is_some() {}
    parts
}
