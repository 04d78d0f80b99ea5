-- SPDX-License-Identifier: Apache-2.0
-- Who was deferred for SPF, and who of them has come again and was let in.

-- `sender` is a mailbox, or a HELO domain for the null reverse-path. Times as in lock: `since` the first deferral, `seen` the
-- last time that was noted.
CREATE TABLE grey (
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    since INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    let_in INTEGER NOT NULL CHECK (let_in IN (0, 1)),
    PRIMARY KEY (network, sender)
) STRICT, WITHOUT ROWID;
CREATE INDEX grey_by_age ON grey (let_in, seen);
