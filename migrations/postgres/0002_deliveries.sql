-- What destinations were told and what they held before, so that it can be reversed. Twin of the SQLite file of the same name.

CREATE TABLE deliveries (
    team           TEXT NOT NULL,
    who            TEXT NOT NULL,
    destination    TEXT NOT NULL,
    version        BIGINT NOT NULL,
    state          TEXT NOT NULL,
    previous_state TEXT,
    delivered_at   BIGINT NOT NULL,
    PRIMARY KEY (team, who, destination, version)
);
CREATE INDEX deliveries_by_destination ON deliveries (destination, delivered_at);
CREATE INDEX deliveries_by_age ON deliveries (delivered_at);

-- The state to deliver in place of the desired one, from a reversal until the desired one changes.
ALTER TABLE desired_states ADD COLUMN reversal TEXT;
CREATE INDEX desired_states_dead ON desired_states (destination) WHERE dead_at IS NOT NULL;

CREATE INDEX tee_by_age ON tee (received_at);
