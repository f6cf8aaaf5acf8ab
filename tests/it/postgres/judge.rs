//! What must be true of a mirror in PostgreSQL at every instant, asked of the database itself in one
//! statement, so that it may be written meanwhile.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Sim;
use crate::support::cluster::Cluster;

/// The schema of the tests' mirrors.
pub(super) const SCHEMA: &str = "ewmirror";

/// Each answer must be 0: of the log of changes, what does not follow from what came before; of the
/// items, those that are not what the log folds to; of the log's end, how far it is from the last
/// change.
const FAULTS: &str = "
    WITH change AS (
        SELECT *, lag(after) OVER own AS was, lag(op) OVER own AS was_op,
            lead(sequence) OVER own AS next, lag(sequence) OVER (ORDER BY sequence) AS preceding
        FROM ewmirror.changes WINDOW own AS (PARTITION BY repository, id ORDER BY sequence)),
    folded AS (
        SELECT repository, id, after FROM change WHERE next IS NULL AND op <> 'd'),
    item AS (SELECT repository, id, body FROM ewmirror.items)
    SELECT json_build_object(
        'gaps', (SELECT count(*) FROM change WHERE sequence <> coalesce(preceding, 0) + 1),
        'before is not what was there',
            (SELECT count(*) FROM change WHERE before IS DISTINCT FROM was),
        'created twice', (SELECT count(*) FROM change WHERE op IN ('r', 'c') AND was IS NOT NULL),
        'updated to the same', (SELECT count(*) FROM change WHERE op = 'u' AND before = after),
        'deleted where there was none',
            (SELECT count(*) FROM change WHERE op = 'd' AND (before IS NULL OR after IS NOT NULL)),
        'items that are not folded',
            (SELECT count(*) FROM (SELECT * FROM item EXCEPT ALL SELECT * FROM folded) it),
        'folded that are no items',
            (SELECT count(*) FROM (SELECT * FROM folded EXCEPT ALL SELECT * FROM item) it),
        'end of the log', (SELECT abs(last - coalesce((SELECT max(sequence) FROM change), 0))
            FROM ewmirror.log))";

/// Notes of each transaction that writes under which lease it does, of each that gives out sequences, and of each
/// that has to do with a pass.
const PROBES: &str = "
    CREATE SCHEMA probe;
    CREATE TABLE probe.lease (number bigserial, repository bigint, owner text, generation bigint,
        writes bigint, transaction xid8 DEFAULT pg_current_xact_id());
    CREATE TABLE probe.log (number bigserial, last bigint,
        transaction xid8 DEFAULT pg_current_xact_id());
    CREATE TABLE probe.pass (transaction xid8 DEFAULT pg_current_xact_id());
    CREATE FUNCTION probe.lease() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO probe.lease (repository, owner, generation, writes)
        VALUES (NEW.repository, NEW.owner, NEW.generation, NEW.writes);
        RETURN NULL; END $$;
    CREATE FUNCTION probe.log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO probe.log (last) VALUES (NEW.last); RETURN NULL; END $$;
    CREATE FUNCTION probe.pass() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO probe.pass DEFAULT VALUES; RETURN NULL; END $$;
    CREATE TRIGGER probe AFTER INSERT OR UPDATE ON ewmirror.pass
        FOR EACH STATEMENT EXECUTE FUNCTION probe.pass();
    CREATE TRIGGER probe AFTER INSERT OR UPDATE ON ewmirror.lease
        FOR EACH ROW EXECUTE FUNCTION probe.lease();
    CREATE TRIGGER probe AFTER UPDATE ON ewmirror.log
        FOR EACH ROW WHEN (NEW.last <> OLD.last) EXECUTE FUNCTION probe.log()";

/// Each answer must be 0. The rows of a repository are in the order of its transactions, since each
/// locks its lease. A writer that loads counts two, in a transaction that does nothing else.
const RIVALS: &str = "
    WITH step AS (
        SELECT *, lag(generation) OVER own AS was,
            lag(writes) OVER own AS was_writes
        FROM probe.lease WINDOW own AS (PARTITION BY repository ORDER BY number))
    SELECT json_build_object(
        'generations that go back', (SELECT count(*) FROM step WHERE generation < was),
        'owners of one generation',
            (SELECT count(*) FROM (SELECT FROM probe.lease WHERE owner <> ''
                GROUP BY repository, generation HAVING count(DISTINCT owner) > 1) it),
        'writes that are lost',
            (SELECT count(*) FROM step WHERE generation = was
                AND writes NOT IN (was_writes, was_writes + 1)
                AND NOT (writes = was_writes + 2 AND transaction NOT IN (
                    SELECT transaction FROM probe.log UNION ALL SELECT transaction FROM probe.pass))),
        'changes without a lease',
            (SELECT count(*) FROM probe.log WHERE transaction NOT IN
                (SELECT transaction FROM probe.lease)))";

/// The database finds nothing wrong with the mirror in it. Returns the last sequence; 0 where there is
/// no mirror yet.
#[track_caller]
pub(super) fn judge(cluster: &Cluster, what: &str) -> u64 {
    let made = "SELECT count(*) FROM pg_views WHERE schemaname = 'ewmirror' AND viewname = 'items'";
    if cluster.sql(made).expect("the database answers") == "0" {
        return 0;
    }
    none(cluster, FAULTS, what);
    let last = cluster.sql("SELECT last FROM ewmirror.log").expect("the database answers");
    last.parse().expect("a sequence")
}

/// From now on who writes is noted.
pub(super) fn watch(cluster: &Cluster) {
    cluster.sql(PROBES).expect("the probes can be made");
}

/// Nobody has written beside the owner of a lease.
#[track_caller]
pub(super) fn one_writer(cluster: &Cluster, what: &str) {
    none(cluster, RIVALS, what);
}

/// The mirror has what the server has, to the byte.
#[track_caller]
pub(super) fn equals_server(cluster: &Cluster, sim: &Sim, repository: u64, what: &str) {
    let bodies = format!("SELECT body FROM {SCHEMA}.items WHERE repository = {repository}");
    let bodies = cluster.sql(&bodies).expect("the database answers");
    let kept: BTreeSet<String> = bodies.lines().map(str::to_owned).collect();
    let served: BTreeSet<String> = sim.items(repository).into_iter().collect();
    let (missing, extra) = (served.difference(&kept).count(), kept.difference(&served).count());
    assert_eq!((missing, extra), (0, 0), "{what}: missing and extra items");
}

#[track_caller]
fn none(cluster: &Cluster, question: &str, what: &str) {
    let answer = cluster.sql(question).unwrap_or_else(|error| panic!("{what}: {error}"));
    let counts: Value = serde_json::from_str(&answer).expect("an object");
    let counts = counts.as_object().expect("an object");
    let wrong: Vec<_> = counts.iter().filter(|(_, count)| count.as_u64() != Some(0)).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?}");
}
