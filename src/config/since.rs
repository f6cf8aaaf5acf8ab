//! How a site writes the time of a change: in a search, as "what changed since", and in its items.
//!
//! Pure. Guarantees: what goes into a search is never later than the moment that it stands for, however
//! coarse the site's form is and whatever its clocks do in autumn: a search reads a little more than it
//! must, and misses nothing. An item's time is read in each form that is unmistakable.

use std::fmt;

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value};

use crate::settings::codec::{Parsed, invalid};

/// What stands in a search for the moment since when.
pub const PLACE: &str = "{since}";

/// From so large a number on it counts milliseconds: as seconds it would be the year 5138, and as
/// milliseconds all before it lies in the spring of 1973.
const MILLISECONDS_FROM: f64 = 1e11;

/// The longest time that clocks that are set back show twice, and more: in steps of [`STEP_MIN`].
const MOST_STEPS: u32 = 200;

/// Clocks are set back by multiples of this many minutes.
const STEP_MIN: i64 = 15;

/// Moments by which it is found out what a pattern tells: in the morning and the afternoon, of one digit
/// and of two; milliseconds since 1970.
const PROBES: [i64; 3] = [1_772_719_629_000, 1_795_996_259_000, 1_767_234_059_000];

/// The forms of time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Rfc3339,
    EpochSeconds,
    EpochMilliseconds,
    /// A pattern as strftime has it.
    Pattern(String),
}

/// The form in which a site writes times.
#[derive(Clone, Debug, PartialEq)]
pub struct SinceForm {
    form: Form,
    zone: TimeZone,
    /// As it was written.
    zone_name: String,
}

/// A moment as it goes into a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Its text.
    pub text: String,
    /// The text where it is a number.
    number: Option<i64>,
    /// The moment that the text names, in milliseconds since 1970: never later than what was asked for.
    pub at_ms: i64,
}

impl SinceForm {
    /// The form of RFC 3339, in UTC.
    #[cfg(test)]
    pub fn rfc3339() -> Self {
        Self { form: Form::Rfc3339, zone: TimeZone::UTC, zone_name: "UTC".to_owned() }
    }

    /// The form that `since_format` names, in a zone that [`zone`] has read.
    ///
    /// # Errors
    ///
    /// A pattern that does not say when something was.
    pub fn new(format: &str, (zone, zone_name): (TimeZone, String)) -> Parsed<Self> {
        const HINT: &str = "write \"rfc3339\", \"epoch_seconds\", \"epoch_milliseconds\" or a pattern with \
                            year, month, day and time, such as \"%Y-%m-%d %H:%M:%S\"";
        let form = match format {
            "rfc3339" => Form::Rfc3339,
            "epoch_seconds" => Form::EpochSeconds,
            "epoch_milliseconds" => Form::EpochMilliseconds,
            pattern if pattern.contains('%') => Form::Pattern(pattern.to_owned()),
            _ => return invalid("is neither a known form nor a pattern", HINT),
        };
        let form = Self { form, zone, zone_name };
        if PROBES.iter().all(|probe| form.tells(*probe)) {
            Ok(form)
        } else {
            invalid("does not say when something was: its text cannot be read back as that", HINT)
        }
    }

    /// What `since_format` says.
    pub fn format(&self) -> &str {
        match &self.form {
            Form::Rfc3339 => "rfc3339",
            Form::EpochSeconds => "epoch_seconds",
            Form::EpochMilliseconds => "epoch_milliseconds",
            Form::Pattern(pattern) => pattern,
        }
    }

    /// What `since_zone` says.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// Whether what is written of a moment comes to that moment, down to the hour, or to its day alone.
    fn tells(&self, ms: i64) -> bool {
        let Some(since) = self.once(ms) else { return false };
        let is_midnight = || {
            let at = Timestamp::from_millisecond(since.at_ms).ok();
            at.is_some_and(|at| self.zone.to_datetime(at).time() == Time::midnight())
        };
        let behind = ms - since.at_ms;
        (0..3_600_000).contains(&behind) || ((0..=90_000_000).contains(&behind) && is_midnight())
    }

    /// A moment, in milliseconds since 1970, as it goes into a search; `None` beyond the years that
    /// have four digits.
    pub fn write(&self, ms: i64) -> Option<Since> {
        let mut ms = ms;
        for _ in 0..MOST_STEPS {
            if !self.stands_twice(ms) {
                return self.once(ms);
            }
            // An hour that clocks show twice may be taken for the later one.
            ms -= STEP_MIN * 60_000;
        }
        None
    }

    /// Whether the site's clocks show this moment twice and what is written does not say which it is.
    fn stands_twice(&self, ms: i64) -> bool {
        let Form::Pattern(pattern) = &self.form else { return false };
        let Ok(at) = Timestamp::from_millisecond(ms) else { return false };
        let says_which = ["%z", "%:z", "%s", "%::z"].iter().any(|it| pattern.contains(it));
        let local = self.zone.to_datetime(at);
        !says_which && self.zone.to_ambiguous_timestamp(local).is_ambiguous()
    }

    fn once(&self, ms: i64) -> Option<Since> {
        let seconds = ms.div_euclid(1000);
        let at = Timestamp::from_second(seconds).ok()?;
        let (text, number) = match &self.form {
            Form::Rfc3339 if self.zone == TimeZone::UTC => (at.to_string(), None),
            Form::Rfc3339 => {
                let zoned = at.to_zoned_datetime(self.zone.clone());
                (strtime::format("%Y-%m-%dT%H:%M:%S%:z", &zoned).ok()?, None)
            }
            Form::EpochSeconds => (seconds.to_string(), Some(seconds)),
            Form::EpochMilliseconds => {
                let number = seconds.checked_mul(1000)?;
                (number.to_string(), Some(number))
            }
            Form::Pattern(pattern) => {
                let zoned = at.to_zoned_datetime(self.zone.clone());
                (strtime::format(pattern, &zoned).ok()?, None)
            }
        };
        let at_ms = match &self.form {
            Form::Pattern(pattern) => self.by_pattern(pattern, &text)?,
            _ => seconds.checked_mul(1000)?,
        };
        Some(Since { text, number, at_ms })
    }

    /// The time that a member of an item holds, its JSON text, in milliseconds since 1970; `None` where
    /// it holds none that is understood. Of a time that clocks show twice the earlier one counts.
    pub fn read(&self, json: &str) -> Option<i64> {
        match serde_json::from_str(json).ok()? {
            Value::String(text) => self.read_text(text.trim()),
            Value::Number(number) => epoch(number.as_f64()?),
            _ => None,
        }
    }

    fn read_text(&self, text: &str) -> Option<i64> {
        if let Form::Pattern(pattern) = &self.form
            && let Some(ms) = self.by_pattern(pattern, text)
        {
            return Some(ms);
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(at.as_millisecond());
        }
        if let Ok(local) = text.parse::<DateTime>() {
            return self.earlier(local);
        }
        epoch(text.parse().ok()?)
    }

    fn by_pattern(&self, pattern: &str, text: &str) -> Option<i64> {
        let read: BrokenDownTime = strtime::parse(pattern, text).ok()?;
        if let Ok(at) = read.to_timestamp() {
            return Some(at.as_millisecond());
        }
        let date = read.to_date().ok()?;
        let time = match read.hour() {
            Some(_) => read.to_time().ok()?,
            None => Time::midnight(),
        };
        self.earlier(date.to_datetime(time))
    }

    fn earlier(&self, local: DateTime) -> Option<i64> {
        let at = self.zone.to_ambiguous_timestamp(local).earlier().ok()?;
        Some(at.as_millisecond())
    }
}

impl fmt::Display for SinceForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format())
    }
}

impl Since {
    /// The members of a search with this moment in each place that is meant for it. A text that is
    /// nothing else becomes a number where the form is one.
    pub fn put_into(&self, search: &Map<String, Value>) -> Map<String, Value> {
        search.iter().map(|(name, value)| (name.clone(), self.put(value))).collect()
    }

    fn put(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if text == PLACE => {
                self.number.map_or_else(|| self.text.clone().into(), Value::from)
            }
            Value::String(text) => text.replace(PLACE, &self.text).into(),
            Value::Array(list) => list.iter().map(|it| self.put(it)).collect(),
            Value::Object(members) => self.put_into(members).into(),
            _ => value.clone(),
        }
    }
}

/// Whether a moment has a place anywhere in this.
pub(super) fn has_place(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(PLACE),
        Value::Array(list) => list.iter().any(has_place),
        Value::Object(members) => members.values().any(has_place),
        _ => false,
    }
}

/// A zone by its name, such as `Europe/Zurich`, or by its distance from UTC.
pub(super) fn zone(name: &str) -> Parsed<(TimeZone, String)> {
    let found = if name == "UTC" || name == "Z" {
        Some(TimeZone::UTC)
    } else {
        offset(name).map(TimeZone::fixed).or_else(|| TimeZone::get(name).ok())
    };
    match found {
        Some(zone) => Ok((zone, name.to_owned())),
        None => invalid(
            "is no time zone that is known",
            "write \"UTC\", a name such as \"Europe/Zurich\", or a distance such as \"+02:00\"",
        ),
    }
}

fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|it| *it != ':').collect();
    let is_plain = digits.len() == 4 && digits.bytes().all(|it| it.is_ascii_digit());
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| is_plain)?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if minutes > 59 {
        return None;
    }
    Offset::UTC.checked_add((sign * (hours * 60 + minutes)).minutes()).ok()
}

/// A number of seconds or milliseconds since 1970.
fn epoch(number: f64) -> Option<i64> {
    let ms = if number.abs() < MILLISECONDS_FROM { number * 1000.0 } else { number };
    #[expect(clippy::cast_possible_truncation, reason = "it is within the years that there are")]
    let ms = (ms.abs() < 2.5e14).then(|| ms.floor() as i64)?;
    Some(ms)
}
