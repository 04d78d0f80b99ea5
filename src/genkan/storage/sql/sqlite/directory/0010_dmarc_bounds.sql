-- SPDX-License-Identifier: Apache-2.0
-- DMARC: the octets of what is kept, and whose the reports are that others send.

-- `octets`: of the texts of the rows, and of a received report itself as well.
ALTER TABLE dmarc_day ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;
UPDATE dmarc_day SET octets = (SELECT coalesce(sum(length(r.row)), 0) FROM dmarc_row r WHERE r.day = dmarc_day.id);

-- `author`: the domain of the mail's author if DMARC proved it, else ''. `source`: that one, or the domain of the reverse-path:
-- whoever comes first with a report of another keeps out none of his.
CREATE TABLE dmarc_received_next (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,
    sender TEXT NOT NULL,
    author TEXT NOT NULL,
    source TEXT NOT NULL,
    organization TEXT NOT NULL,
    email TEXT NOT NULL,
    report_id TEXT NOT NULL,
    begun INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    error TEXT NOT NULL,
    rows INTEGER NOT NULL,
    others INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    UNIQUE (source, organization, report_id, domain)
) STRICT;
CREATE TABLE dmarc_received_row_next (
    report INTEGER NOT NULL REFERENCES dmarc_received_next (id) ON DELETE CASCADE,
    row TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (report, row)
) STRICT, WITHOUT ROWID;

-- What stands behind the last @ of the reverse-path is its domain.
INSERT INTO dmarc_received_next
SELECT d.id, d.received, d.sender, '', lower(replace(d.sender, rtrim(d.sender, replace(d.sender, '@', '')), '')),
       d.organization, d.email, d.report_id, d.begun, d.ended, d.domain, d.policy, d.error, d.rows, d.others,
       (SELECT coalesce(sum(length(r.row)), 0) FROM dmarc_received_row r WHERE r.report = d.id)
FROM dmarc_received d;
INSERT INTO dmarc_received_row_next SELECT report, row, messages FROM dmarc_received_row;
DROP TABLE dmarc_received_row;
DROP TABLE dmarc_received;
ALTER TABLE dmarc_received_next RENAME TO dmarc_received;
ALTER TABLE dmarc_received_row_next RENAME TO dmarc_received_row;
CREATE INDEX dmarc_received_by_time ON dmarc_received (received);
CREATE INDEX dmarc_received_by_source ON dmarc_received (author, source, octets);
