-- Events that rules are tried with.
CREATE TABLE rule_samples (
    name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body    TEXT NOT NULL,
    save_ms BIGINT NOT NULL
);
