-- Since when a mailbox has been read without a gap. Twin of the PostgreSQL file of the same name.

-- When the look began afresh and how far it looked back, as one time: what came earlier may lie there unseen. NULL: since ever.
ALTER TABLE mailboxes ADD COLUMN read_from BIGINT;
