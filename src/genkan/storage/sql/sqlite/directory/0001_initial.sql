-- SPDX-License-Identifier: Apache-2.0
-- Who is who. Keys are folded addresses: local-part case-folded in NFC, domain in lower-case A-labels.

-- Counted up by every change that a cache could hold; failed attempts and message numbers do not count.
CREATE TABLE revision (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO revision (only, number) VALUES (1, 0);

-- The first message number not yet handed out.
CREATE TABLE message_number (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    next INTEGER NOT NULL
) STRICT;
INSERT INTO message_number (only, next) VALUES (1, 1);

-- Random keys of this installation.
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The domain with the lowest id is the default one.
CREATE TABLE domain (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain TEXT NOT NULL REFERENCES domain (name),
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    name TEXT NOT NULL,
    quota INTEGER CHECK (quota > 0),
    password_hash TEXT,
    scram_salt BLOB,
    scram_iterations INTEGER,
    scram_stored_key BLOB,
    scram_server_key BLOB,
    cram_secret TEXT,
    UNIQUE (domain, local_key)
) STRICT;

-- prefix = 1: every local-part that begins with local_key; local_part keeps its asterisk.
CREATE TABLE alias (
    domain TEXT NOT NULL REFERENCES domain (name),
    prefix INTEGER NOT NULL CHECK (prefix IN (0, 1)),
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    target_local_part TEXT NOT NULL,
    target_domain TEXT NOT NULL,
    PRIMARY KEY (domain, prefix, local_key)
) STRICT, WITHOUT ROWID;

-- Times are microseconds since 1970 in UTC; until is NULL for a lock without end.
CREATE TABLE lock (
    network TEXT PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version IN (4, 6)),
    prefix_length INTEGER NOT NULL,
    until INTEGER,
    reason TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_by_length ON lock (version, prefix_length);
CREATE INDEX lock_by_end ON lock (until);

CREATE TABLE auth_failure (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    failed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX auth_failure_by_network ON auth_failure (network, failed_at);
CREATE INDEX auth_failure_by_time ON auth_failure (failed_at);
