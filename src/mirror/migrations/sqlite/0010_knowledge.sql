-- What a pager has learnt of the answers of the server: it saves the work of finding it out again after
-- a restart, and nothing else depends on it. In forms of the program's own, with a version and a hash in
-- each.
CREATE TABLE known_answer (
    repository INTEGER NOT NULL,
    -- Of the request that was answered.
    size INTEGER NOT NULL,
    page INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (repository, size, page)
) STRICT;

-- What the server was found to do when it is asked for pages of a repository.
CREATE TABLE server_habits (
    repository INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
