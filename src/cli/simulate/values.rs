//! What the flags of `ewmirror simulate` take, and what is told of a value that they do not. Pure.

use std::time::Duration;

use crate::simulator::{self, Capacity, ConditionTreatment, SimulatedCondition, SimulatedFault};

/// A repository as given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RepositoryArg {
    pub(super) id: u64,
    pub(super) items: Option<usize>,
}

/// `10149` or `10149:20000`.
pub(super) fn repository(text: &str) -> Result<RepositoryArg, String> {
    let (id, count) = match text.split_once(':') {
        Some((id, count)) => (id, Some(count)),
        None => (text, None),
    };
    let id = id.parse().map_err(|_| format!("\"{id}\" is no repository number, such as 10149"))?;
    Ok(RepositoryArg { id, items: count.map(items).transpose()? })
}

/// A path without the slash at its end.
pub(super) fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') {
        Ok(path.to_owned())
    } else {
        Err("a path begins with a slash, such as /enterworks".to_owned())
    }
}

/// A number of items.
pub(super) fn items(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count <= simulator::MOST_ITEMS);
    count.ok_or_else(|| {
        format!("\"{text}\" is no number of items from 0 to {}", simulator::MOST_ITEMS)
    })
}

/// `4,50ms`.
pub(super) fn capacity(text: &str) -> Result<Capacity, String> {
    let (at_once, service_time) = text
        .split_once(',')
        .ok_or_else(|| format!("\"{text}\" is no N,SERVICE_TIME, such as 4,50ms"))?;
    let at_once = at_once
        .parse()
        .map_err(|_| format!("\"{at_once}\" is no number of requests, 1 or more"))?;
    Ok(Capacity { at_once, service_time: duration(service_time)? })
}

/// `500ms`.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("write a duration as 500ms, 30s, 5m or 24h: {error}"))
}

/// So many a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=simulator::HIGHEST_RATE).contains(rate));
    rate.ok_or_else(|| {
        format!("\"{text}\" is no rate from 0 to {} a second", simulator::HIGHEST_RATE)
    })
}

/// `since=works`.
pub(super) fn condition(text: &str) -> Result<(SimulatedCondition, ConditionTreatment), String> {
    let (condition, treatment) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\" is no CONDITION=TREATMENT, such as since=works"))?;
    let condition = match condition {
        "ids" => SimulatedCondition::Ids,
        "sort" => SimulatedCondition::Sort,
        "since" => SimulatedCondition::Since,
        "since-epoch" => SimulatedCondition::SinceEpoch,
        "since-local" => SimulatedCondition::SinceLocal,
        "fields" => SimulatedCondition::Fields,
        _ => {
            return Err("the conditions are ids, sort, since, since-epoch, since-local and fields"
                .to_owned());
        }
    };
    let treatment = match treatment {
        "works" => ConditionTreatment::Works,
        "ignored" => ConditionTreatment::Ignored,
        "refused" => ConditionTreatment::Refused,
        "lies" => ConditionTreatment::Lies,
        _ => return Err("what becomes of it is works, ignored, refused or lies".to_owned()),
    };
    Ok((condition, treatment))
}

/// `hang=0.01`.
pub(super) fn fault(text: &str) -> Result<(SimulatedFault, f64), String> {
    let (kind, probability) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\" is no KIND=PROBABILITY, such as hang=0.01"))?;
    let fault = kind.parse::<SimulatedFault>().map_err(|error| error.to_string())?;
    let probability = probability.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    let probability = probability
        .ok_or_else(|| format!("the probability of {fault} is no number from 0 to 1"))?;
    Ok((fault, probability))
}
