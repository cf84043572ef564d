CREATE TABLE rules (
    name      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    create_ms BIGINT NOT NULL,
    spec      TEXT NOT NULL
);

-- Objects that are just being uploaded by a user of the site. The mark stands
-- for bucket and key, which may be too long for an index.
CREATE TABLE upload_claims (
    mark       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    bucket     TEXT NOT NULL,
    object_key TEXT NOT NULL,
    node       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    spec       TEXT,
    create_ms  BIGINT NOT NULL
);
CREATE INDEX upload_claims_node ON upload_claims (node);
