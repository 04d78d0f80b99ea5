-- Named queries of a worker's spool.

-- name: insert_arrival
INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: due_recipients
SELECT message, number FROM recipient
WHERE leased_until IS NULL AND due_at <= ? ORDER BY due_at LIMIT ?;

-- name: next_due
SELECT min(due_at) FROM recipient WHERE leased_until IS NULL;

-- name: lease_recipient
UPDATE recipient SET leased_until = ?, attempts = attempts + 1
WHERE message = ? AND number = ?
RETURNING message, number, forward_path, mailbox, notify, original, attempts;

-- name: end_all_leases
UPDATE recipient SET leased_until = NULL WHERE leased_until IS NOT NULL;

-- name: defer_recipient
UPDATE recipient SET leased_until = NULL, due_at = ?, outcome = ? WHERE message = ? AND number = ?;

-- name: delete_recipients
DELETE FROM recipient WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?));

-- name: delete_finished_messages
DELETE FROM message
WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = message.id)
RETURNING extents;

-- name: message
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid
FROM message WHERE id = ?;

-- name: messages
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid
FROM message WHERE id > ? ORDER BY id LIMIT ?;

-- name: recipients
SELECT number, forward_path, mailbox, notify, original, attempts, due_at, leased_until, outcome
FROM recipient WHERE message = ? ORDER BY number;

-- name: content
SELECT content, extents FROM message WHERE id = ?;

-- name: live_extents
SELECT extents FROM message WHERE extents IS NOT NULL;
