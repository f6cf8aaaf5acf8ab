-- The mirror's tables. `search_path` names the schema of the mirror alone. What ends in `_ms` is
-- milliseconds since 1970 (UTC), by the clock of the daemon that wrote it; what ends in `_at` is by
-- the clock of this database.

-- The schema's own history: which migration was made when, and what its text was.
CREATE TABLE migration (
    version integer PRIMARY KEY,
    -- SHA-256 of the migration's text, in hexadecimal.
    checksum text NOT NULL,
    program text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The right to write a repository. Each transaction that writes one changes its row, under the
-- generation that the writer works under: another generation changes no row, and nothing is written.
-- A lease holds for as long as the daemon that has it is there (see `instance`), so that to renew
-- leases waits for no page.
CREATE TABLE lease (
    repository bigint PRIMARY KEY,
    -- The daemon that has it; empty: none. Where that daemon is gone, the one that had it last.
    owner text NOT NULL DEFAULT '',
    -- Counts up each time that it is taken.
    generation bigint NOT NULL DEFAULT 0,
    -- Counts the transactions that wrote the repository. A writer whose answer was lost finds out by it
    -- whether the transaction was made.
    writes bigint NOT NULL DEFAULT 0,
    -- Since when it stands so: when it was taken, or let go of.
    since timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The daemons that share the mirror. One that has not said in time that it is there has lost what it had.
CREATE TABLE instance (
    -- Its name and a part that no other process has.
    owner text PRIMARY KEY,
    name text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    -- What it is configured to read, and whether it would share that with others.
    repositories bigint[] NOT NULL,
    spread boolean NOT NULL
) WITH (fillfactor = 50);

-- Logins that were denied or are being tried, so that daemons together do not lock the account.
CREATE TABLE denial (
    -- The server and the user.
    login text NOT NULL,
    -- When it was denied, or the try began.
    denied_at timestamptz NOT NULL,
    is_try boolean NOT NULL
);
CREATE INDEX denial_login ON denial (login, denied_at);

-- What is known of each repository. Small: it is written with every page that changes something.
CREATE TABLE repository (
    id bigint PRIMARY KEY,
    -- Items that are there; deleted ones do not count.
    items bigint NOT NULL DEFAULT 0,
    -- Whether any pass has come to its end: what is new until then is op 'r', afterwards 'c'.
    first_pass_done boolean NOT NULL DEFAULT false,
    -- The last certified pass.
    certified_iteration bigint,
    certified_ms bigint
) WITH (fillfactor = 50);

-- The copy, by id. A row without a body is an item that was deleted, as long as its deletion is in
-- the log.
CREATE TABLE item (
    repository bigint NOT NULL,
    -- The id in bytes that sort like ids: see key.rs.
    key bytea NOT NULL,
    -- The id as people write it. The integer 7 and the text "7" are written alike.
    id text COLLATE "C" NOT NULL,
    -- Its last change, and when that was found.
    sequence bigint NOT NULL,
    changed_ms bigint NOT NULL,
    -- The digest of the body as received, its 64 bits taken as signed.
    digest bigint,
    -- The body as received.
    body text,
    -- The same, where jsonb can hold it exactly.
    json jsonb,
    PRIMARY KEY (repository, key)
);
-- For who looks an item up in a view.
CREATE INDEX item_id ON item (repository, id);

-- The log, in parts: the number of the part that is written stands in `log`, so that parts follow one
-- another in the order of sequences. The part after it is there already: a transaction that began
-- before a part was made could not write to it. Changes up to log.dropped_through are no longer part of the log.
CREATE TABLE change (
    part integer NOT NULL,
    sequence bigint NOT NULL,
    repository bigint NOT NULL,
    key bytea NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- 'r', 'c', 'u' or 'd'.
    op text NOT NULL,
    iteration bigint NOT NULL,
    ts_ms bigint NOT NULL,
    -- The last change of the same item before this one, if it had one, and when that was found.
    previous bigint,
    previous_ms bigint,
    -- The bodies as received; `before` of updates and deletions, `after` of all but deletions.
    before text,
    after text,
    -- Whether jsonb can hold them exactly.
    before_exact boolean NOT NULL DEFAULT false,
    after_exact boolean NOT NULL DEFAULT false,
    -- The sequence first: who reads on from one finds it in each part by a look at its index.
    PRIMARY KEY (sequence, part)
) PARTITION BY RANGE (part);
-- By the id and not by the key, so that it serves the views, too.
CREATE INDEX change_item ON change (repository, id, sequence);

-- What a large page changes, on its way into the two tables above: it is sent in several statements, and
-- put in its places by the last of them, which also empties this table. All of that is one
-- transaction, so nobody else ever sees a row here, and none is to be kept.
CREATE UNLOGGED TABLE staged_change (
    repository bigint NOT NULL,
    -- Its place among the changes of the page, from 1 on.
    n bigint NOT NULL,
    key bytea NOT NULL,
    id text COLLATE "C" NOT NULL,
    op text NOT NULL,
    body text,
    exact boolean NOT NULL,
    digest bigint
);
-- To compress what is read once costs more than it saves.
ALTER TABLE staged_change ALTER body SET STORAGE EXTERNAL;

-- The parts of the log that have been begun and not dropped. The first change of a part is the one after `after_sequence`.
CREATE TABLE log_part (
    part integer PRIMARY KEY,
    after_sequence bigint NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row. Whoever gives out sequences changes it in the same transaction, so that sequences come in
-- the order of commits and without a gap.
CREATE TABLE log (
    sole boolean PRIMARY KEY DEFAULT true CHECK (sole),
    -- The last change; 0: there was none yet.
    last bigint NOT NULL,
    -- Changes up to this one have been dropped.
    dropped_through bigint NOT NULL,
    -- The part that is written.
    part integer NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE change_1 PARTITION OF change FOR VALUES FROM (1) TO (2);
CREATE TABLE change_2 PARTITION OF change FOR VALUES FROM (2) TO (3);
INSERT INTO log_part (part, after_sequence) VALUES (1, 0);
INSERT INTO log (last, dropped_through, part) VALUES (0, 0, 1);

-- Begins the next part of the log where the one that is written is older than this or has so many
-- changes; whether it did. It takes no lock that a reader or a writer waits for, but the log's row for
-- a moment at its end. Whoever keeps it waiting is let alone: it is asked again.
CREATE FUNCTION roll_over(longest interval, most bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '200ms'
    AS $$
DECLARE
    written integer;
    through bigint;
BEGIN
    -- Twice: one look is for nothing, as a rule, and the other one is under the lock.
    FOR look IN 1..2 LOOP
        SELECT log.part INTO written FROM log JOIN log_part USING (part)
            WHERE log.last > log_part.after_sequence
            AND (log_part.begun_at < clock_timestamp() - longest
                OR log.last - log_part.after_sequence >= most);
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        IF look = 1 THEN
            LOCK TABLE ONLY change IN SHARE UPDATE EXCLUSIVE MODE;
        END IF;
    END LOOP;
    EXECUTE format('CREATE TABLE %I (LIKE change INCLUDING ALL, CHECK (part = %s))',
        'change_' || written + 2, written + 2);
    EXECUTE format('ALTER TABLE change ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        'change_' || written + 2, written + 2, written + 3);
    UPDATE log SET part = written + 1 RETURNING last INTO through;
    INSERT INTO log_part (part, after_sequence) VALUES (written + 1, through);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
REVOKE ALL ON FUNCTION roll_over(interval, bigint) FROM PUBLIC;

-- Drops the parts of which no change is part of the log any more; how many that were. A part can be
-- dropped while nobody reads the log at all, so it waits for readers for a moment only, in which
-- writers wait for it, and is asked again.
CREATE FUNCTION drop_parts() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '100ms'
    AS $$
DECLARE
    old integer;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT log_part.part FROM log_part JOIN log_part AS later ON later.part = log_part.part + 1
        WHERE later.after_sequence <= (SELECT dropped_through FROM log)
        ORDER BY log_part.part
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE IF EXISTS %I', 'change_' || old);
        EXCEPTION WHEN lock_not_available THEN
            RETURN dropped;
        END;
        DELETE FROM log_part WHERE part = old;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION drop_parts() FROM PUBLIC;

-- The ledger.
CREATE TABLE pass (
    repository bigint NOT NULL,
    iteration bigint NOT NULL,
    started_ms bigint NOT NULL,
    -- None while the pass is under way.
    ended_ms bigint,
    pages bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    first_total bigint NOT NULL DEFAULT 0,
    last_total bigint NOT NULL DEFAULT 0,
    distinct_ids bigint NOT NULL DEFAULT 0,
    repeats bigint NOT NULL DEFAULT 0,
    step_backs bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    -- Suspects and held-back deletions at its end.
    suspects bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    certified boolean NOT NULL DEFAULT false,
    -- Why it is not certified.
    reason text,
    PRIMARY KEY (repository, iteration)
) WITH (fillfactor = 50);

-- How to go on with the pass under way.
CREATE TABLE checkpoint (
    repository bigint PRIMARY KEY,
    saved_ms bigint NOT NULL,
    state bytea NOT NULL
) WITH (fillfactor = 50);
-- It is written with every page, and to compress it would be most of the work of one without changes.
ALTER TABLE checkpoint ALTER state SET STORAGE EXTERNAL;

-- The ids that the pass under way has seen, one row for each page.
CREATE TABLE seen (
    repository bigint NOT NULL,
    page bigint NOT NULL,
    ids bytea NOT NULL,
    PRIMARY KEY (repository, page)
);
ALTER TABLE seen ALTER ids SET STORAGE EXTERNAL;

-- Items that the last certified pass did not see, and deletions that were held back: id sets in the
-- stored form of id_set.rs.
CREATE TABLE suspects (
    repository bigint PRIMARY KEY,
    suspects bytea NOT NULL,
    suspect_count bigint NOT NULL,
    held bytea,
    -- How many were announced.
    held_count bigint NOT NULL DEFAULT 0,
    held_iteration bigint,
    held_ms bigint,
    -- Those of the held deletions that the operator has approved.
    approved_items bytea,
    approved_count bigint NOT NULL DEFAULT 0,
    -- Whether the operator has picked some of them: the others are held until they are seen or approved,
    -- however few they are.
    picked boolean NOT NULL DEFAULT false
);

-- A mirror that is being taken over from another store, which is not finished as long as the row is
-- there.
CREATE TABLE transfer (
    sole boolean PRIMARY KEY DEFAULT true CHECK (sole),
    -- Where it comes from, and the log there.
    source text NOT NULL,
    last bigint NOT NULL,
    dropped_through bigint NOT NULL,
    -- The last change that is here.
    sequence bigint NOT NULL,
    -- The last item that is here; none while changes are being taken over.
    repository bigint,
    key bytea,
    -- Who takes it over. A statement of one that was killed may still be on its way.
    owner text NOT NULL
);

-- A body as jsonb; none where jsonb takes no such body. It is slower than a cast, which one such body breaks off.
CREATE FUNCTION as_jsonb(body text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT SET search_path FROM CURRENT
    AS $$
BEGIN
    RETURN body::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION as_jsonb(text) FROM PUBLIC;

-- What others may read. Views only ever gain columns, at the end.

CREATE FUNCTION at_ms(ms bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT pg_catalog.to_timestamp(0) + ms * interval '1 millisecond' $$;

CREATE VIEW items AS
    SELECT repository, id, body, json, sequence, at_ms(changed_ms) AS changed_at
    FROM item WHERE digest IS NOT NULL;

CREATE VIEW changes AS
    SELECT sequence, repository, id, op, iteration, at_ms(ts_ms) AS changed_at, before, after
    FROM change WHERE sequence > (SELECT dropped_through FROM log);

-- A version that was there ends with the change that carries it as `before`; one that is there still
-- is an item.
CREATE VIEW history AS
    SELECT repository, id, before AS body,
        CASE WHEN before_exact THEN before::jsonb END AS json,
        at_ms(previous_ms) AS valid_from, at_ms(ts_ms) AS valid_to,
        previous AS from_sequence, sequence AS to_sequence
    FROM change
    WHERE op IN ('u', 'd') AND sequence > (SELECT dropped_through FROM log)
    UNION ALL
    SELECT repository, id, body, json, at_ms(changed_ms), NULL, sequence, NULL
    FROM item WHERE digest IS NOT NULL;

CREATE VIEW passes AS
    SELECT repository, iteration, at_ms(started_ms) AS started_at, at_ms(ended_ms) AS ended_at,
        pages, requests, distinct_ids AS items, created, updated, deleted, unchanged, certified,
        reason
    FROM pass;
