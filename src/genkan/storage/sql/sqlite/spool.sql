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

-- name: insert_hold
INSERT INTO hold (message, kind, reason, rule, warning, approvers, deadline, verdict, created, due_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?7);

-- name: hold_recipients
UPDATE recipient SET due_at = ?1 WHERE message = ?2;

-- name: hold
SELECT kind, reason, rule, warning, approvers, deadline, verdict, created, decision, decided_by, decided_at, comment
FROM hold WHERE message = ?;

-- name: held_messages
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid
FROM hold CROSS JOIN message ON id = message WHERE message > ? ORDER BY message LIMIT ?;

-- name: decide_hold
UPDATE hold SET decision = ?2, decided_by = ?3, decided_at = ?4, comment = ?5, due_at = 0
WHERE message = ?1 AND decision IS NULL;

-- name: due_holds
SELECT message, kind, coalesce(decision, verdict), coalesce(decided_by, ''), coalesce(comment, ''), rule, reason
FROM hold WHERE due_at <= ? ORDER BY due_at, message LIMIT ?;

-- name: next_due_hold
SELECT min(due_at) FROM hold;

-- name: release_recipients
UPDATE recipient SET due_at = ?1 WHERE message = ?2 RETURNING mailbox;

-- name: delete_recipients_of
DELETE FROM recipient WHERE message = ? RETURNING mailbox;

-- name: delete_message
DELETE FROM message WHERE id = ? RETURNING extents;

-- name: delete_hold
DELETE FROM hold WHERE message = ?;

-- name: count_outside_change
UPDATE outside_change SET count = count + 1;

-- name: outside_changes
SELECT count FROM outside_change;
