//! New settings under a running pager, and passes asked for by signal.

use super::*;

#[tokio::test(start_paused = true)]
async fn new_settings_keep_the_iteration_and_the_place_in_the_pass() {
    let lines = [
        "page_size = 50",
        "page_size = 7",
        "page_size = 30\noverlap = false",
        "page_size = 30\nin_flight = 4",
        "page_size = 30\npage_interval = '10s'",
        "page_size = 30\npage_interval = '0s'",
        "page_size = 30\npass_interval = '1h'",
    ];
    for in_flight in [1, 3] {
        for line in lines {
            let before = format!("page_size = 30\nin_flight = {in_flight}");
            let in_flight = if line.contains("in_flight") {
                String::new()
            } else {
                format!("in_flight = {in_flight}")
            };
            let mut rig = Rig::new(server(), config(&before)).start();
            rig.mirror.taken(4).await;
            rig.reload(Ok(config(&format!("{line}\n{in_flight}")))).await;
            let complete = rig.events.nth("pass complete", 1).await;
            assert_eq!(complete.number("iteration"), 1, "{line}");
            assert_eq!(complete.number("items"), ITEMS, "{line}");
            let pages = rig.mirror.pages(1);
            assert!(pages.iter().all(|page| page.iteration == 1));
            if line.contains("overlap") {
                // Where windows of other size meet, a page may begin before the last one's end.
                assert_eq!(pages[pages.len() - 1].items.last(), Some(&i128::from(ITEMS)));
            } else {
                assert_whole(&pages, i128::from(ITEMS));
                assert_eq!(complete.field("certified"), "true", "{line}");
            }
            rig.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_page_interval_is_kept_from_the_request_before_it_on() {
    let mut rig = Rig::new(server(), config("page_size = 10\npage_interval = '10s'")).start();
    for seconds in [20, 15, 10, 15] {
        rig.run_for(5 * SECOND).await;
        let line = format!("page_size = 10\npage_interval = '{seconds}s'");
        rig.reload(Ok(config(&line))).await;
    }
    rig.run_for(MINUTE).await;
    let gaps = gaps(&rig.server.searches(1));
    assert!(gaps.iter().all(|gap| *gap >= 10 * SECOND), "{gaps:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_interval_changed_during_the_rest_holds_in_the_next_pass() {
    let mut rig = Rig::new(server(), config(CALM)).start();
    rig.events.nth("pass complete", 1).await;
    rig.run_for(MINUTE).await;
    let sent = rig.server.searches(1).len();
    rig.reload(Ok(config("page_size = 30\npage_interval = '7s'\npass_interval = '5m'"))).await;
    rig.events.nth("pass complete", 2).await;
    let gaps = gaps(&rig.server.searches(1)[sent..]);
    assert!(gaps.iter().all(|gap| *gap >= 7 * SECOND), "{gaps:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rest_made_shorter_by_a_reload_ends_accordingly() {
    let mut rig = Rig::new(server(), config("page_size = 30\npass_interval = '10h'")).start();
    let first = rig.events.nth("pass complete", 1).await;
    rig.run_for(MINUTE).await;
    rig.reload(Ok(config("page_size = 30\npass_interval = '5m'"))).await;
    let second = rig.events.nth("pass complete", 2).await;
    let between = second.at - first.at;
    assert!(between >= 5 * MINUTE && between < 6 * MINUTE, "{between:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn other_search_conditions_start_a_new_iteration() {
    for in_flight in [1, 4] {
        let paging = format!("{CALM}\nin_flight = {in_flight}");
        let mut rig = Rig::new(server(), config(&paging)).start();
        rig.mirror.taken(4).await;
        let mut other = config(&paging);
        other.repositories[0].search.insert("savedSetId".to_owned(), 7.into());
        rig.reload(Ok(other)).await;
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.number("iteration"), 2);
        assert_whole(&rig.completed(1)[0], i128::from(ITEMS));
        let pages = rig.mirror.pages(1);
        let first_of_second = pages.iter().position(|page| page.iteration == 2).unwrap();
        assert!(pages[first_of_second..].iter().all(|page| page.iteration == 2));
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_ends_the_pause_at_once() {
    let mut rig = Rig::new(server(), config("page_size = 30\npass_interval = '10h'")).start();
    rig.events.nth("pass complete", 1).await;
    rig.run_for(MINUTE).await;
    let sent = rig.server.searches(1).len();
    let woken = Instant::now();
    rig.signal(Signal::NextPass).await;
    rig.events.nth("pass complete", 2).await;
    let next = rig.server.searches(1)[sent].asked.at;
    assert_eq!(next - woken, Duration::ZERO);
    rig.run_for(HOUR).await;
    assert_eq!(rig.events.named("pass complete").len(), 2, "one wake, one pass");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn wakes_during_a_pass_let_one_more_follow_without_a_pause() {
    let mut rig = Rig::new(server(), config("page_size = 30\npass_interval = '10h'")).start();
    rig.mirror.taken(3).await;
    rig.signal(Signal::NextPass).await;
    rig.signal(Signal::NextPass).await;
    let first = rig.events.nth("pass complete", 1).await;
    let second = rig.events.nth("pass complete", 2).await;
    assert!(second.at - first.at < 20 * SECOND);
    rig.run_for(HOUR).await;
    assert_eq!(rig.events.named("pass complete").len(), 2);
    assert_all_whole(&rig, 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_new_settings_made_void_take_up_no_room() {
    let paging = "page_interval = '0s'\npage_size = 10\nin_flight = 4";
    let mut rig = Rig::new(server(), config(paging)).start();
    // All that may be read ahead is, and waits for the fifth.
    rig.server.hook(|asked| {
        (asked.call == Call::Search && asked.number == 5).then_some(Outcome::Late(MINUTE))
    });
    rig.run_for(SECOND).await;
    assert!(rig.events.named("pass complete").is_empty(), "nothing was waited for");
    rig.reload(Ok(config("page_interval = '0s'\npage_size = 20\nin_flight = 1"))).await;
    rig.run_for(2 * MINUTE).await;
    assert_eq!(rig.events.named("pass complete").len(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_that_had_nothing_to_do_until_their_end_delay_no_login() {
    let mut config = config("page_size = 30\npass_interval = '100h'");
    config.session.max_age = HOUR;
    let mut rig = Rig::new(server(), config).start();
    rig.events.nth("pass complete", 1).await;
    rig.run_for(10 * HOUR).await;
    assert!(rig.events.named("sign-in delayed").is_empty());
    assert!((10..=12).contains(&rig.logins()), "{} logins", rig.logins());
    rig.stop().await;
}
