//! Feeds on the page.

use super::*;

/// One that is up to date, one that is not, and one that another daemon delivers.
pub(super) fn feeds() -> Vec<FeedStatus> {
    let named =
        |name: &str, state| FeedStatus { name: name.to_owned(), state, ..Default::default() };
    vec![
        FeedStatus {
            delivered_through: Some(10_440),
            delivered: Some(10_440),
            parked: Some(0),
            missed: Some(0),
            last_success_at_ms: Some(NOW_MS - MINUTE_MS),
            ..named("files", FeedStateStatus::Waiting)
        },
        FeedStatus {
            delivered_through: Some(10_400),
            lag_ms: Some(5000),
            delivered: Some(9000),
            parked: Some(2),
            missed: Some(7),
            ..named("shop", FeedStateStatus::Delivering)
        },
        named("warehouse", FeedStateStatus::Standby),
    ]
}

#[test]
fn a_feed_is_up_to_date_only_where_nothing_is_left_to_deliver() {
    let mut document = compose(input(&summary(), Some(daemon())));
    let mut line_of_first = |change: fn(&mut FeedStatus)| {
        change(&mut document.daemon.as_mut().unwrap().feeds[0]);
        let page = document.page(AROUND);
        page.lines().find(|line| line.starts_with("feed files: ")).unwrap().to_owned()
    };
    let rest = "10440 delivered, through change 10440";
    let waiting = format!("feed files: waiting, {rest}");
    assert_eq!(line_of_first(|feed| feed.lag_changes = Some(3)), format!("{waiting}, 3 behind"));
    assert_eq!(line_of_first(|feed| feed.lag_changes = None), waiting);
    let paused = line_of_first(|feed| feed.state = FeedStateStatus::Paused);
    assert_eq!(paused, format!("feed files: PAUSED, {rest}"));
}
