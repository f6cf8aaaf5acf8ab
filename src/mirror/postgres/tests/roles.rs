//! The statements of docs/postgresql.md, "Roles": each role may do what it is for, and nothing else.

use std::sync::Arc;

use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::place::{OWNER, Place, lease, page};
use crate::domain::{Iteration, RepositoryId, Sequence};
use crate::mirror::contract::published::{attribute, category, model, publish};
use crate::mirror::postgres::{
    PostgresAddress, PostgresFeedWriter, PostgresMirror, PostgresPool, PostgresReading, schema,
};
use crate::mirror::{FeedHolds, FeedRequest, FeedState, FeedWriter, Feeds, Mirror};

const DOCUMENT: &str = include_str!("../../../../docs/postgresql.md");
const VIEWS: &str = include_str!("../../../../docs/mirror.md");

/// The statements of the section, for this schema, with role names that nobody else uses.
fn statements(schema: &str) -> String {
    let section = DOCUMENT.split("## Roles\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let of_roles = ["shop", "mirror_writer", "watcher"]
        .iter()
        .fold(blocks.collect::<String>(), |sql, role| {
            sql.replace(role, &format!("\"{role} of {schema}\""))
        });
    of_roles
        .replace("ewmirror.", &format!("\"{schema}\"."))
        .replace("SCHEMA ewmirror ", &format!("SCHEMA \"{schema}\" "))
}

/// What the database says to a role's statement.
async fn said(address: &PostgresAddress, role: &str, statement: &str) -> Option<SqlState> {
    let mut config = address.plain_config();
    config.user(role);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    let ask = async {
        let place = format!("SET search_path TO pg_catalog, \"{}\", pg_temp", address.schema);
        client.batch_execute(&place).await.unwrap();
        client.batch_execute(statement).await
    };
    tokio::select! {
        said = ask => said.err().map(|error| error.code().unwrap().clone()),
        _ = connection => panic!("the connection broke"),
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_is_for_and_nothing_else() {
    let Some(place) = Place::new() else { return };
    let address = &place.address;
    let name = &*address.schema;
    let stranger = format!("stranger of {name}");
    let owner = place.client().await;
    owner.batch_execute(&statements(name)).await.unwrap();
    owner.batch_execute(&format!("CREATE ROLE \"{stranger}\" LOGIN")).await.unwrap();
    let (shop, writer) = (format!("shop of {name}"), format!("mirror_writer of {name}"));

    let mut as_writer = address.clone();
    as_writer.url.user = Some(writer.clone());
    let pool = PostgresPool::new(as_writer).unwrap();
    schema::migrate(&pool).await.unwrap();
    let mirror = PostgresMirror::new(pool.clone());
    let repository = mirror.writer(RepositoryId(1), &lease());
    repository.load().await.unwrap();
    repository.begin_pass(Iteration(1), 1).await.unwrap();
    repository.write_page(Arc::clone(&page(1, &[(1, "{}"), (2, "{}")]))).await.unwrap();
    mirror.drop_changes(i64::MAX, std::time::Duration::ZERO, &FeedHolds::default()).await.unwrap();
    place.daemon_is_there(OWNER).await;
    let feeds = PostgresFeedWriter::new(pool.clone(), OWNER);
    let feed = feeds.take_feed("shop").await.unwrap().unwrap();
    let state = FeedState { progress: "{}".to_owned(), ..FeedState::default() };
    assert_eq!(feeds.save_feed(&feed, &state, Vec::new(), Vec::new()).await.unwrap(), Some(1));
    let reading = PostgresReading::new(pool);
    assert!(reading.change_feed("shop", FeedRequest::Resume).await.unwrap());
    assert_eq!(reading.feeds().await.unwrap()[0].1.progress, "{}");
    // One that watches, and is not to see what tasks have noted.
    let watcher = format!("watcher of {name}");
    let mut as_watcher = address.clone();
    as_watcher.url.user = Some(watcher.clone());
    let watching = PostgresReading::new(PostgresPool::to_read(as_watcher).unwrap());
    let seen = watching.feeds().await.unwrap();
    assert_eq!((&*seen[0].0, &*seen[0].1.progress, seen[0].1.revision), ("shop", "", 2));
    assert!(watching.change_feed("shop", FeedRequest::Resume).await.is_err());
    assert!(watching.parked("shop", Sequence(0), 1).await.is_err());
    drop((feeds, reading, watching));
    let products = model("Products", [attribute("F_1", "Brand"), category("F_2", "Volt")]);
    assert_eq!(publish(&mirror, &lease(), 1, products).await, []);
    for refused in [
        "DROP TABLE item",
        "CREATE TABLE other (id int)",
        "DROP TABLE change_1",
        "DROP VIEW \"Products\"",
        "CREATE OR REPLACE VIEW items AS SELECT 1",
        "COMMENT ON VIEW items IS 'made of the model by ewmirror: x'",
    ] {
        assert_eq!(said(address, &writer, refused).await, Some(SqlState::INSUFFICIENT_PRIVILEGE));
    }

    // What the writer says is never SQL, and takes the place of nothing.
    let rows = "INSERT INTO published_view VALUES (98, 'items', 1, '', 'main', ''), \
        (99, 'x\"; DROP TABLE item; --', 1, '', 'main', ''); \
        INSERT INTO published_column VALUES (98, 1, 'id', 'F_1', ''), \
        (99, 1, 'a', 'x'') FROM item; DROP TABLE item; --', '')";
    assert_eq!(said(address, &writer, rows).await, None);
    let refused = "SELECT count(*) FILTER (WHERE refused = 'items'), count(*) FROM publish_views()";
    let refused = owner.query_one(refused, &[]).await.unwrap();
    assert_eq!((refused.get::<_, i64>(0), refused.get::<_, i64>(1)), (1, 1));

    let views = ["items", "changes", "history", "passes", "attribute"];
    for view in views.into_iter().chain(["\"Products\"", "\"Products_KV\""]) {
        let all = format!("SELECT * FROM {view}");
        assert_eq!(said(address, &shop, &all).await, None, "{view}");
        let refused = said(address, &stranger, &format!("SELECT * FROM \"{name}\".{view}")).await;
        assert_eq!(refused, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{view}");
    }
    // What the documentation of the views has for PostgreSQL, as who they are for.
    let queries = VIEWS.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let queries: Vec<&str> = queries.filter(|query| query.contains("ewmirror.")).collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        let here = query.replace("ewmirror.", &format!("\"{name}\"."));
        assert_eq!(said(address, &shop, &here).await, None, "{here}");
    }
    for refused in [
        "SELECT * FROM item",
        "SELECT * FROM lease",
        "DELETE FROM items",
        "SELECT roll_over('1 hour', 1)",
        "SELECT drop_parts()",
        "SELECT publish_views()",
        "SELECT * FROM published_view",
        "SELECT * FROM model",
        "SELECT name FROM feed",
        "SELECT progress FROM feed",
        "SELECT reason FROM feed_parked",
        "SELECT owner FROM feed_lease",
    ] {
        let refused_by = said(address, &shop, refused).await;
        assert_eq!(refused_by, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
    }

    drop((repository, mirror));
    for role in [shop, writer, stranger, watcher] {
        let gone = format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
        owner.batch_execute(&gone).await.unwrap();
    }
}
