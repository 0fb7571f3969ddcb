-- What ESPs' events told of the sending itself: domains of the sender's and addresses of the ESP's, nothing about a recipient. Twin of the
-- SQLite file of the same name.

CREATE TABLE observed_senders (
    team        TEXT NOT NULL,
    -- The stream that the events found when they came; 'unregistered' when they found none.
    stream      TEXT NOT NULL,
    -- Domain of the header From; empty where the report did not say.
    from_domain TEXT NOT NULL,
    -- from, envelope, dkim, sending_ip
    kind        TEXT NOT NULL,
    value       TEXT NOT NULL,
    esp         TEXT NOT NULL,
    -- Both true to an hour.
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    PRIMARY KEY (team, stream, from_domain, kind, value, esp)
);
CREATE INDEX observed_senders_by_age ON observed_senders (last_seen);
