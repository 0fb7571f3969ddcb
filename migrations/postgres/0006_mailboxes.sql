-- Since when a mailbox has been read without a gap, and when it was last tidied. Twin of the SQLite file of the same name.

-- When the look began afresh and how far it looked back, as one time: what came earlier may lie there unseen. NULL: since ever.
ALTER TABLE mailboxes ADD COLUMN read_from BIGINT;
-- When our own old canaries in it were last deleted, or that was given up for the day. NULL: never.
ALTER TABLE mailboxes ADD COLUMN tidied_at BIGINT;
