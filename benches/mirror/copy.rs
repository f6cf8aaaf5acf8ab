//! The limit program of PostgreSQL: fetches the pages and writes the rows that a first pass writes, by
//! `COPY`, one transaction a page, and nothing else.

use std::fmt::Write as _;
use std::io::Write as _;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use futures_util::SinkExt;
use serde_json::json;
use serde_json::value::RawValue;
use tokio_postgres::{Client, NoTls, Transaction};

use crate::limit::{Answer, fetch, read};
use crate::{Arguments, Fallible};

/// The tables of the mirror that grow with its items, with their indexes.
const TABLES: &str = "
    DROP TABLE IF EXISTS copied_item, copied_change;
    CREATE TABLE copied_item (
        repository bigint NOT NULL, key bytea NOT NULL, id text NOT NULL, sequence bigint NOT NULL,
        changed_ms bigint NOT NULL, digest bigint, body text, json jsonb,
        PRIMARY KEY (repository, key));
    CREATE TABLE copied_change (
        part integer NOT NULL, sequence bigint NOT NULL, repository bigint NOT NULL,
        key bytea NOT NULL, id text NOT NULL, op text NOT NULL, iteration bigint NOT NULL,
        ts_ms bigint NOT NULL, previous bigint, previous_ms bigint, before text, after text,
        before_exact boolean NOT NULL DEFAULT false, after_exact boolean NOT NULL DEFAULT false,
        PRIMARY KEY (part, sequence));
    CREATE INDEX ON copied_change (repository, key, sequence)";

/// The bit that has the bytes of negative numbers sort before those of others.
const SIGN: u128 = 1 << 127;

/// A time of changes: which one does not matter.
const AT_MS: u64 = 1_772_366_400_000;

/// Runs it to its end.
pub(crate) fn run(arguments: &Arguments) -> Fallible<()> {
    let url = format!("{}/webcm/rest/api/items/search", arguments.text("--url")?);
    let page_size = arguments.number("--page-size")?;
    let database = arguments.text("--database")?.to_owned();
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (elapsed, items) = runtime.block_on(async {
        let mut connection = connect(&database).await?;
        let begun = Instant::now();
        let (mut page, mut items) = (1, 0);
        loop {
            let search = json!({"repositoryId": 1, "page": page, "pageSize": page_size});
            let body = fetch(client.clone(), url.clone(), search.to_string()).await?;
            let Answer { data } = serde_json::from_slice(&body)?;
            let transaction = connection.transaction().await?;
            write(&transaction, &data.item_list, items).await?;
            transaction.commit().await?;
            items += data.item_list.len();
            page += 1;
            if items >= data.search_total {
                return Fallible::Ok((begun.elapsed(), items));
            }
        }
    })?;
    let said = json!({"elapsed_ms": elapsed.as_secs_f64() * 1e3, "items": items});
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program that ends with its connection")]
async fn connect(database: &str) -> Fallible<Client> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(TABLES).await?;
    Ok(client)
}

/// Writes the items of a page, and a change for each.
async fn write(transaction: &Transaction<'_>, items: &[&RawValue], before: usize) -> Fallible<()> {
    let (mut rows, mut changes) = (String::new(), String::new());
    for (sequence, item) in (before + 1..).zip(items) {
        let ((id, digest), body) = (read(item)?, item.get());
        let key = u128::try_from(id)? ^ SIGN;
        // In the text form of COPY a backslash is written twice; JSON has no control characters.
        let body = body.replace('\\', "\\\\");
        writeln!(
            rows,
            "1\t\\\\x00{key:032x}\t{id}\t{sequence}\t{AT_MS}\t{digest}\t{body}\t{body}"
        )?;
        writeln!(
            changes,
            "1\t{sequence}\t1\t\\\\x00{key:032x}\t{id}\tr\t1\t{AT_MS}\t\\N\t\\N\t\\N\t{body}\tf\tt"
        )?;
    }
    for (table, rows) in [("copied_item", rows), ("copied_change", changes)] {
        let mut sink = pin!(transaction.copy_in(&format!("COPY {table} FROM STDIN")).await?);
        sink.send(Bytes::from(rows)).await?;
        sink.finish().await?;
    }
    Ok(())
}
