-- SPDX-License-Identifier: Apache-2.0
-- Who may write to a mailing list, who answers for it, and what the mail to its members met with.

ALTER TABLE mailing_list ADD COLUMN posting TEXT NOT NULL DEFAULT 'anybody'
    CHECK (posting IN ('anybody', 'authenticated', 'members', 'owners'));
ALTER TABLE mailing_list ADD COLUMN moderated INTEGER NOT NULL DEFAULT 0 CHECK (moderated IN (0, 1));
ALTER TABLE mailing_list ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE mailing_list ADD COLUMN subject_tag TEXT NOT NULL DEFAULT '';
ALTER TABLE mailing_list ADD COLUMN subscription TEXT NOT NULL DEFAULT 'closed'
    CHECK (subscription IN ('closed', 'confirm'));
ALTER TABLE mailing_list ADD COLUMN bounce_limit INTEGER NOT NULL DEFAULT 5 CHECK (bounce_limit > 0);
UPDATE mailing_list SET posting = 'authenticated' WHERE require_auth = 1;
ALTER TABLE mailing_list DROP COLUMN require_auth;

CREATE TABLE mailing_list_owner (
    list INTEGER NOT NULL REFERENCES mailing_list (id) ON DELETE CASCADE,
    domain_key TEXT NOT NULL,
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (list, domain_key, local_key)
) STRICT, WITHOUT ROWID;

-- Members have an id, never used again, that tokens name. last_bounce is the day (since the year 1) that counted last.
CREATE TABLE member (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list INTEGER NOT NULL REFERENCES mailing_list (id) ON DELETE CASCADE,
    domain_key TEXT NOT NULL,
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    domain TEXT NOT NULL,
    bounces INTEGER NOT NULL DEFAULT 0,
    last_bounce INTEGER,
    suspended INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    UNIQUE (list, domain_key, local_key)
) STRICT;
INSERT INTO member (list, domain_key, local_key, local_part, domain)
    SELECT list, domain_key, local_key, local_part, domain FROM mailing_list_member;
DROP TABLE mailing_list_member;
ALTER TABLE member RENAME TO mailing_list_member;

-- What somebody has asked for by mail and has yet to confirm. Times as in lock.
CREATE TABLE mailing_list_request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list INTEGER NOT NULL REFERENCES mailing_list (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('subscribe', 'unsubscribe')),
    domain_key TEXT NOT NULL,
    local_key TEXT NOT NULL,
    local_part TEXT NOT NULL,
    domain TEXT NOT NULL,
    requested INTEGER NOT NULL,
    UNIQUE (list, purpose, domain_key, local_key)
) STRICT;
CREATE INDEX mailing_list_request_by_time ON mailing_list_request (requested);

-- The key of the tokens in the addresses of members and requests; made here, for they are checked within transactions too.
INSERT INTO secret (name, value) VALUES ('lists', randomblob(32)) ON CONFLICT DO NOTHING;
