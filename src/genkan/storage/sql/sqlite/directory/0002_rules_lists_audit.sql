-- SPDX-License-Identifier: Apache-2.0
-- Rule documents, mailing lists and the audit trail; why a client is locked, and who has authenticated lately.

-- A text that the operator wrote, such as effect.dat; account is NULL for the server's own. A shadow is judged by, but
-- decides nothing; shadow_number counts down, so that no two texts of a document share a number.
CREATE TABLE document (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    account INTEGER REFERENCES account (id) ON DELETE CASCADE,
    shadow_number INTEGER NOT NULL DEFAULT 0,
    shadow_author TEXT,
    shadow_created INTEGER,
    shadow_comment TEXT,
    shadow BLOB
) STRICT;
CREATE UNIQUE INDEX document_by_name ON document (name, coalesce(account, 0));
CREATE INDEX document_by_account ON document (account);

-- The one with the highest number counts; octets is NULL where the document was removed. Times as in lock.
CREATE TABLE document_revision (
    document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    author TEXT NOT NULL,
    created INTEGER NOT NULL,
    comment TEXT NOT NULL,
    octets BLOB,
    PRIMARY KEY (document, number)
) STRICT;

CREATE TABLE mailing_list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain TEXT NOT NULL REFERENCES domain (name),
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    require_auth INTEGER NOT NULL CHECK (require_auth IN (0, 1)),
    UNIQUE (domain, local_key)
) STRICT;

CREATE TABLE mailing_list_member (
    list INTEGER NOT NULL REFERENCES mailing_list (id) ON DELETE CASCADE,
    domain_key TEXT NOT NULL,
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (list, domain_key, local_key)
) STRICT, WITHOUT ROWID;

-- What an operator, or somebody who approves mail, has decided; nothing here ever changes. Times as in lock.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, at);
CREATE INDEX audit_by_time ON audit (at);
CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;

-- Locks without end were made by hand; all others so far came of failed AUTHs.
ALTER TABLE lock ADD COLUMN kind TEXT NOT NULL DEFAULT 'auth' CHECK (kind IN ('auth', 'rate', 'operator'));
UPDATE lock SET kind = 'operator' WHERE until IS NULL;

-- The last successful AUTH of a client, to the minute.
CREATE TABLE auth_success (
    network TEXT PRIMARY KEY,
    succeeded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX auth_success_by_time ON auth_success (succeeded_at);
