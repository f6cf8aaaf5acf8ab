-- The mirror's tables. Times are milliseconds since 1970 (UTC).

-- What is known of each repository. Small: it is written with every page that changes something.
CREATE TABLE repository (
    id INTEGER PRIMARY KEY,
    -- Items that are there; deleted ones do not count.
    items INTEGER NOT NULL DEFAULT 0,
    -- Whether any pass has come to its end: what is new until then is op 'r', afterwards 'c'.
    first_pass_done INTEGER NOT NULL DEFAULT 0,
    -- The last certified pass.
    certified_iteration INTEGER,
    certified_ms INTEGER
) STRICT;

-- The copy, by id. The body is in the change that brought it; a row without a hash is an item that
-- was deleted, and its change is the deletion.
CREATE TABLE item (
    repository INTEGER NOT NULL,
    -- An INTEGER, a TEXT, or, for integers beyond 64 bits, a BLOB: see key.rs.
    id ANY NOT NULL,
    sequence INTEGER NOT NULL,
    -- The digest of the body as received, its 64 bits taken as signed.
    hash INTEGER,
    PRIMARY KEY (repository, id)
) STRICT, WITHOUT ROWID;

-- The log. Rows up to log.dropped_through are no longer part of it: they are there for their
-- bodies only, which an item or a later change still needs.
CREATE TABLE change (
    sequence INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL,
    id ANY NOT NULL,
    -- 'r', 'c', 'u' or 'd'.
    op TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL,
    -- The change of the same item before this one, if there was one; `before` of an update or a
    -- deletion is the `after` of that.
    previous INTEGER,
    -- The body as received; none for a deletion.
    after BLOB
) STRICT;

CREATE TABLE log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    -- Changes up to this one have been dropped.
    dropped_through INTEGER NOT NULL
) STRICT;

INSERT INTO log VALUES (1, 0);

-- The ledger.
CREATE TABLE pass (
    repository INTEGER NOT NULL,
    iteration INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    -- None while the pass is under way.
    ended_ms INTEGER,
    pages INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    first_total INTEGER NOT NULL DEFAULT 0,
    last_total INTEGER NOT NULL DEFAULT 0,
    distinct_ids INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0,
    step_backs INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    -- Suspects and held-back deletions at its end.
    suspects INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    certified INTEGER NOT NULL DEFAULT 0,
    -- Why it is not certified.
    doubt TEXT,
    PRIMARY KEY (repository, iteration)
) STRICT, WITHOUT ROWID;

-- How to go on with the pass under way.
CREATE TABLE checkpoint (
    repository INTEGER PRIMARY KEY,
    saved_ms INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;

-- The ids that the pass under way has seen, one row for each page.
CREATE TABLE seen (
    repository INTEGER NOT NULL,
    page INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (repository, page)
) STRICT, WITHOUT ROWID;

-- Items that the last certified pass did not see, and deletions that were held back: id sets in the
-- stored form of idset.rs.
CREATE TABLE suspicion (
    repository INTEGER PRIMARY KEY,
    suspects BLOB NOT NULL,
    suspect_count INTEGER NOT NULL,
    held BLOB,
    -- How many were announced.
    held_count INTEGER NOT NULL DEFAULT 0,
    held_iteration INTEGER,
    held_ms INTEGER,
    -- Whether the operator has released those that are held.
    released INTEGER NOT NULL DEFAULT 0
) STRICT;
