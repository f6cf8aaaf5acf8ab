//! From a raw value to a type that cannot be wrong: numbers, durations, sizes, words.
//!
//! Pure functions. A value from the file has a TOML type and must have the right one; a value from
//! the environment is text and is read as what its key needs.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use config::ValueKind;

use super::fault::quoted;
use super::{Chosen, Rate, keys};

/// How a duration is written.
const DURATION: &str = "write a number and its unit: \"500ms\", \"60s\", \"5m\", \"23h\"";

/// The longest time to wait: nothing that the daemon waits for lasts longer, and it catches `5M`, which
/// is five months and was meant to be `5m`.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The shortest duration where none at all makes no sense: what the runtime's timer can tell apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// The least cap on an answer, in bytes: a sign-in page or an error body must fit.
const LEAST_RESPONSE: u64 = 64 << 10;

/// The greatest cap on an answer, in bytes: an answer is held in memory as a whole.
const GREATEST_RESPONSE: u64 = 16 << 30;

/// Requests a second: at least one in a quarter of an hour, and at most as many as the runtime's
/// timer can tell apart.
const RATES: RangeInclusive<f64> = 0.001..=1000.0;

/// What is wrong with a value, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Rejection {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// The outcome of reading one value.
pub(super) type Parsed<T> = Result<T, Rejection>;

/// A value before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) kind: &'a ValueKind,
    /// Whether it is a variable's text, so that `"200"` is a number and `"a,b"` a list.
    pub(super) variable: bool,
}

impl<'a> Raw<'a> {
    /// The text, which must not be empty.
    pub(super) fn text(self, example: &str) -> Parsed<&'a str> {
        match self.kind {
            ValueKind::String(text) if text.is_empty() => {
                Err(Rejection::new("is empty", format!("write {example}, or take the key out")))
            }
            ValueKind::String(text) => Ok(text),
            other => Err(Rejection::new(
                format!("is {}, not text", name_of(other)),
                format!("write it in quotes, such as {example}"),
            )),
        }
    }

    /// A variable's text read as `T`; `None` for anything else.
    fn variable_as<T: FromStr>(self) -> Option<T> {
        match self.kind {
            ValueKind::String(text) if self.variable => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// What to call a value of this type in a fault.
pub(super) fn name_of(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) => "a whole number",
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number beyond 64 bits",
        ValueKind::Float(_) => "a fraction",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}

/// Any text but the empty one.
pub(super) fn text(raw: Raw<'_>) -> Parsed<String> {
    raw.text("\"text\"").map(str::to_owned)
}

/// `true` or `false`.
pub(super) fn truth(raw: Raw<'_>) -> Parsed<bool> {
    match raw.kind {
        ValueKind::Boolean(truth) => Ok(*truth),
        other => raw.variable_as().ok_or_else(|| {
            Rejection::new(
                format!("is {}, not true or false", name_of(other)),
                if raw.variable { "write true or false" } else { "write true or false, unquoted" },
            )
        }),
    }
}

/// A whole number within bounds.
pub(super) fn whole<T>(raw: Raw<'_>, bounds: RangeInclusive<u64>) -> Parsed<T>
where
    T: TryFrom<u64>,
{
    let remedy = || {
        let (least, most) = (bounds.start(), bounds.end());
        let unquoted = if raw.variable { "" } else { ", unquoted" };
        format!("write a whole number from {least} to {most}{unquoted}")
    };
    let number = match raw.kind {
        ValueKind::I64(number) => Some(i128::from(*number)),
        ValueKind::I128(number) => Some(*number),
        _ => raw.variable_as(),
    };
    let number = number.ok_or_else(|| {
        Rejection::new(format!("is {}, not a whole number", name_of(raw.kind)), remedy())
    })?;
    if number > i128::from(*bounds.end()) {
        return Err(Rejection::new("is too large", remedy()));
    }
    u64::try_from(number)
        .ok()
        .filter(|number| bounds.contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| Rejection::new("is too small", remedy()))
}

/// A number of things, at least one.
pub(super) fn count(raw: Raw<'_>, most: u32) -> Parsed<NonZeroU32> {
    let number = whole(raw, 1..=u64::from(most))?;
    NonZeroU32::new(number).ok_or_else(|| Rejection::new("is too small", "write 1 or more"))
}

/// What `read` reads, or the word `"auto"`.
pub(super) fn or_auto<T>(
    raw: Raw<'_>,
    read: impl FnOnce(Raw<'_>) -> Parsed<T>,
) -> Parsed<Chosen<T>> {
    if matches!(raw.kind, ValueKind::String(text) if text.trim() == "auto") {
        return Ok(Chosen::Auto);
    }
    read(raw).map(Chosen::Fixed).map_err(|rejection| {
        let remedy = format!("{}, or \"auto\"", rejection.remedy);
        Rejection { remedy, ..rejection }
    })
}

/// So many a second; a fraction is fewer than one.
pub(super) fn rate(raw: Raw<'_>) -> Parsed<Rate> {
    let remedy = || {
        let (least, most) = (RATES.start(), RATES.end());
        let unquoted = if raw.variable { "" } else { ", unquoted" };
        format!("write a number from {least} to {most}{unquoted}, such as 5 or 0.5")
    };
    let number = match raw.kind {
        ValueKind::Float(number) => Some(*number),
        ValueKind::I64(number) => Some(*number as f64),
        ValueKind::I128(number) => Some(*number as f64),
        _ => raw.variable_as(),
    };
    match number {
        Some(number) if RATES.contains(&number) => Ok(Rate(number)),
        Some(number) if number > *RATES.end() => Err(Rejection::new("is too large", remedy())),
        // Not a number is in no range.
        Some(number) if number < *RATES.start() => Err(Rejection::new("is too small", remedy())),
        _ => Err(Rejection::new(format!("is {}, not a number", name_of(raw.kind)), remedy())),
    }
}

/// A part of a whole, from 0 to 1.
pub(super) fn part(raw: Raw<'_>) -> Parsed<f64> {
    const REMEDY: &str = "write a number from 0 to 1, such as 0.1 for a tenth";
    let number = match raw.kind {
        ValueKind::Float(number) => Some(*number),
        ValueKind::I64(0) => Some(0.0),
        ValueKind::I64(1) => Some(1.0),
        ValueKind::I64(_) => return Err(Rejection::new("is not between 0 and 1", REMEDY)),
        _ => raw.variable_as(),
    };
    match number {
        // Not a number is in no range.
        Some(number) if (0.0..=1.0).contains(&number) => Ok(number),
        Some(_) => Err(Rejection::new("is not between 0 and 1", REMEDY)),
        None => Err(Rejection::new(format!("is {}, not a number", name_of(raw.kind)), REMEDY)),
    }
}

/// A time to wait, of which none at all makes sense.
pub(super) fn rest(raw: Raw<'_>) -> Parsed<Duration> {
    let duration = span(raw)?;
    if duration > LONGEST {
        let longest = humantime::format_duration(LONGEST);
        return Err(Rejection::new(
            format!("is longer than {longest}"),
            format!("{DURATION}; m is minutes, M is months"),
        ));
    }
    Ok(duration)
}

/// A time to wait that is not nothing.
pub(super) fn duration(raw: Raw<'_>) -> Parsed<Duration> {
    rest(raw).and_then(not_nothing)
}

/// An age that something may reach, which can be years.
pub(super) fn age(raw: Raw<'_>) -> Parsed<Duration> {
    span(raw).and_then(not_nothing)
}

fn not_nothing(duration: Duration) -> Parsed<Duration> {
    if duration < SHORTEST {
        return Err(Rejection::new("is too short", "write \"1ms\" or longer, such as \"60s\""));
    }
    Ok(duration)
}

/// A number and its unit of time.
fn span(raw: Raw<'_>) -> Parsed<Duration> {
    let text = match raw.kind {
        ValueKind::I64(number) => return Err(unitless(number, "s")),
        _ => raw.text("\"60s\"")?.trim(),
    };
    if text.parse::<f64>().is_ok() {
        return Err(unitless(text, "s"));
    }
    humantime::parse_duration(text).map_err(|_| Rejection::new("is not a duration", DURATION))
}

/// The cap on an answer, in bytes.
pub(super) fn response_size(raw: Raw<'_>) -> Parsed<u64> {
    const REMEDY: &str = "write a number and its unit, from \"64KiB\" to \"16GiB\"";
    let text = match raw.kind {
        ValueKind::I64(number) => return Err(unitless(number, "B")),
        _ => raw.text("\"64MiB\"")?.trim(),
    };
    if text.parse::<f64>().is_ok() {
        return Err(unitless(text, "B"));
    }
    let size: ByteSize = text.parse().map_err(|_| Rejection::new("is not a size", REMEDY))?;
    match size.as_u64() {
        size if size < LEAST_RESPONSE => Err(Rejection::new("is too small", REMEDY)),
        size if size > GREATEST_RESPONSE => Err(Rejection::new("is too large", REMEDY)),
        size => Ok(size),
    }
}

/// A list of words; in a variable separated by commas.
pub(super) fn words(raw: Raw<'_>) -> Parsed<Vec<String>> {
    const REMEDY: &str = "write a list of texts, such as [\"localhost\", \".example.com\"]";
    match raw.kind {
        ValueKind::String(text) if raw.variable => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Ok(words.map(str::to_owned).collect())
        }
        ValueKind::Array(list) => list
            .iter()
            .map(|value| match &value.kind {
                ValueKind::String(word) if !word.is_empty() => Ok(word.clone()),
                ValueKind::String(_) => Err(Rejection::new("holds an empty text", REMEDY)),
                other => Err(Rejection::new(format!("holds {}", name_of(other)), REMEDY)),
            })
            .collect(),
        other => Err(Rejection::new(format!("is {}, not a list", name_of(other)), REMEDY)),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(raw: Raw<'_>, choices: &[(&str, T)]) -> Parsed<T> {
    let names = || choices.iter().map(|(name, _)| *name);
    let text = raw.text(&names().next().map(quoted).unwrap_or_default())?;
    let chosen = choices.iter().find(|(name, _)| *name == text);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let all = names().map(quoted).collect::<Vec<_>>().join(", ");
        let remedy = match keys::nearest(text, names()) {
            Some(name) => format!("did you mean {name:?}? the choices are {all}"),
            None => format!("write one of {all}"),
        };
        Rejection::new("is not one of the choices", remedy)
    })
}

fn unitless(number: impl Display, unit: &str) -> Rejection {
    Rejection::new("has no unit", format!("write \"{number}{unit}\" if that is what it means"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: &ValueKind) -> Raw<'_> {
        Raw { kind, variable: false }
    }

    fn variable(kind: &ValueKind) -> Raw<'_> {
        Raw { kind, variable: true }
    }

    #[test]
    fn durations_need_a_unit_and_an_end() {
        let read = |text: &str| rest(file(&text.into())).map_err(|rejection| rejection.problem);
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
            rest(file(&60.into())).unwrap_err().remedy,
            "write \"60s\" if that is what it means"
        );
        assert_eq!(duration(file(&"0s".into())).unwrap_err().problem, "is too short");
        assert_eq!(duration(file(&true.into())).unwrap_err().problem, "is true or false, not text");
    }

    #[test]
    fn sizes_need_a_unit_and_lie_within_their_limits() {
        let read = |text: &str| response_size(file(&text.into())).map_err(|it| it.problem);
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
        let read = |raw: Raw<'_>| whole::<u32>(raw, 1..=64).map_err(|rejection| rejection.problem);
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
        assert_eq!(part(file(&0.25.into())), Ok(0.25));
        assert_eq!(part(file(&1.into())), Ok(1.0));
        assert_eq!(part(variable(&"0.5".into())), Ok(0.5));
        for wrong in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            assert!(part(file(&wrong.into())).is_err(), "{wrong}");
        }
        assert!(part(variable(&"NaN".into())).is_err());
        assert!(part(file(&2.into())).is_err());
        assert!(part(file(&"0.5".into())).is_err());
    }

    #[test]
    fn a_rate_is_a_number_above_nothing() {
        let read = |raw: Raw<'_>| rate(raw).map_err(|rejection| rejection.problem);
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
        let read = |raw: Raw<'_>| or_auto(raw, |raw| count(raw, 64));
        assert_eq!(read(file(&"auto".into())), Ok(Chosen::Auto));
        assert_eq!(read(variable(&" auto ".into())), Ok(Chosen::Auto));
        assert_eq!(read(variable(&"7".into())), count(file(&7.into()), 64).map(Chosen::Fixed));
        let rejection = read(file(&"fast".into())).unwrap_err();
        assert_eq!(rejection.problem, "is text, not a whole number");
        let remedy = "write a whole number from 1 to 64, unquoted, or \"auto\"";
        assert_eq!(rejection.remedy, remedy);
    }

    #[test]
    fn a_wrong_choice_names_the_right_ones() {
        let choices = [("error", 1), ("warn", 2)];
        assert_eq!(choice(file(&"warn".into()), &choices), Ok(2));
        let rejection = choice(file(&"warning".into()), &choices).unwrap_err();
        assert_eq!(rejection.remedy, "did you mean \"warn\"? the choices are \"error\", \"warn\"");
    }

    #[test]
    fn a_list_in_a_variable_is_split_at_its_commas() {
        let list = words(variable(&"a, .b ,,c".into())).unwrap();
        assert_eq!(list, ["a", ".b", "c"]);
        assert_eq!(words(variable(&"".into())), Ok(Vec::new()));
        assert!(words(file(&"a".into())).is_err());
    }
}
