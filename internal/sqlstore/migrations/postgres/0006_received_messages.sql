-- What topics of other publishers have told us. A repeat has the same key.
CREATE TABLE hook_messages (
    topic      TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    receive_ms BIGINT NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    next_ms    BIGINT NOT NULL,
    done_ms    BIGINT,
    PRIMARY KEY (topic, id)
);
CREATE INDEX hook_messages_due ON hook_messages (next_ms) WHERE done_ms IS NULL;
CREATE INDEX hook_messages_done ON hook_messages (done_ms) WHERE done_ms IS NOT NULL;
