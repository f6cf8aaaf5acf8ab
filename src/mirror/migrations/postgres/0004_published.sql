-- What others read by name: the views that are made of the models. Views only ever gain columns, at the
-- end, so what was published stays here, in its order.

CREATE TABLE published_view (
    number bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    repository bigint NOT NULL,
    -- What the repository was called when the view came; of a code set or a link, empty.
    base text COLLATE "C" NOT NULL,
    -- Which language, code set or link it is of.
    part text NOT NULL CHECK (part IN ('main', 'language', 'key_values', 'code_set', 'link')),
    subject text COLLATE "C" NOT NULL
);

CREATE TABLE published_column (
    view bigint NOT NULL,
    number bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    field_id text COLLATE "C" NOT NULL,
    -- What the attribute was called when the column came.
    called text COLLATE "C" NOT NULL,
    PRIMARY KEY (view, number)
);

-- What follows from the models, made anew with each.

CREATE TABLE published_attribute (
    repository bigint NOT NULL,
    field_id text COLLATE "C" NOT NULL,
    name text,
    restricted_name text,
    type text,
    language text,
    code_set text,
    "precision" text,
    scale text,
    size text,
    attribute_group text,
    association_group text,
    relational boolean,
    -- The view of keys and values where its values are; none: they have a column.
    key_values bigint,
    PRIMARY KEY (repository, field_id)
);

CREATE TABLE published_code (
    view bigint NOT NULL,
    number bigint NOT NULL,
    code text NOT NULL,
    description text,
    parent text,
    PRIMARY KEY (view, number)
);

CREATE TABLE published_pair (
    view bigint NOT NULL,
    number bigint NOT NULL,
    parent bigint NOT NULL,
    parent_field text COLLATE "C" NOT NULL,
    child bigint NOT NULL,
    child_field text COLLATE "C" NOT NULL,
    PRIMARY KEY (view, number)
);

-- Schemas of before the first release may lack it.
ALTER TABLE denial ADD COLUMN IF NOT EXISTS is_try boolean NOT NULL DEFAULT false;

-- Whether the views say all that the model does.
ALTER TABLE model ADD COLUMN published boolean NOT NULL DEFAULT false;

-- Which attribute is in which column of which view.
CREATE VIEW attribute AS
    SELECT v.repository, v.name AS view, c.name AS "column", c.field_id, a.name,
        a.restricted_name, a.type, a.language, a.code_set,
        (
            SELECT s.name FROM published_view AS s
            WHERE s.repository = v.repository AND s.part = 'code_set' AND s.subject = a.code_set
            LIMIT 1
        ) AS code_view,
        a."precision", a.scale, a.size, a.attribute_group, a.association_group, a.relational
    FROM published_column AS c JOIN published_view AS v ON v.number = c.view
    LEFT JOIN published_attribute AS a
        ON a.repository = v.repository AND a.field_id = c.field_id
    UNION ALL
    SELECT v.repository, v.name, 'KeyValue', a.field_id, a.name, a.restricted_name, a.type,
        a.language, a.code_set,
        (
            SELECT s.name FROM published_view AS s
            WHERE s.repository = v.repository AND s.part = 'code_set' AND s.subject = a.code_set
            LIMIT 1
        ),
        a."precision", a.scale, a.size, a.attribute_group, a.association_group, a.relational
    FROM published_attribute AS a JOIN published_view AS v ON v.number = a.key_values;

-- A body as json whose members can be read as text; none where any of them cannot: a NUL, half of a
-- surrogate pair. It is slower than a cast, which one such body breaks off, and only asked where jsonb does
-- not hold the body.
CREATE FUNCTION readable_json(body text) RETURNS json
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path FROM CURRENT
    AS $$
BEGIN
    PERFORM FROM json_to_record(body::json) AS read (a text);
    RETURN body::json;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION readable_json(text) FROM PUBLIC;

-- Makes the views that `published_view` and its tables describe, as far as they are not there as described,
-- each by itself; returns those that were refused, and why. It makes nothing in the place of anything that it
-- has not made: its own views carry a comment, which only their owner can set. It runs with the rights of
-- the owner of the schema, and every text of the tables is an identifier or a literal of what it makes.
-- Who may read `items` may read what it makes.
CREATE FUNCTION publish_views() RETURNS TABLE (refused text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s'
    AS $$
DECLARE
    here CONSTANT name := current_schema();
    made published_view%ROWTYPE;
    there record;
    reader record;
    source text;
    other text;
    listed text;
    read text;
    statement text;
    mark text;
BEGIN
    FOR made IN SELECT * FROM published_view ORDER BY number LOOP
        -- Items of a repository, their bodies as json.
        source := format(
            '(SELECT id, CASE WHEN json IS NULL THEN readable_json(body) ELSE body::json END AS body '
            || 'FROM items WHERE repository = %s)', made.repository);
        IF made.part IN ('main', 'language') THEN
            -- What is too long for the name of a column is looked up by itself.
            SELECT string_agg(
                    CASE WHEN octet_length(c.field_id) BETWEEN 1 AND 63
                        THEN format('attribute.%I', c.field_id)
                        ELSE format('(item.body ->> %L)', c.field_id) END
                    || format(' AS %I', c.name), ', ' ORDER BY c.number),
                (SELECT string_agg(format('%I text', d.field_id), ', ') FROM (
                    SELECT DISTINCT field_id FROM published_column
                    WHERE view = made.number AND octet_length(field_id) BETWEEN 1 AND 63) AS d)
                INTO listed, read
                FROM published_column AS c WHERE c.view = made.number;
            statement := 'SELECT item.id AS "InternalRecordId"' || coalesce(', ' || listed, '')
                || ' FROM ' || source || ' AS item'
                || coalesce(' LEFT JOIN LATERAL json_to_record(item.body) AS attribute ('
                    || read || ') ON true', '');
        ELSIF made.part = 'key_values' THEN
            -- Of a member that stands there twice the last counts.
            statement := 'SELECT item.id AS "InternalRecordId", a.name AS "KeyName", '
                || 'a.restricted_name AS "KeyRestrictedName", member.value AS "KeyValue", '
                || 'a.field_id AS "KeyFieldId" FROM ' || source || ' AS item CROSS JOIN LATERAL ('
                || 'SELECT DISTINCT ON (key) key, value FROM json_each_text(item.body) '
                || 'WITH ORDINALITY AS each (key, value, place) ORDER BY key, place DESC) AS member '
                || format('JOIN published_attribute AS a ON a.repository = %s '
                    || 'AND a.field_id = member.key '
                    || 'WHERE a.key_values = %s AND member.value IS NOT NULL',
                    made.repository, made.number);
        ELSIF made.part = 'code_set' THEN
            statement := format('SELECT code, description, parent FROM published_code '
                || 'WHERE view = %s', made.number);
        ELSE
            SELECT format('(SELECT id, %s FROM (SELECT id, CASE WHEN json IS NULL THEN '
                    || 'readable_json(body) ELSE body::json END AS body FROM items '
                    || 'WHERE repository = %s) AS item)',
                    string_agg(format('body ->> %L AS v%s', p.parent_field, p.number), ', '
                        ORDER BY p.number), min(p.parent)),
                format('(SELECT id, %s FROM (SELECT id, CASE WHEN json IS NULL THEN '
                    || 'readable_json(body) ELSE body::json END AS body FROM items '
                    || 'WHERE repository = %s) AS item)',
                    string_agg(format('body ->> %L AS v%s', p.child_field, p.number), ', '
                        ORDER BY p.number), min(p.child)),
                string_agg(format('parent.v%1$s = child.v%1$s AND parent.v%1$s <> %2$L',
                    p.number, ''), ' AND ' ORDER BY p.number)
                INTO source, other, read
                FROM published_pair AS p WHERE p.view = made.number HAVING count(*) > 0;
            -- Of a link that is no longer known its view stays, and is empty.
            statement := CASE WHEN source IS NULL
                THEN 'SELECT id AS "ParentInternalRecordId", id AS "ChildInternalRecordId" '
                    || 'FROM items WHERE false'
                ELSE 'SELECT parent.id AS "ParentInternalRecordId", '
                    || 'child.id AS "ChildInternalRecordId" FROM ' || source
                    || ' AS parent JOIN ' || other || ' AS child ON ' || read END;
        END IF;
        mark := 'made of the model by ewmirror: ' || md5(statement);
        SELECT obj_description(c.oid, 'pg_class') AS comment INTO there
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = here AND c.relname = made.name;
        IF FOUND AND (there.comment IS NULL OR there.comment NOT LIKE 'made of the model by ewmirror: %') THEN
            refused := made.name;
            reason := 'something else in the schema has this name';
            RETURN NEXT;
            CONTINUE;
        END IF;
        BEGIN
            IF there.comment IS DISTINCT FROM mark THEN
                EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS %s', here, made.name, statement);
                EXECUTE format('COMMENT ON VIEW %I.%I IS %L', here, made.name, mark);
            END IF;
            FOR reader IN
                SELECT DISTINCT acl.grantee AS role FROM pg_class AS c
                CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
                WHERE c.oid = 'items'::regclass AND acl.privilege_type = 'SELECT'
                    AND acl.grantee NOT IN (0, c.relowner)
                    AND NOT has_table_privilege(
                        acl.grantee, format('%I.%I', here, made.name)::regclass, 'SELECT')
            LOOP
                EXECUTE format('GRANT SELECT ON %I.%I TO %I', here, made.name,
                    pg_get_userbyid(reader.role));
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            refused := made.name;
            reason := SQLERRM;
            RETURN NEXT;
        END;
    END LOOP;
    FOR reader IN
        SELECT DISTINCT acl.grantee AS role FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE c.oid = 'items'::regclass AND acl.privilege_type = 'SELECT'
            AND acl.grantee NOT IN (0, c.relowner)
    LOOP
        IF NOT has_table_privilege(reader.role, 'attribute'::regclass, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON %I.attribute TO %I', here, pg_get_userbyid(reader.role));
        END IF;
        IF NOT has_function_privilege(reader.role, 'readable_json(text)'::regprocedure, 'EXECUTE') THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %I.readable_json(text) TO %I', here,
                pg_get_userbyid(reader.role));
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION publish_views() FROM PUBLIC;
