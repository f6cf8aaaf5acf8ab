//! What a server has done.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fault::SimulatedEndpoint;

/// What a server has done since it started. Faulty and refused requests count as requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SimulatorCounts {
    /// Requests to the vendor's calls.
    pub requests: u64,
    /// These by call.
    pub calls: BTreeMap<SimulatedEndpoint, u64>,
    /// Requests that were held at a hold.
    pub held: u64,
    /// Requests to the search.
    pub searches: u64,
    /// The most searches that were under way at one moment.
    pub searches_at_once: u64,
    /// Pages rendered, whether or not they arrived whole.
    pub pages: u64,
    /// Items on these pages.
    pub items: u64,
    /// Requests for one item by its id.
    pub item_reads: u64,
    /// Successful logins, the OAuth ones included.
    pub logins: u64,
    /// Logins with a wrong name or password.
    pub failed_logins: u64,
    /// Requests to `reauth`.
    pub reauths: u64,
    /// Sessions ended by a logout.
    pub logouts: u64,
    /// Requests refused because the session had ended or the REST token was stale; refusals by
    /// fault are under [`faults`](Self::faults).
    pub refusals: u64,
    /// REST tokens handed out, with a login or as a renewal.
    pub rest_tokens_issued: u64,
    /// REST tokens announced in an answer to a search.
    pub rest_tokens_renewed: u64,
    /// Items inserted since the start.
    pub inserted: u64,
    /// Items deleted since the start.
    pub deleted: u64,
    /// Items updated since the start.
    pub updated: u64,
    /// Requests that found their connection closed, because it had served its time.
    pub closed_idle: u64,
    /// Requests that were redirected within the server.
    pub redirected: u64,
    /// Requests of a session that lives at another node.
    pub astray: u64,
    /// Requests hit, by name of the fault.
    pub faults: BTreeMap<&'static str, u64>,
}
