-- SPDX-License-Identifier: Apache-2.0
-- Where mail goes, how a next hop is spoken to, and which MTA-STS policies are known.

-- pattern: a folded address, a domain, *.domain or *; destination: a text such as smtp:mx.in.test.
CREATE TABLE route (
    pattern TEXT PRIMARY KEY,
    destination TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- name: HOST, HOST:PORT or a recipient's domain, folded; "" and NULL stand for what the settings say. The password has to
-- be said to the next hop, so it is kept as it is.
CREATE TABLE hop (
    name TEXT PRIMARY KEY,
    tls TEXT NOT NULL CHECK (tls IN ('', 'none', 'opportunistic', 'required', 'verified')),
    source TEXT NOT NULL,
    username TEXT NOT NULL,
    password TEXT,
    connections INTEGER CHECK (connections > 0)
) STRICT, WITHOUT ROWID;

-- RFC 8461; mx is a JSON array of its patterns. Times are microseconds since 1970 in UTC.
CREATE TABLE sts_policy (
    domain TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('enforce', 'testing', 'none')),
    mx TEXT NOT NULL,
    fetched INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policy_by_end ON sts_policy (expires);
