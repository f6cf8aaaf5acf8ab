//! The page of many repositories.

use std::collections::BTreeSet;

use super::*;
use crate::status::document::{CertifiedStatus, TotalsStatus};

/// As many repositories as this, which are well but for the third, which lags.
fn many(count: u64) -> StatusDocument {
    let summary = summary();
    let mut document = compose(input(&summary, Some(daemon())));
    let well = RepositoryStatus {
        state: Some(StateStatus::Resting),
        iteration: Some(7),
        pages: Some(3),
        items: Some(500),
        certified_age_ms: Some(20_000),
        last_certified: Some(CertifiedStatus { iteration: 7, ended_at_ms: NOW_MS - 20_000 }),
        passes: vec![PassStatus::from(&entry(7, Some(NOW_MS - 20_000), None)); 5],
        ..RepositoryStatus::default()
    };
    document.repositories = (1..=count).map(|id| RepositoryStatus { id, ..well.clone() }).collect();
    document.repositories[1].certified_age_ms = Some(80_000);
    document.repositories[2].certified_age_ms = Some(200_000);
    document.totals = TotalsStatus {
        repositories: count,
        certified: count,
        items: Some(500 * count),
        ..TotalsStatus::default()
    };
    document.daemon.as_mut().unwrap().requests_last_minute = 294;
    (document.health, document.problems) = (HealthStatus::Ok, Vec::new());
    document
}

#[test]
fn many_repositories_are_summed_up_and_those_shown_that_differ() {
    let page = many(200).brief().page(AROUND);
    let expected = format!(
        "200 repositories: 200 certified, 0 in a pass, 0 with problems, 0 with deletions held back; \
         100000 items; 4.9 page requests/s
ewmirror {} runs since 2026-03-01T08:47:55Z (3h 12m), pid 61, signed in
1 login, 700 page requests; 0 refused, 2 failed
mirror sqlite:///var/lib/ewmirror/mirror.db: 18.2 MiB, WAL 4.0 MiB, last change 10440
feed files: up to date, 10440 delivered, through change 10440
feed shop: delivering, 9000 delivered, through change 10400, 40 behind, 2 parked, 7 missed
feed warehouse: another daemon delivers it

3: last certified pass 3m ago (pass 7), 500 items; resting after pass 7
  pass  ended                 pages  items  created  updated  deleted  certified
     7  2026-03-01T11:59:40Z     47  10432        3        2        1  yes
     7  2026-03-01T11:59:40Z     47  10432        3        2        1  yes
     7  2026-03-01T11:59:40Z     47  10432        3        2        1  yes

199 other repositories, last certified pass 20s to 1m ago: nothing to tell
see one: ewmirror status --repository ID; all: ewmirror status --all
",
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(page, expected);
}

#[test]
fn a_screen_stays_one_however_many_repositories_differ_and_all_is_told_to_who_asks() {
    let mut document = many(1000);
    let problem = ProblemStatus {
        scope: "repository".to_owned(),
        error: "it is broken".to_owned(),
        remedy: "mend it".to_owned(),
        ..ProblemStatus::default()
    };
    document.health = HealthStatus::Degraded;
    document.problems =
        (1..=1000).map(|id| ProblemStatus { repository: Some(id), ..problem.clone() }).collect();
    let page = document.brief().page(AROUND);
    assert!(page.lines().count() < 150, "{page}");
    assert!(page.contains("\n  980 more problems: ewmirror status --all\n"), "{page}");
    assert!(page.contains("\n990 more repositories differ\n"), "{page}");
    let all = document.page(PageContext { shown: RepositoriesOnPage::All, ..AROUND });
    assert!(all.contains("\n1000: last certified pass ") && !all.contains("nothing to tell"));
    assert_eq!(all.matches("it is broken").count(), 1000);
    let some = BTreeSet::from([7, 1000]);
    let shown = RepositoriesOnPage::These(&some);
    let page = document.page(PageContext { shown, ..AROUND });
    let shown: Vec<_> = page.lines().filter(|line| line.contains(": last certified ")).collect();
    assert_eq!(shown.len(), 2, "{page}");
    assert!(shown[0].starts_with("7: ") && shown[1].starts_with("1000: "), "{page}");
}

#[test]
fn a_quiet_repository_of_many_takes_less_than_500_bytes_of_the_document() {
    let document = many(1000);
    let size = |document: &StatusDocument| document.compact_json().len();
    let nobody = StatusDocument { repositories: Vec::new(), ..document.clone() };
    let each = (size(&document.brief()) - size(&nobody)) / 1000;
    assert!(each < 500, "{each}");
    let read: StatusDocument = serde_json::from_str(&document.compact_json()).unwrap();
    assert_eq!(read, document);
}
