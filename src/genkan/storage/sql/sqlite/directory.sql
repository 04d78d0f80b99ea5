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
SELECT id, local_part, domain, posting, moderated, title, subject_tag, subscription, bounce_limit
FROM mailing_list WHERE id = ?1

-- name: list_by_key
SELECT id, local_part, domain, posting, moderated, title, subject_tag, subscription, bounce_limit
FROM mailing_list WHERE domain = ?1 AND local_key = ?2

-- name: list_list
SELECT id, local_part, domain, posting, moderated, title, subject_tag, subscription, bounce_limit
FROM mailing_list WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, local_key

-- name: list_add
INSERT INTO mailing_list (domain, local_key, local_part, posting, moderated, title, subject_tag, subscription, bounce_limit)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id

-- name: list_set
UPDATE mailing_list SET posting = ?2, moderated = ?3, title = ?4, subject_tag = ?5, subscription = ?6, bounce_limit = ?7
WHERE id = ?1

-- name: list_remove
DELETE FROM mailing_list WHERE id = ?1

-- name: list_owners
SELECT local_part, domain FROM mailing_list_owner WHERE list = ?1 ORDER BY domain_key, local_key

-- name: list_owner_add
INSERT INTO mailing_list_owner (list, domain_key, local_key, local_part, domain) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING RETURNING list

-- name: list_owner_remove
DELETE FROM mailing_list_owner WHERE list = ?1 AND domain_key = ?2 AND local_key = ?3 RETURNING list

-- name: list_members
SELECT id, list, local_part, domain, bounces, last_bounce, suspended
FROM mailing_list_member WHERE list = ?1 ORDER BY domain_key, local_key

-- name: list_member_by_id
SELECT id, list, local_part, domain, bounces, last_bounce, suspended FROM mailing_list_member WHERE id = ?1

-- name: list_member_by_key
SELECT id, list, local_part, domain, bounces, last_bounce, suspended
FROM mailing_list_member WHERE list = ?1 AND domain_key = ?2 AND local_key = ?3

-- name: list_member_add
INSERT INTO mailing_list_member (list, domain_key, local_key, local_part, domain) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING RETURNING list

-- name: list_member_remove
DELETE FROM mailing_list_member WHERE list = ?1 AND domain_key = ?2 AND local_key = ?3 RETURNING list

-- name: list_member_set_bounces
UPDATE mailing_list_member SET bounces = ?2, last_bounce = ?3, suspended = ?4 WHERE id = ?1

-- name: list_request_open
-- The id of the request, unless the same was asked for after ?7.
INSERT INTO mailing_list_request (list, purpose, domain_key, local_key, local_part, domain, requested)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?8)
ON CONFLICT DO UPDATE SET requested = excluded.requested WHERE requested <= ?7
RETURNING id

-- name: list_request
SELECT id, list, purpose, local_part, domain, requested FROM mailing_list_request WHERE id = ?1

-- name: list_request_count
SELECT count(*) FROM mailing_list_request WHERE list = ?1

-- name: list_request_close
DELETE FROM mailing_list_request WHERE id = ?1

-- name: list_request_purge
DELETE FROM mailing_list_request WHERE requested <= ?1

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

-- name: route
SELECT pattern, destination FROM route WHERE pattern IN (SELECT value FROM json_each(?1))

-- name: route_list
SELECT pattern, destination FROM route
WHERE ?1 IS NULL OR pattern = ?1 ORDER BY substr(pattern, 1, 1) = '*', pattern

-- name: route_set
INSERT INTO route (pattern, destination) VALUES (?1, ?2)
ON CONFLICT DO UPDATE SET destination = excluded.destination

-- name: route_remove
DELETE FROM route WHERE pattern = ?1 RETURNING pattern

-- name: hop
SELECT name, tls, source, username, password, connections FROM hop WHERE name = ?1

-- name: hop_list
SELECT name, tls, source, username, password, connections FROM hop ORDER BY name

-- name: hop_set
INSERT INTO hop (name, tls, source, username, password, connections) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET tls = excluded.tls, source = excluded.source, username = excluded.username,
                          password = excluded.password, connections = excluded.connections

-- name: hop_remove
DELETE FROM hop WHERE name = ?1 RETURNING name

-- name: sts_policy
SELECT domain, id, mode, mx, fetched, expires FROM sts_policy WHERE domain = ?1

-- name: sts_policy_set
INSERT INTO sts_policy (domain, id, mode, mx, fetched, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET id = excluded.id, mode = excluded.mode, mx = excluded.mx, fetched = excluded.fetched,
                          expires = excluded.expires

-- name: sts_policy_trim
DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy ORDER BY expires DESC LIMIT -1 OFFSET ?1)

-- name: sts_policy_purge
DELETE FROM sts_policy WHERE expires <= ?1

-- name: forward
SELECT keep, senders FROM forward WHERE account = ?1

-- name: forward_addresses
SELECT local_part, domain FROM forward_address WHERE account = ?1 ORDER BY domain_key, local_key

-- name: forward_set
INSERT INTO forward (account, keep, senders) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET keep = excluded.keep, senders = excluded.senders

-- name: forward_remove
DELETE FROM forward WHERE account = ?1 RETURNING account

-- name: forward_address_add
INSERT INTO forward_address (account, domain_key, local_key, local_part, domain) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING

-- name: forward_address_remove_all
DELETE FROM forward_address WHERE account = ?1

-- name: auto_reply
SELECT subject, text, since, until, every, senders, excepted FROM auto_reply WHERE account = ?1

-- name: auto_reply_set
INSERT INTO auto_reply (account, subject, text, since, until, every, senders, excepted)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO UPDATE SET subject = excluded.subject, text = excluded.text, since = excluded.since, until = excluded.until,
                          every = excluded.every, senders = excluded.senders, excepted = excluded.excepted

-- name: auto_reply_remove
DELETE FROM auto_reply WHERE account = ?1 RETURNING account

-- name: auto_reply_claim
-- A row if ?2 is to be answered at ?3: not answered yet, or long enough ago; none when the reply is not there any more.
INSERT INTO auto_reply_sent (account, sender, sent) SELECT account, ?2, ?3 FROM auto_reply WHERE account = ?1
ON CONFLICT DO UPDATE SET sent = excluded.sent
WHERE auto_reply_sent.sent <= excluded.sent - (SELECT every FROM auto_reply WHERE account = ?1)
RETURNING account

-- name: auto_reply_trim
-- Of those whom account ?1 has answered keep the last ?2.
DELETE FROM auto_reply_sent WHERE account = ?1 AND sender IN (
    SELECT sender FROM auto_reply_sent WHERE account = ?1 ORDER BY sent DESC, sender LIMIT -1 OFFSET ?2)

-- name: today
-- Days since 1970 in UTC.
SELECT unixepoch() / 86400

-- name: outgoing_add
INSERT INTO outgoing (account, hour, recipients) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET recipients = recipients + excluded.recipients

-- name: outgoing_since
SELECT hour, recipients - released FROM outgoing WHERE account = ?1 AND hour >= ?2

-- name: outgoing_highest
SELECT max(recipients) FROM outgoing WHERE account = ?1 AND hour >= ?2 AND hour < ?3 AND NOT braked

-- name: outgoing_brake
UPDATE outgoing SET braked = 1 WHERE account = ?1 AND hour = ?2

-- name: outgoing_release
UPDATE outgoing SET released = recipients WHERE account = ?1 AND hour >= ?2

-- name: outgoing_purge
DELETE FROM outgoing WHERE hour < ?1

-- name: brake
SELECT account, since, threshold, counted FROM brake WHERE account = ?1

-- name: brake_list
SELECT account, since, threshold, counted FROM brake ORDER BY since, account

-- name: brake_set
INSERT INTO brake (account, since, threshold, counted) VALUES (?1, ?2, ?3, ?4)

-- name: brake_remove
DELETE FROM brake WHERE account = ?1

-- name: account_external_limit
SELECT external_limit FROM account WHERE domain = ?1 AND local_key = ?2

-- name: account_set_external_limit
UPDATE account SET external_limit = ?3 WHERE domain = ?1 AND local_key = ?2 RETURNING id

-- name: dkim_key_add
INSERT INTO dkim_key (domain, selector, algorithm, private_key, state, made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (domain, selector) DO NOTHING RETURNING selector

-- name: dkim_keys
SELECT domain, selector, algorithm, private_key, state, made_at FROM dkim_key
WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, made_at, algorithm DESC, selector

-- name: dkim_key_state
UPDATE dkim_key SET state = ?4 WHERE domain = ?1 AND algorithm = ?2 AND state = ?3 RETURNING selector

-- name: dkim_key_remove
DELETE FROM dkim_key WHERE domain = ?1 AND selector = ?2 RETURNING selector

-- name: grey
SELECT network, sender, since, seen, let_in FROM grey WHERE network = ?1 AND sender = ?2

-- name: grey_list
SELECT network, sender, since, seen, let_in FROM grey ORDER BY seen DESC, network, sender LIMIT ?1

-- name: grey_note
-- Workers that note the same at the same time agree on the first deferral, and on that it was let in.
INSERT INTO grey (network, sender, since, seen, let_in) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET since = min(since, excluded.since), seen = max(seen, excluded.seen),
    let_in = max(let_in, excluded.let_in)

-- name: grey_purge
DELETE FROM grey WHERE let_in = ?1 AND (seen < ?2 OR seen > ?3)

-- name: grey_trim
DELETE FROM grey WHERE (network, sender) IN (
    SELECT network, sender FROM grey WHERE let_in = ?1 ORDER BY seen
    LIMIT max(0, (SELECT count(*) FROM grey WHERE let_in = ?1) - ?2))

-- name: grey_trim_network
-- The pluses keep it to the rows of the network, whatever other indexes there are.
DELETE FROM grey WHERE network = ?1 AND sender IN (
    SELECT sender FROM grey WHERE network = ?1 AND +let_in = ?2 ORDER BY +seen
    LIMIT max(0, (SELECT count(*) FROM grey WHERE network = ?1 AND +let_in = ?2) - ?3))

-- name: grey_remove
DELETE FROM grey WHERE network = ?1 RETURNING network

-- name: grey_remove_all
DELETE FROM grey RETURNING network

-- name: dmarc_day
SELECT id FROM dmarc_day WHERE day = ?1 AND domain = ?2

-- name: dmarc_day_totals
SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(octets), 0) FROM dmarc_day WHERE day = ?1

-- name: dmarc_day_set
INSERT INTO dmarc_day (day, domain, policy, error) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET policy = excluded.policy, error = excluded.error RETURNING id, rows, octets

-- name: dmarc_day_add_others
UPDATE dmarc_day SET others = others + ?2 WHERE id = ?1

-- name: dmarc_row_add
UPDATE dmarc_row SET messages = messages + ?3 WHERE day = ?1 AND row = ?2 RETURNING messages

-- name: dmarc_row_insert
INSERT INTO dmarc_row (day, row, messages) VALUES (?1, ?2, ?3)

-- name: dmarc_day_count_row
UPDATE dmarc_day SET rows = rows + 1, octets = octets + ?2 WHERE id = ?1

-- name: dmarc_day_found
SELECT id, policy, error, others FROM dmarc_day WHERE day = ?1 AND domain = ?2

-- name: dmarc_rows
SELECT row, messages FROM dmarc_row WHERE day = ?1 ORDER BY row

-- name: dmarc_days_unreported
SELECT day, domain FROM dmarc_day WHERE day BETWEEN ?1 AND ?2 AND report IS NULL AND domain <> '' AND rows > 0
ORDER BY day, domain

-- name: dmarc_day_report
UPDATE dmarc_day SET report = ?3 WHERE day = ?1 AND domain = ?2

-- name: dmarc_days
-- What came in since day ?2, of domain ?1 or of all.
SELECT d.day, d.domain, d.policy, coalesce(sum(r.messages), 0),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'dkim' OR r.row ->> 'spf'), 0),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'disposition' = 'quarantine'), 0),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'disposition' = 'reject'), 0),
       d.others, d.report
FROM dmarc_day d LEFT JOIN dmarc_row r ON r.day = d.id
WHERE d.day >= ?2 AND (?1 IS NULL OR d.domain = ?1)
GROUP BY d.id ORDER BY d.day DESC, d.domain

-- name: dmarc_sources
SELECT r.row ->> 'source', sum(r.messages),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'dkim' OR r.row ->> 'spf'), 0)
FROM dmarc_day d JOIN dmarc_row r ON r.day = d.id
WHERE d.day >= ?2 AND (?1 IS NULL OR d.domain = ?1)
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?3

-- name: dmarc_day_drop
-- One day of one domain from before day ?1.
DELETE FROM dmarc_day WHERE id IN (SELECT id FROM dmarc_day WHERE day < ?1 LIMIT 1) RETURNING id

-- name: dmarc_received_add
INSERT INTO dmarc_received (source, organization, report_id, domain, author, sender, received,
                            email, begun, ended, policy, error, rows, others, octets)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (source, organization, report_id, domain) DO NOTHING RETURNING id

-- name: dmarc_received_drop_unproven
-- The report that an unproven mail said to be that of source ?1.
DELETE FROM dmarc_received WHERE source = ?1 AND organization = ?2 AND report_id = ?3 AND domain = ?4 AND author = ''

-- name: dmarc_received_row_add
INSERT INTO dmarc_received_row (report, row, messages) VALUES (?1, ?2, ?3)

-- name: dmarc_received_totals
SELECT count(*), coalesce(sum(octets), 0) FROM dmarc_received

-- name: dmarc_received_drop_one
-- The oldest of the source that has most, by their number if ?1, else by octets; a proven one only if all are.
DELETE FROM dmarc_received WHERE id = (
    SELECT min(id) FROM dmarc_received GROUP BY author, source
    ORDER BY author <> '', CASE WHEN ?1 THEN count(*) ELSE sum(octets) END DESC LIMIT 1)
RETURNING id

-- name: dmarc_received_drop
-- One report that was received before ?1.
DELETE FROM dmarc_received WHERE id IN (SELECT id FROM dmarc_received WHERE received < ?1 LIMIT 1) RETURNING id

-- name: dmarc_received
-- What was reported about mail since ?2, about domain ?1 or all.
SELECT d.received, d.sender, d.author, d.organization, d.email, d.report_id, d.begun, d.ended, d.domain, d.policy, d.error,
       coalesce(sum(r.messages), 0),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'dkim' OR r.row ->> 'spf'), 0),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'disposition' = 'quarantine'), 0),
       coalesce(sum(r.messages) FILTER (WHERE r.row ->> 'disposition' = 'reject'), 0),
       d.others
FROM dmarc_received d LEFT JOIN dmarc_received_row r ON r.report = d.id
WHERE d.ended >= ?2 AND (?1 IS NULL OR d.domain = ?1)
GROUP BY d.id ORDER BY d.begun DESC, d.domain, d.organization, d.id

-- name: dmarc_received_failing
SELECT r.row ->> 'source', r.row ->> 'from', sum(r.messages), count(DISTINCT d.organization)
FROM dmarc_received d JOIN dmarc_received_row r ON r.report = d.id
WHERE d.ended >= ?2 AND (?1 IS NULL OR d.domain = ?1) AND NOT (r.row ->> 'dkim' OR r.row ->> 'spf')
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?3
