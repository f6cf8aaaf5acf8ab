-- What feeds have delivered. Nothing here is for those who read the views: what a task has noted for
-- itself holds items and what receivers said.
CREATE TABLE feed (
    name text COLLATE "C" PRIMARY KEY,
    -- Every change up to here is delivered, parked, or dropped.
    delivered_through bigint NOT NULL,
    -- What the task that delivers has written down for itself, as JSON.
    progress text NOT NULL CHECK (octet_length(progress) <= 65536),
    -- Why it stands still; none: it does not.
    paused text,
    -- Changes delivered since it began.
    delivered bigint NOT NULL,
    last_success_ms bigint,
    -- Counts the writes of this row.
    revision bigint NOT NULL
) WITH (fillfactor = 50);

-- Changes that the receiver of a feed refused, and those of the same item that wait behind them.
CREATE TABLE feed_parked (
    feed text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    repository bigint NOT NULL,
    -- As in `item`.
    key bytea NOT NULL,
    reason text NOT NULL,
    parked_ms bigint NOT NULL,
    -- The parked change that it waits behind; none: it was refused itself.
    behind bigint,
    -- Whether the operator has asked for it to be delivered again.
    released boolean NOT NULL,
    PRIMARY KEY (feed, sequence)
);

-- The right to deliver a feed. Whatever is saved of a feed locks its row, under the term that it is
-- saved under. As those of repositories, it holds for as long as the daemon that has it is there (see `instance`).
-- A row stays when its feed is removed, so that no term comes twice.
CREATE TABLE feed_lease (
    feed text COLLATE "C" PRIMARY KEY,
    -- The daemon that has it; empty: none. Where that daemon is gone, the one that had it last.
    owner text NOT NULL DEFAULT '',
    -- Counts up each time that it is taken.
    term bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
