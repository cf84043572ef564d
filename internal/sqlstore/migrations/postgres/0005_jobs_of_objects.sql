-- The mark of the object that is a job's only input; empty for others, and for
-- jobs from before.
ALTER TABLE jobs ADD COLUMN object TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX jobs_object ON jobs (object, id) WHERE object <> '';
