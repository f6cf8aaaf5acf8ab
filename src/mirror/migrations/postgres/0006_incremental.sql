-- Incremental passes, which read what changed lately while whole passes prove.

-- Their ledger, beside that of whole passes. A row is written with the last page.
CREATE TABLE incremental_pass (
    repository bigint NOT NULL,
    -- Counts up in the order in which they ended.
    number bigint NOT NULL,
    -- The whole pass that was under way, or the last one.
    iteration bigint NOT NULL,
    started_ms bigint NOT NULL,
    ended_ms bigint NOT NULL,
    pages bigint NOT NULL,
    requests bigint NOT NULL,
    distinct_ids bigint NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    unchanged bigint NOT NULL,
    PRIMARY KEY (repository, number)
);

-- How far they have come, as the pager has it.
CREATE TABLE incremental_mark (
    repository bigint PRIMARY KEY,
    mark bytea NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE incremental_mark ALTER mark SET STORAGE EXTERNAL;

-- The ledger tells of both, and which is which.
CREATE OR REPLACE VIEW passes AS
    SELECT repository, iteration, at_ms(started_ms) AS started_at, at_ms(ended_ms) AS ended_at,
        pages, requests, distinct_ids AS items, created, updated, deleted, unchanged, certified,
        reason, 'whole'::text AS kind
    FROM pass
    UNION ALL
    SELECT repository, iteration, at_ms(started_ms), at_ms(ended_ms), pages, requests, distinct_ids,
        created, updated, 0, unchanged, false, NULL, 'incremental'
    FROM incremental_pass;
