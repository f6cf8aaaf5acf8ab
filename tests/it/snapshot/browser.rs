//! The file in other people's tools: Datasette in a real browser, and the shell of SQLite.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Place, mirrored, path};
use crate::page::{between, shown_at};
use crate::support::sim::free_port;
use crate::support::{DEADLINE, Sim, pause, repositories, skipped};

/// Where `.ci/run` puts Datasette; one on the path does as well.
const DATASETTE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/datasette/bin/datasette");

/// A Datasette with one database.
struct Datasette {
    child: Child,
    port: u16,
}

impl Datasette {
    /// Serves a file; `None` where there is no Datasette.
    fn serve(file: &Path) -> Option<Self> {
        let installed = PathBuf::from(DATASETTE);
        let program = if installed.exists() { installed } else { PathBuf::from("datasette") };
        let port = free_port();
        let child = Command::new(program)
            .args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut datasette = Self { child: child.ok()?, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < DEADLINE, "Datasette does not start");
            assert!(datasette.child.try_wait().expect("it can be asked").is_none(), "it ended");
            pause(Duration::from_millis(20));
        }
        Some(datasette)
    }

    /// A page as the browser shows it; `None` where there is no browser.
    fn shown(&self, page: &str) -> Option<String> {
        shown_at(&format!("http://127.0.0.1:{}{page}", self.port))
    }
}

impl Drop for Datasette {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn datasette_shows_facets_and_what_codes_mean() {
    let sim = Sim::start(repositories(&[(1, 60), (2, 10)]));
    let kept = mirrored(&sim);
    let place = Place::new();
    kept.lines(&["snapshot", path(&place.file())]);
    let Some(datasette) = Datasette::serve(&place.file()) else {
        return skipped("a snapshot in Datasette", "Datasette is not installed");
    };
    let Some(page) = datasette.shown("/out/Products+1?_facet=Country&_size=100") else {
        return skipped("a snapshot in Datasette", "no browser is installed");
    };
    // In a cell the code is shown as its description, and leads to its row.
    assert!(page.contains("60 rows"), "{page}");
    let cell = "<a href=\"/out/Countries/DE\">Germany</a>";
    assert!(page.contains(cell), "{page}");
    // A facet counts the items of each country, and leads to them.
    let facets = between(&page, "class=\"facet-results\"", "<table");
    for country in ["Germany", "Greece", "Japan", "Israel"] {
        assert!(facets.contains(country), "{country}: {facets}");
    }
    assert!(facets.contains("&amp;Country=DE\">Germany</a>"), "{facets}");
    // A code leads to the code above it, and to the items that have it.
    let codes = datasette.shown("/out/Countries").expect("the browser is still there");
    assert!(codes.contains("<a href=\"/out/Countries/EU\">Europe</a>"), "{codes}");
    let code = datasette.shown("/out/Countries/DE").expect("the browser is still there");
    assert!(code.contains("<a href=\"/out/Products+1?Country=DE\">"), "{code}");
}

#[test]
fn the_shell_of_sqlite_opens_it_read_only() {
    let sim = Sim::start(repositories(&[(1, 60), (2, 10)]));
    let kept = mirrored(&sim);
    let place = Place::new();
    kept.lines(&["snapshot", path(&place.file())]);
    let asked = Command::new("sqlite3")
        .arg("-readonly")
        .arg(place.file())
        .arg(
            "SELECT count(*) FROM \"Products 1\" JOIN Countries ON code = Country; \
             PRAGMA integrity_check; PRAGMA foreign_key_check;",
        )
        .output();
    let Ok(asked) = asked else {
        return skipped("a snapshot in the shell of SQLite", "sqlite3 is not installed");
    };
    let told = String::from_utf8_lossy(&asked.stdout).into_owned();
    let (count, rest) = told.split_once('\n').unwrap();
    assert!(count.parse::<u64>().is_ok_and(|count| (1..=60).contains(&count)), "{told}");
    assert_eq!(rest, "ok\n");
    assert_eq!(place.names(), ["out.db"]);
}
