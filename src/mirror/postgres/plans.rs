//! How statements are planned: for tables that are large, and one way only.
//!
//! A table that grows by a million rows within minutes has statistics of when it was small, and what
//! was best then reads all of it now. So each connection finds rows by an index, one after the other,
//! whatever it believes of their number; every statement of ours is written for that. Statements are
//! planned once a connection, and never compiled: to plan or to compile one costs more than a page does.

/// What each connection is set to.
pub(super) const PLANS: &str = "SET enable_seqscan TO off; SET enable_hashjoin TO off; \
    SET enable_mergejoin TO off; SET jit TO off; SET plan_cache_mode TO force_generic_plan";

/// What a connection is set to that only reads. Its statements are planned for their parameters each time:
/// so the plan of one that reads the log has the parts in it that matter, and no others.
pub(super) const READING: &str = "SET enable_seqscan TO off; SET enable_bitmapscan TO off; \
    SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET jit TO off; \
    SET plan_cache_mode TO force_custom_plan";
