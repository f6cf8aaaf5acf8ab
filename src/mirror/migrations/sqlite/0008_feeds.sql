-- What feeds have delivered.
CREATE TABLE feed (
    name TEXT PRIMARY KEY,
    -- Every change up to here is delivered, parked, or dropped.
    delivered_through INTEGER NOT NULL,
    -- What the task that delivers has written down for itself, as JSON.
    progress TEXT NOT NULL CHECK (length(CAST(progress AS BLOB)) <= 65536),
    -- Why it stands still; none: it does not.
    paused TEXT,
    -- Changes delivered since it began.
    delivered INTEGER NOT NULL,
    last_success_ms INTEGER,
    -- Counts the writes of this row.
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Changes that the receiver of a feed refused, and those of the same item that wait behind them.
CREATE TABLE feed_parked (
    feed TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    repository INTEGER NOT NULL,
    -- As in `item`.
    id ANY NOT NULL,
    reason TEXT NOT NULL,
    parked_ms INTEGER NOT NULL,
    -- The parked change that it waits behind; none: it was refused itself.
    behind INTEGER,
    -- Whether the operator has asked for it to be delivered again.
    released INTEGER NOT NULL,
    PRIMARY KEY (feed, sequence)
) STRICT, WITHOUT ROWID;

-- The right to deliver a feed. A row stays when its feed is removed, so that no term comes twice.
CREATE TABLE feed_lease (
    feed TEXT PRIMARY KEY,
    -- The process that has it, by a name that no other has; empty: none.
    owner TEXT NOT NULL,
    -- Counts up each time that it is taken.
    term INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
