-- When the program was last there that a subscription of the protocol listen is
-- for. The subscription ends soon after that.
CREATE TABLE listeners (
    subscription_arn TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seen_ms          BIGINT NOT NULL
);
