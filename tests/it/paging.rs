//! Paging: what is asked for, what comes of it, and what a pass may claim.

use std::num::NonZeroU32;
use std::time::Duration;

use ewmirror::simulator::{Capacity, Options, Order, SimulatedFault};
use serde_json::json;

use crate::support::{Daemon, Setup, Sim, for_each, repositories};

#[test]
fn two_repositories_are_paged_side_by_side_and_certified() {
    let sim = Sim::start(repositories(&[(1, 1234), (2, 567)]));
    let setup = Setup {
        repositories: vec!["id = 1".to_owned(), "id = 2\npage_size = 50".to_owned()],
        ..Setup::new(sim.url())
    };
    let daemon = Daemon::run(&setup);
    for (repository, items) in [(1, 1234), (2, 567)] {
        let pass = daemon.wait_for_pass(repository, 1);
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), items);
        assert_eq!(sim.items(repository).len() as u64, items);
    }
    let ended = daemon.stop();
    for (repository, size) in [(1, 100), (2, 50)] {
        let pages: Vec<_> =
            ended.events.iter().filter(|it| it.is_of("page read", repository)).collect();
        let numbers: Vec<_> = pages.iter().map(|page| page.number("page")).collect();
        assert_eq!(numbers, (1..=pages.len() as u64).collect::<Vec<_>>());
        assert!(pages.iter().all(|page| (1..=size).contains(&page.number("items"))));
    }
    let counts = sim.counts();
    let pages = ended.all("page read").len() as u64;
    let items: u64 = ended.all("page read").iter().map(|page| page.number("items")).sum();
    assert_eq!((counts.searches, counts.pages, counts.items), (pages, pages, items));
    assert_eq!((counts.logins, counts.logouts), (1, 1));
}

#[test]
fn the_vendors_shape_of_plain_pages_asks_for_each_page_once_and_certifies_nothing() {
    let sim = Sim::start(repositories(&[(10_149, 203)]));
    let setup = Setup {
        paging: "page_size = 20\npage_interval = '20ms'\noverlap = false\npass_interval = '1h'"
            .to_owned(),
        repositories: vec!["id = 10149".to_owned()],
        ..Setup::new(sim.url())
    };
    let daemon = Daemon::run(&setup);
    let pass = daemon.wait_for_pass(10_149, 1);
    assert_eq!((pass.number("pages"), pass.number("items")), (11, 203));
    assert!(!pass.truth("certified"));
    assert!(pass.text("reason").contains("overlap"), "{}", pass.line);
    assert!(pass.number("elapsed_ms") >= 10 * 20, "eleven pages, paced: {}", pass.line);
    daemon.stop();
    assert_eq!(sim.counts().searches, 11);
}

#[test]
fn four_requests_in_flight_are_under_way_at_once_and_delivered_in_order() {
    let options = repositories(&[(1, 1000)]);
    // Long enough for four to be sent while the first is answered.
    let sim = Sim::start(Options { latency: Duration::from_secs(2), ..options });
    let mut setup = Setup::new(sim.url());
    setup.paging += "\nin_flight = 4";
    let daemon = Daemon::run(&setup);
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), 1000);
    let ended = daemon.stop();
    let numbers: Vec<_> = ended.all("page read").iter().map(|it| it.number("page")).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let at_once = sim.counts().searches_at_once;
    assert_eq!(at_once, 4, "of {} requests", sim.counts().searches);
}

#[test]
fn one_request_in_flight_is_never_two() {
    let options = repositories(&[(1, 1000)]);
    let sim = Sim::start(Options { latency: Duration::from_millis(10), ..options });
    let daemon = Daemon::run(&Setup::new(sim.url()));
    daemon.wait_for_pass(1, 1);
    daemon.stop();
    assert_eq!(sim.counts().searches_at_once, 1);
}

#[test]
fn passes_complete_while_items_move_in_any_order_of_the_list() {
    for_each(&[Order::Id, Order::Modified, Order::Shuffled], |order| {
        let sim = Sim::start(Options {
            order: *order,
            insert_rate: 40.0,
            delete_rate: 40.0,
            update_rate: 40.0,
            latency: Duration::from_millis(10),
            ..repositories(&[(1, 1500)])
        });
        let mut setup = Setup::new(sim.url());
        setup.paging = setup.paging.replace("'1h'", "'10ms'");
        let daemon = Daemon::run(&setup);
        daemon.wait_for_pass(1, 3);
        // Once it is quiet, a whole pass is exact again.
        sim.door("freeze", &json!({}));
        let mark = daemon.mark();
        let under_way = daemon.wait_from(mark, |it| it.is("pass complete")).number("iteration");
        let pass = daemon.wait_for_pass(1, under_way + 1);
        assert!(pass.truth("certified"), "{order:?}: {}", pass.line);
        assert_eq!(pass.number("items"), sim.items(1).len() as u64, "{order:?}");
        let ended = daemon.stop();
        let counts = sim.counts();
        assert!(counts.inserted > 0 && counts.deleted > 0 && counts.updated > 0, "{counts:?}");
        for pass in ended.all("pass complete") {
            assert_eq!(pass.truth("certified"), pass.field("reason").is_none(), "{}", pass.line);
        }
    });
}

#[test]
fn an_item_that_moves_to_where_the_pass_has_been_is_not_missed_where_it_calls_itself_certified() {
    // Every edit deletes at the top, so that plain pages would skip one item each time.
    let options = Options { order: Order::Shuffled, ..repositories(&[(1, 600)]) };
    let sim = Sim::start(Options { latency: Duration::from_millis(20), ..options });
    let daemon = Daemon::run(&Setup::new(sim.url()));
    let id = |line: &String| -> u64 {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        item["itemId"].as_u64().unwrap()
    };
    let ids: Vec<u64> = sim.items(1).iter().map(id).collect();
    for (page, id) in (1..=4).zip(&ids) {
        daemon.wait_for(|it| it.is("page read") && it.number("page") == page);
        sim.door("edit", &json!({"repository": 1, "delete": [id]}));
    }
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    // Whatever stayed was read; a deleted one may have been read before.
    assert!((596..=600).contains(&pass.number("items")), "{}", pass.line);
    daemon.stop();
}

#[test]
fn a_server_that_caps_the_page_size_is_adapted_to_and_certified() {
    let sim = Sim::start(Options {
        faults: vec![(SimulatedFault::Cap, 1.0)],
        ..repositories(&[(1, 730)])
    });
    let daemon = Daemon::run(&Setup::new(sim.url()));
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), 730);
    daemon.stop();
}

#[test]
fn a_total_that_is_capped_or_counts_the_page_alone_costs_no_item_and_certifies_nothing() {
    let of_page = json!({"total_of_page": true});
    let capped = json!({"total_at_most": 1000});
    let both = json!({"total_of_page": true, "page_at_most": 50});
    let cases = [(&capped, 100), (&capped, 1000), (&of_page, 100), (&both, 100)];
    for_each(&cases, |(lists, page_size)| {
        let sim = Sim::start(repositories(&[(1, 2500)]));
        sim.door("lists", lists);
        let mut setup = Setup::new(sim.url());
        setup.repositories = vec![format!("id = 1\npage_size = {page_size}\npage_interval = '0s'")];
        let daemon = Daemon::run(&setup);
        let pass = daemon.wait_for_pass(1, 1);
        assert_eq!((pass.number("items"), pass.truth("certified")), (2500, false), "{}", pass.line);
        let reason = pass.text("reason");
        assert!(reason.contains("announced") && reason.contains("2500"), "{}", pass.line);
        daemon.stop();
    });
}

#[test]
fn pages_that_claim_more_than_they_carry_are_failures_and_never_end_a_pass() {
    let sim = Sim::start(Options {
        faults: vec![(SimulatedFault::Short, 1.0)],
        ..repositories(&[(1, 500), (2, 0), (3, 1)])
    });
    let repositories = ["id = 1", "id = 2", "id = 3"].map(str::to_owned).to_vec();
    let daemon = Daemon::run(&Setup { repositories, ..Setup::new(sim.url()) });
    for repository in [1, 2, 3] {
        let failed = daemon
            .wait_for(|it| it.is_of("request failed", repository) && it.number("attempt") == 3);
        assert!(failed.text("error").contains("returnTotal"), "{}", failed.line);
    }
    assert!(daemon.all("page read").is_empty(), "{}", daemon.tail());
    assert!(daemon.all("pass complete").is_empty(), "{}", daemon.tail());
    sim.heal();
    for (repository, items) in [(1, 500), (2, 0), (3, 1)] {
        let pass = daemon.wait_for_pass(repository, 1);
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), items);
    }
    daemon.stop();
}

#[test]
fn a_server_that_ignores_the_page_number_ends_the_pass_without_a_certificate() {
    let faults = vec![(SimulatedFault::Repeat, 1.0)];
    for_each(&[true, false], |overlap| {
        let sim = Sim::start(Options { faults: faults.clone(), ..repositories(&[(1, 1000)]) });
        let mut setup = Setup::new(sim.url());
        setup.repositories = vec![format!("id = 1\noverlap = {overlap}")];
        let daemon = Daemon::run(&setup);
        let pass = daemon.wait_for_pass(1, 1);
        assert!(!pass.truth("certified"), "{}", pass.line);
        assert!(pass.text("reason").contains("same page"), "{}", pass.line);
        assert!(pass.number("items") < 1000, "{}", pass.line);
        assert!(pass.number("requests") < 10, "{}", pass.line);
        daemon.stop();
    });
}

#[test]
fn an_empty_repository_is_a_pass_of_one_page() {
    let sim = Sim::start(repositories(&[(1, 0)]));
    let daemon = Daemon::run(&Setup::new(sim.url()));
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!((pass.number("pages"), pass.number("items")), (1, 0));
    daemon.stop();
}

#[test]
fn a_base_path_and_search_conditions_reach_the_server() {
    let options = Options { base_path: "/enterworks".to_owned(), ..repositories(&[(1, 150)]) };
    let sim = Sim::start(options);
    let repositories = vec!["id = 1\nsearch = { savedSetId = 7 }".to_owned()];
    for url in [sim.url(), format!("{}/", sim.url())] {
        let setup = Setup { repositories: repositories.clone(), ..Setup::new(url) };
        let daemon = Daemon::run(&setup);
        assert_eq!(daemon.wait_for_pass(1, 1).number("items"), 150);
        daemon.stop();
    }
}

#[test]
fn auto_asks_for_more_at_once_than_one_and_its_passes_are_certified_and_exact() {
    let options = repositories(&[(1, 3000)]);
    let at_once = NonZeroU32::new(6).expect("six");
    let service_time = Duration::from_millis(10);
    let capacity = Some(Capacity { at_once, service_time });
    let sim = Sim::start(Options { capacity, ..options });
    let mut setup = Setup::new(sim.url());
    setup.paging = "page_size = 20\npage_interval = 'auto'\nin_flight = 'auto'\n\
                    pass_interval = '0s'"
        .to_owned();
    let daemon = Daemon::run(&setup);
    sim.wait_until(|counts| counts.searches_at_once > 1);
    for iteration in 1..=2 {
        let pass = daemon.wait_for_pass(1, iteration);
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), 3000, "{}", pass.line);
    }
    daemon.stop();
}

#[test]
fn a_lid_on_requests_holds_for_all_repositories_together() {
    let sim = Sim::start(repositories(&[(1, 300), (2, 300)]));
    let mut setup = Setup::new(sim.url());
    setup.repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    setup.paging = "page_size = 50\npage_interval = '0s'\npass_interval = '1h'\nin_flight = 8\n\
                    max_requests_per_second = 12.5"
        .to_owned();
    let daemon = Daemon::run(&setup);
    let passes = [1, 2].map(|repository| daemon.wait_for_pass(repository, 1));
    daemon.stop();
    let longest = passes.iter().map(|pass| pass.number("elapsed_ms")).max().expect("two passes");
    let searches = sim.counts().searches;
    assert!(searches >= 12, "{searches}");
    // Both began when there was a session; from the first request to the last is no less.
    assert!(longest >= (searches - 1) * 80, "{searches} requests in {longest} ms");
}
