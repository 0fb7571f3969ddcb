-- Canaries: what was planned, what is known of each, how long they take, and how far their mailboxes were read. Twin of the SQLite file of
-- the same name. Their addresses are configuration; here only keys of them stand.

CREATE TABLE canaries (
    -- The first bytes of a hash of the route's name, as a token carries it.
    route_key   BIGINT NOT NULL,
    sequence    BIGINT NOT NULL,
    route       TEXT NOT NULL,
    round       TEXT NOT NULL,
    round_n     BIGINT NOT NULL,
    role        TEXT NOT NULL,
    team        TEXT NOT NULL,
    stream      TEXT NOT NULL,
    esp         TEXT NOT NULL,
    submission  TEXT NOT NULL,
    -- NULL: nobody looks for it.
    mailbox     TEXT,
    address_key BYTEA NOT NULL,
    planned_at  BIGINT NOT NULL,
    -- The provider's id of the message, where the submission server told it.
    provider_id TEXT,
    -- JSON: the join of what is known.
    facts       TEXT NOT NULL,
    -- The state that the log last heard of.
    told        TEXT NOT NULL,
    -- Whether time alone may still change the state.
    is_open     BIGINT NOT NULL,
    PRIMARY KEY (route_key, sequence)
);
CREATE INDEX canaries_by_round ON canaries (round, round_n);
CREATE INDEX canaries_by_address ON canaries (address_key, planned_at);
CREATE INDEX canaries_by_provider_id ON canaries (provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX canaries_open ON canaries (planned_at) WHERE is_open = 1;
CREATE INDEX canaries_by_age ON canaries (planned_at);

CREATE TABLE canary_rounds (
    round       TEXT PRIMARY KEY,
    -- The last round that was begun, and when it was tried: one that found no room counts as tried.
    n           BIGINT NOT NULL,
    tried_at    BIGINT,
    -- When a round was last asked for, and until when a burst lasts.
    asked_at    BIGINT,
    burst_until BIGINT
);

CREATE TABLE canary_routes (
    route_key       BIGINT PRIMARY KEY,
    -- The number of its last canary; it outlives the canary itself.
    sequence        BIGINT NOT NULL,
    -- JSON: how long its canaries took to arrive.
    delays          TEXT NOT NULL,
    last_arrived_at BIGINT,
    -- JSON: what that arrival showed of its way.
    last_way        TEXT
);

CREATE TABLE mailboxes (
    name     TEXT PRIMARY KEY,
    -- How far it was read, in the words of its reader.
    cursor   TEXT NOT NULL,
    -- When the last look began that read all of it.
    read_at  BIGINT,
    tried_at BIGINT NOT NULL,
    -- Why the last look failed; NULL when it did not.
    error    TEXT
);
