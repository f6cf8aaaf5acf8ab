//! `page_size = "auto"` against servers that send no more than so many items at once.

use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Kept, Sim, repositories};

const ITEMS: usize = 6000;

/// What the server sends at most.
const MOST: u64 = 700;

#[test]
fn a_page_size_is_found_and_what_the_server_sends_at_most_is_learnt_once() {
    let options = repositories(&[(1, ITEMS)]);
    let latency = Duration::from_millis(20);
    let sim = Sim::start(Options { latency, page_at_most: Some(MOST), ..options });
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    // Requests are so far apart that what one takes is no matter on a slow machine either.
    "page_size = 'auto'\npage_interval = '1s'".clone_into(&mut setup.paging);
    let mut requests = Vec::new();
    for life in 0..2 {
        let before = sim.counts().searches;
        let ended = Daemon::start(&["once"], &setup).finish();
        assert!(ended.status.success(), "{:?}", ended.events.last());
        let pass = &ended.all("pass complete")[0];
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), ITEMS as u64);
        let pages: Vec<u64> = ended.all("page read").iter().map(|it| it.number("items")).collect();
        if life == 0 {
            assert!(pages[..5].iter().all(|items| *items <= 200), "{pages:?}");
        } else {
            // Begins with what the first has found, and no answer is cut.
            assert_eq!(pages[0], MOST, "{pages:?}");
        }
        assert_eq!(pages.iter().max(), Some(&MOST), "{pages:?}");
        requests.push(sim.counts().searches - before);
    }
    let fewest = ITEMS as u64 / MOST + 1;
    assert!(requests[1] <= fewest + 3 && requests[1] < requests[0], "{requests:?}");
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}
