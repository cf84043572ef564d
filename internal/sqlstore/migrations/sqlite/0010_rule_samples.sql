-- Events that rules are tried with.
CREATE TABLE rule_samples (
    name    TEXT NOT NULL PRIMARY KEY,
    body    TEXT NOT NULL,
    save_ms INTEGER NOT NULL
) STRICT;
