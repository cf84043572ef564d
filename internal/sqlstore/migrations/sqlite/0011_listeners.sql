-- When the program was last there that a subscription of the protocol listen is
-- for. The subscription ends soon after that.
CREATE TABLE listeners (
    subscription_arn TEXT NOT NULL PRIMARY KEY,
    seen_ms          INTEGER NOT NULL
) STRICT;
