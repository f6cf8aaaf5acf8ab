-- What a mirror was at a time.

-- Which change came next after a time, without a look at the changes.
CREATE INDEX change_time ON change (ts_ms);

-- The latest time of a change that has been dropped: what there was before then can no longer be told.
ALTER TABLE log ADD COLUMN dropped_ms INTEGER;

-- Of what was dropped so far it is not known: no later than the first change that is there, or than now.
UPDATE log SET dropped_ms = ifnull(
    (SELECT ts_ms FROM change WHERE sequence > log.dropped_through ORDER BY sequence LIMIT 1),
    CAST(strftime('%s', 'now') AS INTEGER) * 1000
) WHERE dropped_through > 0;
