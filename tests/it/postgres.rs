//! The mirror in PostgreSQL: the built binary against a database server of the tests' own.

use crate::support::postgres;

#[test]
fn a_configuration_can_name_a_schema_that_nobody_else_has() {
    let (Some(one), Some(other)) = (postgres::schema(), postgres::schema()) else { return };
    assert_ne!(one.mirror(), other.mirror());
}
