//! A page that is to be written, of a whole pass or of an incremental one: what the two have of their own.

use tokio_postgres::types::ToSql;

use super::fence::{CallDigest, CallId};
use super::ledger::{IncrementalParameters, PageParameters};
use super::page_digest::PageDigest;
use crate::domain::{Item, Iteration};
use crate::mirror::diff::{self, ComparisonRules};
use crate::mirror::{IncrementalEnd, IncrementalPage, PageOfItems};

/// A page.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyPage<'a> {
    /// Of a whole pass.
    Whole(&'a PageOfItems),
    /// Of an incremental one.
    Incremental(&'a IncrementalPage),
}

/// What a page's transaction puts down besides items and counts.
#[derive(Debug)]
pub(super) enum OwnParameters<'a> {
    Whole(PageParameters<'a>),
    Incremental(IncrementalParameters<'a>),
}

impl OwnParameters<'_> {
    pub(super) fn add_to<'b>(&'b self, parameters: &mut Vec<&'b (dyn ToSql + Sync)>) {
        match self {
            Self::Whole(own) => own.add_to(parameters),
            Self::Incremental(own) => own.add_to(parameters),
        }
    }
}

impl<'a> AnyPage<'a> {
    pub(super) fn iteration(self) -> Iteration {
        match self {
            Self::Whole(page) => page.iteration,
            Self::Incremental(page) => page.iteration,
        }
    }

    pub(super) fn ts_ms(self) -> i64 {
        match self {
            Self::Whole(page) => page.ts_ms,
            Self::Incremental(page) => page.ts_ms,
        }
    }

    /// The rows that count, each with whether it does where it is as it was.
    pub(super) fn rows(self) -> Vec<(&'a Item, bool)> {
        match self {
            Self::Whole(page) => diff::rows(page).collect(),
            Self::Incremental(page) => diff::incremental_rows(page).collect(),
        }
    }

    /// How its rows are compared.
    pub(super) fn rules(self, first_pass_done: bool) -> ComparisonRules<'a> {
        match self {
            Self::Whole(page) => ComparisonRules::of(page, first_pass_done),
            Self::Incremental(page) => ComparisonRules::of_incremental(page, first_pass_done),
        }
    }

    /// What it is recognised by when another pass has it again; `None`: it hardly comes again.
    pub(super) fn digest(self, rows: &[(&Item, bool)]) -> Option<PageDigest> {
        match self {
            Self::Whole(page) => Some(PageDigest::of(rows, &page.ignore)),
            Self::Incremental(_) => None,
        }
    }

    /// The parameters after those of the fence and the counts.
    pub(super) fn parameters(self) -> OwnParameters<'a> {
        match self {
            Self::Whole(page) => OwnParameters::Whole(PageParameters::new(page)),
            Self::Incremental(page) => OwnParameters::Incremental(IncrementalParameters::new(page)),
        }
    }

    /// What it is known by when it is written again.
    pub(super) fn call(self) -> CallId {
        let (mut digest, items) = match self {
            Self::Whole(page) => {
                let digest = CallDigest::new("page")
                    .number(page.iteration.0)
                    .number(page.ts_ms.cast_unsigned())
                    .number(page.statistics.pages)
                    .number(page.statistics.requests)
                    .bytes(&page.checkpoint.state)
                    .bytes(&page.checkpoint.seen);
                (digest, &page.items)
            }
            Self::Incremental(page) => {
                let IncrementalEnd { started_ms, pages, requests, .. } =
                    page.end.unwrap_or_default();
                let digest = CallDigest::new("incremental")
                    .number(page.iteration.0)
                    .number(page.ts_ms.cast_unsigned())
                    .bytes(page.mark.as_deref().unwrap_or_default())
                    .number(started_ms.cast_unsigned())
                    .number(pages)
                    .number(requests);
                (digest, &page.items)
            }
        };
        for item in items {
            digest = digest.number(item.digest);
        }
        digest.call()
    }
}
