-- Attributes and tags are JSON objects of strings.
ALTER TABLE topics ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE topics ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';

-- A subscription that was deleted stays for those who read of its deliveries,
-- whether its topic is here or not. Its endpoint may subscribe again.
CREATE TABLE new_subscriptions (
    arn              TEXT NOT NULL PRIMARY KEY,
    topic            TEXT NOT NULL,
    protocol         TEXT NOT NULL,
    endpoint         TEXT NOT NULL,
    attributes       TEXT NOT NULL,
    confirmed        INTEGER NOT NULL,
    authenticated    INTEGER NOT NULL,
    lock_unsubscribe INTEGER NOT NULL,
    create_ms        INTEGER NOT NULL,
    delete_ms        INTEGER
) STRICT;
INSERT INTO new_subscriptions SELECT arn, topic, protocol, endpoint, '{}', 1, 1, 0, create_ms, NULL FROM subscriptions;

CREATE TABLE new_deliveries (
    message_id       TEXT NOT NULL REFERENCES messages (id),
    subscription_arn TEXT NOT NULL REFERENCES new_subscriptions (arn),
    tries            INTEGER NOT NULL,
    last_error       TEXT NOT NULL,
    deliver_ms       INTEGER,
    PRIMARY KEY (message_id, subscription_arn)
) STRICT;
INSERT INTO new_deliveries SELECT message_id, subscription_arn, tries, last_error, deliver_ms FROM deliveries;

DROP TABLE deliveries;
DROP TABLE subscriptions;
ALTER TABLE new_subscriptions RENAME TO subscriptions;
ALTER TABLE new_deliveries RENAME TO deliveries;

CREATE UNIQUE INDEX subscriptions_endpoint ON subscriptions (topic, protocol, endpoint) WHERE delete_ms IS NULL;
CREATE INDEX subscriptions_topic ON subscriptions (topic, arn) WHERE delete_ms IS NULL;
CREATE INDEX subscriptions_live ON subscriptions (arn) WHERE delete_ms IS NULL;
CREATE INDEX subscriptions_deleted ON subscriptions (topic, delete_ms) WHERE delete_ms IS NOT NULL;

CREATE TABLE confirmations (
    hash             TEXT NOT NULL PRIMARY KEY,
    subscription_arn TEXT NOT NULL REFERENCES subscriptions (arn),
    expire_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX confirmations_expire ON confirmations (expire_ms);

-- What is for one subscription alone names it in only_to; bodies has those of
-- protocols that get another body.
ALTER TABLE messages ADD COLUMN type TEXT NOT NULL DEFAULT 'Notification';
ALTER TABLE messages ADD COLUMN only_to TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN bodies TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN attributes TEXT NOT NULL DEFAULT '';
