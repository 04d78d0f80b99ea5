-- SPDX-License-Identifier: Apache-2.0
-- The directory's queries, by name.

-- name: data_version
PRAGMA data_version

-- name: revision
SELECT number FROM revision

-- name: revision_next
UPDATE revision SET number = number + 1

-- name: message_numbers_take
UPDATE message_number SET next = next + ?1 RETURNING next

-- name: message_numbers_next
SELECT next FROM message_number

-- name: message_numbers_raise
UPDATE message_number SET next = max(next, ?1)

-- name: secret
SELECT value FROM secret WHERE name = ?1

-- name: secret_add
INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: domain
SELECT 1 FROM domain WHERE name = ?1

-- name: domain_default
SELECT name FROM domain ORDER BY id LIMIT 1

-- name: domain_list
SELECT name FROM domain ORDER BY id

-- name: domain_add
INSERT INTO domain (name) VALUES (?1)

-- name: domain_remove
DELETE FROM domain WHERE name = ?1

-- name: domain_counts
SELECT (SELECT count(*) FROM account WHERE domain = ?1), (SELECT count(*) FROM alias WHERE domain = ?1),
       (SELECT count(*) FROM mailing_list WHERE domain = ?1)

-- name: address
-- Who has exactly this address; no two of them can.
SELECT 'account', id, NULL, NULL FROM account WHERE domain = ?1 AND local_key = ?2
UNION ALL
SELECT 'alias', NULL, target_local_part, target_domain FROM alias WHERE domain = ?1 AND prefix = 0 AND local_key = ?2
UNION ALL
SELECT 'list', id, NULL, NULL FROM mailing_list WHERE domain = ?1 AND local_key = ?2

-- name: account_by_id
SELECT id, local_part, domain, name, quota, password_hash,
       scram_salt, scram_iterations, scram_stored_key, scram_server_key, cram_secret
FROM account WHERE id = ?1

-- name: account_by_key
SELECT id, local_part, domain, name, quota, password_hash,
       scram_salt, scram_iterations, scram_stored_key, scram_server_key, cram_secret
FROM account WHERE domain = ?1 AND local_key = ?2

-- name: account_list
SELECT id, local_part, domain, name, quota, password_hash,
       scram_salt, scram_iterations, scram_stored_key, scram_server_key, cram_secret
FROM account WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, local_key

-- name: account_add
INSERT INTO account (domain, local_key, local_part, name, quota, password_hash,
                     scram_salt, scram_iterations, scram_stored_key, scram_server_key, cram_secret)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
RETURNING id

-- name: account_set
UPDATE account SET name = ?2, quota = ?3 WHERE id = ?1

-- name: account_set_credentials
UPDATE account SET password_hash = ?2, scram_salt = ?3, scram_iterations = ?4, scram_stored_key = ?5,
                   scram_server_key = ?6, cram_secret = ?7
WHERE id = ?1

-- name: account_any_readable_secret
SELECT EXISTS (SELECT 1 FROM account WHERE cram_secret IS NOT NULL)

-- name: account_rehash
UPDATE account SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2

-- name: account_remove
DELETE FROM account WHERE id = ?1

-- name: alias
SELECT local_part, domain, target_local_part, target_domain FROM alias
WHERE domain = ?1 AND prefix = ?2 AND local_key = ?3

-- name: alias_prefix_lengths
SELECT DISTINCT length(local_key) FROM alias WHERE domain = ?1 AND prefix = 1 ORDER BY 1 DESC

-- name: alias_list
SELECT local_part, domain, target_local_part, target_domain FROM alias
WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, prefix, local_key

-- name: alias_add
INSERT INTO alias (domain, prefix, local_key, local_part, target_local_part, target_domain)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: alias_remove
DELETE FROM alias WHERE domain = ?1 AND prefix = ?2 AND local_key = ?3

-- name: list_by_id
SELECT id, local_part, domain, require_auth FROM mailing_list WHERE id = ?1

-- name: list_by_key
SELECT id, local_part, domain, require_auth FROM mailing_list WHERE domain = ?1 AND local_key = ?2

-- name: list_list
SELECT id, local_part, domain, require_auth FROM mailing_list
WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, local_key

-- name: list_add
INSERT INTO mailing_list (domain, local_key, local_part, require_auth) VALUES (?1, ?2, ?3, ?4) RETURNING id

-- name: list_remove
DELETE FROM mailing_list WHERE id = ?1

-- name: list_members
SELECT local_part, domain FROM mailing_list_member WHERE list = ?1 ORDER BY domain_key, local_key

-- name: list_member_add
INSERT INTO mailing_list_member (list, domain_key, local_key, local_part, domain) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING RETURNING list

-- name: list_member_remove
DELETE FROM mailing_list_member WHERE list = ?1 AND domain_key = ?2 AND local_key = ?3 RETURNING list

-- name: document
SELECT id FROM document WHERE name = ?1 AND coalesce(account, 0) = coalesce(?2, 0)

-- name: document_add
INSERT INTO document (name, account) VALUES (?1, ?2) RETURNING id

-- name: document_list
SELECT d.name, d.account, r.number, r.author, r.created, r.comment, length(r.octets), d.shadow IS NOT NULL
FROM document AS d LEFT JOIN account AS a ON a.id = d.account
LEFT JOIN document_revision AS r
    ON r.document = d.id AND r.number = (SELECT max(number) FROM document_revision WHERE document = d.id)
WHERE r.octets IS NOT NULL OR d.shadow IS NOT NULL
ORDER BY d.account IS NOT NULL, a.domain, a.local_key, d.name

-- name: document_accounts
SELECT a.id FROM document AS d JOIN account AS a ON a.id = d.account
WHERE d.name = ?1 AND (
    SELECT octets IS NOT NULL FROM document_revision WHERE document = d.id ORDER BY number DESC LIMIT 1)
ORDER BY a.domain, a.local_key

-- name: document_current
SELECT r.number, r.octets, r.author, r.created, r.comment
FROM document AS d JOIN document_revision AS r ON r.document = d.id
WHERE d.name = ?1 AND coalesce(d.account, 0) = coalesce(?2, 0) ORDER BY r.number DESC LIMIT 1

-- name: document_revision
SELECT r.number, r.octets, r.author, r.created, r.comment
FROM document AS d JOIN document_revision AS r ON r.document = d.id
WHERE d.name = ?1 AND coalesce(d.account, 0) = coalesce(?2, 0) AND r.number = ?3

-- name: document_history
SELECT r.number, r.author, r.created, r.comment, length(r.octets)
FROM document AS d JOIN document_revision AS r ON r.document = d.id
WHERE d.name = ?1 AND coalesce(d.account, 0) = coalesce(?2, 0) ORDER BY r.number DESC

-- name: document_write
INSERT INTO document_revision (document, number, author, created, comment, octets)
SELECT ?1, coalesce((SELECT max(number) FROM document_revision WHERE document = ?1), 0) + 1,
       ?2, CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000, ?3, ?4
RETURNING number, created

-- name: document_trim
-- Of document ?1 keep the newest ?2 revisions, fewer when all of them together have more than ?3 octets; the newest stays.
DELETE FROM document_revision WHERE document = ?1 AND number IN (
    SELECT number FROM (
        SELECT number, row_number() OVER newest AS place, sum(length(octets)) OVER newest AS total
        FROM document_revision WHERE document = ?1
        WINDOW newest AS (ORDER BY number DESC))
    WHERE place > ?2 OR (place > 1 AND total > ?3))

-- name: document_shadow
SELECT shadow_number, shadow, shadow_author, shadow_created, shadow_comment FROM document
WHERE name = ?1 AND coalesce(account, 0) = coalesce(?2, 0) AND shadow IS NOT NULL

-- name: document_any_shadow
SELECT EXISTS (SELECT 1 FROM document WHERE shadow IS NOT NULL)

-- name: document_shadow_set
UPDATE document SET shadow_number = shadow_number - 1, shadow_author = ?2, shadow_comment = ?3, shadow = ?4,
                    shadow_created = CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000
WHERE id = ?1
RETURNING shadow_number, shadow_created

-- name: document_shadow_drop
UPDATE document SET shadow_author = NULL, shadow_comment = NULL, shadow = NULL, shadow_created = NULL
WHERE name = ?1 AND coalesce(account, 0) = coalesce(?2, 0) AND shadow IS NOT NULL
RETURNING id

-- name: audit_add
INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: audit_list
SELECT at, actor, action, subject, detail FROM audit
WHERE (?1 IS NULL OR subject = ?1) AND (?2 IS NULL OR at >= ?2) ORDER BY id

-- name: lock
SELECT until FROM lock WHERE network = ?1

-- name: lock_lengths
SELECT DISTINCT prefix_length FROM lock WHERE version = ?1

-- name: lock_list
SELECT network, until, reason, created, kind FROM lock WHERE until IS NULL OR until > ?1 ORDER BY created, network

-- name: lock_set
INSERT INTO lock (network, version, prefix_length, until, reason, created, kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET until = excluded.until, reason = excluded.reason, created = excluded.created, kind = excluded.kind

-- name: lock_extend
-- A lock that ends later, or never, stays as it is.
INSERT INTO lock (network, version, prefix_length, until, reason, created, kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET until = excluded.until, reason = excluded.reason, created = excluded.created, kind = excluded.kind
WHERE until < excluded.until

-- name: lock_remove
DELETE FROM lock WHERE network = ?1 RETURNING network

-- name: lock_remove_all
DELETE FROM lock RETURNING network

-- name: lock_purge
DELETE FROM lock WHERE until <= ?1

-- name: failure_add
INSERT INTO auth_failure (network, failed_at) VALUES (?1, ?2)

-- name: failure_count
SELECT count(*) FROM auth_failure WHERE network = ?1 AND failed_at > ?2

-- name: failure_remove
DELETE FROM auth_failure WHERE network = ?1

-- name: failure_remove_all
DELETE FROM auth_failure

-- name: failure_purge
DELETE FROM auth_failure WHERE failed_at <= ?1

-- name: success_set
INSERT INTO auth_success (network, succeeded_at) VALUES (?1, ?2)
ON CONFLICT DO UPDATE SET succeeded_at = max(succeeded_at, excluded.succeeded_at)

-- name: success_since
SELECT 1 FROM auth_success WHERE network = ?1 AND succeeded_at > ?2

-- name: success_purge
DELETE FROM auth_success WHERE succeeded_at <= ?1
