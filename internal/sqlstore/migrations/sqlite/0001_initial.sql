-- Times are milliseconds since 1970. What is nested is JSON that is always read
-- and written whole.

CREATE TABLE pipelines (
    id        TEXT NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL,
    status    TEXT NOT NULL,
    create_ms INTEGER NOT NULL,
    spec      TEXT NOT NULL
) STRICT;
CREATE INDEX pipelines_name ON pipelines (name, id);

-- Lists go by id, upwards or downwards, from where the page before ended.
CREATE TABLE jobs (
    id          TEXT NOT NULL PRIMARY KEY,
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id),
    owner       TEXT NOT NULL,
    status      TEXT NOT NULL,
    submit_ms   INTEGER NOT NULL,
    start_ms    INTEGER,
    finish_ms   INTEGER,
    dedupe_key  TEXT UNIQUE,
    spec        TEXT NOT NULL,
    outputs     TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_pipeline ON jobs (pipeline_id, id);
CREATE INDEX jobs_pipeline_status ON jobs (pipeline_id, status, id);
CREATE INDEX jobs_owner ON jobs (owner, id);
CREATE INDEX jobs_owner_status ON jobs (owner, status, id);
CREATE INDEX jobs_status ON jobs (status, id);

CREATE TABLE attempts (
    job_id   TEXT NOT NULL REFERENCES jobs (id),
    number   INTEGER NOT NULL,
    node     TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms   INTEGER,
    lease_ms INTEGER NOT NULL,
    outcome  TEXT NOT NULL,
    phase    TEXT NOT NULL,
    progress REAL NOT NULL,
    log      TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
) STRICT;
CREATE INDEX attempts_open ON attempts (lease_ms) WHERE outcome = '';

CREATE TABLE topics (
    arn       TEXT NOT NULL PRIMARY KEY,
    create_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE subscriptions (
    arn       TEXT NOT NULL PRIMARY KEY,
    topic     TEXT NOT NULL REFERENCES topics (arn),
    protocol  TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    create_ms INTEGER NOT NULL,
    UNIQUE (topic, protocol, endpoint)
) STRICT;

-- A message is kept whether its topic is here or not.
CREATE TABLE messages (
    id         TEXT NOT NULL PRIMARY KEY,
    topic      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    publish_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE deliveries (
    message_id       TEXT NOT NULL REFERENCES messages (id),
    subscription_arn TEXT NOT NULL REFERENCES subscriptions (arn),
    tries            INTEGER NOT NULL,
    last_error       TEXT NOT NULL,
    deliver_ms       INTEGER,
    PRIMARY KEY (message_id, subscription_arn)
) STRICT;

-- AUTOINCREMENT gives no id twice, even if the newest row was deleted.
CREATE TABLE inbox_messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      TEXT NOT NULL,
    source       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    text         TEXT NOT NULL,
    job_id       TEXT NOT NULL,
    create_ms    INTEGER NOT NULL,
    dismissed_ms INTEGER,
    UNIQUE (user_id, source)
) STRICT;
CREATE INDEX inbox_messages_pending ON inbox_messages (user_id, id) WHERE dismissed_ms IS NULL;

CREATE TABLE users (
    id            TEXT NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    admin         INTEGER NOT NULL,
    create_ms     INTEGER NOT NULL
) STRICT;

CREATE TABLE access_keys (
    id        TEXT NOT NULL PRIMARY KEY,
    sealed    BLOB NOT NULL,
    user_id   TEXT NOT NULL,
    create_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    token     TEXT NOT NULL PRIMARY KEY,
    data      BLOB NOT NULL,
    expiry_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_expiry ON sessions (expiry_ms);
