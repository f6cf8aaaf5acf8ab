//! The statements of docs/postgresql.md, "Roles": each role may do what it is for, and nothing else.

use std::sync::Arc;

use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::place::{Place, lease, page};
use crate::domain::{Iteration, RepositoryId};
use crate::mirror::Mirror;
use crate::mirror::postgres::{PostgresAddress, PostgresMirror, PostgresPool, schema};

const DOCUMENT: &str = include_str!("../../../../docs/postgresql.md");
const VIEWS: &str = include_str!("../../../../docs/mirror.md");

/// The statements of the section, for this schema, with role names that nobody else uses.
fn statements(schema: &str) -> String {
    let section = DOCUMENT.split("## Roles\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let of_roles =
        ["shop", "mirror_writer"].iter().fold(blocks.collect::<String>(), |sql, role| {
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
    let mirror = PostgresMirror::new(pool);
    let repository = mirror.writer(RepositoryId(1), &lease());
    repository.load().await.unwrap();
    repository.begin_pass(Iteration(1), 1).await.unwrap();
    repository.write_page(Arc::clone(&page(1, &[(1, "{}"), (2, "{}")]))).await.unwrap();
    mirror.drop_changes(i64::MAX, std::time::Duration::ZERO).await.unwrap();
    for refused in ["DROP TABLE item", "CREATE TABLE other (id int)", "DROP TABLE change_1"] {
        assert_eq!(said(address, &writer, refused).await, Some(SqlState::INSUFFICIENT_PRIVILEGE));
    }

    for view in ["items", "changes", "history", "passes"] {
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
    ] {
        let refused_by = said(address, &shop, refused).await;
        assert_eq!(refused_by, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
    }

    drop((repository, mirror));
    for role in [shop, writer, stranger] {
        let gone = format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
        owner.batch_execute(&gone).await.unwrap();
    }
}
