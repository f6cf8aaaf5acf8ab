//! Faults that come after a SIGTERM: the request under way comes home, nothing more is asked, the
//! daemon ends in order and in time, and the next one takes up what is left.

use std::collections::BTreeSet;
use std::time::Instant;

use ewmirror::simulator::SimulatedEndpoint;
use serde_json::json;

use super::rig::{ITEMS, Stage, calls, hold, queue, release, server, settings, wait_for_held};
use super::table::{Item, Kind, Logout, Search};
use super::{Call, Serve, run};
use crate::mirror::{edit, ids, next_pass};
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Ended, Kept, Setup, Sim, stop_within};

/// A server and a mirror that outlive the daemons.
struct Place {
    sim: Sim,
    kept: Kept,
    setup: Setup,
    fold: Fold,
    gone: BTreeSet<u64>,
}

impl Serve for Place {
    fn start(timeout: &str) -> Self {
        let sim = Sim::start(server());
        let kept = Kept::new(&sim);
        let setup = settings(kept.setup(), timeout);
        let mut place = Self { sim, kept, setup, fold: Fold::default(), gone: BTreeSet::new() };
        place.agree("at the start");
        place
    }

    fn stop(mut self) {
        self.agree("at the end");
    }
}

impl Place {
    /// A daemon that is told to stop while a request is under way, and the answer to that after.
    fn stopped_amid(&self, kind: &Kind, endpoint: &str, after: u64) -> Ended {
        let held = self.sim.counts().held;
        hold(&self.sim, endpoint, after);
        let daemon = Daemon::run(&self.setup);
        wait_for_held(&self.sim, held + 1);
        queue(&self.sim, kind, endpoint, 0);
        let begun = Instant::now();
        daemon.signal("TERM");
        daemon.wait_for(|it| it.is("stopping"));
        release(&self.sim, endpoint);
        let ended = daemon.finish();
        let took = begun.elapsed();
        assert!(ended.status.success(), "{}: {}", kind.name, ended.status);
        assert!(took < stop_within(), "{}: {took:?}", kind.name);
        let last: Vec<_> = ended.events.iter().rev().take(2).map(|it| it.text("message")).collect();
        assert_eq!(last, ["stopped", "signed out"], "{}", kind.name);
        assert!(ended.all("task late").is_empty(), "{}", kind.name);
        assert!(ended.all("session renewed").is_empty(), "{}: nobody needs it", kind.name);
        ended
    }

    /// Passes until one proves itself and leaves nothing open; then all agree.
    fn agree(&mut self, cell: &str) {
        let daemon = Daemon::run(&self.setup);
        let mut pass = daemon.wait_for(|it| it.is_of("pass complete", 1));
        let open = ["suspects", "held"];
        while !pass.truth("certified") || open.iter().any(|name| pass.number(name) > 0) {
            pass = next_pass(&daemon);
        }
        // What was taken up again saw the list as it was.
        next_pass(&daemon);
        daemon.stop();
        oracle::equals_server(&self.kept, &self.sim, 1);
        self.fold.check(&self.kept, &[1]);
        assert_eq!(self.fold.deleted(), self.gone, "{cell}");
    }
}

#[test]
fn each_fault_of_a_search_during_a_stop_ends_as_stated() {
    run(Call::Search, &[Stage::Shutdown], |place: &mut Place, kind, _| {
        let cell = format!("{} at a search, during a stop", kind.name);
        let changed = ids(&place.sim)[ITEMS - 1];
        edit(&place.sim, json!({"update": [changed]}));
        let before = place.sim.counts();
        let ended = place.stopped_amid(kind, "search", 0);
        let after = place.sim.counts();
        assert_eq!(after.searches - before.searches, 1, "{cell}");
        assert_eq!(after.logins - before.logins, 1, "{cell}");
        let (failed, refused) = (ended.all("request failed"), ended.all("request refused"));
        let (told, words) = match kind.search {
            Search::Failed(words) | Search::Patience(words) => {
                (failed.clone(), format!("search failed: {words}"))
            }
            Search::Refused(words) => (refused.clone(), format!("search refused: {words}")),
            _ => (vec![], String::new()),
        };
        // The pass goes on wherever the daemon before left it, so a shape of a page may be any.
        if !matches!(kind.search, Search::By(_)) {
            assert_eq!(failed.len() + refused.len(), told.len(), "{cell}");
            let read = u64::from(matches!(kind.search, Search::Good));
            assert_eq!(ended.all("page read").len() as u64, read, "{cell}");
            assert!(read > 0 || ended.all("pass complete").is_empty(), "{cell}");
        }
        for event in told {
            assert!(event.text("error").starts_with(&words), "{cell}: {}", event.line);
            if matches!(kind.search, Search::Patience(_)) {
                assert_eq!(event.number("retry_in_ms"), 300_000, "{cell}: obeyed up to a limit");
            }
        }
        place.fold.check(&place.kept, &[1]);
        assert_eq!(place.fold.deleted(), place.gone, "{cell}");
    });
}

#[test]
fn each_fault_of_the_question_for_an_item_during_a_stop_ends_as_stated() {
    run(Call::Item, &[Stage::Shutdown], |place: &mut Place, kind, _| {
        let cell = format!("{} at an item, during a stop", kind.name);
        let present = ids(&place.sim);
        let (hidden, gone) = (present[ITEMS / 3], present[ITEMS / 2]);
        edit(&place.sim, json!({"delete": [gone], "insert": 1}));
        place.sim.door("hide", &json!({"repository": 1, "ids": [hidden]}));
        let before = place.sim.counts();
        // After the question for an item of the last page.
        let ended = place.stopped_amid(kind, "item", 1);
        let after = place.sim.counts();
        assert_eq!(after.item_reads - before.item_reads, 2, "{cell}");
        assert_eq!(after.logins - before.logins, 1, "{cell}");
        let (failed, refused) = (ended.all("request failed"), ended.all("request refused"));
        let (told, words) = match kind.item {
            Item::Failed(words) => (failed.clone(), format!("item failed: {words}")),
            Item::Refused(words) => (refused.clone(), format!("item refused: {words}")),
            _ => (vec![], String::new()),
        };
        assert_eq!(failed.len() + refused.len(), told.len(), "{cell}");
        for event in told {
            assert!(event.text("error").starts_with(&words), "{cell}: {}", event.line);
        }
        assert!(ended.all("pass complete").is_empty(), "{cell}");
        place.fold.check(&place.kept, &[1]);
        assert_eq!(place.fold.deleted(), place.gone, "{cell}: nothing is deleted in haste");
        place.sim.door("show", &json!({"repository": 1}));
        place.gone.insert(gone);
        place.agree(&cell);
    });
}

/// A server alone, for daemons that keep nothing.
pub(super) struct Passer {
    pub(super) sim: Sim,
    pub(super) setup: Setup,
}

impl Serve for Passer {
    fn start(timeout: &str) -> Self {
        let sim = Sim::start(server());
        let setup = settings(Setup::new(sim.url()), timeout);
        Self { sim, setup }
    }

    fn stop(self) {}
}

#[test]
fn each_fault_of_a_logout_ends_as_stated() {
    run(Call::Logout, &[Stage::Shutdown], |passer: &mut Passer, kind, _| {
        let cell = format!("{} at a logout", kind.name);
        let daemon = Daemon::run(&passer.setup);
        daemon.wait_for_pass(1, 1);
        queue(&passer.sim, kind, "logout", 0);
        let before = calls(&passer.sim, SimulatedEndpoint::Logout);
        let ended = daemon.stop();
        // It is tried once; whatever comes of it, the end does not wait.
        assert_eq!(calls(&passer.sim, SimulatedEndpoint::Logout) - before, 1, "{cell}");
        let mut last = ended.events.iter().rev();
        assert!(last.next().unwrap().is("stopped"), "{cell}");
        let told = last.next().unwrap();
        match kind.logout {
            Logout::Out => assert!(told.is("signed out"), "{cell}: {}", told.line),
            Logout::Failed(words) => {
                assert!(told.is("sign-out failed"), "{cell}: {}", told.line);
                assert_eq!(told.level(), "WARN", "{cell}");
                // The end's own patience is less than that of a request.
                let hangs = told.text("error") == "deadline has elapsed" && kind.name == "hang";
                let words = format!("logout failed: {words}");
                assert!(hangs || told.text("error").starts_with(&words), "{cell}: {}", told.line);
            }
            Logout::Never(why) => panic!("{cell}: {why}"),
        }
    });
}

#[test]
fn a_stop_waits_neither_for_a_login_nor_for_the_question_whether_the_session_stands() {
    for (endpoint, signed_in) in [("login", 0), ("reauth", 1)] {
        let mut passer = Passer::start("20s");
        passer.setup.session = "reauth_interval = '20ms'".to_owned();
        hold(&passer.sim, endpoint, 0);
        let daemon = Daemon::run(&passer.setup);
        wait_for_held(&passer.sim, 1);
        // Its answer would be this.
        passer.sim.fault(endpoint, "e500", 0, 1);
        let ended = daemon.stop();
        assert!(ended.all("request failed").is_empty(), "{endpoint}");
        assert_eq!(ended.all("signed out").len(), signed_in, "{endpoint}");
        assert_eq!(passer.sim.hit("e500"), 0, "{endpoint}");
    }
}
