//! What kind of server the simulator is.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::balancer::SelfRedirect;
use super::churn::Rates;
use super::conditions::SimulatedConditions;
use super::fault::{SimulatedFault, SimulatedRefusal};

/// The most items a repository can start with.
pub const MOST_ITEMS: usize = 10_000_000;
/// The highest rate of change, in events a second.
pub const HIGHEST_RATE: f64 = 100_000.0;

/// What kind of server to start. [`Options::default`] is one repository of 10,000 items that stay
/// as they are, and no fault.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a call or a habit of its own")]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// A path before all others, such as `/enterworks`; empty for none.
    pub base_path: String,
    /// The repositories, in the order in which they are listed.
    pub repositories: Vec<RepositoryOptions>,
    /// Of these the ones that the login may not read: they are listed as such, and searches of them are
    /// refused.
    pub unreadable: BTreeSet<u64>,
    /// How long a session lives after its login (vendor: 24 hours).
    pub session_ttl: Duration,
    /// How old a REST token gets before the next search renews it (vendor: about 30 minutes).
    pub rest_token_ttl: Duration,
    /// What is said to a client that keeps sending an old REST token (open).
    pub stale_rest_token: StaleRestToken,
    /// What a successful login answers.
    pub login_answer: LoginAnswer,
    /// Where the OAuth call reads name and password.
    pub oauth_reads: OauthReads,
    /// How requests without a good session are answered (open); None: each time in another way.
    pub refusal: Option<SimulatedRefusal>,
    /// Insertions a second, in each repository.
    pub insert_rate: f64,
    /// Deletions a second, in each repository.
    pub delete_rate: f64,
    /// Changes of items a second, in each repository.
    pub update_rate: f64,
    /// The order of a search (open).
    pub order: Order,
    /// How the calls for the model are answered (open).
    pub model: SimulatedModel,
    /// How long each vendor call takes before it is worked on.
    pub latency: Duration,
    /// How many nodes a balancer spreads requests over, which share no sessions; it keeps a session
    /// with its node by cookie. None: one, and no cookie.
    pub nodes: Option<NonZeroU32>,
    /// How many requests of a connection are answered; the next one finds it closed, as one that was
    /// idle for too long. None: all.
    pub requests_per_connection: Option<NonZeroU32>,
    /// How each vendor call is redirected within the server first.
    pub redirect: Option<SelfRedirect>,
    /// How many requests are worked on at once, and how long each takes; None: all, at once.
    pub capacity: Option<Capacity>,
    /// How long a slow answer takes.
    pub slow: Duration,
    /// Faults with their probabilities per request, from 0 to 1; at most one befalls a request,
    /// the first that is drawn.
    pub faults: Vec<(SimulatedFault, f64)>,
    /// A page has no more items than this, whatever was asked for (open).
    pub page_at_most: Option<u64>,
    /// What the announced number of items is (open).
    pub total: SimulatedTotal,
    /// Whether a page past the end is an error, instead of an empty one (open).
    pub past_end_is_error: bool,
    /// What a search may be asked for besides a window (open).
    pub conditions: SimulatedConditions,
    /// Whether there is a call for one item (vendor, in words).
    pub item_call: bool,
    /// Whether there is a call for several items by id, `items/list` (vendor that there is one, open
    /// which).
    pub items_call: bool,
    /// Whether the server describes its calls (likely).
    pub description: bool,
    /// The seed of items, churn and chance; tokens never follow from it.
    pub seed: u64,
    /// The one login name.
    pub login: String,
    /// Its password.
    pub password: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            base_path: String::new(),
            repositories: vec![RepositoryOptions { id: 10_149, items: 10_000 }],
            unreadable: BTreeSet::new(),
            session_ttl: Duration::from_secs(24 * 60 * 60),
            rest_token_ttl: Duration::from_secs(30 * 60),
            stale_rest_token: StaleRestToken::Refuse,
            login_answer: LoginAnswer::Both,
            oauth_reads: OauthReads::Both,
            refusal: Some(SimulatedRefusal::Unauthorized),
            insert_rate: 0.0,
            delete_rate: 0.0,
            update_rate: 0.0,
            order: Order::Id,
            model: SimulatedModel::Flat,
            latency: Duration::ZERO,
            nodes: None,
            requests_per_connection: None,
            redirect: None,
            capacity: None,
            slow: Duration::from_secs(5),
            faults: Vec::new(),
            page_at_most: None,
            total: SimulatedTotal::Right,
            past_end_is_error: false,
            conditions: SimulatedConditions::new(),
            item_call: true,
            items_call: false,
            description: true,
            seed: 1,
            login: "system".to_owned(),
            password: "system".to_owned(),
        }
    }
}

impl fmt::Debug for Options {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("port", &self.port)
            .field("repositories", &self.repositories)
            .field("order", &self.order)
            .field("seed", &self.seed)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl Options {
    pub(super) fn rates(&self) -> Rates {
        Rates { insert: self.insert_rate, delete: self.delete_rate, update: self.update_rate }
    }

    pub(super) fn check(&self) -> Result<(), UnfitOption> {
        let mut ids = BTreeSet::new();
        for repository in &self.repositories {
            if !ids.insert(repository.id) {
                return Err(UnfitOption::RepositoryTwice { id: repository.id });
            }
            if repository.items > MOST_ITEMS {
                return Err(UnfitOption::TooManyItems { id: repository.id });
            }
        }
        check_rates(self.rates())?;
        check_odds(&self.faults)?;
        let path = &self.base_path;
        if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
            return Err(UnfitOption::BasePath);
        }
        Ok(())
    }
}

/// Whether all rates can be.
pub(super) fn check_rates(rates: Rates) -> Result<(), UnfitOption> {
    let [insert, delete, update] =
        [rates.insert, rates.delete, rates.update].map(|rate| (0.0..=HIGHEST_RATE).contains(&rate));
    if insert && delete && update { Ok(()) } else { Err(UnfitOption::Rate) }
}

/// Whether all probabilities can be.
pub(super) fn check_odds(odds: &[(SimulatedFault, f64)]) -> Result<(), UnfitOption> {
    let unfit = odds.iter().find(|(_, probability)| !(0.0..=1.0).contains(probability));
    unfit.map_or(Ok(()), |(fault, _)| Err(UnfitOption::Probability { fault: *fault }))
}

/// What a server can do at once: further requests wait, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How many requests are worked on at once.
    pub at_once: NonZeroU32,
    /// How long it works on each.
    pub service_time: Duration,
}

/// A repository to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryOptions {
    /// Its number.
    pub id: u64,
    /// How many items it has at the start.
    pub items: usize,
}

/// The order in which a search lists the items. Which one real servers use is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ascending by item id: new items come last.
    Id,
    /// The last change first: new and changed items come first.
    Modified,
    /// No order that means anything, but a stable one: new items come anywhere.
    Shuffled,
}

/// What a search announces as the number of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedTotal {
    /// The number of items.
    Right,
    /// The number of items, but never more than this.
    AtMost(usize),
    /// The number of items of the page.
    OfThePage,
}

/// How the calls for the model are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SimulatedModel {
    /// A list of attributes in `data`, members in camel case, codes as objects.
    #[default]
    Flat,
    /// Groups of attributes, members in Pascal case, codes as a tree.
    Nested,
    /// A map from field id to attribute, members in snake case, codes as a map.
    Map,
    /// Pages of ten attributes as Spring makes them, codes as pairs; an attribute has its field id only
    /// in a path.
    Paged,
    /// With 404: a server without such calls.
    None,
    /// With 403: a user who may not ask.
    Forbidden,
    /// With an HTML page that is no sign-in page.
    Html,
}

/// What a server says to a client that keeps sending an old REST token. Which one is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleRestToken {
    /// The request is refused.
    Refuse,
    /// The request is answered, with another new REST token.
    Renew,
}

/// Where a successful login's answer carries the session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginAnswer {
    /// As a token object (vendor) and as cookies (seen).
    Both,
    /// As cookies alone, as some servers do (seen).
    Cookies,
    /// As a token object alone (vendor); then no REST token comes before the first renewal.
    Token,
}

/// Where the OAuth call reads name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OauthReads {
    /// In the URL and in a form in the body.
    Both,
    /// In a form in the body.
    Body,
    /// In the URL, as servers before 10.2.1 do (seen).
    Url,
}

/// An option whose value cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitOption {
    /// Two repositories have the same number.
    #[error("repository {id} is given twice")]
    RepositoryTwice {
        /// The number.
        id: u64,
    },
    /// A repository is larger than the simulator can hold.
    #[error("repository {id} has more than {MOST_ITEMS} items")]
    TooManyItems {
        /// The repository's number.
        id: u64,
    },
    /// A rate is negative, no number or beyond reason.
    #[error("a rate is a number from 0 to {HIGHEST_RATE}, in events a second")]
    Rate,
    /// A fault's probability is not one.
    #[error("the probability of {fault} is not a number from 0 to 1")]
    Probability {
        /// The fault.
        fault: SimulatedFault,
    },
    /// The base path cannot stand before another path.
    #[error("a base path begins with a slash and ends without one")]
    BasePath,
}
