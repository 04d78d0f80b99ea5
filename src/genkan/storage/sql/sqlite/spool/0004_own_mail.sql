-- SPDX-License-Identifier: Apache-2.0
-- Which mail of our own was spooled already: who makes it may crash before he has noted so elsewhere, and makes it again.

CREATE TABLE own_mail (
    key TEXT PRIMARY KEY,
    spooled INTEGER NOT NULL           -- times as in message
) STRICT, WITHOUT ROWID;
