-- SPDX-License-Identifier: Apache-2.0
-- Where accounts forward their mail to, and what they answer by themselves.

-- keep = 1: a copy stays in the mailbox. Patterns of senders stand one a line: ann@out.test, *@out.test, *.
CREATE TABLE forward (
    account INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    keep INTEGER NOT NULL CHECK (keep IN (0, 1)),
    senders TEXT NOT NULL
) STRICT;

CREATE TABLE forward_address (
    account INTEGER NOT NULL REFERENCES forward (account) ON DELETE CASCADE,
    domain_key TEXT NOT NULL,
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (account, domain_key, local_key)
) STRICT, WITHOUT ROWID;

-- Times as in lock; every is a number of microseconds.
CREATE TABLE auto_reply (
    account INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    since INTEGER,
    until INTEGER,
    every INTEGER NOT NULL CHECK (every > 0),
    senders TEXT NOT NULL,
    excepted TEXT NOT NULL
) STRICT;

-- Who was answered when; sender is a folded address.
CREATE TABLE auto_reply_sent (
    account INTEGER NOT NULL REFERENCES auto_reply (account) ON DELETE CASCADE,
    sender TEXT NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (account, sender)
) STRICT, WITHOUT ROWID;
CREATE INDEX auto_reply_sent_by_time ON auto_reply_sent (account, sent);
