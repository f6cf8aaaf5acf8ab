-- What is known of each repository: attributes, code sets, links, languages, as one JSON document.
CREATE TABLE model (
    repository bigint PRIMARY KEY,
    -- When it was last made out, and when the server last told of its attributes.
    read_ms bigint NOT NULL,
    server_ms bigint,
    -- Whether a names file of the configuration says something of it.
    from_file boolean NOT NULL,
    document text NOT NULL
);

-- The server's answers that it was made of, as they came, in their order.
CREATE TABLE model_answer (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    -- The kind of call, and what of it was asked for.
    call text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (repository, number)
);

-- The latest changes of each model.
CREATE TABLE model_change (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    changed_ms bigint NOT NULL,
    -- What changed, in words.
    what text NOT NULL,
    PRIMARY KEY (repository, number)
);
