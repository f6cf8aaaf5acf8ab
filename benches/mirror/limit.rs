//! The limit programs: small programs that do one part of the work and nothing else. What they
//! take is what is possible, and ours is measured against it.
//!
//! Plain pages, one thread, as many requests in flight as asked for, once the first page has told the
//! total. Each is a process of its own and says at its end
//! on stdout what it took: `{"elapsed_ms": 1.5, "items": 1000}`.

use std::io::Write as _;
use std::time::Instant;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{Arguments, Fallible};

/// What a limit program does with each page.
enum Work {
    /// Nothing: it is fetched and thrown away.
    Fetch,
    /// Split into items, each hashed.
    Split,
    /// The same, and every item is inserted, one transaction a page.
    Insert(Connection),
    /// The same as `Split`, and every hash is compared with the one stored.
    Compare(Connection),
    /// The same, and what differs is stored, one transaction a page.
    Update(Connection),
    /// The same as `Split`, and one digest of all hashes of a page is compared with the one stored; a page that has
    /// none yet gets one.
    Digest(Connection),
}

/// A page as the server answers it.
#[derive(Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) data: Data<'a>,
}

/// What of a page matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data<'a> {
    #[serde(borrow)]
    pub(crate) item_list: Vec<&'a RawValue>,
    pub(crate) search_total: usize,
}

/// Of an item only its id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    item_id: i64,
}

/// Runs the limit program that the arguments name.
pub(crate) fn run(arguments: &Arguments) -> Fallible<()> {
    let database = || -> Fallible<Connection> {
        let connection = Connection::open(arguments.text("--database")?)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, hash INTEGER, body BLOB);
             CREATE TABLE IF NOT EXISTS page (first INTEGER PRIMARY KEY, digest INTEGER)",
        )?;
        Ok(connection)
    };
    let work = match arguments.text("--work")? {
        "fetch" => Work::Fetch,
        "split" => Work::Split,
        "insert" => Work::Insert(database()?),
        "compare" => Work::Compare(database()?),
        "update" => Work::Update(database()?),
        "digest" => Work::Digest(database()?),
        unknown => return Err(format!("there is no limit program {unknown}").into()),
    };
    let url = format!("{}/webcm/rest/api/items/search", arguments.text("--url")?);
    let page_size = arguments.number("--page-size")?;
    let in_flight = arguments.number("--in-flight")?.max(1);
    // Nothing here speaks TLS, but the library wants it chosen; it is so only once.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let items = runtime.block_on(pass(&client, &url, page_size, in_flight, work))?;
    let said = json!({"elapsed_ms": begun.elapsed().as_secs_f64() * 1e3, "items": items});
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}

/// One trip over all pages; returns how many items there were.
async fn pass(
    client: &reqwest::Client,
    url: &str,
    page_size: usize,
    in_flight: usize,
    mut work: Work,
) -> Fallible<usize> {
    let ask = |page: usize| {
        let search = json!({"repositoryId": 1, "page": page, "pageSize": page_size}).to_string();
        fetch(client.clone(), url.to_owned(), search)
    };
    let total = take(&mut work, &ask(1).await?)?;
    let mut pages = 2..=total.div_ceil(page_size);
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < in_flight
            && let Some(page) = pages.next()
        {
            under_way.spawn(ask(page));
        }
        let Some(body) = under_way.join_next().await else { return Ok(total) };
        take(&mut work, &body??)?;
    }
}

/// Works on one page; returns how many items there are in all.
fn take(work: &mut Work, body: &Bytes) -> Fallible<usize> {
    if let Work::Fetch = work {
        // The total stands at the end.
        let text = std::str::from_utf8(body)?;
        let (_, rest) = text.rsplit_once("\"searchTotal\":").ok_or("no total")?;
        return Ok(rest.split(',').next().unwrap_or_default().parse()?);
    }
    let Answer { data } = serde_json::from_slice(body)?;
    let differing = work_on(work, &data.item_list)?;
    if differing > 0 {
        return Err(format!("{differing} items differ from what is stored").into());
    }
    Ok(data.search_total)
}

#[expect(clippy::disallowed_methods, reason = "the server is ours: no answer is too long")]
pub(crate) async fn fetch(
    client: reqwest::Client,
    url: String,
    search: String,
) -> reqwest::Result<Bytes> {
    let request = client.post(url).header("content-type", "application/json").body(search);
    request.send().await?.error_for_status()?.bytes().await
}

/// Works on one page; returns how many of its items are not stored as they are.
fn work_on(work: &mut Work, items: &[&RawValue]) -> Fallible<usize> {
    let mut differing = 0;
    match work {
        Work::Fetch => {}
        Work::Split => {
            for item in items {
                std::hint::black_box(read(item)?);
            }
        }
        Work::Insert(connection) => {
            let transaction = connection.transaction()?;
            {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO item VALUES (?1, ?2, ?3)")?;
                for item in items {
                    let (id, hash) = read(item)?;
                    insert.execute(params![id, hash, item.get().as_bytes()])?;
                }
            }
            transaction.commit()?;
        }
        Work::Compare(connection) => {
            let mut select = connection.prepare_cached("SELECT hash FROM item WHERE id = ?1")?;
            for item in items {
                let (id, hash) = read(item)?;
                let stored: i64 = select.query_row([id], |row| row.get(0))?;
                differing += usize::from(stored != hash);
            }
        }
        Work::Update(connection) => {
            let transaction = connection.transaction()?;
            {
                let mut select =
                    transaction.prepare_cached("SELECT hash FROM item WHERE id = ?1")?;
                let mut update = transaction
                    .prepare_cached("UPDATE item SET hash = ?2, body = ?3 WHERE id = ?1")?;
                for item in items {
                    let (id, hash) = read(item)?;
                    let stored: i64 = select.query_row([id], |row| row.get(0))?;
                    if stored != hash {
                        update.execute(params![id, hash, item.get().as_bytes()])?;
                    }
                }
            }
            transaction.commit()?;
        }
        Work::Digest(connection) => {
            let (mut hasher, mut first) = (Xxh3::new(), None);
            for item in items {
                let (id, hash) = read(item)?;
                first = first.or(Some(id));
                hasher.update(&hash.to_le_bytes());
            }
            // Beyond the last page there is none.
            let Some(first) = first else { return Ok(0) };
            let digest = hasher.digest().cast_signed();
            let mut select =
                connection.prepare_cached("SELECT digest FROM page WHERE first = ?1")?;
            match select.query_row([first], |row| row.get::<_, i64>(0)).optional()? {
                Some(stored) => differing += usize::from(stored != digest),
                None => {
                    connection
                        .prepare_cached("INSERT INTO page VALUES (?1, ?2)")?
                        .execute(params![first, digest])?;
                }
            }
        }
    }
    Ok(differing)
}

/// An item's id and the hash of its text.
pub(crate) fn read(item: &RawValue) -> Fallible<(i64, i64)> {
    let Id { item_id } = serde_json::from_str(item.get())?;
    Ok((item_id, xxh3_64(item.get().as_bytes()).cast_signed()))
}
