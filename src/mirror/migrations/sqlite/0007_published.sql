-- What others read by name: the views that are made of the models. Views only ever gain columns, at the
-- end, so what was published stays here, in its order.

CREATE TABLE published_view (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    repository INTEGER NOT NULL,
    -- What the repository was called when the view came; of a code set or a link, empty.
    base TEXT NOT NULL,
    -- 'main', 'language', 'key_values', 'code_set' or 'link', and which language, code set or link.
    part TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;

CREATE TABLE published_column (
    "view" INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    field_id TEXT NOT NULL,
    -- What the attribute was called when the column came.
    called TEXT NOT NULL,
    PRIMARY KEY ("view", number)
) STRICT;

-- What follows from the models, made anew with each.

CREATE TABLE published_attribute (
    repository INTEGER NOT NULL,
    field_id TEXT NOT NULL,
    name TEXT,
    restricted_name TEXT,
    type TEXT,
    language TEXT,
    code_set TEXT,
    "precision" TEXT,
    scale TEXT,
    size TEXT,
    attribute_group TEXT,
    association_group TEXT,
    relational INTEGER,
    -- The view of keys and values where its values are; none: they have a column.
    key_values INTEGER,
    PRIMARY KEY (repository, field_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE published_code (
    "view" INTEGER NOT NULL,
    number INTEGER NOT NULL,
    code TEXT NOT NULL,
    description TEXT,
    parent TEXT,
    PRIMARY KEY ("view", number)
) STRICT;

CREATE TABLE published_pair (
    "view" INTEGER NOT NULL,
    number INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    parent_field TEXT NOT NULL,
    child INTEGER NOT NULL,
    child_field TEXT NOT NULL,
    PRIMARY KEY ("view", number)
) STRICT;

-- Whether the views say all that the model does.
ALTER TABLE model ADD COLUMN published INTEGER NOT NULL DEFAULT 0;

-- Which attribute is in which column of which view.
CREATE VIEW attribute AS
    SELECT v.repository AS repository, v.name AS "view", c.name AS "column",
        c.field_id AS field_id, a.name AS name, a.restricted_name AS restricted_name,
        a.type AS type, a.language AS language, a.code_set AS code_set,
        (
            SELECT s.name FROM published_view AS s
            WHERE s.repository = v.repository AND s.part = 'code_set' AND s.subject = a.code_set
        ) AS code_view,
        a."precision" AS "precision", a.scale AS scale, a.size AS size,
        a.attribute_group AS attribute_group, a.association_group AS association_group,
        a.relational AS relational
    FROM published_column AS c JOIN published_view AS v ON v.number = c."view"
    LEFT JOIN published_attribute AS a
        ON a.repository = v.repository AND a.field_id = c.field_id
    UNION ALL
    SELECT v.repository, v.name, 'KeyValue', a.field_id, a.name, a.restricted_name, a.type,
        a.language, a.code_set,
        (
            SELECT s.name FROM published_view AS s
            WHERE s.repository = v.repository AND s.part = 'code_set' AND s.subject = a.code_set
        ),
        a."precision", a.scale, a.size, a.attribute_group, a.association_group, a.relational
    FROM published_attribute AS a JOIN published_view AS v ON v.number = a.key_values;
