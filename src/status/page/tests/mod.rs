//! Pages and documents, word for word.

mod document;
mod feeds;
mod many;

use super::*;
use crate::domain::{ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::{
    CertifiedPass, ChangeCounts, ChangeHead, HeldSummary, LedgerEntry, MirrorSummary,
    PassStatistics, RepositorySummary,
};
use crate::progress::{Activity, RepositoryProgress};
use crate::status::document::ProblemStatus;
use crate::status::{ConfiguredRepository, DocumentInput, compose};
use crate::testing::storage;
use crate::text::CommandLine;

/// 2026-03-01T12:00:00Z.
const NOW_MS: i64 = 1_772_366_400_000;
const MINUTE_MS: i64 = 60_000;

const AROUND: PageContext<'_> = PageContext {
    now_ms: NOW_MS,
    no_daemon: "the daemon does not run: nobody listens at 127.0.0.1:9464",
    approve: "ewmirror approve-deletes",
    status: "ewmirror status",
    shown: RepositoriesOnPage::Differing,
    colour: false,
};

fn entry(iteration: u64, ended_ms: Option<i64>, reason: Option<&str>) -> LedgerEntry {
    LedgerEntry {
        iteration: Iteration(iteration),
        started_ms: NOW_MS - 10 * MINUTE_MS,
        ended_ms,
        statistics: PassStatistics {
            pages: 40 + iteration,
            requests: 60,
            first_total: 10_433,
            last_total: 10_432,
            distinct: 10_432,
            repeats: 500,
            step_backs: 1,
        },
        changed: ChangeCounts { created: 3, updated: 2, deleted: 1, unchanged: 10_427 },
        suspects: 5,
        held: 0,
        certified: reason.is_none() && ended_ms.is_some(),
        reason: reason.map(str::to_owned),
    }
}

fn summary() -> MirrorSummary {
    let products = RepositorySummary {
        id: RepositoryId(10149),
        items: 10_432,
        certified: Some(CertifiedPass {
            iteration: Iteration(12),
            ended_ms: NOW_MS - 3 * MINUTE_MS,
        }),
        suspects: 5,
        held: Some(HeldSummary {
            count: 4000,
            iteration: Some(Iteration(11)),
            since_ms: Some(NOW_MS - 60 * MINUTE_MS),
            approved: 1000,
            first: (5..10).map(ItemId::Integer).collect(),
        }),
        incremental: Vec::new(),
        passes: vec![
            entry(13, None, None),
            entry(12, Some(NOW_MS - 3 * MINUTE_MS), None),
            entry(11, Some(NOW_MS - 60 * MINUTE_MS), Some("the list\u{1b}[2J ends at position 9")),
        ],
    };
    let retired = RepositorySummary {
        id: RepositoryId(3),
        items: 7,
        certified: None,
        suspects: 0,
        held: None,
        passes: Vec::new(),
        incremental: Vec::new(),
    };
    MirrorSummary {
        storage: storage(19_084_083, 4 << 20),
        last: Sequence(10_440),
        dropped_through: Sequence(0),
        newest: vec![ChangeHead {
            sequence: Sequence(10_440),
            ts_ms: NOW_MS - MINUTE_MS,
            op: Op::Update,
            repository: RepositoryId(10149),
            item: ItemId::Text("SKU-7".into()),
        }],
        repositories: vec![retired, products],
    }
}

fn daemon() -> DaemonStatus {
    DaemonStatus {
        pid: 61,
        uptime_ms: 3 * 3_600_000 + 12 * 60_000 + 5_000,
        signed_in: true,
        sign_in: SignInStatus::SignedIn,
        session_age_ms: Some(11_520_000),
        logins: 1,
        rest_tokens: 6,
        requests: 700,
        failures: 2,
        feeds: feeds::feeds(),
        ..DaemonStatus::default()
    }
}

fn input(summary: &MirrorSummary, daemon: Option<DaemonStatus>) -> DocumentInput<'_> {
    let progress = daemon.as_ref().map(|_| RepositoryProgress {
        activity: Activity::Paging,
        iteration: Iteration(13),
        pages: 40,
        covered: 4000,
        in_flight: 4,
        total: Some(10_432),
        ..RepositoryProgress::START
    });
    DocumentInput {
        instance: None,
        now_ms: NOW_MS,
        daemon,
        mirror_url: "sqlite:///var/lib/ewmirror/mirror.db",
        summary: Some(Ok(summary)),
        repositories: vec![ConfiguredRepository {
            model_read_ms: None,
            id: RepositoryId(10149),
            name: Some("Products".to_owned()),
            progress,
            last_certified: None,
            delays: None,
        }],
        command: &CommandLine::DEFAULT,
        problems: Vec::new(),
        max_age: None,
        server: None,
    }
}

const PASSES: &str = "  \
  pass  ended                 pages  items  created  updated  deleted  certified
    13  not yet                  53  10432        3        2        1
    12  2026-03-01T11:57:00Z     52  10432        3        2        1  yes
    11  2026-03-01T11:00:00Z     51  10432        3        2        1  no: the list [2J ends at \
    position 9
";

const HELD: &str = "  \
  HELD BACK: 3000 deletions since 2026-03-01T11:00:00Z (pass 11), of items 5, 6, 7, 8, 9, ...
    see them: ewmirror approve-deletes --repository 10149 --list
    if they are right: ewmirror approve-deletes --repository 10149
  5 suspects: not seen by the last certified pass
";

const WAITING: &str = "  \
  repository 10149 Products: 3000 deletions held back: too many at once to be believed
    for 1h 0m
    see which, and whether they are gone for good: ewmirror approve-deletes --repository 10149 \
    --list; if so: ewmirror approve-deletes --repository 10149
";

#[test]
fn a_page_with_a_daemon_reads_like_this() {
    let page = compose(input(&summary(), Some(daemon()))).page(AROUND);
    let expected = format!(
        "DEGRADED: not all goes on as it should
{WAITING}
ewmirror {} runs since 2026-03-01T08:47:55Z (3h 12m), pid 61, signed in
1 login, 700 page requests; 0 refused, 2 failed
mirror sqlite:///var/lib/ewmirror/mirror.db: 18.2 MiB, WAL 4.0 MiB, last change 10440
feed files: up to date, 10440 delivered, through change 10440
feed shop: delivering, 9000 delivered, through change 10400, 40 behind, 2 parked, 7 missed
feed warehouse: another daemon delivers it

3: no certified pass yet, 7 items; not read by this daemon

10149 Products: last certified pass 3m ago (pass 12), 10432 items; pass 13 under way, page 40, \
         4000 of 10432
{HELD}{PASSES}",
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(page, expected);
}

#[test]
fn a_page_of_the_database_alone_reads_like_this() {
    let page = compose(input(&summary(), None)).page(AROUND);
    let expected = format!(
        "the daemon does not run: nobody listens at 127.0.0.1:9464
{WAITING}mirror sqlite:///var/lib/ewmirror/mirror.db: 18.2 MiB, WAL 4.0 MiB, last change 10440

3: no certified pass yet, 7 items

10149 Products: last certified pass 3m ago (pass 12), 10432 items; pass 13 has not ended, page 53 of \
         a list of 10432
{HELD}{PASSES}"
    );
    assert_eq!(page, expected);
}

#[test]
fn what_is_wrong_comes_first_with_its_cause_and_what_to_do_and_nothing_of_it_is_obeyed() {
    let mut document = compose(input(&summary(), Some(daemon())));
    let server = ProblemStatus {
        scope: "server".to_owned(),
        since_ms: 185_000,
        failures: 12,
        error: "search failed: no connection: 127.0.0.1:9\u{1b}[2J".to_owned(),
        remedy: "check server.url\r".to_owned(),
        retry_in_ms: Some(8_400),
        ..ProblemStatus::default()
    };
    let now = ProblemStatus { retry_in_ms: Some(0), repository: Some(3), ..server.clone() };
    document.problems = vec![server, now];
    document.health = HealthStatus::Failing;
    let plain = document.page(AROUND);
    let begins = "\
FAILING: nothing goes on
  server: search failed: no connection: 127.0.0.1:9 [2J
    for 3m, 12 times in a row; next try in 8s
    check server.url \n  repository 3: search failed: no connection: 127.0.0.1:9 [2J
    for 3m, 12 times in a row; next try now
    check server.url \n\newmirror ";
    assert!(plain.starts_with(begins), "{plain}");
    let coloured = document.page(PageContext { colour: true, ..AROUND });
    assert!(coloured.starts_with("\u{1b}[1;31mFAILING: nothing goes on\u{1b}[0m\n"), "{coloured}");
    document.health = HealthStatus::Ok;
    document.problems.clear();
    assert!(document.page(AROUND).starts_with("ewmirror "));
}

#[test]
fn trouble_is_loud() {
    let mut document = compose(input(&summary(), Some(daemon())));
    let daemon = document.daemon.as_mut().unwrap();
    daemon.restarts = 2;
    (daemon.signed_in, daemon.sign_in) = (false, SignInStatus::Denied);
    daemon.sign_in_reason = Some("no such user\r\n".to_owned());
    document.mirror = MirrorStatus {
        url: document.mirror.url,
        error: Some("the mirror did not answer within 1 s".to_owned()),
        ..MirrorStatus::default()
    };
    let repository = &mut document.repositories[1];
    repository.state = Some(StateStatus::Waiting);
    repository.held_deletions.as_mut().unwrap().approved = true;
    let page = document.page(AROUND);
    for line in [
        "pid 61, SIGN-IN DENIED: no such user  \n",
        "\n2 task restarts after a defect of this program: please report it\n",
        "mirror.db: the mirror did not answer within 1 s\n",
        "; WAITING in pass 13, page 40, 4000 of 10432\n",
        "\n  4000 deletions held back since 2026-03-01T11:00:00Z (pass 11) and approved: the next \
         certified pass does them\n",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}

#[test]
fn without_a_mirror_the_daemon_knows_its_own_passes() {
    let mut input = facts_of_none();
    let document = compose(input.clone());
    let repository = &document.repositories[0];
    assert_eq!(repository.certified_age_ms, Some(60_000));
    assert_eq!((repository.items, repository.suspects), (None, None));
    // Without a session nothing is paged.
    input.daemon = Some(DaemonStatus::default());
    let document = compose(input);
    assert_eq!(document.repositories[0].state, Some(StateStatus::Waiting));
}

fn facts_of_none() -> DocumentInput<'static> {
    let last_certified =
        Some(CertifiedPass { iteration: Iteration(1), ended_ms: NOW_MS - MINUTE_MS });
    DocumentInput {
        instance: None,
        now_ms: NOW_MS,
        daemon: Some(daemon()),
        mirror_url: "none",
        summary: None,
        repositories: vec![ConfiguredRepository {
            model_read_ms: None,
            id: RepositoryId(1),
            name: None,
            progress: Some(RepositoryProgress {
                activity: Activity::Paging,
                ..RepositoryProgress::START
            }),
            last_certified,
            delays: None,
        }],
        problems: Vec::new(),
        max_age: None,
        server: None,
        command: &CommandLine::DEFAULT,
    }
}

#[test]
fn a_document_of_nothing_is_a_page() {
    let document: StatusDocument = serde_json::from_str(r#"{"version": "9\u0007"}"#).unwrap();
    let page = document.page(AROUND);
    assert_eq!(page, format!("{}\nmirror unknown\n", AROUND.no_daemon));
    let wild = r#"{"version": "9", "daemon": {"uptime_ms": 18446744073709551615}, "repositories":
        [{"passes": [{"ended_at_ms": 9223372036854775807}, {"ended_at_ms": -1}]}]}"#;
    let page = serde_json::from_str::<StatusDocument>(wild).unwrap().page(AROUND);
    assert!(page.contains("runs since 1970-01-01T00:00:00Z"), "{page}");
    assert!(page.contains("9999-12-31T23:59:59Z"), "{page}");
}

#[test]
fn spans_are_told_in_their_two_largest_units() {
    let told = |seconds| span(Duration::from_secs(seconds));
    assert_eq!([told(0), told(59), told(60), told(3599)], ["0s", "59s", "1m", "59m"]);
    assert_eq!([told(3600), told(86_399)], ["1h 0m", "23h 59m"]);
    assert_eq!([told(86_400), told(90_000 * 86_400)], ["1d 0h", "90000d 0h"]);
}
