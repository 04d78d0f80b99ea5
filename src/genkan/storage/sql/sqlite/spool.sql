-- Named queries of a worker's spool.

-- name: insert_arrival
INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: due_recipients
SELECT message, number FROM recipient
WHERE leased_until IS NULL AND due_at <= ? ORDER BY due_at LIMIT ?;

-- name: next_due
SELECT min(due_at) FROM recipient WHERE leased_until IS NULL;

-- name: lease_recipient
UPDATE recipient SET leased_until = ?, attempts = attempts + 1
WHERE message = ? AND number = ?
RETURNING message, number, attempts, warned, forward_path, mailbox, notify, original, reverse_path, fields, route;

-- name: end_all_leases
UPDATE recipient SET leased_until = NULL WHERE leased_until IS NOT NULL;

-- name: defer_recipient
UPDATE recipient SET leased_until = NULL, due_at = iif(held IS NULL, ?3, ?7), outcome = ?4, warned = max(warned, ?5), attempts = attempts - ?6
WHERE message = ?1 AND number = ?2;

-- name: hold_recipient
UPDATE recipient SET leased_until = NULL, due_at = ?3, outcome = ?4, held = coalesce(held, ?5)
WHERE message = ?1 AND number = ?2;

-- name: delete_recipients
DELETE FROM recipient WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?));

-- name: there
SELECT message, number FROM recipient WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?));

-- name: still_wanted
SELECT message, number FROM recipient
WHERE held IS NULL AND (message, number, route) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?));

-- name: last_message
SELECT coalesce(max(id), 0) FROM message;

-- name: delete_finished_messages
DELETE FROM message
WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = message.id)
RETURNING extents;

-- name: message
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid,
    requiretls
FROM message WHERE id = ?;

-- name: message_and_content
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid,
    requiretls, iif(extents IS NULL AND length(content) <= 16384, content, NULL)
FROM message WHERE id = ?;

-- name: messages
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid,
    requiretls
FROM message WHERE id > ? ORDER BY id LIMIT ?;

-- name: recipients
SELECT number, forward_path, mailbox, attempts, due_at, leased_until, outcome, coalesce(held, ''), route
FROM recipient WHERE message = ? ORDER BY number;

-- name: content
SELECT content, extents FROM message WHERE id = ?;

-- name: origin
SELECT size, content, extents FROM message WHERE id = ?;

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
SELECT id, accepted_at, size, reverse_path, client_address, hello_domain, account, protocol, body, smtputf8, ret, envid,
    requiretls
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

-- name: insert_extent_change
INSERT INTO extent_change (change, extents) VALUES (?, ?);

-- name: take_extent_changes
DELETE FROM extent_change RETURNING change, extents;

-- name: count_outside_change
UPDATE outside_change SET count = count + 1;

-- name: data_version
PRAGMA data_version;

-- name: outside_changes
SELECT count FROM outside_change;

-- Changes by an operator, from another process; see selection.py and changing.py.

-- name: chosen
SELECT message, number, state, held, for_approval, mailbox, accepted_at FROM (
    SELECT r.message, r.number, coalesce(r.held, '') AS held, h.message IS NOT NULL AS for_approval, r.mailbox, m.accepted_at,
        CASE
            WHEN h.message IS NOT NULL THEN 'held'
            WHEN r.leased_until IS NOT NULL THEN 'leased'
            WHEN r.held IS NOT NULL THEN 'held'
            WHEN r.due_at <= :now THEN 'due'
            ELSE 'waiting'
        END AS state
    FROM recipient AS r CROSS JOIN message AS m ON m.id = r.message LEFT JOIN hold AS h ON h.message = r.message
    WHERE (r.message, r.number) > (:after, :after_number)
        AND (:messages IS NULL OR r.message IN (SELECT value FROM json_each(:messages)))
        AND (:hold IS NULL OR r.held = :hold)
        AND (:rule IS NULL OR h.rule = :rule
            OR (substr(h.rule, 1, length(:rule)) = :rule AND substr(h.rule, length(:rule) + 1, 1) IN (':', ' ')))
        AND (:accepted_until IS NULL OR m.accepted_at <= :accepted_until)
        AND (:accepted_from IS NULL OR m.accepted_at >= :accepted_from)
        AND (:reason IS NULL OR instr(lower(coalesce(r.outcome, h.reason, '')), lower(:reason)) > 0)
        AND (:account IS NULL OR folded(m.account) = :account)
        AND (:sender IS NULL OR folded(coalesce(m.reverse_path, '<>')) = :sender OR folded(r.reverse_path) = :sender)
        AND (:domain IS NULL OR folded_domain(r.mailbox) = :domain)
        AND (:recipient IS NULL OR folded(r.mailbox) = :recipient OR folded(r.forward_path) = :recipient)
)
WHERE :state IS NULL OR state = :state
ORDER BY message, number LIMIT :limit;

-- name: retry_chosen
UPDATE recipient SET due_at = iif(leased_until IS NULL, ?2, due_at)
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND held IS NULL
RETURNING message, leased_until IS NOT NULL;

-- name: hold_chosen
UPDATE recipient SET held = 'operator', due_at = ?2
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND held IS NULL
RETURNING message, leased_until IS NOT NULL;

-- name: release_chosen
UPDATE recipient SET held = NULL, due_at = ?2
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND held IS NOT NULL
RETURNING message, 0;

-- name: reroute_chosen
-- A hold stays, but for mail that could not be delivered as it was.
UPDATE recipient SET route = ?3, held = nullif(held, 'undeliverable'),
    due_at = iif(leased_until IS NULL AND coalesce(held, 'undeliverable') = 'undeliverable', ?2, due_at)
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
RETURNING message, leased_until IS NOT NULL;

-- name: fail_chosen
UPDATE recipient SET route = ?3, held = NULL, due_at = iif(leased_until IS NULL, ?2, due_at)
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
RETURNING message, leased_until IS NOT NULL;

-- name: end_holds_of_failed
DELETE FROM hold WHERE message IN (SELECT value FROM json_each(?1))
    AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = hold.message AND substr(route, 1, 5) <> 'fail:');

-- name: delete_chosen
DELETE FROM recipient
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND leased_until IS NULL
RETURNING message, 0;

-- name: hold_leased
UPDATE recipient SET held = coalesce(held, 'operator'), due_at = ?2
WHERE (message, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND leased_until IS NOT NULL
RETURNING message, 1;

-- name: end_holds_of_deleted
DELETE FROM hold WHERE message IN (SELECT value FROM json_each(?1))
    AND NOT EXISTS (SELECT 1 FROM message WHERE id = hold.message);

-- name: own_mail_note
INSERT INTO own_mail (key, spooled) VALUES (?1, ?2) ON CONFLICT DO NOTHING RETURNING key;

-- name: own_mail_purge
DELETE FROM own_mail WHERE spooled < ?1;
