//! A PostgreSQL of the tests' own, as the unit tests have it.

#[cfg(test)]
#[expect(dead_code, reason = "the unit tests use all of it")]
#[path = "../../../src/testing/postgres.rs"]
mod server;

pub(crate) use server::{SchemaPlace, TestDatabase};

impl SchemaPlace {
    /// The lines of the section `mirror` for a mirror in this schema.
    pub(crate) fn mirror(&self) -> String {
        format!("url = '{}'\nschema = '{}'", self.url, self.schema)
    }
}

/// A schema that nobody else uses; `None` where PostgreSQL is not installed, which it says.
pub(crate) fn schema() -> Option<SchemaPlace> {
    Some(TestDatabase::shared()?.new_schema())
}
