//! The look-alike that is like the server of a report.
//!
//! What a report does not tell stays as it is without one. A report tells also of a total that is too high, of
//! pages that differ when they are asked for again, and of the shapes of metadata; of these the look-alike knows
//! whether a server answers at all.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use crate::learn::{
    AnswerKind, ConditionEffect, ConditionFacts, FORMAT, KnownCall, LearnReport, ListOrder,
    PastTheEnd, RepositoryFacts, SearchTopic, TotalIs,
};
use crate::simulator::{
    ConditionTreatment, LoginAnswer, MOST_ITEMS, Options, Order, RepositoryOptions,
    SimulatedCondition, SimulatedModel, SimulatedRefusal, SimulatedTotal,
};

/// No report is larger than this, in bytes.
const LARGEST: u64 = 16 << 20;
/// The number of the first repository.
const FIRST: u64 = 10_149;
/// What a total that is too low leaves out.
const LEFT_OUT: u64 = 1_000;

/// Reads a report.
pub(super) fn read(path: &Path) -> Result<LearnReport, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    let read = file.take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|error| format!("cannot read it: {error}"))?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it is no report: it has more than {LARGEST} bytes"));
    }
    let report: LearnReport =
        serde_json::from_slice(&text).map_err(|error| format!("it is no report: {error}"))?;
    if report.format != FORMAT {
        let format = report.format;
        return Err(format!("its format is {format}; this version reads format {FORMAT}"));
    }
    Ok(report)
}

/// These options, with what a report tells of a server.
pub(super) fn like(report: &LearnReport, options: Options) -> Options {
    let mut options = Options {
        login_answer: if report.session.rest_token_at_login {
            LoginAnswer::Both
        } else {
            LoginAnswer::Token
        },
        refusal: refusal(report).or(options.refusal),
        item_call: report.answers(KnownCall::Item),
        description: report.description.is_some(),
        conditions: report.conditions.iter().copied().map(condition).collect(),
        model: if report.answers(KnownCall::Attributes) {
            options.model
        } else {
            SimulatedModel::None
        },
        ..options
    };
    // The lists of all repositories go alike in the look-alike: as in the first that was seen.
    if let Some(facts) = report.repositories.iter().find(|facts| !facts.page_sizes.is_empty()) {
        options.page_at_most = facts.cap();
        options.past_end_is_error = facts.past_the_end == PastTheEnd::Error;
        options.total = total(facts);
        options.order = match facts.order {
            Some(ListOrder::Modified) => Order::Modified,
            Some(ListOrder::Other) => Order::Shuffled,
            Some(ListOrder::Id) | None => Order::Id,
        };
        let quickest = facts.page_sizes.iter().map(|page| page.elapsed_ms).min();
        options.latency = Duration::from_millis(quickest.unwrap_or_default());
    }
    if !report.repositories.is_empty() {
        options.repositories = (FIRST..)
            .zip(&report.repositories)
            .map(|(id, facts)| RepositoryOptions { id, items: items(facts) })
            .collect();
    }
    options
}

/// A condition that was tried. One of which nothing is known is overlooked.
fn condition(facts: ConditionFacts) -> (SimulatedCondition, ConditionTreatment) {
    let condition = match facts.topic {
        SearchTopic::Sort => SimulatedCondition::Sort,
        SearchTopic::IdFilter => SimulatedCondition::Ids,
        SearchTopic::ModifiedSince => SimulatedCondition::Since,
        SearchTopic::Projection => SimulatedCondition::Fields,
    };
    let treatment = match facts.effect {
        ConditionEffect::Works => ConditionTreatment::Works,
        ConditionEffect::Ignored | ConditionEffect::Unclear | ConditionEffect::NotTried => {
            ConditionTreatment::Ignored
        }
        ConditionEffect::Refused => ConditionTreatment::Refused,
    };
    (condition, treatment)
}

fn refusal(report: &LearnReport) -> Option<SimulatedRefusal> {
    let facts = report.refusal.as_ref()?;
    let has = |name: &str| {
        facts.shape.as_ref().is_some_and(|shape| shape.members.keys().any(|it| it.name() == name))
    };
    Some(match (facts.status, facts.kind) {
        (Some(401), _) => SimulatedRefusal::Unauthorized,
        (Some(403), _) => SimulatedRefusal::Forbidden,
        (_, AnswerKind::Page) => SimulatedRefusal::Html,
        (_, AnswerKind::RedirectToSignIn | AnswerKind::RedirectElsewhere) => {
            SimulatedRefusal::Redirect
        }
        (_, AnswerKind::Json) if has("success") => SimulatedRefusal::Success,
        (_, AnswerKind::Json) => SimulatedRefusal::Status,
        _ => return None,
    })
}

fn total(facts: &RepositoryFacts) -> SimulatedTotal {
    match facts.total_is {
        TotalIs::TooLow => {
            SimulatedTotal::AtMost(usize::try_from(facts.total).unwrap_or(usize::MAX))
        }
        TotalIs::OfThePage => SimulatedTotal::OfThePage,
        TotalIs::Right | TotalIs::TooHigh | TotalIs::Unknown => SimulatedTotal::Right,
    }
}

/// How many items a repository has: as many as are announced; where that is too low, as many as came, or
/// somewhat more where a page was full.
fn items(facts: &RepositoryFacts) -> usize {
    let last = facts.page_sizes.last();
    let came = last.and_then(|page| Some((page.came?, u64::from(page.asked))));
    let items = match (facts.total_is, came) {
        (TotalIs::Right | TotalIs::TooHigh | TotalIs::Unknown, _) => facts.total,
        (TotalIs::TooLow | TotalIs::OfThePage, Some((came, asked))) if came < asked => came,
        (TotalIs::TooLow | TotalIs::OfThePage, _) => facts.total.saturating_add(LEFT_OUT),
    };
    usize::try_from(items).unwrap_or(usize::MAX).min(MOST_ITEMS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::daemon;
    use crate::client::{Api as _, Client};
    use crate::config::{Environment, load_text};
    use crate::learn::{LearnTarget, Learned, learn};
    use crate::session::SharedSession;
    use crate::simulator;

    /// What is learned of a server of this kind.
    async fn learned(options: Options) -> Learned {
        let ids: Vec<u64> = options.repositories.iter().map(|repository| repository.id).collect();
        let server = simulator::start(Options { port: 0, ..options }).await.unwrap();
        let repositories: Vec<String> = ids.iter().map(|id| format!("{{id={id}}}")).collect();
        let toml = format!(
            "repository = [{}]\n[server]\nurl = '{}'\n[login]\nusername = 'system'\n",
            repositories.join(","),
            server.url()
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "system")]);
        let config = load_text(&toml, "test", &environment).unwrap().config;
        let client = Client::new(&daemon::settings(&config, &environment)).unwrap();
        let session = SharedSession::new();
        session.replace(client.login().await.unwrap());
        let targets: Vec<LearnTarget> = config.repositories.iter().map(LearnTarget::of).collect();
        let learned = learn(&client, &session, &targets, Duration::ZERO, |_| {}).await;
        server.stop().await;
        learned
    }

    /// What does not depend on time.
    fn lasting(mut report: LearnReport) -> LearnReport {
        report.seconds = 0;
        report.session.login_ms = 0;
        report.session.clock_ahead_s = None;
        let answers = report.calls.iter_mut().filter_map(|call| call.answer.as_mut());
        for answer in answers.chain(report.refusal.as_mut()) {
            answer.elapsed_ms = 0;
            answer.bytes = 0;
        }
        for facts in &mut report.repositories {
            // The items' own values are others at another seed or with another number of them.
            facts.items = None;
            for page in &mut facts.page_sizes {
                (page.elapsed_ms, page.bytes) = (0, 0);
            }
        }
        report
    }

    fn one(items: usize) -> Options {
        let repositories = vec![RepositoryOptions { id: 10_149, items }];
        Options { repositories, ..Options::default() }
    }

    #[tokio::test]
    async fn a_server_is_seen_as_it_is_and_its_look_alike_is_seen_the_same() {
        let refusals =
            SimulatedRefusal::ALL.map(|refusal| Options { refusal: Some(refusal), ..one(30) });
        let total = |total| Options { total, ..one(700) };
        let others = [
            one(1_100),
            one(0),
            Options { order: Order::Shuffled, ..one(300) },
            Options { page_at_most: Some(120), past_end_is_error: true, ..one(450) },
            total(SimulatedTotal::AtMost(400)),
            total(SimulatedTotal::OfThePage),
            Options { item_call: false, description: false, ..one(30) },
            with_conditions([ConditionTreatment::Works; 4]),
            with_conditions([ConditionTreatment::Ignored; 4]),
            with_conditions([ConditionTreatment::Refused; 4]),
            Options { model: SimulatedModel::None, ..one(30) },
            Options { login_answer: LoginAnswer::Token, ..one(30) },
        ];
        for options in refusals.into_iter().chain(others) {
            let Learned { report, local } = learned(options.clone()).await;
            let json = serde_json::to_string(&report).unwrap();
            let read: LearnReport = serde_json::from_str(&json).unwrap();
            assert_eq!(read, report);
            if options.repositories[0].items > 1 {
                assert_eq!(local[0].ids.first().map(String::as_str), Some("itemId"));
            }
            let again = learned(like(&read, Options::default())).await;
            assert_eq!(lasting(again.report), lasting(report), "{options:?}");
        }
    }

    fn place(condition: SimulatedCondition) -> Option<usize> {
        SimulatedCondition::ALL.iter().position(|it| *it == condition)
    }

    fn with_conditions(treatments: [ConditionTreatment; 4]) -> Options {
        let conditions = SimulatedCondition::ALL.into_iter().zip(treatments).collect();
        Options { conditions, ..one(60) }
    }

    #[tokio::test]
    async fn what_becomes_of_each_condition_is_seen() {
        use ConditionTreatment::{Ignored, Refused, Works};
        let all = [Works, Ignored, Refused];
        let by_turns = |turn: usize| [0, 1, 2, 3].map(|place| all[(place + turn) % 3]);
        for turn in 0..3 {
            let Learned { report, local } = learned(with_conditions(by_turns(turn))).await;
            let seen = report.conditions.iter().copied().map(condition);
            let mut seen: Vec<_> = seen.map(|(it, treatment)| (place(it), treatment)).collect();
            seen.sort_unstable_by_key(|(place, _)| *place);
            assert_eq!(seen, (0..4).map(Some).zip(by_turns(turn)).collect::<Vec<_>>());
            let works = by_turns(turn)[2] == Works;
            assert_eq!(local[0].since.as_deref(), works.then_some("modifiedSince"));
        }
        // Too few items tell nothing.
        let few = Options { repositories: one(2).repositories, ..with_conditions([Works; 4]) };
        let seen = learned(few).await.report.conditions;
        assert!(seen.iter().all(|it| it.effect == ConditionEffect::NotTried), "{seen:?}");
        assert_eq!(seen.len(), 4);
    }

    #[tokio::test]
    async fn what_is_learned_is_what_the_options_say() {
        let facts = async |options| learned(options).await.report.repositories.remove(0);
        let plain = facts(one(450)).await;
        assert_eq!(plain.total_is, TotalIs::Right);
        assert_eq!(plain.past_the_end, PastTheEnd::Empty);
        assert_eq!(plain.order, Some(ListOrder::Id));
        assert_eq!((plain.same_items_again, plain.same_bytes_again), (Some(true), Some(true)));
        assert_eq!((plain.total, plain.cap()), (450, None));
        assert!(plain.configured_id_found);
        let capped = Options { page_at_most: Some(120), past_end_is_error: true, ..one(450) };
        let capped = facts(capped).await;
        assert_eq!((capped.cap(), capped.past_the_end), (Some(120), PastTheEnd::Error));
        let low = Options { total: SimulatedTotal::AtMost(400), ..one(700) };
        assert_eq!(facts(low).await.total_is, TotalIs::TooLow);
        let of_page = Options { total: SimulatedTotal::OfThePage, ..one(700) };
        assert_eq!(facts(of_page).await.total_is, TotalIs::OfThePage);
        // At rest the two are one.
        let shuffled = Options { order: Order::Shuffled, update_rate: 5_000.0, ..one(450) };
        assert_eq!(facts(shuffled).await.order, Some(ListOrder::Other));
        let modified = Options { order: Order::Modified, update_rate: 500.0, ..one(450) };
        assert_eq!(facts(modified).await.order, Some(ListOrder::Modified));
    }

    #[test]
    fn what_is_no_report_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let read = || read(&path).unwrap_err();
        assert!(read().starts_with("cannot read it: "));
        std::fs::write(&path, "{}").unwrap();
        assert!(read().starts_with("it is no report: "));
    }
}
