# SPDX-License-Identifier: Apache-2.0
"""A directory made by an earlier version is migrated when it is opened, and keeps what it knew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

from genkan.directory import Alias, Directory, Local, Lock, LockKind, MailingList
from genkan.directory.directory import FILE_NAME
from genkan.smtp.address import Mailbox
from genkan.storage.sqlite import migrations, open_database

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST_VERSION = """
    INSERT INTO domain (name) VALUES ('in.test');
    INSERT INTO account (id, domain, local_key, local_part, name) VALUES (7, 'in.test', 'ann', 'Ann', 'Ann Example');
    INSERT INTO alias VALUES ('in.test', 0, 'sales', 'sales', 'ann', 'in.test');
    INSERT INTO lock VALUES ('192.0.2.1/32', 4, 32, 3600000000, '10 failed AUTH within 0:15:00', 0);
    INSERT INTO lock VALUES ('198.51.100.0/24', 4, 24, NULL, 'by hand', 1);
    UPDATE message_number SET next = 42;
"""


def test_a_directory_of_the_first_version_keeps_all_it_knew(tmp_path: Path) -> None:
    connection = open_database(tmp_path / FILE_NAME)
    connection.execute(migrations("directory")[0] + "PRAGMA user_version = 1;" + FIRST_VERSION)
    connection.close()
    with Directory.open(tmp_path) as directory:
        ann = directory.accounts.show(Mailbox("ann", "in.test"))
        assert (ann.id, str(ann.address), ann.name) == (7, "Ann@in.test", "Ann Example")
        assert directory.aliases.list() == (Alias(Mailbox("sales", "in.test"), Mailbox("ann", "in.test")),)
        assert directory.resolve(Mailbox("sales", "in.test")) == Local(ann)
        assert directory.locks.list(EPOCH) == (
            Lock(ip_network("192.0.2.1"), EPOCH + HOUR, "10 failed AUTH within 0:15:00", EPOCH, LockKind.AUTH),
            Lock(ip_network("198.51.100.0/24"), None, "by hand", EPOCH + timedelta(microseconds=1), LockKind.OPERATOR),
        )
        assert directory.next_message_ids(1) == range(42, 43)
        directory.documents.store("effect.dat", ann, b"*.*.*.* default", "root")
        assert isinstance(directory.resolve(directory.lists.add(Mailbox("staff", "in.test")).address), MailingList)
