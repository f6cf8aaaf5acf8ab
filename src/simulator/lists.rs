//! How the search goes through a list, until a test says otherwise: servers that cap what they count
//! and what they send, that give out no window past some place, and that stumble over one item.
//!
//! None of it is a fault of one request: it is so at each.

use std::collections::BTreeSet;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::SimulatedAnswer;
use super::item::SimulatedItem;
use super::options::{Options, SimulatedTotal};

/// What holds for the lists of all repositories.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListBehaviour {
    /// A page has no more items than this, whatever was asked for; the window begins as if this had
    /// been asked for.
    page_at_most: Option<u64>,
    /// `searchTotal` is never more than this.
    total_at_most: Option<usize>,
    /// `searchTotal` counts the items of the page alone.
    total_of_page: bool,
    /// How a window is answered that begins at or past the end of the list; as an empty one, where
    /// that is not said.
    past_end: Option<WindowRefusal>,
    /// How a window is answered that reaches past `window_at_most` positions.
    past_window: Option<WindowRefusal>,
    window_at_most: Option<usize>,
    /// How a window is answered that holds one of these items.
    spoilt: BTreeSet<u64>,
    over_spoilt: Option<WindowRefusal>,
}

/// An answer that is no page.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WindowRefusal {
    NotFound,
    BadRequest,
    /// A `status` other than 0 and no `data`.
    Status,
    /// `"data":null`.
    Null,
    Forbidden,
    ServerError,
}

impl ListBehaviour {
    /// How the lists of a server of this kind go.
    pub(super) fn of(options: &Options) -> Self {
        let (total_at_most, total_of_page) = match options.total {
            SimulatedTotal::Right => (None, false),
            SimulatedTotal::AtMost(most) => (Some(most), false),
            SimulatedTotal::OfThePage => (None, true),
        };
        let past_end = options.past_end_is_error.then_some(WindowRefusal::BadRequest);
        let page_at_most = options.page_at_most;
        Self { page_at_most, total_at_most, total_of_page, past_end, ..Self::default() }
    }

    /// How many items a page has at most where so many were asked for.
    pub(super) fn size(&self, asked: u64) -> u64 {
        self.page_at_most.map_or(asked, |most| asked.min(most.max(1)))
    }

    /// What is announced where there are so many, and the page has these.
    pub(super) fn total(&self, there: usize, page: &[SimulatedItem]) -> usize {
        let total = if self.total_of_page { page.len() } else { there };
        self.total_at_most.map_or(total, |most| total.min(most))
    }

    /// What is answered in place of this page of a list of so many.
    pub(super) fn in_place_of(
        &self,
        start: usize,
        page: &[SimulatedItem],
        there: usize,
    ) -> Option<SimulatedAnswer> {
        let past_window = self.window_at_most.is_some_and(|most| start + page.len() > most);
        let no = match () {
            () if start > 0 && start >= there => self.past_end,
            () if past_window => self.past_window,
            () if page.iter().any(|entry| self.spoilt.contains(&entry.id)) => self.over_spoilt,
            () => None,
        };
        no.map(WindowRefusal::answer)
    }
}

impl WindowRefusal {
    fn answer(self) -> SimulatedAnswer {
        let says =
            |status, text: &str| SimulatedAnswer::status_json(status, &json!({"message": text}));
        match self {
            Self::NotFound => says(StatusCode::NOT_FOUND, "no such page"),
            Self::BadRequest => says(StatusCode::BAD_REQUEST, "Result window is too large"),
            Self::Forbidden => says(StatusCode::FORBIDDEN, "this page is not for you"),
            Self::Status => SimulatedAnswer::json(&json!({"status": 3, "message": "no such page"})),
            Self::Null => SimulatedAnswer::json(&json!({"status": 0, "data": Value::Null})),
            Self::ServerError => says(StatusCode::INTERNAL_SERVER_ERROR, "NullPointerException"),
        }
    }
}
