-- SPDX-License-Identifier: Apache-2.0
-- The keys that our domains sign with (DKIM, RFC 6376).

-- `domain` in lower-case A-labels, `selector` in lower case. Times as in lock. Waiting: its record is to be published first;
-- retired: mail that it has signed may still be on its way. `private_key` is PKCS #8 in PEM.
CREATE TABLE dkim_key (
    domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
    private_key BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'signing', 'retired')),
    made_at INTEGER NOT NULL,
    PRIMARY KEY (domain, selector)
) STRICT, WITHOUT ROWID;
