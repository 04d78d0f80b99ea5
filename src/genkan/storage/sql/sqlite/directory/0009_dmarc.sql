-- SPDX-License-Identifier: Apache-2.0
-- DMARC (RFC 9989, RFC 9990): what mail from outside came to, by day, and what others report about mail in our name.

-- `day` counts from 1970 in UTC; `domain` is where the record stands, '' for those beyond the bound of a day. `policy` is JSON,
-- as seen last, `error` what is wrong with the record. `rows`: how many different ones there are; `others`: messages beyond
-- their bound. `report`: what became of the report to the domain, NULL until that is known.
CREATE TABLE dmarc_day (
    id INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    error TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0,
    others INTEGER NOT NULL DEFAULT 0,
    report TEXT,
    UNIQUE (day, domain)
) STRICT;

-- `row` is JSON.
CREATE TABLE dmarc_row (
    day INTEGER NOT NULL REFERENCES dmarc_day (id) ON DELETE CASCADE,
    row TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (day, row)
) STRICT, WITHOUT ROWID;

-- Times as in lock. `sender` is the reverse-path of the mail; `rows` and `others` as in dmarc_day.
CREATE TABLE dmarc_received (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,
    sender TEXT NOT NULL,
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
    UNIQUE (organization, report_id, domain)
) STRICT;
CREATE INDEX dmarc_received_by_time ON dmarc_received (received);

CREATE TABLE dmarc_received_row (
    report INTEGER NOT NULL REFERENCES dmarc_received (id) ON DELETE CASCADE,
    row TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (report, row)
) STRICT, WITHOUT ROWID;
