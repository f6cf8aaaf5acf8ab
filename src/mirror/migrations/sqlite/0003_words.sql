-- The tables say what the program says; nothing but names changes.

-- Items that the last certified pass did not see, and deletions that are held back.
ALTER TABLE suspicion RENAME TO suspects;
-- Those of the held deletions that the operator has approved.
ALTER TABLE suspects RENAME COLUMN released_items TO approved_items;
ALTER TABLE suspects RENAME COLUMN released_count TO approved_count;

-- Why a pass is not certified.
ALTER TABLE pass RENAME COLUMN doubt TO reason;

-- The digest of an item's body.
ALTER TABLE item RENAME COLUMN hash TO digest;
