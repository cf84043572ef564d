CREATE TABLE presets (
    id   TEXT NOT NULL PRIMARY KEY,
    spec TEXT NOT NULL
) STRICT;

-- Pipelines take turns: whose number is the lowest has started no job for longest.
ALTER TABLE pipelines ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- A pipeline that was deleted stays for its jobs, and is hidden from all else.
ALTER TABLE pipelines ADD COLUMN delete_ms INTEGER;
