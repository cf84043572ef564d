-- A delivery waits here, not in the queue: it is due at due_ms, which is NULL
-- when nothing is left to do. Whoever tries it puts its node's name there, and
-- the time until which nobody else does. A round is the tries from the beginning
-- on, or from the last time that somebody asked for more. A real AWS topic is
-- its own subscription, for which there is no row.
CREATE TABLE new_deliveries (
    id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    message_id       TEXT COLLATE "C" NOT NULL REFERENCES messages (id),
    subscription_arn TEXT COLLATE "C" NOT NULL,
    topic            TEXT COLLATE "C" NOT NULL,
    state            TEXT COLLATE "C" NOT NULL,
    tries            BIGINT NOT NULL,
    round_tries      BIGINT NOT NULL,
    round_ms         BIGINT NOT NULL,
    due_ms           BIGINT,
    node             TEXT NOT NULL,
    last_error       TEXT NOT NULL,
    deliver_ms       BIGINT,
    UNIQUE (message_id, subscription_arn)
);
INSERT INTO new_deliveries
    SELECT gen_random_uuid()::text, d.message_id, d.subscription_arn, m.topic, CASE WHEN d.deliver_ms IS NULL THEN 'Pending' ELSE 'Delivered' END,
        d.tries, 0, m.publish_ms, CASE WHEN d.deliver_ms IS NULL THEN m.publish_ms END, '', d.last_error, d.deliver_ms
    FROM deliveries d JOIN messages m ON m.id = d.message_id;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;

CREATE INDEX deliveries_due ON deliveries (subscription_arn, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_node ON deliveries (node) WHERE node <> '';
CREATE INDEX deliveries_state ON deliveries (state, id);
CREATE INDEX deliveries_topic ON deliveries (topic, id);
CREATE INDEX deliveries_subscription ON deliveries (subscription_arn, id);
CREATE INDEX deliveries_dead_topic ON deliveries (topic, id) WHERE state = 'Dead';
CREATE INDEX deliveries_dead_subscription ON deliveries (subscription_arn, id) WHERE state = 'Dead';
CREATE INDEX messages_publish ON messages (publish_ms, id);

CREATE TABLE tries (
    delivery_id TEXT COLLATE "C" NOT NULL REFERENCES deliveries (id),
    number      BIGINT NOT NULL,
    node        TEXT NOT NULL,
    target      TEXT NOT NULL,
    start_ms    BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    error       TEXT NOT NULL,
    answer      TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

-- The certificates are public and stay for ever.
CREATE TABLE signing_keys (
    number      BIGINT NOT NULL PRIMARY KEY,
    hash        TEXT COLLATE "C" NOT NULL UNIQUE,
    certificate TEXT NOT NULL,
    sealed      BYTEA NOT NULL,
    create_ms   BIGINT NOT NULL
);
