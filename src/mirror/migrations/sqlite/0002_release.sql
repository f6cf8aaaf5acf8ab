-- Deletions that are held back are released one by one, not all or none.

-- Those of the held that the operator has released: an id set; none where none is.
ALTER TABLE suspicion ADD COLUMN released_items BLOB;
ALTER TABLE suspicion ADD COLUMN released_count INTEGER NOT NULL DEFAULT 0;
-- Whether the operator has picked some of them: the others are held until they are seen or released,
-- however few they are.
ALTER TABLE suspicion ADD COLUMN picked INTEGER NOT NULL DEFAULT 0;

UPDATE suspicion SET released_items = held, released_count = held_count
WHERE released = 1 AND held IS NOT NULL;

ALTER TABLE suspicion DROP COLUMN released;
