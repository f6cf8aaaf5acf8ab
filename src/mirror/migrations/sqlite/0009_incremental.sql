-- Incremental passes, which read what changed lately while whole passes prove.

-- Their ledger, beside that of whole passes. A row is written with the last page.
CREATE TABLE incremental_pass (
    repository INTEGER NOT NULL,
    -- Counts up in the order in which they ended.
    number INTEGER NOT NULL,
    -- The whole pass that was under way, or the last one.
    iteration INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    distinct_ids INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    PRIMARY KEY (repository, number)
) STRICT, WITHOUT ROWID;

-- How far they have come, as the pager has it.
CREATE TABLE incremental_mark (
    repository INTEGER PRIMARY KEY,
    mark BLOB NOT NULL
) STRICT;

-- The ledger tells of both, and which is which.
DROP VIEW passes;

CREATE VIEW passes AS
    SELECT repository, iteration,
        strftime('%Y-%m-%dT%H:%M:%S', started_ms / 1000, 'unixepoch')
            || printf('.%03dZ', started_ms % 1000) AS started_at,
        strftime('%Y-%m-%dT%H:%M:%S', ended_ms / 1000, 'unixepoch')
            || printf('.%03dZ', ended_ms % 1000) AS ended_at,
        pages, requests, distinct_ids AS items, created, updated, deleted, unchanged, certified,
        reason, 'whole' AS kind
    FROM pass
    UNION ALL
    SELECT repository, iteration,
        strftime('%Y-%m-%dT%H:%M:%S', started_ms / 1000, 'unixepoch')
            || printf('.%03dZ', started_ms % 1000),
        strftime('%Y-%m-%dT%H:%M:%S', ended_ms / 1000, 'unixepoch')
            || printf('.%03dZ', ended_ms % 1000),
        pages, requests, distinct_ids, created, updated, 0, unchanged, 0, NULL, 'incremental'
    FROM incremental_pass;
