//! What feeds the watchdog, and what does not; what the service manager is told.

use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use super::*;
use crate::config::Environment;
use crate::supervisor::watchdog::GRACE;
use crate::systemd::Notifier;
use crate::testing::WatchfulMirror;

/// After how long the manager gives a process up; and about how soon a hang that lasts has been
/// seen at two looks.
const WATCHDOG: Duration = Duration::from_secs(30);

/// The manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    _directory: TempDir,
}

impl Manager {
    fn start() -> (Self, Notifier) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let microseconds = WATCHDOG.as_micros().to_string();
        let variables =
            [("NOTIFY_SOCKET", path.into_os_string()), ("WATCHDOG_USEC", microseconds.into())];
        let notifier = Notifier::of(&Environment::from_pairs(variables));
        assert_eq!(notifier.watchdog(), Some(WATCHDOG));
        (Self { socket, _directory: directory }, notifier)
    }

    /// What has come since.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut messages = Vec::new();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        messages
    }

    /// Lets time pass; the statuses that come meanwhile.
    async fn statuses(&self, rig: &Rig, time: Duration) -> Vec<String> {
        let (until, mut statuses) = (Instant::now() + time, Vec::new());
        while Instant::now() < until {
            // The kernel keeps a few messages only.
            rig.run_for(SECOND).await;
            let status = |message: &String| message.strip_prefix("STATUS=").map(str::to_owned);
            statuses.extend(self.heard().iter().filter_map(status));
        }
        statuses
    }

    /// Lets time pass; the last status that has come then.
    async fn status_after(&self, rig: &Rig, time: Duration) -> String {
        self.statuses(rig, time).await.pop().expect("no status came")
    }
}

fn start(server: Server, paging: &str) -> (Rig, Manager) {
    let (manager, notifier) = Manager::start();
    (Rig::new(server, configuration(&[1], paging)).told_to(notifier).start(), manager)
}

/// Lets time pass and checks that the watchdog is fed all along.
async fn assert_fed(rig: &Rig, manager: &Manager, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        rig.run_for(WATCHDOG / 2).await;
        assert!(
            manager.heard().contains(&"WATCHDOG=1".to_owned()),
            "not fed after {:?}: {:?}",
            rig.began.elapsed(),
            rig.events.named("task hangs")
        );
    }
    assert_eq!(rig.events.named("task hangs").len(), 0);
}

/// Lets time pass after which a hang must have shown, and checks that it is told once and that the
/// watchdog starves.
async fn assert_starves(rig: &Rig, manager: &Manager, allowed: Duration, task: &str) {
    let hang = rig.events.nth("task hangs", 1).await;
    assert_eq!((hang.level, hang.field("task")), (Level::ERROR, task));
    let silent = Duration::from_millis(hang.number("since_ms"));
    let soon = allowed + GRACE + WATCHDOG;
    assert!(silent > allowed + GRACE && silent < soon, "{silent:?}");
    manager.heard();
    for _ in 0..10 {
        rig.run_for(WATCHDOG).await;
        assert!(!manager.heard().contains(&"WATCHDOG=1".to_owned()));
    }
    assert_eq!(rig.events.named("task hangs").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_pages_and_rests_is_fed() {
    // A page an hour, and a rest of a day: each is longer than any grace.
    for paging in [CALM, "page_size = 200\npage_interval = '1h'\npass_interval = '24h'"] {
        let (mut rig, manager) = start(one(), paging);
        assert_fed(&rig, &manager, 30 * HOUR).await;
        assert!(rig.progress.certified.get() > 0);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn pages_without_rest_side_by_side_are_fed() {
    let server = Server::new(&[(1, 2000)]);
    server.set_latency(Call::Search, Duration::from_millis(1500));
    let paging = "page_size = 20\npage_interval = '0s'\npass_interval = '0s'\nin_flight = 4";
    let (mut rig, manager) = start(server, paging);
    assert_fed(&rig, &manager, HOUR).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_for_hours_is_no_hang() {
    let away = |call| {
        move |outcome: Outcome| {
            let server = one();
            server.hook(move |asked| {
                (asked.call == call && asked.number > 3).then(|| outcome.clone())
            });
            server
        }
    };
    let busy = Outcome::Busy(10 * MINUTE);
    let slow = Outcome::Late(29 * SECOND);
    for outcome in [no_connection(), busy, slow, Outcome::Refuse, Outcome::EndSessions] {
        let (mut rig, manager) = start(away(Call::Search)(outcome), CALM);
        assert_fed(&rig, &manager, 6 * HOUR).await;
        rig.stop().await;
    }
    for outcome in [no_connection(), Outcome::Late(29 * SECOND), Outcome::Refuse] {
        let (mut rig, manager) = start(away(Call::Reauth)(outcome), CALM);
        assert_fed(&rig, &manager, 6 * HOUR).await;
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_does_not_come_about_for_hours_is_no_hang() {
    for outcome in [no_connection(), Outcome::Deny("no"), Outcome::Refuse] {
        // From the start, and once the first session has ended.
        for from in [0, 1] {
            let server = one();
            server.state().session_ttl = MINUTE;
            let outcome = outcome.clone();
            server.hook(move |asked| {
                (asked.call == Call::Login && asked.number > from).then(|| outcome.clone())
            });
            let (mut rig, manager) = start(server, CALM);
            assert_fed(&rig, &manager, 6 * HOUR).await;
            rig.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_slow_or_fails_for_hours_is_no_hang() {
    let troubles = [Trouble::Slow(4 * MINUTE), Trouble::Fail];
    for trouble in troubles {
        let (mut rig, manager) = start(one(), CALM);
        rig.mirror.script(std::iter::repeat_n(trouble, 1_000_000));
        assert_fed(&rig, &manager, 3 * HOUR).await;
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn questions_for_missing_items_are_fed() {
    let mirror = std::sync::Arc::new(WatchfulMirror::new());
    let mut before =
        Rig::with_mirror(one(), std::sync::Arc::clone(&mirror), configuration(&[1], CALM)).start();
    before.events.nth("pass complete", 1).await;
    before.stop().await;
    drop(before);
    let server = Server::new(&[(1, ITEMS - 20)]);
    server.set_latency(Call::Item, 25 * SECOND);
    let (manager, notifier) = Manager::start();
    let config = configuration(&[1], "page_size = 30\npage_interval = '10m'");
    let mut rig = Rig::with_mirror(server, mirror, config).told_to(notifier).start();
    assert_fed(&rig, &manager, 4 * HOUR).await;
    assert_eq!(rig.progress.deleted.get(), 20);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pager_that_hangs_in_a_request_starves_the_watchdog() {
    for (call, in_flight) in [(Call::Search, 1), (Call::Search, 4)] {
        let server = one();
        server
            .hook(move |asked| (asked.call == call && asked.number == 5).then_some(Outcome::Hang));
        let paging = format!("{CALM}\nin_flight = {in_flight}");
        let (mut rig, manager) = start(server, &paging);
        assert_starves(&rig, &manager, 30 * SECOND, "pager 1").await;
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresher_that_hangs_starves_the_watchdog() {
    for call in [Call::Login, Call::Reauth] {
        let server = one();
        server.script(call, [Outcome::Hang]);
        let (mut rig, manager) = start(server, CALM);
        assert_starves(&rig, &manager, 30 * SECOND, "token refresher").await;
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_time_out_is_a_longer_hang() {
    let server = one();
    server.state().time_out = 10 * MINUTE;
    server.script(Call::Search, [Outcome::Hang]);
    let (mut rig, manager) = start(server, CALM);
    assert_fed(&rig, &manager, 10 * MINUTE).await;
    assert_starves(&rig, &manager, 10 * MINUTE, "pager 1").await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_never_comes_back_starves_the_watchdog() {
    let (mut rig, manager) = start(one(), CALM);
    rig.mirror.script([Trouble::Slow(1000 * HOUR)]);
    assert_starves(&rig, &manager, 5 * MINUTE, "pager 1").await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_again_and_again_is_not_one_that_hangs() {
    let server = one();
    server.hook(|asked| (asked.call == Call::Search).then_some(Outcome::Panic));
    let (mut rig, manager) = start(server, CALM);
    assert_fed(&rig, &manager, HOUR).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_taken_out_while_it_hangs_is_still_looked_at() {
    let (manager, notifier) = Manager::start();
    let server = two();
    server.hook(|asked| {
        let second = asked.repository.is_some_and(|repository| repository.0 == 2);
        (second && asked.number > 6).then_some(Outcome::Hang)
    });
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).told_to(notifier).start();
    rig.run_for(20 * SECOND).await;
    rig.reload(Ok(configuration(&[1], CALM))).await;
    assert_starves(&rig, &manager, 30 * SECOND, "pager 2").await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ready_comes_first_and_stopping_at_the_end() {
    let server = one();
    server.script(Call::Login, [Outcome::Hang]);
    let (mut rig, manager) = start(server, CALM);
    rig.run_for(Duration::from_millis(1)).await;
    let heard = manager.heard();
    assert_eq!(heard[0], "READY=1", "{heard:?}");
    assert!(heard.contains(&"WATCHDOG=1".to_owned()), "{heard:?}");
    let status = "STATUS=signing in | 1: waiting; no certified pass since the start";
    assert!(heard.contains(&status.to_owned()), "{heard:?}");
    rig.stop().await;
    assert_eq!(manager.heard(), ["STOPPING=1", "STATUS=stopping"]);
}

#[tokio::test(start_paused = true)]
async fn the_status_follows_and_is_told_only_where_it_changes() {
    let (mut rig, manager) = start(one(), CALM);
    assert_eq!(
        manager.status_after(&rig, 7 * SECOND).await,
        "1: pass 1, page 5, 130 of 250; no certified pass since the start; signed in 4 s"
    );
    let resting = manager.status_after(&rig, 2 * MINUTE).await;
    let begin = "1: resting after pass 1; last certified pass 1 min ago; signed in ";
    assert!(resting.starts_with(begin), "{resting}");
    let told = manager.statuses(&rig, 150 * SECOND).await.len();
    assert!(told <= 6, "{told} times in two and a half minutes of rest");

    rig.server.hook(|_| Some(no_connection()));
    let away = manager.status_after(&rig, 5 * MINUTE).await;
    assert!(away.starts_with("search failed: no connection; check "), "{away}");
    assert!(away.contains(" (for 4 min, next try in "), "{away}");
    rig.server.hook(|asked| {
        Some(if asked.call == Call::Login { no_connection() } else { Outcome::EndSessions })
    });
    let away = manager.status_after(&rig, 5 * MINUTE).await;
    assert!(away.starts_with("login failed: no connection; check "), "{away}");
    rig.server.hook(|asked| {
        Some(if asked.call == Call::Login { Outcome::Deny("no") } else { Outcome::EndSessions })
    });
    let denied = manager.status_after(&rig, 5 * MINUTE).await;
    assert!(denied.starts_with("login denied"), "{denied}");
    rig.server.unhook();
    let well = manager.status_after(&rig, 20 * MINUTE).await;
    assert!(well.contains("last certified pass") && well.contains("signed in"), "{well}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_told_with_its_beginning_and_its_end_also_where_it_fails() {
    let (mut rig, manager) = start(one(), CALM);
    for (config, message) in [
        (Ok(configuration(&[1], CALM)), "configuration reloaded"),
        (Err("no".to_owned()), "configuration rejected"),
    ] {
        rig.run_for(MINUTE).await;
        manager.heard();
        rig.reload(config).await;
        rig.events.nth(message, 1).await;
        rig.run_for(Duration::from_millis(1)).await;
        let heard = manager.heard();
        let heard: Vec<_> =
            heard.iter().filter(|it| it.contains("ING=") || it.contains("READY")).collect();
        assert!(heard[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
        assert_eq!((heard.len(), heard[1].as_str()), (2, "READY=1"));
    }
    rig.stop().await;
}
