//! The views of the models: what was published, and having the rest made.
//!
//! The daemon writes rows; the function `publish_views` of the schema makes views of them, with the rights of
//! the schema's owner. That is a transaction of its own: what is refused costs no model. Daemons take turns.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};
use xxhash_rust::xxh3::xxh3_64;

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::models::LEASE;
use super::numbers::signed;
use crate::domain::RepositoryId;
use crate::mirror::contracts::{Lease, RefusedView};
use crate::mirror::published::{KnownModels, NEEDED_MODELS, Publication};
use crate::mirror::transfer::PublishedView;
use crate::model::shape::MirrorShape;

/// What the names of locks on the views of a schema begin with.
const PUBLICATION_LOCK: &str = "ewmirror publication ";

/// Publishes what the models say and the views do not yet, as the daemon that has this lease, or as the one
/// that alone writes the schema.
pub(super) async fn publish(
    pool: &PostgresPool,
    lease: Option<(RepositoryId, &Lease)>,
) -> Vec<RefusedView> {
    let published = try_publish(pool, lease).await;
    published.unwrap_or_else(|error| {
        // Without the words of the row, as any error of the database.
        let error = crate::mirror::MirrorError::from(error);
        vec![RefusedView { view: String::new(), error: error.to_string() }]
    })
}

async fn try_publish(
    pool: &PostgresPool,
    lease: Option<(RepositoryId, &Lease)>,
) -> Result<Vec<RefusedView>, PostgresError> {
    let mut client = pool.get().await?;
    let pending = "SELECT repository FROM model WHERE NOT published";
    if client.query(pending, &[]).await?.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = client.transaction().await?;
    let lock = xxh3_64(format!("{PUBLICATION_LOCK}{}", pool.address().schema).as_bytes());
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&lock.cast_signed()]).await?;
    // Locked: what another daemon saves meanwhile is pending once this is done.
    let rows = transaction.query(&format!("{pending} FOR UPDATE"), &[]).await?;
    let changed = rows.iter().map(|row| Ok(repository(row.try_get(0)?)));
    let changed = changed.collect::<Result<BTreeSet<_>, tokio_postgres::Error>>()?;
    let views = views(transaction.client()).await?;
    let before = MirrorShape { views: views.into_iter().map(PublishedView::shaped).collect() };
    let publication = Publication::of(&before, &models(&transaction).await?, &changed);
    put(&transaction, &publication.views).await?;
    put_derived(&transaction, &publication, &changed).await?;
    let rows = transaction.query("SELECT refused, reason FROM publish_views()", &[]).await?;
    let refused =
        rows.iter().map(|row| Ok(RefusedView { view: row.try_get(0)?, error: row.try_get(1)? }));
    let refused = refused.collect::<Result<Vec<_>, tokio_postgres::Error>>()?;
    if refused.is_empty() {
        let ids: Vec<i64> = changed.iter().map(|id| signed(id.0)).collect();
        let done = "UPDATE model SET published = true WHERE repository = ANY ($1)";
        transaction.execute(done, &[&ids]).await?;
    }
    if let Some((repository, lease)) = lease {
        // Last, since the pages of the repository wait for its row.
        let (id, generation) = (signed(repository.0), signed(lease.generation));
        if transaction.query_opt(LEASE, &[&id, &&*lease.owner, &generation]).await?.is_none() {
            return Ok(Vec::new());
        }
    }
    transaction.commit().await?;
    Ok(refused)
}

/// What is published. A role that may not read it knows of nothing.
pub(super) async fn shape(client: &Client) -> Result<MirrorShape, tokio_postgres::Error> {
    let views = match views(client).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Vec::new(),
        views => views?,
    };
    Ok(MirrorShape { views: views.into_iter().map(PublishedView::shaped).collect() })
}

/// The views that are published, in their order.
pub(super) async fn views(client: &Client) -> Result<Vec<PublishedView>, tokio_postgres::Error> {
    let views = client
        .query_typed(
            "SELECT number, name, repository, base, part, subject FROM published_view \
             ORDER BY number",
            &[],
        )
        .await?;
    // After them, so that none of theirs is missing: a view only gains columns.
    let rows = client
        .query_typed(
            "SELECT view, name, field_id, called FROM published_column ORDER BY view, number",
            &[],
        )
        .await?;
    let mut columns: HashMap<i64, Vec<(String, String, String)>> = HashMap::new();
    for row in &rows {
        let column = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        columns.entry(row.try_get(0)?).or_default().push(column);
    }
    let mut view = |row: &tokio_postgres::Row| {
        let number: i64 = row.try_get(0)?;
        Ok(PublishedView {
            number,
            name: row.try_get(1)?,
            repository: row.try_get(2)?,
            base: row.try_get(3)?,
            part: (row.try_get(4)?, row.try_get(5)?),
            columns: columns.remove(&number).unwrap_or_default(),
        })
    };
    views.iter().map(&mut view).collect()
}

/// Writes views, and columns of views, that are not there yet.
pub(super) async fn put(
    transaction: &Transaction<'_>,
    views: &[PublishedView],
) -> Result<(), PostgresError> {
    for it in views {
        let (part, subject) = &it.part;
        transaction
            .execute(
                "INSERT INTO published_view (number, name, repository, base, part, subject) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                &[&it.number, &it.name, &it.repository, &it.base, part, subject],
            )
            .await?;
        let column = |of: fn(&(String, String, String)) -> &String| -> Vec<&String> {
            it.columns.iter().map(of).collect()
        };
        transaction
            .execute(
                "INSERT INTO published_column (view, number, name, field_id, called) \
                 SELECT $1, each.number, each.name, each.field_id, each.called \
                 FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY \
                 AS each (name, field_id, called, number) ON CONFLICT DO NOTHING",
                &[&it.number, &column(|it| &it.0), &column(|it| &it.1), &column(|it| &it.2)],
            )
            .await?;
    }
    Ok(())
}

/// Writes what follows from the models that have changed.
async fn put_derived(
    transaction: &Transaction<'_>,
    publication: &Publication,
    changed: &BTreeSet<RepositoryId>,
) -> Result<(), PostgresError> {
    let changed: Vec<i64> = changed.iter().map(|id| signed(id.0)).collect();
    transaction
        .execute("DELETE FROM published_attribute WHERE repository = ANY ($1)", &[&changed])
        .await?;
    transaction
        .execute(
            "DELETE FROM published_code WHERE view IN \
             (SELECT number FROM published_view WHERE repository = ANY ($1))",
            &[&changed],
        )
        .await?;
    transaction.execute("DELETE FROM published_pair", &[]).await?;
    let attributes = &publication.attributes;
    let text = |place: usize| -> Vec<Option<&str>> {
        attributes.iter().map(|it| it.texts.get(place).and_then(Option::as_deref)).collect()
    };
    let texts: [_; 10] = std::array::from_fn(text);
    let repositories: Vec<i64> = attributes.iter().map(|it| it.repository).collect();
    let fields: Vec<&String> = attributes.iter().map(|it| &it.field_id).collect();
    let relational: Vec<Option<bool>> = attributes.iter().map(|it| it.relational).collect();
    let key_values: Vec<Option<i64>> = attributes.iter().map(|it| it.key_values).collect();
    let mut row: Vec<&(dyn ToSql + Sync)> = vec![&repositories, &fields, &relational, &key_values];
    row.extend(texts.iter().map(|texts| texts as &(dyn ToSql + Sync)));
    transaction
        .execute(
            "INSERT INTO published_attribute (repository, field_id, relational, key_values, name, \
             restricted_name, type, language, code_set, \"precision\", scale, size, \
             attribute_group, association_group) \
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::bigint[], \
             $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], \
             $11::text[], $12::text[], $13::text[], $14::text[])",
            &row,
        )
        .await?;
    let codes = &publication.codes;
    let views: Vec<i64> = codes.iter().map(|it| it.view).collect();
    let numbers: Vec<i64> = codes.iter().map(|it| it.number).collect();
    let own: Vec<&String> = codes.iter().map(|it| &it.texts.0).collect();
    let described: Vec<Option<&str>> = codes.iter().map(|it| it.texts.1.as_deref()).collect();
    let parents: Vec<Option<&str>> = codes.iter().map(|it| it.texts.2.as_deref()).collect();
    transaction
        .execute(
            "INSERT INTO published_code (view, number, code, description, parent) \
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])",
            &[&views, &numbers, &own, &described, &parents],
        )
        .await?;
    for it in &publication.pairs {
        let (parent, child) = (&it.parent, &it.child);
        transaction
            .execute(
                "INSERT INTO published_pair (view, number, parent, parent_field, child, \
                 child_field) VALUES ($1, $2, $3, $4, $5, $6)",
                &[&it.view, &it.number, &parent.0, &parent.1, &child.0, &child.1],
            )
            .await?;
    }
    Ok(())
}

async fn models(transaction: &Transaction<'_>) -> Result<KnownModels, tokio_postgres::Error> {
    let sql = format!("SELECT repository, document FROM model WHERE {NEEDED_MODELS}");
    let rows = transaction.query(&sql, &[]).await?;
    let model = |row: &tokio_postgres::Row| {
        let document: String = row.try_get(1)?;
        // Of a document that cannot be read nothing is known.
        Ok((repository(row.try_get(0)?), serde_json::from_str(&document).unwrap_or_default()))
    };
    rows.iter().map(model).collect()
}

fn repository(id: i64) -> RepositoryId {
    RepositoryId(id.cast_unsigned())
}
