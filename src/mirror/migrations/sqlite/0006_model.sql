-- What is known of each repository: attributes, code sets, links, languages, as one JSON document.
CREATE TABLE model (
    repository INTEGER PRIMARY KEY,
    -- When it was last made out, and when the server last told of its attributes: milliseconds since
    -- 1970 (UTC).
    read_ms INTEGER NOT NULL,
    server_ms INTEGER,
    -- Whether a names file of the configuration says something of it.
    from_file INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

-- The server's answers that it was made of, as they came, in their order.
CREATE TABLE model_answer (
    repository INTEGER NOT NULL,
    number INTEGER NOT NULL,
    -- The kind of call, and what of it was asked for.
    call TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (repository, number)
) STRICT;

-- The latest changes of each model.
CREATE TABLE model_change (
    repository INTEGER NOT NULL,
    number INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    -- What changed, in words.
    what TEXT NOT NULL,
    PRIMARY KEY (repository, number)
) STRICT;
