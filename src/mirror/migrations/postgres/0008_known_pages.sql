-- The pages that the mirror had exactly after a change, as a writer knew them: it saves comparing each of them
-- again after a restart, and nothing else depends on it. In a form of the program's own, with a version and a
-- hash.
CREATE TABLE known_pages (
    repository bigint PRIMARY KEY,
    -- The change that was the last one then.
    sequence bigint NOT NULL,
    bytes bytea NOT NULL
);
