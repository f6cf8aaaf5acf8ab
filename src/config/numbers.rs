//! Numbers, durations and sizes: how each is parsed, and how it is shown.
//!
//! Pure functions. A value from the file has a TOML type and must have the right one; a value from
//! the environment is text and is read as what its key needs.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use config::ValueKind;
use toml::Value;

use super::values::{AutoOr, MOST_IN_FLIGHT, Rate, Refresh};
use crate::domain::RepositoryId;
use crate::settings::codec::{Codec, Input, InvalidValue, Parsed, invalid};
use crate::settings::error::quoted;

/// The longest time to wait: nothing that the daemon waits for lasts longer, and it catches `5M`, which
/// is five months and was meant to be `5m`.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The shortest duration where none at all makes no sense: what the runtime's timer can tell apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// The cap on an answer, in bytes: a sign-in page or an error body must fit, and an answer is held in
/// memory as a whole.
const RESPONSE_SIZES: RangeInclusive<u64> = 64 << 10..=16 << 30;

/// The size of a mirror: one with nothing in it has some 100 KiB.
const STORE_SIZES: RangeInclusive<u64> = 1 << 20..=1 << 50;

/// Requests a second: at least one in a quarter of an hour, and at most as many as the runtime's
/// timer can tell apart.
const RATES: RangeInclusive<f64> = 0.001..=1000.0;

/// At 2 KB an item, the usual size, the largest page is an answer of 200 MB; what is larger is a
/// slip.
const LARGEST_PAGE: u32 = 100_000;

/// Ids are integers in TOML, which has 63 bits for them; the vendor's are positive.
const REPOSITORY_IDS: RangeInclusive<u64> = 1..=i64::MAX.unsigned_abs();

/// More repositories than a server has, or than one daemon could read.
const MOST_REPOSITORIES: u32 = 10_000;

/// More items than any repository has: a larger `min_count` is a slip.
const MOST_DELETES: u64 = 1_000_000_000;

/// How a duration is written.
const DURATION_HINT: &str = "write a number and its unit: \"500ms\", \"60s\", \"5m\", \"23h\"";

/// How long a lease holds: renewing it may take some seconds where the database is slow, and a daemon
/// that is gone for an hour is gone.
const LEASES: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(60 * 60);

/// A number of items to ask for at once.
pub(super) const PAGE_SIZE: Codec<AutoOr<NonZeroU32>> = Codec::new(
    |input| or_auto(input, |input| count(input, LARGEST_PAGE)),
    |number| shown_or_auto(number, |number| i64::from(number.get()).into()),
);

/// A number of requests under way at once.
pub(super) const IN_FLIGHT: Codec<AutoOr<NonZeroU32>> = Codec::new(
    |input| or_auto(input, |input| count(input, MOST_IN_FLIGHT)),
    |number| shown_or_auto(number, |number| i64::from(number.get()).into()),
);

/// A number of items that may be deleted.
pub(super) const DELETES: Codec<u64> = Codec::plain(|input| whole(input, 0..=MOST_DELETES));

/// The number of a repository, or `"all"` for every one.
pub(super) const REPOSITORY_ID: Codec<RepositoryId> = Codec::new(
    |input| {
        if matches!(input.kind, ValueKind::String(text) if text == "all") {
            return Ok(RepositoryId::EVERY);
        }
        whole(input, REPOSITORY_IDS).map(RepositoryId).map_err(|found| {
            let hint = format!("{}, or \"all\"", found.hint);
            InvalidValue { hint, ..found }
        })
    },
    |id| match *id {
        RepositoryId::EVERY => "all".into(),
        RepositoryId(number) => i64::try_from(number).unwrap_or(i64::MAX).into(),
    },
);

/// A number of repositories.
pub(super) const REPOSITORIES: Codec<NonZeroU32> =
    Codec::plain(|input| count(input, MOST_REPOSITORIES));

/// So many a second; a fraction is fewer than one.
pub(super) const RATE: Codec<Rate> = Codec::new(rate, |rate| rate.0.into());

/// A part of a whole, from 0 to 1.
pub(super) const FRACTION: Codec<f64> = Codec::plain(|input| {
    const HINT: &str = "write a number from 0 to 1, such as 0.1 for a tenth";
    match number(input) {
        Some(number) if (0.0..=1.0).contains(&number) => Ok(number),
        Some(_) => invalid("is not between 0 and 1", HINT),
        None => input.is_not("a number", HINT),
    }
});

/// A time to wait, of which none at all makes sense.
pub(super) const PAUSE: Codec<Duration> = Codec::new(pause, shown_duration);

/// A time to wait, or `"auto"`.
pub(super) const PAUSE_OR_AUTO: Codec<AutoOr<Duration>> =
    Codec::new(|input| or_auto(input, pause), |pause| shown_or_auto(pause, shown_duration));

/// A time to wait that is not nothing.
pub(super) const DURATION: Codec<Duration> =
    Codec::new(|input| pause(input).and_then(not_nothing), shown_duration);

/// An age that something may reach, which can be years.
pub(super) const AGE: Codec<Duration> =
    Codec::new(|input| span(input).and_then(not_nothing), shown_duration);

/// How often something is read anew, or `"off"`.
pub(super) const REFRESH: Codec<Refresh> = Codec::new(
    |input| match input.kind {
        ValueKind::String(text) if text == "off" => Ok(Refresh(None)),
        _ => {
            const HINT: &str = "write a duration of at least \"1s\", such as \"1h\", or \"off\"";
            let interval = pause(input).and_then(not_nothing)?;
            if interval < Duration::from_secs(1) {
                return invalid("is too short", HINT);
            }
            Ok(Refresh(Some(interval)))
        }
    },
    |refresh| refresh.0.map_or_else(|| "off".into(), |interval| shown_duration(&interval)),
);

/// How long a lease holds.
pub(super) const LEASE_TTL: Codec<Duration> = Codec::new(
    |input| {
        const HINT: &str = "write a duration from \"5s\" to \"1h\", such as \"15s\"";
        let duration = span(input)?;
        if duration < *LEASES.start() {
            return invalid("is too short", HINT);
        }
        if duration > *LEASES.end() {
            return invalid("is too long", HINT);
        }
        Ok(duration)
    },
    shown_duration,
);

/// The cap on an answer, in bytes.
pub(super) const RESPONSE_SIZE: Codec<u64> =
    Codec::new(response_size, |bytes| shown_size(*bytes).into());

/// How large a mirror may get, in bytes.
pub(super) const STORE_SIZE: Codec<u64> = Codec::new(store_size, |bytes| shown_size(*bytes).into());

/// A whole number within bounds.
fn whole(input: Input<'_>, bounds: RangeInclusive<u64>) -> Parsed<u64> {
    let (least, most) = bounds.into_inner();
    let hint = format!("write a whole number from {least} to {most}{}", input.unquoted());
    let number = match input.kind {
        ValueKind::I64(number) => Some(i128::from(*number)),
        ValueKind::I128(number) => Some(*number),
        _ => input.variable_as(),
    };
    match number {
        None => input.is_not("a whole number", hint),
        Some(number) if number > i128::from(most) => invalid("is too large", hint),
        Some(number) => match u64::try_from(number) {
            Ok(number) if number >= least => Ok(number),
            _ => invalid("is too small", hint),
        },
    }
}

/// A number of things, at least one.
fn count(input: Input<'_>, most: u32) -> Parsed<NonZeroU32> {
    let number = whole(input, 1..=u64::from(most))?;
    let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
    number.ok_or_else(|| InvalidValue::new("is too small", "write 1 or more"))
}

/// What `parse` parses, or the word `"auto"`.
fn or_auto<T>(input: Input<'_>, parse: fn(Input<'_>) -> Parsed<T>) -> Parsed<AutoOr<T>> {
    if matches!(input.kind, ValueKind::String(text) if text.trim() == "auto") {
        return Ok(AutoOr::Auto);
    }
    parse(input).map(AutoOr::Value).map_err(|found| {
        let hint = format!("{}, or \"auto\"", found.hint);
        InvalidValue { hint, ..found }
    })
}

fn shown_or_auto<T>(value: &AutoOr<T>, show: fn(&T) -> Value) -> Value {
    match value {
        AutoOr::Value(value) => show(value),
        AutoOr::Auto => "auto".into(),
    }
}

/// Any number, a whole one too.
fn number(input: Input<'_>) -> Option<f64> {
    match input.kind {
        ValueKind::Float(number) => Some(*number),
        ValueKind::I64(number) => Some(*number as f64),
        ValueKind::I128(number) => Some(*number as f64),
        _ => input.variable_as(),
    }
}

fn rate(input: Input<'_>) -> Parsed<Rate> {
    let (least, most) = RATES.into_inner();
    let unquoted = input.unquoted();
    let hint = format!("write a number from {least} to {most}{unquoted}, such as 5 or 0.5");
    match number(input) {
        Some(number) if number > most => invalid("is too large", hint),
        Some(number) if number < least => invalid("is too small", hint),
        // Not a number is neither, and in no range.
        Some(number) if !number.is_nan() => Ok(Rate(number)),
        _ => input.is_not("a number", hint),
    }
}

fn pause(input: Input<'_>) -> Parsed<Duration> {
    let duration = span(input)?;
    if duration > LONGEST {
        let longest = humantime::format_duration(LONGEST);
        let hint = format!("{DURATION_HINT}; m is minutes, M is months");
        return invalid(format!("is longer than {longest}"), hint);
    }
    Ok(duration)
}

fn not_nothing(duration: Duration) -> Parsed<Duration> {
    if duration < SHORTEST {
        return invalid("is too short", "write \"1ms\" or longer, such as \"60s\"");
    }
    Ok(duration)
}

/// A number and its unit of time.
fn span(input: Input<'_>) -> Parsed<Duration> {
    let text = with_unit(input, "60s", "s")?;
    humantime::parse_duration(text).or_else(|_| invalid("is not a duration", DURATION_HINT))
}

fn shown_duration(duration: &Duration) -> Value {
    humantime::format_duration(*duration).to_string().into()
}

fn response_size(input: Input<'_>) -> Parsed<u64> {
    size(input, RESPONSE_SIZES, "write a number and its unit, from \"64KiB\" to \"16GiB\"")
}

fn store_size(input: Input<'_>) -> Parsed<u64> {
    size(input, STORE_SIZES, "write a number and its unit, from \"1MiB\" to \"1024TiB\"")
}

fn size(input: Input<'_>, bounds: RangeInclusive<u64>, hint: &str) -> Parsed<u64> {
    let text = with_unit(input, "64MiB", "B")?;
    let size: ByteSize = text.parse().or_else(|_| invalid("is not a size", hint))?;
    match size.as_u64() {
        size if size < *bounds.start() => invalid("is too small", hint),
        size if size > *bounds.end() => invalid("is too large", hint),
        size => Ok(size),
    }
}

/// A text that is more than a bare number.
fn with_unit<'a>(input: Input<'a>, example: &str, unit: &str) -> Parsed<&'a str> {
    let unitless = |number: &dyn Display| {
        invalid("has no unit", format!("write \"{number}{unit}\" if that is what it means"))
    };
    if let ValueKind::I64(number) = input.kind {
        return unitless(number);
    }
    let text = input.text(&quoted(example))?.trim();
    if text.parse::<f64>().is_ok() { unitless(&text) } else { Ok(text) }
}

/// A size in the largest binary unit that is exact.
fn shown_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = units.into_iter().find(|(bits, _)| bytes.trailing_zeros() >= *bits);
    exact.map_or_else(|| format!("{bytes}B"), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: &ValueKind) -> Input<'_> {
        Input { kind, is_variable: false }
    }

    fn variable(kind: &ValueKind) -> Input<'_> {
        Input { kind, is_variable: true }
    }

    #[test]
    fn durations_need_a_unit_and_an_end() {
        let read = |text: &str| pause(file(&text.into())).map_err(|found| found.error);
        assert_eq!(read("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(read("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(read("0s"), Ok(Duration::ZERO));
        for (text, problem) in [
            ("60", "has no unit"),
            ("0", "has no unit"),
            ("1.5", "has no unit"),
            ("5M", "is longer than 30days"),
            ("-5s", "is not a duration"),
            ("soon", "is not a duration"),
            ("", "is empty"),
            ("999999999999999999999y", "is not a duration"),
        ] {
            assert_eq!(read(text), Err(problem.to_owned()), "{text}");
        }
        assert_eq!(
            pause(file(&60.into())).unwrap_err().hint,
            "write \"60s\" if that is what it means"
        );
        assert_eq!((DURATION.parse)(file(&"0s".into())).unwrap_err().error, "is too short");
        assert_eq!(
            (DURATION.parse)(file(&true.into())).unwrap_err().error,
            "is true or false, not text"
        );
    }

    #[test]
    fn sizes_need_a_unit_and_lie_within_their_limits() {
        let read = |text: &str| response_size(file(&text.into())).map_err(|it| it.error);
        assert_eq!(read("64MiB"), Ok(64 << 20));
        assert_eq!(read("64 KiB"), Ok(64 << 10));
        assert_eq!(read("65536B"), Ok(64 << 10));
        for (text, problem) in [
            ("65536", "has no unit"),
            ("63KiB", "is too small"),
            ("17GiB", "is too large"),
            ("99999999999999999999999999GiB", "is too large"),
            ("-1MiB", "is not a size"),
            ("nanMiB", "is not a size"),
            ("64 parsecs", "is not a size"),
        ] {
            assert_eq!(read(text), Err(problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_are_strict_in_the_file_and_text_in_a_variable() {
        let read = |input: Input<'_>| whole(input, 1..=64).map_err(|found| found.error);
        assert_eq!(read(file(&7.into())), Ok(7));
        assert_eq!(read(variable(&" 7 ".into())), Ok(7));
        assert_eq!(read(file(&"7".into())), Err("is text, not a whole number".to_owned()));
        assert_eq!(read(variable(&"7.5".into())), Err("is text, not a whole number".to_owned()));
        assert_eq!(read(file(&0.into())), Err("is too small".to_owned()));
        assert_eq!(read(file(&(-1).into())), Err("is too small".to_owned()));
        assert_eq!(read(file(&65.into())), Err("is too large".to_owned()));
        assert_eq!(read(file(&i128::MAX.into())), Err("is too large".to_owned()));
    }

    #[test]
    fn a_part_is_a_finite_number_from_0_to_1() {
        assert_eq!((FRACTION.parse)(file(&0.25.into())), Ok(0.25));
        assert_eq!((FRACTION.parse)(file(&1.into())), Ok(1.0));
        assert_eq!((FRACTION.parse)(variable(&"0.5".into())), Ok(0.5));
        for wrong in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            assert!((FRACTION.parse)(file(&wrong.into())).is_err(), "{wrong}");
        }
        assert!((FRACTION.parse)(variable(&"NaN".into())).is_err());
        assert!((FRACTION.parse)(file(&2.into())).is_err());
        assert!((FRACTION.parse)(file(&"0.5".into())).is_err());
    }

    #[test]
    fn a_rate_is_a_number_above_nothing() {
        let read = |input: Input<'_>| rate(input).map_err(|found| found.error);
        assert_eq!(read(file(&0.5.into())), Ok(Rate(0.5)));
        assert_eq!(read(file(&5.into())), Ok(Rate(5.0)));
        assert_eq!(read(variable(&" 2.5 ".into())), Ok(Rate(2.5)));
        for (wrong, problem) in [
            (ValueKind::from(0), "is too small"),
            ((-1.0).into(), "is too small"),
            (f64::NEG_INFINITY.into(), "is too small"),
            (1001.into(), "is too large"),
            (i128::MAX.into(), "is too large"),
            (f64::INFINITY.into(), "is too large"),
            (f64::NAN.into(), "is a fraction, not a number"),
            ("5".into(), "is text, not a number"),
            (true.into(), "is true or false, not a number"),
        ] {
            assert_eq!(read(file(&wrong)), Err(problem.to_owned()), "{wrong:?}");
        }
        assert_eq!(Rate(0.5).interval(), Duration::from_secs(2));
    }

    #[test]
    fn auto_is_a_word_beside_what_is_read_otherwise() {
        let read = |input: Input<'_>| or_auto(input, |input| count(input, 64));
        assert_eq!(read(file(&"auto".into())), Ok(AutoOr::Auto));
        assert_eq!(read(variable(&" auto ".into())), Ok(AutoOr::Auto));
        assert_eq!(read(variable(&"7".into())), count(file(&7.into()), 64).map(AutoOr::Value));
        let found = read(file(&"fast".into())).unwrap_err();
        assert_eq!(found.error, "is text, not a whole number");
        let hint = "write a whole number from 1 to 64, unquoted, or \"auto\"";
        assert_eq!(found.hint, hint);
    }

    #[test]
    fn sizes_are_written_in_the_largest_exact_unit() {
        assert_eq!(shown_size(64 << 20), "64MiB");
        assert_eq!(shown_size(3 << 30), "3GiB");
        assert_eq!(shown_size((64 << 10) + 1), "65537B");
    }
}
