-- What is known of the streams' DNS records: the checks, leased row by row, and every record that was ever seen. Twin of the PostgreSQL file
-- of the same name.

CREATE TABLE checks (
    stream        TEXT PRIMARY KEY,
    -- A hash of the registration that was last checked; empty before the first check.
    registration  TEXT NOT NULL,
    due_at        BIGINT NOT NULL,
    lease_token   TEXT,
    lease_until   BIGINT,
    checked_at    BIGINT,
    -- The last known posture: a check that finds nothing out leaves it.
    posture       TEXT NOT NULL,
    posture_since BIGINT,
    unknown_since BIGINT,
    -- JSON: per part of the report the last state that was not unknown, and when it was seen.
    last_known    TEXT NOT NULL,
    -- JSON: the report of the last check.
    report        TEXT,
    -- JSON: changes of posture that are not in the log yet.
    untold        TEXT
);

CREATE TABLE dns_records (
    stream      TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    -- A hash of the records: they may be too long for a key.
    digest      TEXT NOT NULL,
    records     TEXT NOT NULL,
    is_current  BIGINT NOT NULL,
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    PRIMARY KEY (stream, name, kind, digest)
);
CREATE INDEX dns_records_by_age ON dns_records (last_seen);

CREATE TABLE dns_changes (
    id             TEXT PRIMARY KEY,
    stream         TEXT NOT NULL,
    at             BIGINT NOT NULL,
    name           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    records_before TEXT NOT NULL,
    records_after  TEXT NOT NULL
);
CREATE INDEX dns_changes_by_stream ON dns_changes (stream, at, id);
CREATE INDEX dns_changes_by_age ON dns_changes (at);
