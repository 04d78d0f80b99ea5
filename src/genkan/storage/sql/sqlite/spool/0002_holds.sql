-- SPDX-License-Identifier: Apache-2.0
-- Mail that waits for somebody's decision, and a count of what other processes have changed. Times as in message.

-- The recipients of a held message are due at the end of time. The row goes when it is carried out.
CREATE TABLE hold (
    message INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('quarantine', 'approval')),
    reason TEXT NOT NULL,
    rule TEXT NOT NULL,            -- where it stands, such as mail.dat:12
    warning TEXT NOT NULL,         -- what the rule has to say to whoever decides
    approvers TEXT NOT NULL,       -- a JSON array of addresses
    deadline INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),  -- what becomes of it at the deadline
    created INTEGER NOT NULL,
    due_at INTEGER NOT NULL,       -- when it is carried out: at the deadline; 0 once it is decided
    decision TEXT CHECK (decision IN ('approve', 'reject')),         -- NULL: none yet
    decided_by TEXT,
    decided_at INTEGER,
    comment TEXT
) STRICT;

CREATE INDEX hold_due ON hold (due_at);

-- One row. Whoever changes a spool that another process may be serving counts it up, so that the other one looks.
CREATE TABLE outside_change (count INTEGER NOT NULL) STRICT;

INSERT INTO outside_change VALUES (0);
