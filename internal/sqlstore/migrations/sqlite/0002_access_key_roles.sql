-- What an access key may do, and what its holders call it. Keys from before
-- could do everything, and go on so; a key without a role may do nothing.
ALTER TABLE access_keys ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE access_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
UPDATE access_keys SET role = 'admin';
