-- What topics of other publishers have told us. A repeat has the same key.
CREATE TABLE hook_messages (
    topic      TEXT NOT NULL,
    id         TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    receive_ms INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    next_ms    INTEGER NOT NULL,
    done_ms    INTEGER,
    PRIMARY KEY (topic, id)
) STRICT;
CREATE INDEX hook_messages_due ON hook_messages (next_ms) WHERE done_ms IS NULL;
CREATE INDEX hook_messages_done ON hook_messages (done_ms) WHERE done_ms IS NOT NULL;
