-- What a pager has learnt of the answers of the server: it saves the work of finding it out again after
-- a restart, and nothing else depends on it. In forms of the program's own, with a version and a hash in
-- each.
CREATE TABLE known_answer (
    repository bigint NOT NULL,
    -- Of the request that was answered.
    size bigint NOT NULL,
    page bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (repository, size, page)
);

-- What the server was found to do when it is asked for pages of a repository.
CREATE TABLE server_habits (
    repository bigint PRIMARY KEY,
    bytes bytea NOT NULL
);
