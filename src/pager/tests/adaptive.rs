//! As fast as the server answers without trouble, and never faster than is allowed.

use std::sync::Arc;

use super::*;
use crate::testing::{Logged, configuration};

const FAST: &str = "page_size = 20\npage_interval = '0s'\npass_interval = '0s'\nin_flight = 8";
const AUTO: &str =
    "page_size = 20\npage_interval = 'auto'\npass_interval = '0s'\nin_flight = 'auto'";

fn lidded(rate: f64) -> Config {
    configuration(&[1, 2], &format!("{FAST}\nmax_requests_per_second = {rate:?}"))
}

/// Requests for pages and items, in the order in which they were sent.
fn sent(rig: &Rig) -> Vec<Logged> {
    let log = rig.server.log().into_iter();
    log.filter(|it| matches!(it.asked.call, Call::Search | Call::Item)).collect()
}

fn times(sent: &[Logged], of: u64) -> Vec<Instant> {
    let of = |it: &&Logged| it.asked.repository.is_none_or(|id| id.0 == of);
    sent.iter().filter(of).map(|it| it.asked.at).collect()
}

#[tokio::test(start_paused = true)]
async fn all_repositories_together_never_exceed_the_rate_limit() {
    let server = Server::new(&[(1, 300), (2, 300)]);
    // Requests that fail or are refused are sent again, and count again.
    server.hook(|asked| match asked.number % 7 {
        3 if asked.call == Call::Search => Some(Outcome::Fail(RequestErrorKind::Status)),
        5 if asked.number % 11 == 0 => Some(Outcome::EndSessions),
        _ => None,
    });
    let mut rig = Rig::new(server, lidded(5.0)).start();
    let mut before = Instant::now();
    for rate in [5.0, 0.5, 20.0, 2.5, 5.0] {
        rig.reload(Ok(lidded(rate))).await;
        rig.run_for(MINUTE).await;
        let now = Instant::now();
        let (least, all) = (Duration::from_secs_f64(1.0 / rate), sent(&rig));
        let within: Vec<_> = all.iter().map(|it| it.asked.at).filter(|at| *at > before).collect();
        let close = within.windows(2).find(|pair| pair[1] - pair[0] < least);
        assert_eq!(close, None, "{rate} a second");
        // It is made use of, too.
        assert!(within.len() as f64 > 60.0 * rate * 0.8, "{} at {rate}", within.len());
        before = now;
    }
    let all = sent(&rig);
    let (first, second) = (times(&all, 1).len(), times(&all, 2).len());
    assert!(first.abs_diff(second) < first / 4, "{first} and {second}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_has_its_own_rate_limit_below_that_of_all() {
    let mut config = lidded(4.0);
    let own = configuration(&[1], "max_requests_per_second = 1").max_requests_per_second;
    config.repositories[0].paging.max_requests_per_second = own;
    let mut rig = Rig::new(Server::new(&[(1, 300), (2, 300)]), config).start();
    rig.run_for(5 * MINUTE).await;
    let all = sent(&rig);
    assert!(all.len() > 4 * 300 * 9 / 10, "{}", all.len());
    for (repository, least) in [(1, SECOND), (2, SECOND / 4)] {
        let times = times(&all, repository);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= least), "{repository}");
        // When its own rate limit lets it go, it still waits for its turn among all.
        assert!(times.len() > 200, "{repository}: {}", times.len());
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_over_a_pass_taken_up_again() {
    let rig = Rig::new(server(), lidded(2.0)).start();
    rig.mirror.taken(3).await;
    let (mirror, mut rig) = (Arc::clone(&rig.mirror), rig);
    let taken = rig.stop().await;
    assert!(taken < SECOND, "a wish to stop ends the wait: {taken:?}");
    let mut rig = Rig::with_mirror(server(), mirror, lidded(2.0)).start();
    rig.run_for(MINUTE).await;
    let times: Vec<_> = sent(&rig).iter().map(|it| it.asked.at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= SECOND / 2));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn auto_begins_with_one_and_goes_up_to_its_bound_or_to_a_number() {
    let number = AUTO.replace("in_flight = 'auto'", "in_flight = 64");
    for (paging, most) in [(AUTO, 8), (&*number, 64)] {
        let mut rig = Rig::new(Server::new(&[(1, 40_000)]), configuration(&[1], paging)).start();
        rig.run_for(SECOND / 10).await;
        assert_eq!(rig.server.most_under_way(1), 1);
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.field("certified"), "true");
        assert_eq!(rig.server.most_under_way(1), most);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_to_auto_and_back_holds_at_once_and_keeps_the_pass() {
    let fixed = "page_size = 20\npage_interval = '0s'\nin_flight = 3";
    let mut rig = Rig::new(Server::new(&[(1, 40_000)]), configuration(&[1], fixed)).start();
    rig.run_for(SECOND).await;
    rig.reload(Ok(configuration(&[1], AUTO))).await;
    rig.run_for(8 * SECOND).await;
    assert_eq!(rig.server.most_under_way(1), 8);
    let count = rig.server.searches(1).len();
    rig.reload(Ok(configuration(&[1], "page_size = 20\npage_interval = '1s'\nin_flight = 1")))
        .await;
    rig.run_for(10 * SECOND).await;
    let after = rig.server.searches(1).len() - count;
    assert!(after <= 11, "{after}");
    rig.reload(Ok(configuration(&[1], AUTO))).await;
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!((complete.number("iteration"), complete.field("certified")), (1, "true"));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_failed_side_by_side_are_not_sent_again_side_by_side() {
    let server = Server::new(&[(1, 40_000)]);
    let mut rig = Rig::new(server, configuration(&[1], AUTO)).start();
    rig.run_for(4 * SECOND).await;
    assert_eq!(rig.server.most_under_way(1), 8);
    rig.server.hook(|asked| {
        (asked.call == Call::Search).then_some(Outcome::Busy(Duration::from_secs(1)))
    });
    rig.run_for(10 * SECOND).await;
    let now = Instant::now();
    rig.run_for(20 * SECOND).await;
    let searches = rig.server.searches(1);
    let late: Vec<_> = searches.iter().filter(|it| it.asked.at > now).collect();
    let at_once = |at: Instant| {
        let current =
            |it: &&&Logged| it.asked.at <= at && it.answered.is_none_or(|answered| answered > at);
        late.iter().filter(current).count()
    };
    assert!(late.len() > 5, "{}", late.len());
    assert!(late.iter().all(|it| at_once(it.asked.at) == 1));
    rig.server.unhook();
    rig.events.nth("pass complete", 1).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_number_in_flight_is_the_most_where_only_the_interval_is_auto() {
    let paging = "page_size = 20\npage_interval = 'auto'\npass_interval = '0s'\nin_flight = 4";
    let mut rig = Rig::new(Server::new(&[(1, 2000)]), configuration(&[1], paging)).start();
    rig.events.nth("pass complete", 1).await;
    assert_eq!(rig.server.most_under_way(1), 4);
    rig.stop().await;
}
