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
SELECT (SELECT count(*) FROM account WHERE domain = ?1), (SELECT count(*) FROM alias WHERE domain = ?1)

-- name: address
SELECT id, NULL, NULL FROM account WHERE domain = ?1 AND local_key = ?2
UNION ALL
SELECT NULL, target_local_part, target_domain FROM alias WHERE domain = ?1 AND prefix = 0 AND local_key = ?2

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

-- name: lock
SELECT until FROM lock WHERE network = ?1

-- name: lock_lengths
SELECT DISTINCT prefix_length FROM lock WHERE version = ?1

-- name: lock_list
SELECT network, until, reason, created FROM lock WHERE until IS NULL OR until > ?1 ORDER BY created, network

-- name: lock_set
INSERT INTO lock (network, version, prefix_length, until, reason, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET until = excluded.until, reason = excluded.reason, created = excluded.created

-- name: lock_extend
-- A lock that ends later, or never, stays as it is.
INSERT INTO lock (network, version, prefix_length, until, reason, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET until = excluded.until, reason = excluded.reason, created = excluded.created
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
