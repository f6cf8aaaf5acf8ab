//! How a server behaves, found out by asking it: what `ewmirror learn` does.
//!
//! It reads only, and makes at most one request a second. What it reports holds nothing of the server's
//! but numbers, types and generic words ([`LearnReport`]); names that a proposed configuration needs stay with
//! the caller ([`LocalFindings`]).
//!
//! | file | does |
//! | --- | --- |
//! | `prober` | asks, one request after the other, and keeps the session |
//! | `repository` | looks at one repository: items, order, page sizes, end |
//! | `conditions` | tries the conditions that the server's description has for a search |
//! | `page`, `members`, `shape`, `description` | what an answer tells (pure) |
//! | `report` | what can be sent to others |
//! | `proposal`, `summary` | the configuration that fits; the report as a page of text (pure) |

mod conditions;
mod description;
mod members;
mod page;
mod prober;
mod proposal;
mod report;
mod repository;
mod shape;
mod summary;

use std::time::{Duration, Instant};

use serde_json::json;

use self::description::Description;
pub use self::members::ListOrder;
use self::page::member;
use self::prober::{Prober, count, facts, is_answered, ms};
pub use self::proposal::{proposal, quoted};
use self::report::{AnswerFacts, CallFacts, SessionFacts};
pub use self::report::{
    AnswerKind, ConditionEffect, ConditionFacts, FORMAT, KnownCall, LearnReport, PastTheEnd,
    RepositoryFacts, SearchTopic, TotalIs,
};
pub use self::repository::{LearnTarget, LocalFindings};
pub use self::summary::summary;
use crate::client::{Api as _, Client, ProbeAnswer, ProbeRequest};
use crate::config::Secret;
use crate::json::members as json_members;
use crate::session::{SharedSession, Tokens};

/// So many repositories are looked at; each takes about a quarter of a minute.
const MOST: usize = 5;

/// What was found.
#[derive(Clone, Debug)]
pub struct Learned {
    /// What can be sent to others.
    pub report: LearnReport,
    /// What stays here, for each repository of the report.
    pub local: Vec<LocalFindings>,
}

/// The time from one request to the next.
pub const PACE: Duration = Duration::from_secs(1);

/// Looks at the server and at the first of these repositories, with a session that stands, a request each
/// `pace`. `told` is given a few words before each part.
pub async fn learn(
    client: &Client,
    session: &SharedSession,
    targets: &[LearnTarget],
    pace: Duration,
    mut told: impl FnMut(&str),
) -> Learned {
    let begun = Instant::now();
    let mut prober = Prober::new(client, session, pace);
    let mut session_facts = SessionFacts {
        rest_token_at_login: session.credentials().await.tokens.rest.is_some(),
        ..SessionFacts::default()
    };
    told("the session");
    session_facts.reauth_knows_it = prober.stands().await;
    let mut repositories = Vec::new();
    let mut local = Vec::new();
    for (place, target) in targets.iter().take(MOST).enumerate() {
        told(&format!("repository {} of {}", place + 1, targets.len().min(MOST)));
        let (facts, findings) = repository::look(&mut prober, target).await;
        repositories.push(facts);
        local.push(findings);
    }
    told("the other calls");
    let (calls, description) = ask_calls(&mut prober, client, session, targets, &local).await;
    let mut conditions = Vec::new();
    if let (Some(description), Some(target), Some(facts), Some(local)) =
        (&description, targets.first(), repositories.first(), local.first_mut())
    {
        told("conditions of a search");
        let configured = target.id_member().filter(|_| facts.configured_id_found);
        let id = configured.or_else(|| local.ids.first().cloned());
        let members = &description.conditions;
        let tried = conditions::try_all(&mut prober, target, id.as_deref(), members).await;
        (conditions, local.since) = (tried.facts, tried.since);
        local.since_is_number = tried.since_is_number;
    }
    told("a token that is none, and a second session");
    let refusal = match targets.first() {
        Some(target) => {
            let none = Tokens::new(Secret::new("none".to_owned()), None);
            let answer = prober.ask_as(&none, &target.first()).await;
            Some(facts(answer.as_ref()))
        }
        None => None,
    };
    ask_second_session(&mut prober, client, session, &mut session_facts).await;
    session_facts.rest_tokens_renewed = prober.renewed;
    session_facts.ended_early = prober.ended;
    session_facts.clock_ahead_s = client.clock_ahead_s();
    let report = LearnReport {
        format: FORMAT,
        ewmirror: version(),
        seconds: begun.elapsed().as_secs(),
        requests: prober.requests,
        session: session_facts,
        refusal,
        calls,
        description: description.map(|description| description.facts),
        conditions,
        repositories_left: count(targets.len().saturating_sub(MOST)),
        repositories,
    };
    Learned { report, local }
}

/// The description of a whole server is large, and the same at every site.
fn shapeless(answer: Option<&ProbeAnswer>) -> AnswerFacts {
    AnswerFacts { shape: None, ..facts(answer) }
}

/// Asks each of the vendor's calls once, as far as what it needs is known.
async fn ask_calls(
    prober: &mut Prober<'_>,
    client: &Client,
    session: &SharedSession,
    targets: &[LearnTarget],
    local: &[LocalFindings],
) -> (Vec<CallFacts>, Option<Description>) {
    const API: &str = "webcm/rest/api";
    let mut calls = Vec::new();
    let mut description = None;
    for (call, path) in [
        (KnownCall::DescriptionV2, "webcm/rest/v2/api-docs"),
        (KnownCall::DescriptionV3, "webcm/rest/v3/api-docs"),
    ] {
        let answer = prober.ask(&ProbeRequest::get(path)).await;
        let body = answer.as_ref().map(|answer| &answer.body);
        description = description.or_else(|| description::read(body?));
        calls.push(CallFacts { call, answer: Some(shapeless(answer.as_ref())) });
    }
    let mut ask = async |prober: &mut Prober<'_>, call, request: Option<ProbeRequest>| {
        let answer = match &request {
            Some(request) => Some(prober.ask(request).await),
            None => None,
        };
        let told = answer.as_ref().map(|answer| facts(answer.as_ref()));
        calls.push(CallFacts { call, answer: told });
        answer.flatten()
    };
    let get = |segments: &[&str]| {
        let mut request = ProbeRequest::get(API);
        request.segments.extend(segments.iter().map(|segment| (*segment).to_owned()));
        request
    };
    ask(prober, KnownCall::Repositories, Some(get(&["repositories"]))).await;
    let target = targets.first();
    let name = match target {
        Some(target) => {
            prober.turn().await;
            name_of(client, session, target).await
        }
        None => None,
    };
    let request = name.as_ref().map(|name| get(&["repositories", name, "attributes"]));
    let attributes = ask(prober, KnownCall::Attributes, request).await;
    let attribute = attributes.and_then(|answer| first_attribute(&answer.body));
    let request = name.as_ref().zip(attribute.as_ref());
    let request =
        request.map(|(name, id)| get(&["repositories", name, "attributes", id, "values"]));
    ask(prober, KnownCall::Values, request).await;
    let post = |path: &str, body| ProbeRequest::post(&format!("{API}/{path}"), body);
    let request = target.zip(attribute).map(|(target, id)| {
        let body = json!({"attributeId": id, "repositoryId": target.repository.0});
        post("items/attrValueOptions", body)
    });
    ask(prober, KnownCall::ValueOptions, request).await;
    ask(prober, KnownCall::Profiles, Some(get(&["profiles"]))).await;
    let request =
        target.map(|target| post("items/count", json!({"repositoryId": target.repository.0})));
    ask(prober, KnownCall::Count, request).await;
    let item = local.first().and_then(|local| local.item.as_ref());
    ask(prober, KnownCall::Item, item.map(|item| get(&["items", item]))).await;
    ask(prober, KnownCall::Search, target.map(LearnTarget::first)).await;
    (calls, description)
}

/// What the server calls a repository.
async fn name_of(client: &Client, session: &SharedSession, target: &LearnTarget) -> Option<String> {
    let list = client.repositories(&session.credentials().await).await.ok()?;
    let listed = list.repositories.into_iter().find(|listed| listed.id == target.repository);
    listed.and_then(|listed| listed.name).filter(|name| !name.is_empty())
}

/// What the first attribute of a list of them goes by.
fn first_attribute(body: &[u8]) -> Option<String> {
    const NAMES: [&str; 4] = ["fieldId", "attributeId", "id", "name"];
    let data = member(body, "data").map_or(body, |data| data.get().as_bytes());
    let lists = ["attributes", "attributeList", "content", "items"];
    let list = lists.iter().find_map(|name| member(data, name)).map(|list| list.get().as_bytes());
    let list: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(list.unwrap_or(data)).ok()?;
    let first = list.first()?.get().as_bytes();
    let id = NAMES.iter().find_map(|name| member(first, name))?;
    Some(json_members::text(id).into_owned()).filter(|id| !id.is_empty())
}

/// Signs in a second time, and sees whether the first session still stands.
async fn ask_second_session(
    prober: &mut Prober<'_>,
    client: &Client,
    session: &SharedSession,
    facts: &mut SessionFacts,
) {
    let Ok((second, elapsed)) = prober.second_login().await else { return };
    facts.login_ms = ms(elapsed);
    if facts.reauth_knows_it == Some(true) {
        facts.stands_beside_a_second = prober.stands().await;
    }
    if facts.stands_beside_a_second == Some(false) {
        // The first is gone: the second is what our caller signs out.
        session.replace(second);
        return;
    }
    let other = SharedSession::new();
    other.replace(second);
    // Where the server does not take the logout the session ends by itself.
    prober.turn().await;
    drop(client.logout(&other.credentials().await).await);
}

/// The version of this program.
fn version() -> [u32; 3] {
    let mut numbers = env!("CARGO_PKG_VERSION").split(['.', '-', '+']).map(str::parse);
    [(); 3].map(|()| numbers.next().and_then(Result::ok).unwrap_or_default())
}

impl LearnReport {
    /// Whether a call was answered with what it was asked for.
    pub fn answers(&self, call: KnownCall) -> bool {
        let asked = self.calls.iter().find(|facts| facts.call == call);
        asked.and_then(|facts| facts.answer.as_ref()).is_some_and(|it| is_answered(call, it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attribute_is_found_in_several_shapes() {
        for body in [
            r#"{"status":0,"data":[{"fieldId":"F_1","name":"x"}]}"#,
            r#"[{"id":"F_1"}]"#,
            r#"{"data":{"attributes":[{"attributeId":"F_1"}]}}"#,
            r#"{"content":[{"name":"F_1"}]}"#,
        ] {
            assert_eq!(first_attribute(body.as_bytes()).as_deref(), Some("F_1"), "{body}");
        }
        for body in ["", "<html>", "{}", "[]", "[7]", r#"{"data":null}"#] {
            assert_eq!(first_attribute(body.as_bytes()), None, "{body}");
        }
    }
}
