-- Times are milliseconds since 1970. What is nested is JSON that is always read
-- and written whole; as TEXT, since JSONB changes what it is given. Identifiers go
-- by their bytes, as in SQLite, and not by the database's language.

CREATE TABLE pipelines (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL,
    status    TEXT NOT NULL,
    create_ms BIGINT NOT NULL,
    spec      TEXT NOT NULL
);
CREATE INDEX pipelines_name ON pipelines (name, id);

-- Lists go by id, upwards or downwards, from where the page before ended.
CREATE TABLE jobs (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    pipeline_id TEXT COLLATE "C" NOT NULL REFERENCES pipelines (id),
    owner       TEXT NOT NULL,
    status      TEXT NOT NULL,
    submit_ms   BIGINT NOT NULL,
    start_ms    BIGINT,
    finish_ms   BIGINT,
    dedupe_key  TEXT UNIQUE,
    spec        TEXT NOT NULL,
    outputs     TEXT NOT NULL
);
CREATE INDEX jobs_pipeline ON jobs (pipeline_id, id);
CREATE INDEX jobs_pipeline_status ON jobs (pipeline_id, status, id);
CREATE INDEX jobs_owner ON jobs (owner, id);
CREATE INDEX jobs_owner_status ON jobs (owner, status, id);
CREATE INDEX jobs_status ON jobs (status, id);

CREATE TABLE attempts (
    job_id   TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    number   BIGINT NOT NULL,
    node     TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms   BIGINT,
    lease_ms BIGINT NOT NULL,
    outcome  TEXT NOT NULL,
    phase    TEXT NOT NULL,
    progress DOUBLE PRECISION NOT NULL,
    log      TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
);
CREATE INDEX attempts_open ON attempts (lease_ms) WHERE outcome = '';

CREATE TABLE topics (
    arn       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    create_ms BIGINT NOT NULL
);

CREATE TABLE subscriptions (
    arn       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    topic     TEXT NOT NULL REFERENCES topics (arn),
    protocol  TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    create_ms BIGINT NOT NULL,
    UNIQUE (topic, protocol, endpoint)
);

-- A message is kept whether its topic is here or not.
CREATE TABLE messages (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    topic      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    publish_ms BIGINT NOT NULL
);

CREATE TABLE deliveries (
    message_id       TEXT COLLATE "C" NOT NULL REFERENCES messages (id),
    subscription_arn TEXT COLLATE "C" NOT NULL REFERENCES subscriptions (arn),
    tries            BIGINT NOT NULL,
    last_error       TEXT NOT NULL,
    deliver_ms       BIGINT,
    PRIMARY KEY (message_id, subscription_arn)
);

CREATE TABLE inbox_messages (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      TEXT NOT NULL,
    source       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    text         TEXT NOT NULL,
    job_id       TEXT NOT NULL,
    create_ms    BIGINT NOT NULL,
    dismissed_ms BIGINT,
    UNIQUE (user_id, source)
);
CREATE INDEX inbox_messages_pending ON inbox_messages (user_id, id) WHERE dismissed_ms IS NULL;

CREATE TABLE users (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    admin         BIGINT NOT NULL,
    create_ms     BIGINT NOT NULL
);

CREATE TABLE access_keys (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed    BYTEA NOT NULL,
    user_id   TEXT NOT NULL,
    create_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    token     TEXT NOT NULL PRIMARY KEY,
    data      BYTEA NOT NULL,
    expiry_ms BIGINT NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expiry_ms);
