-- Attributes and tags are JSON objects of strings.
ALTER TABLE topics ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE topics ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';

-- A subscription that was deleted stays for those who read of its deliveries,
-- whether its topic is here or not. Its endpoint may subscribe again.
ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_topic_fkey;
ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_topic_protocol_endpoint_key;
ALTER TABLE subscriptions ALTER COLUMN topic TYPE TEXT COLLATE "C";
ALTER TABLE subscriptions ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE subscriptions ADD COLUMN confirmed BIGINT NOT NULL DEFAULT 1;
ALTER TABLE subscriptions ADD COLUMN authenticated BIGINT NOT NULL DEFAULT 1;
ALTER TABLE subscriptions ADD COLUMN lock_unsubscribe BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN delete_ms BIGINT;

CREATE UNIQUE INDEX subscriptions_endpoint ON subscriptions (topic, protocol, endpoint) WHERE delete_ms IS NULL;
CREATE INDEX subscriptions_topic ON subscriptions (topic, arn) WHERE delete_ms IS NULL;
CREATE INDEX subscriptions_live ON subscriptions (arn) WHERE delete_ms IS NULL;
CREATE INDEX subscriptions_deleted ON subscriptions (topic, delete_ms) WHERE delete_ms IS NOT NULL;

CREATE TABLE confirmations (
    hash             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subscription_arn TEXT COLLATE "C" NOT NULL REFERENCES subscriptions (arn),
    expire_ms        BIGINT NOT NULL
);
CREATE INDEX confirmations_expire ON confirmations (expire_ms);

-- What is for one subscription alone names it in only_to; bodies has those of
-- protocols that get another body.
ALTER TABLE messages ADD COLUMN type TEXT NOT NULL DEFAULT 'Notification';
ALTER TABLE messages ADD COLUMN only_to TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN bodies TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN attributes TEXT NOT NULL DEFAULT '';
