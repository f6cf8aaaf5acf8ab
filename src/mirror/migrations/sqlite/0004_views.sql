-- What others may read. Views only ever gain columns, at the end; PostgreSQL has the same four.
--
-- Times are texts in UTC. Their milliseconds are not computed as fractions, which could be rounded.
--
-- An id is shown as a text, in decimal digits where it is an integer. One beyond 64 bits is stored as
-- sixteen bytes that count from -2^127 on. `decimal` reads their hexadecimal digits one by one, those of
-- a negative number complemented, into a number of three parts of 13 decimal digits each. A view has no
-- functions of its own, so each says it again.

CREATE VIEW items AS
    SELECT item.repository AS repository,
        CASE typeof(item.id) WHEN 'blob' THEN (
            WITH RECURSIVE decimal (place, digit, high, middle, low) AS (
                SELECT 1,
                    abs(
                        instr('123456789ABCDEF', substr(hex(item.id), 1, 1))
                            - CASE WHEN item.id < x'80' THEN 7 ELSE 8 END
                    ),
                    0, 0, 0
                UNION ALL
                SELECT place + 1,
                    CASE
                        WHEN item.id < x'80'
                        THEN 15 + (place = 31)
                            - instr('123456789ABCDEF', substr(hex(item.id), place + 1, 1))
                        ELSE instr('123456789ABCDEF', substr(hex(item.id), place + 1, 1))
                    END,
                    high * 16
                        + (middle * 16 + (low * 16 + digit) / 10000000000000) / 10000000000000,
                    (middle * 16 + (low * 16 + digit) / 10000000000000) % 10000000000000,
                    (low * 16 + digit) % 10000000000000
                FROM decimal WHERE place <= 32
            )
            SELECT CASE WHEN item.id < x'80' THEN '-' ELSE '' END
                || ltrim(printf('%013d%013d%013d', high, middle, low), '0')
            FROM decimal WHERE place = 33
        ) ELSE CAST(item.id AS TEXT) END AS id,
        CAST(change.after AS TEXT) AS body,
        CAST(change.after AS TEXT) AS json,
        item.sequence AS sequence,
        strftime('%Y-%m-%dT%H:%M:%S', change.ts_ms / 1000, 'unixepoch')
            || printf('.%03dZ', change.ts_ms % 1000) AS changed_at
    FROM item JOIN change ON change.sequence = item.sequence
    WHERE item.digest IS NOT NULL;

CREATE VIEW changes AS
    SELECT change.sequence AS sequence, change.repository AS repository,
        CASE typeof(change.id) WHEN 'blob' THEN (
            WITH RECURSIVE decimal (place, digit, high, middle, low) AS (
                SELECT 1,
                    abs(
                        instr('123456789ABCDEF', substr(hex(change.id), 1, 1))
                            - CASE WHEN change.id < x'80' THEN 7 ELSE 8 END
                    ),
                    0, 0, 0
                UNION ALL
                SELECT place + 1,
                    CASE
                        WHEN change.id < x'80'
                        THEN 15 + (place = 31)
                            - instr('123456789ABCDEF', substr(hex(change.id), place + 1, 1))
                        ELSE instr('123456789ABCDEF', substr(hex(change.id), place + 1, 1))
                    END,
                    high * 16
                        + (middle * 16 + (low * 16 + digit) / 10000000000000) / 10000000000000,
                    (middle * 16 + (low * 16 + digit) / 10000000000000) % 10000000000000,
                    (low * 16 + digit) % 10000000000000
                FROM decimal WHERE place <= 32
            )
            SELECT CASE WHEN change.id < x'80' THEN '-' ELSE '' END
                || ltrim(printf('%013d%013d%013d', high, middle, low), '0')
            FROM decimal WHERE place = 33
        ) ELSE CAST(change.id AS TEXT) END AS id,
        change.op AS op, change.iteration AS iteration,
        strftime('%Y-%m-%dT%H:%M:%S', change.ts_ms / 1000, 'unixepoch')
            || printf('.%03dZ', change.ts_ms % 1000) AS changed_at,
        CASE WHEN change.op IN ('u', 'd') THEN (
            SELECT CAST(earlier.after AS TEXT) FROM change AS earlier
            WHERE earlier.sequence = change.previous
        ) END AS "before",
        CAST(change.after AS TEXT) AS "after"
    FROM change
    WHERE change.sequence > (SELECT dropped_through FROM log);

-- A version that was there ends with the change that follows it; one that is there still is an item.
CREATE VIEW history AS
    SELECT change.repository AS repository,
        CASE typeof(change.id) WHEN 'blob' THEN (
            WITH RECURSIVE decimal (place, digit, high, middle, low) AS (
                SELECT 1,
                    abs(
                        instr('123456789ABCDEF', substr(hex(change.id), 1, 1))
                            - CASE WHEN change.id < x'80' THEN 7 ELSE 8 END
                    ),
                    0, 0, 0
                UNION ALL
                SELECT place + 1,
                    CASE
                        WHEN change.id < x'80'
                        THEN 15 + (place = 31)
                            - instr('123456789ABCDEF', substr(hex(change.id), place + 1, 1))
                        ELSE instr('123456789ABCDEF', substr(hex(change.id), place + 1, 1))
                    END,
                    high * 16
                        + (middle * 16 + (low * 16 + digit) / 10000000000000) / 10000000000000,
                    (middle * 16 + (low * 16 + digit) / 10000000000000) % 10000000000000,
                    (low * 16 + digit) % 10000000000000
                FROM decimal WHERE place <= 32
            )
            SELECT CASE WHEN change.id < x'80' THEN '-' ELSE '' END
                || ltrim(printf('%013d%013d%013d', high, middle, low), '0')
            FROM decimal WHERE place = 33
        ) ELSE CAST(change.id AS TEXT) END AS id,
        CAST(version.after AS TEXT) AS body,
        CAST(version.after AS TEXT) AS json,
        strftime('%Y-%m-%dT%H:%M:%S', version.ts_ms / 1000, 'unixepoch')
            || printf('.%03dZ', version.ts_ms % 1000) AS valid_from,
        strftime('%Y-%m-%dT%H:%M:%S', change.ts_ms / 1000, 'unixepoch')
            || printf('.%03dZ', change.ts_ms % 1000) AS valid_to,
        change.previous AS from_sequence, change.sequence AS to_sequence
    FROM change JOIN change AS version ON version.sequence = change.previous
    WHERE change.op IN ('u', 'd') AND change.sequence > (SELECT dropped_through FROM log)
    UNION ALL
    SELECT repository, id, body, json, changed_at, NULL, sequence, NULL FROM items;

CREATE VIEW passes AS
    SELECT repository, iteration,
        strftime('%Y-%m-%dT%H:%M:%S', started_ms / 1000, 'unixepoch')
            || printf('.%03dZ', started_ms % 1000) AS started_at,
        strftime('%Y-%m-%dT%H:%M:%S', ended_ms / 1000, 'unixepoch')
            || printf('.%03dZ', ended_ms % 1000) AS ended_at,
        pages, requests, distinct_ids AS items, created, updated, deleted, unchanged, certified,
        reason
    FROM pass;

-- A mirror that is being taken over from another store, which is not finished as long as the row is
-- there.
CREATE TABLE transfer (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    -- Where it comes from, and the log there.
    source TEXT NOT NULL,
    last INTEGER NOT NULL,
    dropped_through INTEGER NOT NULL,
    -- The last change that is here.
    sequence INTEGER NOT NULL,
    -- The last item that is here; none while changes are being taken over.
    repository INTEGER,
    id ANY
) STRICT;
