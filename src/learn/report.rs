//! What `ewmirror learn` found, as a document that can be sent to anybody.
//!
//! It is made of numbers, truth values, words out of fixed lists and [`Shape`]s, and of nothing else: no type
//! in here can hold a text of the server's. So there is nothing to be taken out.

use serde::{Deserialize, Serialize};

use super::members::ListOrder;
use super::shape::Shape;

/// The version of the document's format.
pub const FORMAT: u32 = 1;

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of ewmirror that asked.
    pub ewmirror: [u32; 3],
    /// How long it took, in seconds.
    pub seconds: u64,
    /// How many requests were made.
    pub requests: u64,
    /// What the session showed of itself.
    pub session: SessionFacts,
    /// How a search with a token that is none is answered.
    pub refusal: Option<AnswerFacts>,
    /// How each call was answered.
    pub calls: Vec<CallFacts>,
    /// What the server's description of itself says.
    pub description: Option<DescriptionFacts>,
    /// What became of the conditions that the description has for a search.
    #[serde(default)]
    pub conditions: Vec<ConditionFacts>,
    /// The repositories that were looked at, in the order of the configuration.
    pub repositories: Vec<RepositoryFacts>,
    /// How many configured repositories were not looked at.
    pub repositories_left: u64,
}

/// What the session showed of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionFacts {
    /// How long the login took, in milliseconds.
    pub login_ms: u64,
    /// Whether the login brought a REST token.
    pub rest_token_at_login: bool,
    /// How often an answer brought a new REST token.
    pub rest_tokens_renewed: u64,
    /// How often the session ended before we ended it.
    pub ended_early: u64,
    /// Whether `reauth` knows the session; not known where there is no such call.
    pub reauth_knows_it: Option<bool>,
    /// Whether the session still stood after the same user had signed in a second time.
    pub stands_beside_a_second: Option<bool>,
    /// How many seconds the server's clock is ahead of this machine's.
    pub clock_ahead_s: Option<i64>,
}

/// A call that is asked, as the vendor's reference has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownCall {
    /// Its description of itself, as Springfox 2 has it (likely).
    #[serde(rename = "GET /webcm/rest/v2/api-docs")]
    DescriptionV2,
    /// Its description of itself, as newer libraries have it (open).
    #[serde(rename = "GET /webcm/rest/v3/api-docs")]
    DescriptionV3,
    /// The repositories (vendor, seen).
    #[serde(rename = "GET /repositories")]
    Repositories,
    /// The attributes of a repository (seen).
    #[serde(rename = "GET /repositories/{name}/attributes")]
    Attributes,
    /// The values of an attribute (seen).
    #[serde(rename = "GET /repositories/{name}/attributes/{attribute}/values")]
    Values,
    /// The values that an attribute may take (vendor).
    #[serde(rename = "POST /items/attrValueOptions")]
    ValueOptions,
    /// The profiles (vendor).
    #[serde(rename = "GET /profiles")]
    Profiles,
    /// How many items meet a search (vendor).
    #[serde(rename = "POST /items/count")]
    Count,
    /// One item (vendor, in words).
    #[serde(rename = "GET /items/{itemId}")]
    Item,
    /// The first page of a search (vendor).
    #[serde(rename = "POST /items/search")]
    Search,
}

/// How one call was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFacts {
    /// Which one.
    pub call: KnownCall,
    /// How; `None` where it was not asked, because what it needs is not known.
    pub answer: Option<AnswerFacts>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFacts {
    /// What came.
    pub kind: AnswerKind,
    /// The HTTP status; `None` where nothing came.
    pub status: Option<u16>,
    /// Whether it means that the session is not good.
    pub refused: bool,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How many bytes its body has, as far as it was read.
    pub bytes: u64,
    /// The shape of its JSON.
    pub shape: Option<Shape>,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// JSON.
    Json,
    /// A page for people.
    Page,
    /// Nothing but a status.
    Empty,
    /// Anything else.
    Other,
    /// A redirect to a page that asks people to sign in.
    RedirectToSignIn,
    /// A redirect to somewhere else.
    RedirectElsewhere,
    /// No answer: the connection failed, or it took too long.
    None,
}

/// What the server's description of itself says of the search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DescriptionFacts {
    /// How many paths it describes.
    pub paths: u64,
    /// How many of the vendor's calls above are among them.
    pub known: u64,
    /// How many members the body of a search may have.
    pub search_members: u64,
    /// What the names of these members speak of.
    pub search_topics: Vec<SearchTopic>,
}

/// What a member of a search may be for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchTopic {
    /// The order of the list.
    Sort,
    /// Several ids.
    IdFilter,
    /// The time of a change.
    ModifiedSince,
    /// The attributes wanted.
    Projection,
}

/// What became of a condition that was tried; what went further is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionEffect {
    /// Nothing was asked: what it takes is not plain, or the items do not tell enough.
    NotTried,
    /// No page came.
    Refused,
    /// The answer was what it is without it.
    Ignored,
    /// Another page came, and not the one that its name promises.
    Unclear,
    /// It did what its name says.
    Works,
}

/// A condition of the description, tried in the first repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionFacts {
    /// What it is for, by its name.
    pub topic: SearchTopic,
    /// What became of it; of several members for one thing, of the one that went best.
    pub effect: ConditionEffect,
}

/// What a repository showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepositoryFacts {
    /// How many items the search announces.
    pub total: u64,
    /// How the announced number stands to the items that there are.
    pub total_is: TotalIs,
    /// What a page past the end says.
    pub past_the_end: PastTheEnd,
    /// The fewest members of an item, of those that were looked at.
    pub fewest_members: u64,
    /// The most.
    pub most_members: u64,
    /// Whether every item has the configured id.
    pub configured_id_found: bool,
    /// How many members could be the id.
    pub id_candidates: u64,
    /// How many members could be the time of the last change.
    pub change_time_candidates: u64,
    /// In which order items came; not known where there were too few.
    pub order: Option<ListOrder>,
    /// Whether the same page asked for again had the same items in the same order.
    pub same_items_again: Option<bool>,
    /// Whether it was the same to the byte.
    pub same_bytes_again: Option<bool>,
    /// How many members had another value in most items, when asked for again.
    pub members_that_change_by_themselves: u64,
    /// The shape of the items that were looked at.
    pub items: Option<Shape>,
    /// Pages of growing size, from the top of the list.
    pub page_sizes: Vec<PageSizeFacts>,
}

/// How the announced number of items stands to those that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalIs {
    /// The last page has as many items as it should have, and there is nothing behind it.
    Right,
    /// There are items behind it.
    TooLow,
    /// The last page has fewer items than it should have.
    TooHigh,
    /// It counts the items of the page that was asked for.
    OfThePage,
    /// It could not be seen.
    #[default]
    Unknown,
}

/// What a page past the end says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastTheEnd {
    /// That there are no items.
    Empty,
    /// Items, though there should be none.
    Items,
    /// A status that is no success, or JSON that is no page.
    Error,
    /// It was not asked, or not answered.
    #[default]
    Unknown,
}

/// One page of some size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSizeFacts {
    /// How many items were asked for.
    pub asked: u32,
    /// How many came; `None` where the answer was no page.
    pub came: Option<u64>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How many bytes came.
    pub bytes: u64,
}

impl RepositoryFacts {
    /// The page size that the server caps at; `None` where it has given as many as were asked for.
    pub fn cap(&self) -> Option<u64> {
        let capped = |page: &&PageSizeFacts| {
            page.came.is_some_and(|came| came < u64::from(page.asked).min(self.total))
        };
        self.page_sizes.iter().find(capped).and_then(|page| page.came).filter(|came| *came > 0)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_type_of_the_report_can_hold_a_text() {
        let own = include_str!("report.rs").split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["String", "&'static", "serde_json", "Cow", "Vec<u8>"] {
            assert!(!own.contains(word), "{word}");
        }
    }
}
