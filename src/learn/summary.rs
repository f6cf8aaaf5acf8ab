//! The report as a page of text. Pure: it says nothing that the report does not hold.

use std::fmt::Write as _;

use super::members::ListOrder;
use super::report::{
    AnswerFacts, AnswerKind, ConditionEffect, KnownCall, LearnReport, PastTheEnd, RepositoryFacts,
    SearchTopic, TotalIs,
};

/// The page.
pub fn summary(report: &LearnReport) -> String {
    let mut page = String::new();
    let mut line = |text: &str| writeln!(page, "{text}").expect("a string takes any text");
    line(&format!("{} requests in {} s", report.requests, report.seconds));
    line("");
    line("Session");
    for text in session(report) {
        line(&format!("  {text}"));
    }
    line("");
    line("Calls");
    for facts in &report.calls {
        let answer = match &facts.answer {
            Some(answer) => answered(answer),
            None => "not asked: what it needs is not known".to_owned(),
        };
        line(&format!("  {:<57} {answer}", name(facts.call)));
    }
    if let Some(description) = &report.description {
        let known: Vec<&str> = description.search_topics.iter().map(|it| words(*it)).collect();
        let known =
            if known.is_empty() { "none of what we look for".to_owned() } else { known.join(", ") };
        line(&format!(
            "  the description has {} paths; of a search it has {} members, by their names: {known}",
            description.paths, description.search_members
        ));
    }
    for facts in &report.conditions {
        line(&format!("  a search by {} {}", words(facts.topic), effect(facts.effect)));
    }
    for (place, facts) in report.repositories.iter().enumerate() {
        line("");
        line(&format!("Repository {} of the configuration", place + 1));
        for text in repository(facts) {
            line(&format!("  {text}"));
        }
    }
    if report.repositories_left > 0 {
        line("");
        line(&format!("{} more repositories were not looked at", report.repositories_left));
    }
    page
}

fn words(topic: SearchTopic) -> &'static str {
    match topic {
        SearchTopic::Sort => "an order",
        SearchTopic::IdFilter => "ids",
        SearchTopic::ModifiedSince => "the time of a change",
        SearchTopic::Projection => "attributes",
    }
}

fn effect(effect: ConditionEffect) -> &'static str {
    match effect {
        ConditionEffect::Works => "works",
        ConditionEffect::Ignored => "is answered as if nothing had been asked",
        ConditionEffect::Refused => "is refused",
        ConditionEffect::Unclear => "brought another page than it should",
        ConditionEffect::NotTried => {
            "was not tried: what it takes is not plain, or there are too few items"
        }
    }
}

fn session(report: &LearnReport) -> Vec<String> {
    let facts = &report.session;
    let mut lines = vec![format!(
        "login took {} ms and brought {} REST token",
        facts.login_ms,
        if facts.rest_token_at_login { "a" } else { "no" }
    )];
    lines.push(match facts.reauth_knows_it {
        Some(true) => "reauth knows the session".to_owned(),
        Some(false) => "reauth calls the session ended, though it was new".to_owned(),
        None => "reauth does not say whether the session stands".to_owned(),
    });
    lines.push(match facts.stands_beside_a_second {
        Some(true) => "one user can have two sessions".to_owned(),
        Some(false) => "a second login of the same user ends the first session: give the daemon a user of its own".to_owned(),
        None => "whether one user can have two sessions could not be seen".to_owned(),
    });
    lines.push(format!(
        "{} new REST tokens; the session ended {} times by itself",
        facts.rest_tokens_renewed, facts.ended_early
    ));
    if let Some(ahead) = facts.clock_ahead_s {
        lines.push(format!("the server's clock is {ahead} s ahead"));
    }
    if let Some(refusal) = &report.refusal {
        lines.push(format!("a token that is none: {}", answered(refusal)));
    }
    lines
}

fn repository(facts: &RepositoryFacts) -> Vec<String> {
    if facts.page_sizes.is_empty() {
        return vec!["its first page could not be read".to_owned()];
    }
    let mut lines = vec![
        format!(
            "{} items announced; that is {}",
            facts.total,
            match facts.total_is {
                TotalIs::Right => "right",
                TotalIs::TooLow => "too low: there are items behind it",
                TotalIs::TooHigh => "too high: the last page has fewer items",
                TotalIs::OfThePage => "the number of the page's items",
                TotalIs::Unknown => "not to be seen",
            }
        ),
        format!(
            "a page past the end {}",
            match facts.past_the_end {
                PastTheEnd::Empty => "is empty",
                PastTheEnd::Items => "has items all the same",
                PastTheEnd::Error => "is answered with an error",
                PastTheEnd::Unknown => "could not be seen",
            }
        ),
        format!("items have {} to {} members", facts.fewest_members, facts.most_members),
        format!(
            "the configured id is {}; {} members could be the id, {} the time of the last change",
            if facts.configured_id_found { "there" } else { "not there" },
            facts.id_candidates,
            facts.change_time_candidates
        ),
        format!(
            "the list {}",
            match facts.order {
                Some(ListOrder::Id) => "is in the order of ids",
                Some(ListOrder::Modified) => "has the last change first",
                Some(ListOrder::Other) => "is in no order that could be seen",
                None => "has too few items to see an order",
            }
        ),
        match (facts.same_items_again, facts.same_bytes_again) {
            (Some(true), Some(true)) => "the same page again was the same".to_owned(),
            (Some(true), _) => format!(
                "the same page again had the same items, {} of their members changed",
                facts.members_that_change_by_themselves
            ),
            (Some(false), _) => "the same page again had other items, or another order".to_owned(),
            (None, _) => "the same page could not be read again".to_owned(),
        },
    ];
    for page in &facts.page_sizes {
        lines.push(match page.came {
            Some(came) => format!(
                "{} items asked for: {came} came, {} ms, {} bytes",
                page.asked, page.elapsed_ms, page.bytes
            ),
            None => format!("{} items asked for: no page came", page.asked),
        });
    }
    lines
}

/// A call as the reference has it: what it is serialised as.
fn name(call: KnownCall) -> String {
    let name = serde_json::to_value(call).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

fn answered(answer: &AnswerFacts) -> String {
    let kind = match answer.kind {
        AnswerKind::Json if answer.refused => "JSON that refuses",
        AnswerKind::Json => "JSON",
        AnswerKind::Page => "a page for people",
        AnswerKind::Empty => "nothing but a status",
        AnswerKind::Other => "something that is no JSON",
        AnswerKind::RedirectToSignIn => "a redirect to a sign-in page",
        AnswerKind::RedirectElsewhere => "a redirect to somewhere else",
        AnswerKind::None => return "no answer".to_owned(),
    };
    let status = answer.status.map(|status| status.to_string()).unwrap_or_default();
    format!("{status}, {kind}, {} ms", answer.elapsed_ms)
}
