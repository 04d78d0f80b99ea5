-- SPDX-License-Identifier: Apache-2.0
-- The outbreak brake: how many recipients outside each account writes to, and whose mail is held.

-- `hour` counts from 1970. `released`: so many of `recipients` count no more. The hour of a braking teaches nothing.
-- Accounts here are folded addresses, so that what is held can still be named when the account is gone.
CREATE TABLE outgoing (
    account TEXT NOT NULL,
    hour INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    released INTEGER NOT NULL DEFAULT 0,
    braked INTEGER NOT NULL DEFAULT 0 CHECK (braked IN (0, 1)),
    PRIMARY KEY (account, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX outgoing_by_hour ON outgoing (hour);

-- Times as in lock.
CREATE TABLE brake (
    account TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    counted INTEGER NOT NULL       -- within the hour before it
) STRICT, WITHOUT ROWID;

-- The account's own number: NULL for what is learned or set for all, -1 for none.
ALTER TABLE account ADD COLUMN external_limit INTEGER CHECK (external_limit >= -1);
