-- SPDX-License-Identifier: Apache-2.0
-- What passing mail on needs: recipients with paths and fields of their own, the operator's holds, content that is shared.

ALTER TABLE message ADD COLUMN requiretls INTEGER NOT NULL DEFAULT 0;  -- RFC 8689
-- From here on a message may have content and extents: first the one, then the other.

ALTER TABLE recipient ADD COLUMN reverse_path TEXT;                    -- instead of the message's: a list's
ALTER TABLE recipient ADD COLUMN fields TEXT NOT NULL DEFAULT '';      -- put before the content for this recipient
ALTER TABLE recipient ADD COLUMN route TEXT NOT NULL DEFAULT '';       -- a destination that counts instead of the routes
ALTER TABLE recipient ADD COLUMN held TEXT;                            -- what holds it: operator, brake, undeliverable
ALTER TABLE recipient ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;    -- the sender was told of the delay

CREATE INDEX recipient_held ON recipient (held) WHERE held IS NOT NULL;

-- Who does not serve the segments frees and shares what lies in them by a row here; `change` is 1 or -1 for each extent.
CREATE TABLE extent_change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    change INTEGER NOT NULL CHECK (change IN (-1, 1)),
    extents TEXT NOT NULL
) STRICT;

DROP VIEW arrival;
CREATE VIEW arrival AS SELECT *, NULL AS recipients FROM message;

-- `recipients`: a JSON array of arrays: forward_path, mailbox, notify, original, attempts, leased_until, and for those that
-- have them reverse_path, fields, route.
CREATE TRIGGER arrival_insert INSTEAD OF INSERT ON arrival BEGIN
    INSERT INTO message VALUES (
        NEW.id, NEW.accepted_at, NEW.size, NEW.reverse_path, NEW.client_address, NEW.hello_domain, NEW.account,
        NEW.protocol, NEW.body, NEW.smtputf8, NEW.ret, NEW.envid, NEW.content, NEW.extents, NEW.requiretls
    );
    INSERT INTO recipient
        SELECT NEW.id, key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, NEW.accepted_at, value ->> 5, NULL,
               value ->> 6, coalesce(value ->> 7, ''), coalesce(value ->> 8, ''), NULL, 0
        FROM json_each(NEW.recipients);
END;
