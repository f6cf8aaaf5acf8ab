//! Whether a search takes the conditions that its description has: an order, ids, the time of a change,
//! attributes. Their JSON is open; what their names and types suggest is sent, and the answer is looked at.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::description::{ConditionMember, ValueForm};
use super::page::{RawPage, member};
use super::prober::Prober;
use super::report::{ConditionEffect, ConditionFacts, SearchTopic};
use super::repository::LearnTarget;
use crate::json::members;

/// So many items are asked for: as many as show an order.
const ITEMS: u32 = 50;

/// So many members are tried for one thing.
const MOST_MEMBERS: usize = 3;

/// A moment after which nothing can have changed, and one before everything did.
const MOMENTS: [(&str, u64); 2] =
    [("2099-01-01T00:00:00Z", 4_070_908_800_000), ("1990-01-01T00:00:00Z", 631_152_000_000)];

/// What was found of the conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TriedConditions {
    pub(super) facts: Vec<ConditionFacts>,
    /// The member that says since when; a name of the server's, which stays here.
    pub(super) since: Option<String>,
    /// Whether it takes a number.
    pub(super) since_is_number: bool,
}

/// Tries what a description has.
pub(super) async fn try_all(
    prober: &mut Prober<'_>,
    target: &LearnTarget,
    id: Option<&str>,
    conditions: &[ConditionMember],
) -> TriedConditions {
    let mut tried = TriedConditions::default();
    if conditions.is_empty() {
        return tried;
    }
    let answer = prober.ask(&target.search(1, ITEMS, &Map::new())).await;
    let plain = answer.as_ref().and_then(|answer| RawPage::of(&answer.body));
    let plain =
        plain.zip(id).map(|(page, id)| Seen::of(&page, id)).filter(|seen| seen.ids.len() > 2);
    for topic in [
        SearchTopic::Sort,
        SearchTopic::IdFilter,
        SearchTopic::ModifiedSince,
        SearchTopic::Projection,
    ] {
        let of_topic = conditions.iter().filter(|condition| condition.topic == topic);
        let mut best = None;
        for condition in of_topic.take(MOST_MEMBERS) {
            let effect = match (&plain, id) {
                (Some(plain), Some(id)) => try_one(prober, target, plain, id, condition).await,
                _ => ConditionEffect::NotTried,
            };
            best = best.max(Some(effect));
            if effect == ConditionEffect::Works {
                if topic == SearchTopic::ModifiedSince {
                    tried.since = Some(condition.name.clone());
                    tried.since_is_number = condition.form == Some(ValueForm::Number);
                }
                break;
            }
        }
        tried.facts.extend(best.map(|effect| ConditionFacts { topic, effect }));
    }
    tried
}

/// What of a page is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// The ids, as texts, in the order of the list; of an item without one, nothing.
    ids: Vec<String>,
    /// The fewest members of an item.
    members: usize,
    total: u64,
}

impl Seen {
    fn of(page: &RawPage<'_>, id: &str) -> Self {
        let id_of = |item: &&RawValue| {
            member(item.get().as_bytes(), id).map(|id| members::text(id).into_owned())
        };
        let size = |item: &&RawValue| members::of(item.get().as_bytes()).unwrap_or_default().len();
        Self {
            ids: page.items.iter().filter_map(id_of).collect(),
            members: page.items.iter().map(size).min().unwrap_or_default(),
            total: page.total,
        }
    }

    /// Whether the ids rise, or fall, all along; by number, where they are numbers.
    fn is_sorted(&self, falls: bool) -> bool {
        let numbers: Option<Vec<i128>> = self.ids.iter().map(|id| id.parse().ok()).collect();
        match numbers {
            Some(numbers) => numbers.is_sorted_by(|a, b| if falls { a > b } else { a < b }),
            None => self.ids.is_sorted_by(|a, b| if falls { a > b } else { a < b }),
        }
    }
}

async fn try_one(
    prober: &mut Prober<'_>,
    target: &LearnTarget,
    plain: &Seen,
    id: &str,
    condition: &ConditionMember,
) -> ConditionEffect {
    let Some(form) = condition.form else { return ConditionEffect::NotTried };
    let mut ask = async |value: Value| {
        let extra = Map::from_iter([(condition.name.clone(), value)]);
        let answer = prober.ask(&target.search(1, ITEMS, &extra)).await;
        let page = answer.as_ref().and_then(|answer| RawPage::of(&answer.body));
        page.map(|page| Seen::of(&page, id))
    };
    match condition.topic {
        SearchTopic::Sort => {
            let mut best = ConditionEffect::NotTried;
            for text in [format!("{id} desc"), format!("-{id}"), id.to_owned()] {
                let Some(value) = of_text(form, &text) else { break };
                let effect = judge_order(plain, ask(value).await.as_ref());
                best = best.max(effect);
                if effect == ConditionEffect::Works {
                    break;
                }
            }
            best
        }
        SearchTopic::IdFilter => match wanted_ids(form, &plain.ids) {
            Some((ids, value)) => judge_ids(plain, &ids, ask(value).await.as_ref()),
            None => ConditionEffect::NotTried,
        },
        SearchTopic::ModifiedSince => {
            let [Some(never), Some(always)] = MOMENTS.map(|moment| of_moment(form, moment)) else {
                return ConditionEffect::NotTried;
            };
            let never = ask(never).await;
            match judge_never(plain, never.as_ref()) {
                // Nothing has changed since then. Or nothing is ever found by it.
                ConditionEffect::Works => judge_always(plain, ask(always).await.as_ref()),
                effect => effect,
            }
        }
        SearchTopic::Projection => match of_text(form, id) {
            Some(value) => judge_projection(plain, ask(value).await.as_ref()),
            None => ConditionEffect::NotTried,
        },
    }
}

fn of_text(form: ValueForm, text: &str) -> Option<Value> {
    match form {
        ValueForm::Text => Some(json!(text)),
        ValueForm::Texts => Some(json!([text])),
        ValueForm::Number | ValueForm::Numbers => None,
    }
}

fn of_moment(form: ValueForm, (text, ms): (&str, u64)) -> Option<Value> {
    match form {
        ValueForm::Text => Some(json!(text)),
        ValueForm::Number => Some(json!(ms)),
        ValueForm::Texts | ValueForm::Numbers => None,
    }
}

/// The ids of the second and the last item, which no page of the first ones has alone; and how they are asked
/// for. Where a member takes one id, it is the last.
fn wanted_ids(form: ValueForm, ids: &[String]) -> Option<(Vec<String>, Value)> {
    let (second, last) = (ids.get(1)?.clone(), ids.last()?.clone());
    let number = |id: &String| id.parse::<i64>().ok();
    Some(match form {
        ValueForm::Text => (vec![last.clone()], json!(last)),
        ValueForm::Number => (vec![last.clone()], json!(number(&last)?)),
        ValueForm::Texts => (vec![second.clone(), last.clone()], json!([second, last])),
        ValueForm::Numbers => {
            let value = json!([number(&second)?, number(&last)?]);
            (vec![second, last], value)
        }
    })
}

/// What an answer that is not the one hoped for says.
fn otherwise(plain: &Seen, seen: &Seen) -> ConditionEffect {
    if seen == plain { ConditionEffect::Ignored } else { ConditionEffect::Unclear }
}

fn judge_order(plain: &Seen, seen: Option<&Seen>) -> ConditionEffect {
    let Some(seen) = seen else { return ConditionEffect::Refused };
    let is_new = |falls| seen.ids.len() > 2 && seen.is_sorted(falls) && !plain.is_sorted(falls);
    if is_new(true) || is_new(false) { ConditionEffect::Works } else { otherwise(plain, seen) }
}

fn judge_ids(plain: &Seen, wanted: &[String], seen: Option<&Seen>) -> ConditionEffect {
    let Some(seen) = seen else { return ConditionEffect::Refused };
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    if sorted(&seen.ids) == sorted(wanted) {
        ConditionEffect::Works
    } else {
        otherwise(plain, seen)
    }
}

fn judge_never(plain: &Seen, seen: Option<&Seen>) -> ConditionEffect {
    match seen {
        None => ConditionEffect::Refused,
        Some(seen) if seen.ids.is_empty() => ConditionEffect::Works,
        Some(seen) => otherwise(plain, seen),
    }
}

fn judge_always(plain: &Seen, seen: Option<&Seen>) -> ConditionEffect {
    let is_all = |seen: &Seen| seen.total == plain.total && seen.ids.len() == plain.ids.len();
    if seen.is_some_and(is_all) { ConditionEffect::Works } else { ConditionEffect::Unclear }
}

fn judge_projection(plain: &Seen, seen: Option<&Seen>) -> ConditionEffect {
    let Some(seen) = seen else { return ConditionEffect::Refused };
    let is_less = seen.ids == plain.ids && seen.members < plain.members;
    if is_less { ConditionEffect::Works } else { otherwise(plain, seen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ids: &[&str], total: u64) -> Seen {
        Seen { ids: ids.iter().map(|id| (*id).to_owned()).collect(), members: 5, total }
    }

    #[test]
    fn an_order_works_where_the_list_has_another_than_before() {
        let plain = seen(&["8", "9", "10"], 9);
        let judged = |ids: &[&str]| judge_order(&plain, Some(&seen(ids, 9)));
        assert_eq!(judged(&["30", "9", "8"]), ConditionEffect::Works);
        assert_eq!(judged(&["8", "9", "10"]), ConditionEffect::Ignored);
        assert_eq!(judged(&["9", "8", "10"]), ConditionEffect::Unclear);
        assert_eq!(judged(&[]), ConditionEffect::Unclear);
        assert_eq!(judge_order(&plain, None), ConditionEffect::Refused);
    }

    #[test]
    fn ids_work_where_those_and_no_others_come() {
        let plain = seen(&["1", "2", "3"], 9);
        let (ids, value) = wanted_ids(ValueForm::Numbers, &plain.ids).unwrap();
        assert_eq!(value, json!([2, 3]));
        assert_eq!(judge_ids(&plain, &ids, Some(&seen(&["3", "2"], 2))), ConditionEffect::Works);
        assert_eq!(judge_ids(&plain, &ids, Some(&plain)), ConditionEffect::Ignored);
        assert_eq!(judge_ids(&plain, &ids, Some(&seen(&["2"], 1))), ConditionEffect::Unclear);
        assert_eq!(wanted_ids(ValueForm::Numbers, &seen(&["a", "b"], 2).ids), None);
        assert_eq!(wanted_ids(ValueForm::Text, &plain.ids).unwrap().1, json!("3"));
    }

    #[test]
    fn a_time_works_where_nothing_is_new_and_everything_is_old() {
        let plain = seen(&["1", "2", "3"], 9);
        let (none, all) = (seen(&[], 0), plain.clone());
        assert_eq!(judge_never(&plain, Some(&none)), ConditionEffect::Works);
        assert_eq!(judge_never(&plain, Some(&all)), ConditionEffect::Ignored);
        assert_eq!(judge_always(&plain, Some(&all)), ConditionEffect::Works);
        // A server that finds nothing by it, whatever it says.
        assert_eq!(judge_always(&plain, Some(&none)), ConditionEffect::Unclear);
    }
}
