-- What a mirror was at a time.

-- Which change came next after a time, without a look at the changes.
CREATE INDEX change_time ON change (ts_ms, sequence);

-- The latest time of a change that has been dropped: what there was before then can no longer be told.
ALTER TABLE log ADD COLUMN dropped_ms bigint;

-- Of what was dropped so far it is not known: no later than the first change that is there, or than now.
UPDATE log SET dropped_ms = coalesce(
    (SELECT change.ts_ms FROM change WHERE change.sequence > log.dropped_through
        ORDER BY change.sequence LIMIT 1),
    floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
) WHERE dropped_through > 0;
