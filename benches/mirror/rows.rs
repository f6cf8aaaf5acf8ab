//! The floor of a first pass into SQLite: the rows that it writes, from memory, each page on the disk before
//! the next one, and nothing else. Whatever a first pass does besides, it takes as long as this, as long as the
//! mirror is a database of these tables in WAL mode whose commits survive a loss of power.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::json;

use crate::limit::{Answer, fetch, read};
use crate::{Arguments, Fallible};

/// The tables of the mirror that grow with its items, with their indexes and the size of its pages.
const TABLES: &str = "
    PRAGMA page_size = 16384;
    CREATE TABLE item (
        repository INTEGER NOT NULL, id ANY NOT NULL, sequence INTEGER NOT NULL, digest INTEGER,
        PRIMARY KEY (repository, id)) STRICT, WITHOUT ROWID;
    CREATE TABLE change (
        sequence INTEGER PRIMARY KEY, repository INTEGER NOT NULL, id ANY NOT NULL, op TEXT NOT NULL,
        iteration INTEGER NOT NULL, ts_ms INTEGER NOT NULL, previous INTEGER, after BLOB) STRICT;
    CREATE INDEX change_time ON change (ts_ms)";

/// As the mirror sets its connection.
const SETTINGS: &str = "
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA cache_size = -16384;
    PRAGMA synchronous = FULL";

/// A time of changes: which one does not matter.
const AT_MS: i64 = 1_772_366_400_000;

/// An item: its id, its digest and its text.
type Row = (i64, i64, Box<str>);

/// Runs it to its end.
pub(crate) fn run(arguments: &Arguments) -> Fallible<()> {
    let url = format!("{}/webcm/rest/api/items/search", arguments.text("--url")?);
    let page_size = arguments.number("--page-size")?;
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pages = runtime.block_on(pages(&url, page_size))?;
    let elapsed = write(Path::new(arguments.text("--database")?), &pages)?;
    let items: usize = pages.iter().map(Vec::len).sum();
    let said = json!({"elapsed_ms": elapsed.as_secs_f64() * 1e3, "items": items});
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}

/// All items, read beforehand.
async fn pages(url: &str, page_size: usize) -> Fallible<Vec<Vec<Row>>> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let (mut pages, mut items) = (Vec::new(), 0);
    loop {
        let search =
            json!({"repositoryId": 1, "page": pages.len() + 1, "pageSize": page_size}).to_string();
        let body = fetch(client.clone(), url.to_owned(), search).await?;
        let Answer { data } = serde_json::from_slice(&body)?;
        let row = |item: &&serde_json::value::RawValue| -> Fallible<Row> {
            let (id, digest) = read(item)?;
            Ok((id, digest, item.get().into()))
        };
        pages.push(data.item_list.iter().map(row).collect::<Fallible<Vec<_>>>()?);
        items += data.item_list.len();
        if items >= data.search_total {
            return Ok(pages);
        }
    }
}

/// Writes them into a new database, one transaction a page; returns how long that took.
fn write(path: &Path, pages: &[Vec<Row>]) -> Fallible<Duration> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(SETTINGS)?;
    let (begun, mut sequence) = (Instant::now(), 0_i64);
    for page in pages {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut change = transaction
                .prepare_cached("INSERT INTO change VALUES (?1, 1, ?2, 'r', 1, ?3, NULL, ?4)")?;
            let mut item = transaction.prepare_cached("INSERT INTO item VALUES (1, ?1, ?2, ?3)")?;
            for (id, digest, body) in page {
                sequence += 1;
                change.execute(params![sequence, id, AT_MS, body.as_bytes()])?;
                item.execute([*id, sequence, *digest])?;
            }
        }
        transaction.commit()?;
    }
    Ok(begun.elapsed())
}
