-- What is about to happen to an object, or has happened without anybody being
-- told of it yet. Only the node that has the objects looks after its own.
CREATE TABLE event_intents (
    id       INTEGER NOT NULL PRIMARY KEY,
    node     TEXT NOT NULL,
    event    TEXT NOT NULL,
    begin_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX event_intents_node ON event_intents (node, id);

-- Who is still to be told of what. A row is gone when that is done.
CREATE TABLE event_deliveries (
    id         INTEGER NOT NULL PRIMARY KEY,
    event      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    target     TEXT NOT NULL,
    create_ms  INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL
) STRICT;

-- The numbers that were given to events, intents and deliveries.
CREATE TABLE event_numbers (
    next INTEGER NOT NULL
) STRICT;
INSERT INTO event_numbers (next) VALUES (1);

CREATE TABLE bucket_notifications (
    bucket        TEXT NOT NULL PRIMARY KEY,
    configuration TEXT NOT NULL
) STRICT;
