//! What one repository shows: its items, their order, its page sizes, its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::members::{ItemMembers, ListOrder};
use super::page::{RawPage, member};
use super::prober::{Prober, count, ms};
use super::report::{PageSizeFacts, PastTheEnd, RepositoryFacts, TotalIs};
use super::shape::Shape;
use crate::client::{ProbeAnswer, ProbeRequest};
use crate::config::RepositoryConfig;
use crate::domain::RepositoryId;
use crate::json::{JsonPointer, members};

/// How many items the first pages have.
const FIRST_PAGE: u32 = 100;
/// The page sizes that are tried, one after the other.
const SIZES: [u32; 6] = [50, 200, 500, 1000, 2000, 5000];
/// A page that took longer is the last one that is tried.
const SLOW: Duration = Duration::from_secs(5);
/// A page with more bytes is the last one that is tried.
const LARGE: usize = 16 << 20;
/// So many items are looked at in each page.
const LOOKED_AT: usize = 200;

/// A repository that is looked at.
#[derive(Clone, Debug)]
pub struct LearnTarget {
    /// Which one.
    pub repository: RepositoryId,
    /// Where an item carries its id, as configured.
    pub item_id: JsonPointer,
    /// `search` of the configuration.
    pub conditions: Arc<Map<String, Value>>,
}

/// What is found of a repository and stays here, because it holds names of the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFindings {
    /// Members that could be the id, the likeliest first.
    pub ids: Vec<String>,
    /// Members that could be the time of the last change, the likeliest first.
    pub change_times: Vec<String>,
    /// Members that had another value in most items when the same page was asked for again.
    pub unsteady: Vec<String>,
    /// The member of a search that says since when; known of the first repository.
    pub since: Option<String>,
    /// Whether it takes a number.
    pub since_is_number: bool,
    /// The id of an item.
    pub(super) item: Option<String>,
}

impl LearnTarget {
    /// A configured repository.
    pub fn of(repository: &RepositoryConfig) -> Self {
        Self {
            repository: repository.id,
            item_id: repository.item_id.clone(),
            conditions: Arc::new(repository.search.clone()),
        }
    }

    /// The member of an item that is the configured id; `None` where that lies deeper.
    pub(super) fn id_member(&self) -> Option<String> {
        match self.item_id.tokens() {
            [name] => Some(name.clone()),
            _ => None,
        }
    }

    /// A search for one page.
    fn page(&self, page: u64, size: u32) -> ProbeRequest {
        self.search(page, size, &Map::new())
    }

    /// A search for one page with more conditions than the configuration has.
    pub(super) fn search(&self, page: u64, size: u32, more: &Map<String, Value>) -> ProbeRequest {
        let mut body = Map::clone(&self.conditions);
        body.extend(more.clone());
        body.insert("repositoryId".to_owned(), self.repository.0.into());
        body.insert("page".to_owned(), page.into());
        body.insert("pageSize".to_owned(), size.into());
        ProbeRequest::post("webcm/rest/api/items/search", Value::Object(body))
    }

    /// A search for the first item.
    pub(super) fn first(&self) -> ProbeRequest {
        self.page(1, 1)
    }
}

/// Looks at a repository.
pub(super) async fn look(
    prober: &mut Prober<'_>,
    target: &LearnTarget,
) -> (RepositoryFacts, LocalFindings) {
    let mut facts = RepositoryFacts::default();
    let mut local = LocalFindings::default();
    let size = FIRST_PAGE;
    let first = prober.ask(&target.page(1, size)).await;
    let Some(page) = first.as_ref().and_then(|answer| RawPage::of(&answer.body)) else {
        return (facts, local);
    };
    facts.total = page.total;
    let again = prober.ask(&target.page(1, size)).await;
    if let Some(again) = &again {
        compare(&page, again, &mut facts, &mut local);
        let bytes = |answer: &ProbeAnswer| answer.body.clone();
        facts.same_bytes_again = facts
            .same_items_again
            .map(|same| same && first.as_ref().map(bytes) == Some(bytes(again)));
    }
    let second = prober.ask(&target.page(2, size)).await;
    let second = second.as_ref().and_then(|answer| RawPage::of(&answer.body));
    let is_repeated = second.as_ref().is_some_and(|second| same(&page, second));
    let pages = [Some(&page), second.as_ref().filter(|_| !is_repeated)];
    let seen = pages
        .into_iter()
        .flatten()
        .map(|page| ItemMembers::of(page.items.get(..LOOKED_AT).unwrap_or(&page.items)));
    let seen: Vec<ItemMembers> = seen.collect();
    describe(&page, &seen, target, &mut facts, &mut local);
    try_sizes(prober, target, &mut facts).await;
    if page.total == count(page.items.len())
        && second.as_ref().is_some_and(|second| !second.items.is_empty() && !is_repeated)
    {
        facts.total_is = TotalIs::OfThePage;
    } else {
        look_at_end(prober, target, &mut facts).await;
    }
    (facts, local)
}

/// What the items that were read tell, page by page: between two requests items may have moved.
fn describe(
    page: &RawPage<'_>,
    seen: &[ItemMembers],
    target: &LearnTarget,
    facts: &mut RepositoryFacts,
    local: &mut LocalFindings,
) {
    let counts = seen.iter().map(ItemMembers::counts);
    facts.fewest_members =
        count(counts.clone().map(|(fewest, _)| fewest).min().unwrap_or_default());
    facts.most_members = count(counts.map(|(_, most)| most).max().unwrap_or_default());
    local.ids = in_all(seen, ItemMembers::ids);
    local.change_times = in_all(seen, ItemMembers::moments);
    facts.id_candidates = count(local.ids.len());
    facts.change_time_candidates = count(local.change_times.len());
    let mut orders = seen.iter().filter_map(ItemMembers::order);
    facts.order = orders
        .next()
        .map(|first| if orders.all(|order| order == first) { first } else { ListOrder::Other });
    let ids: Vec<Option<String>> =
        page.items.iter().map(|item| at(item.get().as_bytes(), &target.item_id)).collect();
    facts.configured_id_found = !ids.is_empty() && ids.iter().all(Option::is_some);
    local.item = ids.into_iter().flatten().next().or_else(|| {
        let name = local.ids.first()?;
        let item = page.items.first()?.get().as_bytes();
        member(item, name).map(|value| members::text(value).into_owned())
    });
    // Of few items, since each name of a field is of one length: the shape is bounded all the same.
    let list = page.items.iter().take(LOOKED_AT).map(|item| item.get()).collect::<Vec<_>>();
    let shape = Shape::of(format!("[{}]", list.join(",")).as_bytes());
    facts.items = shape.and_then(|shape| shape.elements).map(|shape| *shape);
}

/// What is said of all pages that have enough items to say anything, in the order of the first.
fn in_all(seen: &[ItemMembers], of: fn(&ItemMembers) -> Vec<&str>) -> Vec<String> {
    let mut found: Vec<&str> = seen.first().map(of).unwrap_or_default();
    for page in seen.iter().skip(1).filter(|page| page.items() > 1) {
        let there = of(page);
        found.retain(|name| there.contains(name));
    }
    found.into_iter().map(str::to_owned).collect()
}

/// What stands in an item where the pointer leads.
fn at(item: &[u8], pointer: &JsonPointer) -> Option<String> {
    let mut within = item;
    let mut found = None;
    for token in pointer.tokens() {
        let value = member(within, token)?;
        within = value.get().as_bytes();
        found = Some(value);
    }
    let text = members::text(found?).into_owned();
    (!text.is_empty() && text != "null" && !text.starts_with(['{', '['])).then_some(text)
}

/// Whether two pages have the same items.
fn same(page: &RawPage<'_>, other: &RawPage<'_>) -> bool {
    let texts =
        |page: &RawPage<'_>| page.items.iter().map(|item| item.get()).collect::<Vec<_>>().concat();
    !page.items.is_empty() && texts(page) == texts(other)
}

/// What the same page asked for again tells.
fn compare(
    page: &RawPage<'_>,
    again: &ProbeAnswer,
    facts: &mut RepositoryFacts,
    local: &mut LocalFindings,
) {
    let Some(again) = RawPage::of(&again.body) else { return };
    let mut changed = std::collections::BTreeMap::<String, usize>::new();
    let pairs = || page.items.iter().zip(&again.items).take(LOOKED_AT);
    for (before, after) in pairs().filter(|(before, after)| before.get() != after.get()) {
        for member_before in members::of(before.get().as_bytes()).unwrap_or_default() {
            let after = member(after.get().as_bytes(), &member_before.name);
            if after.is_none_or(|after| after.get() != member_before.value.get()) {
                *changed.entry(member_before.name.into_owned()).or_default() += 1;
            }
        }
    }
    let items = pairs().count();
    // Where items stand elsewhere, most members of most items differ, the id among them.
    let most = |changes: usize| items > 2 && changes * 2 > items;
    let is_moved = page.items.len() != again.items.len() || {
        let ids = ItemMembers::of(&page.items);
        ids.ids().first().is_some_and(|id| changed.get(*id).is_some_and(|changes| most(*changes)))
    };
    facts.same_items_again = Some(!is_moved);
    if !is_moved {
        let unsteady = changed.into_iter().filter(|(_, changes)| most(*changes));
        local.unsteady = unsteady.map(|(name, _)| name).collect();
    }
    facts.members_that_change_by_themselves = count(local.unsteady.len());
}

/// Asks for larger and larger pages, until one is slow, large, not full, or no page.
async fn try_sizes(prober: &mut Prober<'_>, target: &LearnTarget, facts: &mut RepositoryFacts) {
    for asked in SIZES {
        let answer = prober.ask(&target.page(1, asked)).await;
        let page = answer.as_ref().and_then(|answer| RawPage::of(&answer.body));
        let came = page.map(|page| count(page.items.len()));
        let (elapsed, bytes) =
            answer.as_ref().map_or((SLOW, 0), |answer| (answer.elapsed, answer.body.len()));
        facts.page_sizes.push(PageSizeFacts {
            asked,
            came,
            elapsed_ms: ms(elapsed),
            bytes: count(bytes),
        });
        let is_full = came == Some(u64::from(asked));
        // A total that is no more than the first page may be that of the page.
        let is_all = u64::from(asked) >= facts.total && facts.total > u64::from(FIRST_PAGE);
        if !is_full || is_all || elapsed >= SLOW || bytes > LARGE {
            return;
        }
    }
}

/// Asks for the last page and for the one behind it.
async fn look_at_end(prober: &mut Prober<'_>, target: &LearnTarget, facts: &mut RepositoryFacts) {
    let size = facts.cap().unwrap_or(100).clamp(1, 100);
    let (Ok(asked), Some(last)) = (u32::try_from(size), facts.total.div_ceil(size).checked_sub(1))
    else {
        return;
    };
    let expected = facts.total - last * size;
    let last_answer = prober.ask(&target.page(last + 1, asked)).await;
    let behind_answer = prober.ask(&target.page(last + 2, asked)).await;
    let last = last_answer.as_ref().and_then(|answer| RawPage::of(&answer.body));
    let behind = behind_answer.as_ref().and_then(|answer| RawPage::of(&answer.body));
    let repeats =
        last.as_ref().zip(behind.as_ref()).is_some_and(|(last, behind)| same(last, behind));
    facts.past_the_end = match (&behind, &behind_answer) {
        (Some(page), _) if page.items.is_empty() => PastTheEnd::Empty,
        (Some(_), _) => PastTheEnd::Items,
        (None, Some(_)) => PastTheEnd::Error,
        (None, None) => PastTheEnd::Unknown,
    };
    facts.total_is = match last.map(|last| count(last.items.len())) {
        None => TotalIs::Unknown,
        Some(came) if came < expected => TotalIs::TooHigh,
        Some(_) if facts.past_the_end == PastTheEnd::Items && !repeats => TotalIs::TooLow,
        Some(_) => TotalIs::Right,
    };
}
