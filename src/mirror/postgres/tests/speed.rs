//! How fast pages are written, beside a program that writes the same rows by `COPY` and does nothing
//! else. It means something in a release build alone: `cargo test --release --lib -- --ignored
//! --nocapture written_about_as_fast`.

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::place::{Place, lease};
use crate::domain::{Item, ItemId, Iteration, RepositoryId};
use crate::mirror::postgres::key::to_key;
use crate::mirror::{Checkpoint, Mirror, PageOfItems, PassStatistics};

const PAGES: u64 = 100;
const ROWS: u64 = 1000;

/// JSON as `jsonb` is sent.
#[derive(Debug)]
struct Jsonb(String);

impl ToSql for Jsonb {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_u8(1);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::JSONB
    }

    to_sql_checked!();
}

/// A page of new items of about so many bytes.
fn page(number: u64, bytes: usize, revision: u64) -> Arc<PageOfItems> {
    let item = |row: u64| {
        let id = number * ROWS + row;
        let mut body = format!(r#"{{"id":{id},"revision":{revision}"#);
        for member in 0.. {
            if body.len() >= bytes {
                break;
            }
            let value = id * 7919 + member;
            write!(body, r#","attribute {member}":"value {value} of it""#).unwrap();
        }
        Item::new(ItemId::Integer(id.into()), Bytes::from(body + "}"))
    };
    Arc::new(PageOfItems {
        iteration: Iteration(1),
        ts_ms: 1,
        items: (0..ROWS).map(item).collect(),
        newly_seen: vec![true; usize::try_from(ROWS).unwrap()],
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics { pages: number, ..PassStatistics::default() },
        checkpoint: Checkpoint { state: vec![0; 100], seen: vec![1; 100] },
    })
}

async fn copy(client: &Client, page: &PageOfItems, first: i64) {
    client.batch_execute("BEGIN").await.unwrap();
    let types = [
        Type::INT4,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::BOOL,
    ];
    let sink = client
        .copy_in(
            "COPY change (part, sequence, repository, key, id, op, iteration, ts_ms, after,
                after_exact) FROM STDIN BINARY",
        )
        .await
        .unwrap();
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
    for (sequence, item) in (first..).zip(&page.items) {
        let (key, id) = (to_key(&item.id), item.id.to_string());
        let body = std::str::from_utf8(&item.bytes).unwrap();
        let row: [&(dyn ToSql + Sync); 10] =
            [&1_i32, &sequence, &1_i64, &key, &id, &"r", &1_i64, &1_i64, &body, &true];
        rows.as_mut().write(&row).await.unwrap();
    }
    rows.finish().await.unwrap();
    let types = [
        Type::INT8,
        Type::BYTEA,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::JSONB,
    ];
    let sink = client
        .copy_in(
            "COPY item (repository, key, id, sequence, changed_ms, digest, body, json)
            FROM STDIN BINARY",
        )
        .await
        .unwrap();
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
    for (sequence, item) in (first..).zip(&page.items) {
        let (key, id) = (to_key(&item.id), item.id.to_string());
        let body = std::str::from_utf8(&item.bytes).unwrap();
        let json = Jsonb(body.to_owned());
        let digest = item.digest.cast_signed();
        let row: [&(dyn ToSql + Sync); 8] =
            [&1_i64, &key, &id, &sequence, &1_i64, &digest, &body, &json];
        rows.as_mut().write(&row).await.unwrap();
    }
    rows.finish().await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
#[ignore = "it measures, and takes a release build"]
async fn pages_are_written_about_as_fast_as_rows_are_copied() {
    for bytes in [400, 2000, 6000] {
        let (Some(copied), Some(written)) = (Place::new(), Place::new()) else { return };
        let client = copied.client().await;
        let mirror = written.mirror();
        let writer = mirror.writer(RepositoryId(1), &lease());
        writer.load().await.unwrap();
        let mut took = [Duration::ZERO; 5];
        for number in 0..PAGES {
            let page = page(number, bytes, 0);
            let begun = Instant::now();
            copy(&client, &page, (number * ROWS).cast_signed() + 1).await;
            took[0] += begun.elapsed();
            let begun = Instant::now();
            let told = writer.write_page(Arc::clone(&page)).await.unwrap();
            took[1] += begun.elapsed();
            assert_eq!(told.created, ROWS);
        }
        for number in 0..PAGES {
            let page = page(number, bytes, 0);
            let begun = Instant::now();
            let told = writer.write_page(Arc::clone(&page)).await.unwrap();
            took[2] += begun.elapsed();
            assert_eq!(told.unchanged, ROWS);
            let mut changed = PageOfItems::clone(&page);
            for row in (0..1000).step_by(100) {
                let id = changed.items[row].id.clone();
                changed.items[row] = Item::new(id, Bytes::from_static(b"{}"));
            }
            let begun = Instant::now();
            let told = writer.write_page(Arc::new(changed)).await.unwrap();
            took[3] += begun.elapsed();
            assert_eq!(told.updated, ROWS / 100);
        }
        for number in 0..PAGES {
            let page = page(number, bytes, 1);
            let begun = Instant::now();
            writer.write_page(Arc::clone(&page)).await.unwrap();
            took[4] += begun.elapsed();
        }
        let rate = took.map(|took| PAGES as f64 * ROWS as f64 / took.as_secs_f64());
        println!(
            "{bytes} bytes: copied {:.0}/s, written {:.0}/s ({:.2}), unchanged {:.0}/s, \
             1 % changed {:.0}/s, all changed {:.0}/s",
            rate[0],
            rate[1],
            rate[1] / rate[0],
            rate[2],
            rate[3],
            rate[4]
        );
    }
}
