//! Which refusals are heard, and which tokens are taken.

use super::*;

fn tokens(text: &str) -> Tokens {
    Tokens::new(Secret::new(text), None)
}

#[tokio::test]
async fn refusals_of_the_current_generation_are_heard_once() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let used = session.credentials().await;
    let mut reports = session.reports();
    for _ in 0..64 {
        assert_eq!(session.refused(&used), RefusalOutcome::Reported);
    }
    assert!(reports.has_changed().unwrap());
    assert_eq!(reports.borrow_and_update().refused, used.generation);
    assert_eq!(session.refused(&used), RefusalOutcome::Reported);
    assert!(!reports.has_changed().unwrap(), "the same refusal was news again");
}

#[tokio::test]
async fn a_refusal_of_replaced_tokens_is_no_complaint() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let old = session.credentials().await;
    session.replace(tokens("two"));
    let reports = session.reports();
    assert_eq!(session.refused(&old), RefusalOutcome::Superseded);
    assert!(!reports.has_changed().unwrap());
}

#[tokio::test]
async fn a_refusal_under_an_older_rest_token_is_no_complaint() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let old = session.credentials().await;
    assert!(session.adopt_rest_token(&old, Secret::new("rest")));
    assert_eq!(session.refused(&old), RefusalOutcome::Superseded);
}

#[tokio::test]
async fn a_rest_token_from_an_answer_to_the_old_generation_is_ignored() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let old = session.current().unwrap();
    session.replace(tokens("two"));
    assert!(!session.adopt_rest_token(&old, Secret::new("stale")));
    assert_eq!(session.current().unwrap().tokens.rest, None);
}

#[tokio::test]
async fn a_new_login_forgets_the_rest_token_of_the_old_session() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let first = session.current().unwrap();
    assert!(session.adopt_rest_token(&first, Secret::new("rest")));
    session.replace(tokens("two"));
    assert_eq!(session.current().unwrap().tokens.rest, None);
}

#[tokio::test]
async fn a_suspicion_is_cleared_by_a_check_or_by_a_newer_session() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let used = session.credentials().await;
    let SuspicionOutcome::Reported(first) = session.suspected(&used) else { panic!() };
    let reports = *session.reports().borrow();
    assert_eq!((reports.suspicions, reports.checks), (1, 1));
    session.clear(reports.checks);
    assert!(session.cleared(first).await, "the session was said to stand");
    let SuspicionOutcome::Reported(second) = session.suspected(&used) else { panic!() };
    let (stands, _) =
        tokio::join!(session.cleared(second), async { session.replace(tokens("two")) });
    assert!(!stands, "there was a newer one");
    assert_eq!(session.suspected(&used), SuspicionOutcome::Superseded);
}

#[test]
fn a_session_that_has_served_since_is_not_suspected() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let [refused, served] = [(); 2].map(|()| session.current().unwrap());
    session.prove(&served);
    assert_eq!(session.suspected(&refused), SuspicionOutcome::Stands);
    assert_eq!(session.reports().borrow().checks, 0);
    let later = session.current().unwrap();
    assert!(matches!(session.suspected(&later), SuspicionOutcome::Reported(_)));
}

#[test]
fn of_two_answers_the_one_to_the_later_request_decides_which_rest_token_holds() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let [first, second, third] = [(); 3].map(|()| session.current().unwrap());
    let rest = || session.current().unwrap().tokens.rest.unwrap();
    assert!(session.adopt_rest_token(&second, Secret::new("newer")));
    assert!(!session.adopt_rest_token(&first, Secret::new("older")));
    assert_eq!(rest().expose(), "newer");
    // The same once more is no news, but says from when on it holds.
    assert!(!session.adopt_rest_token(&third, Secret::new("newer")));
    assert!(!session.adopt_rest_token(&second, Secret::new("older")));
    assert_eq!(rest().expose(), "newer");
    let fourth = session.current().unwrap();
    assert!(session.adopt_rest_token(&fourth, Secret::new("newest")));
    assert_eq!(rest().expose(), "newest");
}

#[tokio::test]
async fn requests_wait_for_a_newer_generation_than_the_refused_one() {
    let session = SharedSession::new();
    session.replace(tokens("one"));
    let used = session.credentials().await;
    session.refused(&used);
    let (waited, second) =
        tokio::join!(session.credentials(), async { session.replace(tokens("two")) });
    assert_eq!(waited.generation, second);
}

#[test]
fn a_session_stands_until_its_generation_is_refused() {
    let session = SharedSession::new();
    assert_eq!(session.standing(), None);
    let first = session.replace(tokens("one"));
    assert_eq!((session.standing(), first.to_string().as_str()), (Some(first), "1"));
    session.end(first);
    assert_eq!(session.standing(), None);
    let second = session.replace(tokens("two"));
    assert_eq!(session.standing(), Some(second));
    session.end(first);
    assert_eq!(session.standing(), Some(second), "an older generation was refused once more");
}

#[test]
fn each_request_for_a_check_is_heard() {
    let session = SharedSession::new();
    let mut reports = session.reports();
    for checks in 1..4 {
        session.request_check();
        assert!(reports.has_changed().unwrap());
        assert_eq!(reports.borrow_and_update().checks, checks);
    }
}
