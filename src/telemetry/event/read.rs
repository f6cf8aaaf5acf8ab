//! What is told of reading: pages, and records in them that cannot be read.

use std::error::Error;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::TARGET;
use crate::domain::{ItemId, Iteration, RepositoryId};
use crate::progress::{LineSum, whole_millis};

/// One page, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRead {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// Which page of the pass, counted from 1; the vendor's page number where pages are plain.
    pub page: u64,
    /// Items in it.
    pub items: u64,
    /// Items that the server announced for the whole repository.
    pub total: u64,
    /// How long the request took.
    pub elapsed: Duration,
}

/// Several pages of one pass, read within about a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagesRead {
    /// The last of them, with the items of all and the longest of the times.
    pub sum: PageRead,
    /// How many they are.
    pub pages: u64,
}

/// `page read` at a level.
macro_rules! tell_page {
    ($level:ident, $page:ident, $uptime:ident) => {
        $level!(
            target: TARGET,
            repository = $page.repository.0,
            iteration = $page.iteration.0,
            page = $page.page,
            items = $page.items,
            total = $page.total,
            elapsed_ms = whole_millis($page.elapsed),
            uptime_ms = whole_millis($uptime),
            "page read"
        )
    };
}

/// A page read while pages come at a human pace.
pub fn page_read(page: &PageRead, uptime: Duration) {
    tell_page!(info, page, uptime);
}

/// A page read among many: told one by one to those who want to know.
pub fn page_read_in_haste(page: &PageRead, uptime: Duration) {
    tell_page!(debug, page, uptime);
}

/// The pages of about a second, summed up.
pub fn pages_read(pages: &PagesRead, uptime: Duration) {
    info!(
        target: TARGET,
        repository = pages.sum.repository.0,
        iteration = pages.sum.iteration.0,
        page = pages.sum.page,
        pages = pages.pages,
        items = pages.sum.items,
        total = pages.sum.total,
        elapsed_ms = whole_millis(pages.sum.elapsed),
        uptime_ms = whole_millis(uptime),
        "pages read"
    );
}

/// The pages of many repositories of about a second, summed up.
pub fn pages_read_of_many(sum: &LineSum, uptime: Duration) {
    info!(
        target: TARGET,
        repositories = sum.repositories.len(),
        pages = sum.pages,
        items = sum.items,
        elapsed_ms = whole_millis(sum.elapsed),
        uptime_ms = whole_millis(uptime),
        "pages read in all"
    );
}

/// A window of the list that cannot be read: the pass ends without it.
#[derive(Clone, Copy, Debug)]
pub struct WindowUnreadable<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// The first position that could not be read, counted from 0.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// How the last try failed.
    pub error: &'a (dyn Error + 'static),
    /// How its answer began: redacted.
    pub answer: Option<&'a str>,
}

/// What to do about a window that cannot be read.
pub const WINDOW_REMEDY: &str = "ask the server's administrator for the limit on results, or for the \
                                 record there that fails; what lies behind is not read meanwhile, \
                                 and nothing is deleted";

/// A window that fails again and again although the top of the list is answered.
pub fn window_unreadable(window: &WindowUnreadable<'_>) {
    warn!(
        target: TARGET,
        repository = window.repository.0,
        iteration = window.iteration.0,
        from = window.from,
        to = window.to,
        error = window.error,
        answer = window.answer,
        remedy = WINDOW_REMEDY,
        "window unreadable"
    );
}

/// A record of the list that cannot be read: the item that it is stays in the mirror as it was.
#[derive(Clone, Copy, Debug)]
pub struct ItemUnreadable<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// Its position in the list, counted from 0.
    pub position: u64,
    /// Its id, where that can be told.
    pub item: Option<&'a ItemId>,
    /// What is wrong with it.
    pub error: &'a str,
    /// Its bytes around the fault: redacted.
    pub answer: Option<&'a str>,
}

/// `item unreadable` at a level.
macro_rules! tell_unreadable {
    ($level:ident, $record:ident) => {
        $level!(
            target: TARGET,
            repository = $record.repository.0,
            iteration = $record.iteration.0,
            position = $record.position,
            item = $record.item.map(tracing::field::display),
            error = $record.error,
            answer = $record.answer,
            remedy = "mend the record in EnterWorks; until then it stays in the mirror as it was, \
                      and no pass is certified",
            "item unreadable"
        )
    };
}

/// A record that nobody has been told of in this pass.
pub fn item_unreadable(record: &ItemUnreadable<'_>) {
    tell_unreadable!(warn, record);
}

/// One more of many, or one that was told of already.
pub fn item_unreadable_again(record: &ItemUnreadable<'_>) {
    tell_unreadable!(debug, record);
}
