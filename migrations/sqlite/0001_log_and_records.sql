-- The log, the records folded from it, and what hangs on them. Twin of the PostgreSQL file of the same name.
-- Instants are microseconds since 1970, UTC. Keys are keyed 128-bit hashes. No column holds an address in the clear.

CREATE TABLE log_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  BIGINT NOT NULL
);
INSERT INTO log_head (id, n) VALUES (1, 0);

CREATE TABLE seen (
    id BLOB PRIMARY KEY,
    at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX seen_by_age ON seen (at);

CREATE TABLE events (
    n              INTEGER PRIMARY KEY,
    id             BLOB NOT NULL,
    received_at    BIGINT NOT NULL,
    occurred_at    BIGINT NOT NULL,
    source         TEXT NOT NULL,
    endpoint       TEXT NOT NULL,
    kind           TEXT NOT NULL,
    scope          TEXT NOT NULL,
    fresh          BIGINT NOT NULL,
    stale          BIGINT NOT NULL,
    rule           TEXT NOT NULL,
    team           TEXT NOT NULL,
    app            TEXT,
    stream         TEXT,
    esp            TEXT,
    relay_domain   TEXT,
    sending_domain TEXT,
    mail_from_domain TEXT,
    address_key    BLOB,
    subject_key    BLOB,
    status         TEXT,
    code           BIGINT,
    diagnostic     TEXT,
    provider_id    TEXT,
    detail         TEXT
);
CREATE INDEX events_by_address ON events (address_key, n) WHERE address_key IS NOT NULL;
CREATE INDEX events_by_subject ON events (subject_key, n) WHERE subject_key IS NOT NULL;

CREATE TABLE address_records (
    team       TEXT NOT NULL,
    key        BLOB NOT NULL,
    facts      TEXT NOT NULL,
    version    BIGINT NOT NULL,
    settle_at  BIGINT,
    keep_until BIGINT,
    subject_asks BIGINT NOT NULL,
    glance     BIGINT NOT NULL,
    PRIMARY KEY (team, key)
) WITHOUT ROWID;
CREATE INDEX address_records_to_settle ON address_records (settle_at) WHERE settle_at IS NOT NULL;
CREATE INDEX address_records_to_drop ON address_records (keep_until) WHERE keep_until IS NOT NULL;

CREATE TABLE subject_records (
    team    TEXT NOT NULL,
    key     BLOB NOT NULL,
    facts   TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (team, key)
) WITHOUT ROWID;

CREATE TABLE sealed_values (
    team   TEXT NOT NULL,
    kind   TEXT NOT NULL,
    key    BLOB NOT NULL,
    key_id BIGINT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (team, kind, key)
) WITHOUT ROWID;

CREATE TABLE tombstones (
    team        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    key         BLOB NOT NULL,
    hash_key_id BIGINT NOT NULL,
    erased_at   BIGINT NOT NULL,
    PRIMARY KEY (team, kind, key)
) WITHOUT ROWID;

CREATE TABLE cell_counts (
    bucket         BIGINT NOT NULL,
    team           TEXT NOT NULL,
    relay_domain   TEXT NOT NULL,
    sending_domain TEXT NOT NULL,
    esp            TEXT NOT NULL,
    stream         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    n              BIGINT NOT NULL,
    PRIMARY KEY (bucket, team, relay_domain, sending_domain, esp, stream, kind)
) WITHOUT ROWID;

CREATE TABLE desired_states (
    team              TEXT NOT NULL,
    who               TEXT NOT NULL,
    destination       TEXT NOT NULL,
    version           BIGINT NOT NULL,
    state             TEXT NOT NULL,
    changed_at        BIGINT NOT NULL,
    delivered_version BIGINT NOT NULL,
    delivered_state   TEXT,
    attempts          BIGINT NOT NULL,
    next_attempt_at   BIGINT,
    lease_token       TEXT,
    lease_until       BIGINT,
    dead_at           BIGINT,
    last_error        TEXT,
    PRIMARY KEY (team, who, destination)
) WITHOUT ROWID;
CREATE INDEX desired_states_due ON desired_states (destination, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX desired_states_by_change ON desired_states (destination, changed_at);

CREATE TABLE destinations (
    name       TEXT PRIMARY KEY,
    halted_at  BIGINT,
    halted_why TEXT,
    resumed_at BIGINT
);

CREATE TABLE quarantine (
    id          TEXT PRIMARY KEY,
    received_at BIGINT NOT NULL,
    source      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    pointer     TEXT NOT NULL,
    because     TEXT NOT NULL,
    key_id      BIGINT NOT NULL,
    body        BLOB NOT NULL,
    rerun_at    BIGINT
);
CREATE INDEX quarantine_by_age ON quarantine (received_at);

CREATE TABLE streams (
    name       TEXT PRIMARY KEY,
    team       TEXT NOT NULL,
    spec       TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL,
    scopes     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE audit (
    id     TEXT PRIMARY KEY,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_age ON audit (at);

CREATE TABLE tee (
    id              TEXT PRIMARY KEY,
    target          TEXT NOT NULL,
    received_at     BIGINT NOT NULL,
    key_id          BIGINT NOT NULL,
    body            BLOB NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT,
    lease_token     TEXT,
    lease_until     BIGINT,
    dead_at         BIGINT,
    last_error      TEXT
);
CREATE INDEX tee_due ON tee (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE jobs (
    name        TEXT PRIMARY KEY,
    due_at      BIGINT NOT NULL,
    lease_token TEXT,
    lease_until BIGINT,
    last_ran_at BIGINT,
    last_error  TEXT
);
