-- The spool of one worker: what was accepted and is not yet delivered. Times are microseconds since 1970 in UTC.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,        -- the number in the message id
    accepted_at INTEGER NOT NULL,
    size INTEGER NOT NULL,         -- octets of the content
    reverse_path TEXT,             -- NULL: the null reverse-path
    client_address TEXT NOT NULL,
    hello_domain TEXT NOT NULL,
    account TEXT NOT NULL,
    protocol TEXT NOT NULL,
    body TEXT NOT NULL,
    smtputf8 INTEGER NOT NULL,
    ret TEXT NOT NULL,
    envid TEXT NOT NULL,
    content BLOB,                  -- small content
    extents TEXT                   -- large content: segment:offset:length, separated by blanks
) STRICT;

CREATE TABLE recipient (
    message INTEGER NOT NULL,
    number INTEGER NOT NULL,       -- from 0, in the order of RCPT
    forward_path TEXT NOT NULL,    -- as the client gave it
    mailbox TEXT NOT NULL,         -- where the directory sent it
    notify TEXT NOT NULL,
    original TEXT NOT NULL,
    attempts INTEGER NOT NULL,     -- counted when the lease is taken
    due_at INTEGER NOT NULL,
    leased_until INTEGER,          -- NULL: nobody is delivering it
    outcome TEXT,                  -- of the last attempt
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX recipient_due ON recipient (due_at) WHERE leased_until IS NULL;

-- A message and its recipients arrive by one INSERT, so that a batch of them is one step of the engine, commit included.
-- `recipients`: a JSON array of arrays: forward_path, mailbox, notify, original, attempts, leased_until.
CREATE VIEW arrival AS SELECT *, NULL AS recipients FROM message;

CREATE TRIGGER arrival_insert INSTEAD OF INSERT ON arrival BEGIN
    INSERT INTO message VALUES (
        NEW.id, NEW.accepted_at, NEW.size, NEW.reverse_path, NEW.client_address, NEW.hello_domain, NEW.account,
        NEW.protocol, NEW.body, NEW.smtputf8, NEW.ret, NEW.envid, NEW.content, NEW.extents
    );
    INSERT INTO recipient
        SELECT NEW.id, key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, NEW.accepted_at, value ->> 5, NULL
        FROM json_each(NEW.recipients);
END;
