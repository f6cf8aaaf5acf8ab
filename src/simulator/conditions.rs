//! What a search may be asked besides a window: their members and their effects are open, so that the server
//! has those that its options name, and each works, is overlooked or is refused.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::item::SimulatedItem;

/// A condition that a search may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedCondition {
    /// `itemIds`: these items alone.
    Ids,
    /// `sortBy`: `itemId` or `modifiedOn`, perhaps with ` desc` behind it.
    Sort,
    /// `modifiedSince`: items changed at this moment or later, as RFC 3339 writes it.
    Since,
    /// `changedAfter`: the same, in milliseconds since 1970.
    SinceEpoch,
    /// `lastUpdatedFrom`: the same, as `11/30/2026 01:05:09 AM` by the clocks of Zurich.
    SinceLocal,
    /// `fields`: these members of an item, and its id.
    Fields,
}

/// What becomes of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionTreatment {
    /// It does what it says.
    Works,
    /// The search is answered as if it were not there.
    Ignored,
    /// The search is answered with 400.
    Refused,
    /// Of the items changed since a moment one in [`LEFT_OUT`] is left out.
    Lies,
}

/// A condition that lies leaves out the items whose ids this divides.
pub const LEFT_OUT: u64 = 4;

/// The site's own form of times.
const LOCAL_FORM: &str = "%m/%d/%Y %I:%M:%S %p";

/// The site's clocks.
const LOCAL_ZONE: &str = "Europe/Zurich";

impl SimulatedCondition {
    /// One for each thing that can be asked for.
    pub const ALL: [Self; 4] = [Self::Ids, Self::Sort, Self::Since, Self::Fields];

    fn member(self) -> &'static str {
        match self {
            Self::Ids => "itemIds",
            Self::Sort => "sortBy",
            Self::Since => "modifiedSince",
            Self::SinceEpoch => "changedAfter",
            Self::SinceLocal => "lastUpdatedFrom",
            Self::Fields => "fields",
        }
    }

    /// How the server's description has it.
    fn schema(self) -> Value {
        match self {
            Self::Ids => {
                json!({"type": "array", "items": {"type": "integer", "format": "int64"}})
            }
            Self::Sort | Self::SinceLocal => json!({"type": "string"}),
            Self::SinceEpoch => json!({"type": "integer", "format": "int64"}),
            Self::Since => json!({"type": "string", "format": "date-time"}),
            Self::Fields => json!({"type": "array", "items": {"type": "string"}}),
        }
    }
}

/// The conditions that a server knows of.
pub type SimulatedConditions = Vec<(SimulatedCondition, ConditionTreatment)>;

/// The members of a search that its description has on top.
pub(super) fn described(conditions: &SimulatedConditions) -> Map<String, Value> {
    let member = |(condition, _): &(SimulatedCondition, ConditionTreatment)| {
        (condition.member().to_owned(), condition.schema())
    };
    conditions.iter().map(member).collect()
}

/// What a search asks for, of what works here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    ids: Option<BTreeSet<u64>>,
    /// By the time of the last change instead of the id, and from the largest down.
    order: Option<(bool, bool)>,
    /// In milliseconds since 1970.
    since: Option<i64>,
    lies: bool,
    fields: Option<BTreeSet<String>>,
}

/// A condition that the server does not take.
#[derive(Debug)]
pub(super) struct Unwanted(pub(super) &'static str);

impl Wanted {
    /// What the body of a search asks for.
    pub(super) fn of(body: &Value, conditions: &SimulatedConditions) -> Result<Self, Unwanted> {
        let mut wanted = Self::default();
        for (condition, treatment) in conditions {
            let member = condition.member();
            let Some(value) = body.get(member) else { continue };
            match treatment {
                ConditionTreatment::Ignored => {}
                ConditionTreatment::Refused => return Err(Unwanted(member)),
                ConditionTreatment::Works | ConditionTreatment::Lies => {
                    wanted.lies |= *treatment == ConditionTreatment::Lies;
                    wanted.take(*condition, value).ok_or(Unwanted(member))?;
                }
            }
        }
        Ok(wanted)
    }

    /// `None` where the value is not what the condition takes.
    fn take(&mut self, condition: SimulatedCondition, value: &Value) -> Option<()> {
        match condition {
            SimulatedCondition::Ids => {
                self.ids =
                    Some(value.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?);
            }
            SimulatedCondition::Sort => {
                let text = value.as_str()?;
                let (name, falls) =
                    text.strip_suffix(" desc").map_or((text, false), |it| (it, true));
                self.order =
                    Some((["itemId", "modifiedOn"].iter().position(|it| *it == name)? == 1, falls));
            }
            SimulatedCondition::Since => {
                let since: Timestamp = value.as_str()?.parse().ok()?;
                self.since = Some(since.as_millisecond());
            }
            SimulatedCondition::SinceEpoch => self.since = Some(value.as_i64()?),
            SimulatedCondition::SinceLocal => {
                let local = strtime::parse(LOCAL_FORM, value.as_str()?).ok()?.to_datetime().ok()?;
                let zone = TimeZone::get(LOCAL_ZONE).ok()?;
                self.since = Some(zone.to_timestamp(local).ok()?.as_millisecond());
            }
            SimulatedCondition::Fields => {
                let names = value.as_array()?.iter().map(|it| it.as_str().map(str::to_owned));
                self.fields = Some(names.collect::<Option<_>>()?);
            }
        }
        Some(())
    }

    /// Whether all items are wanted, in the list's own order.
    pub(super) fn is_all(&self) -> bool {
        self.ids.is_none() && self.order.is_none() && self.since.is_none()
    }

    /// Those of these items that are wanted, in the order wanted.
    pub(super) fn of_all(&self, items: impl Iterator<Item = SimulatedItem>) -> Vec<SimulatedItem> {
        let wants = |item: &SimulatedItem| {
            let by_id = self.ids.as_ref().is_none_or(|ids| ids.contains(&item.id));
            let is_left_out = self.lies && item.id.is_multiple_of(LEFT_OUT);
            let changed = i64::try_from(item.changed_ms).unwrap_or(i64::MAX);
            by_id && self.since.is_none_or(|since| changed >= since && !is_left_out)
        };
        let mut items: Vec<SimulatedItem> = items.filter(wants).collect();
        if let Some((by_change, falls)) = self.order {
            let key = |item: &SimulatedItem| (if by_change { item.change } else { 0 }, item.id);
            items.sort_by_key(key);
            if falls {
                items.reverse();
            }
        }
        items
    }

    /// Leaves of the item that `out` has from here on the members that are wanted.
    pub(super) fn cut(&self, out: &mut Vec<u8>, from: usize) {
        let Some(fields) = &self.fields else { return };
        let item = out.get(from..).unwrap_or_default();
        if let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(item) {
            members.retain(|name, _| name == "itemId" || fields.contains(name));
            out.truncate(from);
            out.extend_from_slice(Value::Object(members).to_string().as_bytes());
        }
    }
}
