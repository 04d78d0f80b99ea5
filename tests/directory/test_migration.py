# SPDX-License-Identifier: Apache-2.0
"""A directory made by an earlier version is migrated when it is opened, and keeps what it knew."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

from genkan.directory import Alias, AutoReply, Directory, ListSettings, Local, Lock, LockKind, MailingList
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


LISTS_OF_THE_SECOND_VERSION = """
    INSERT INTO domain (name) VALUES ('in.test');
    INSERT INTO mailing_list VALUES (3, 'in.test', 'team', 'Team', 1);
    INSERT INTO mailing_list VALUES (5, 'in.test', 'news', 'news', 0);
    INSERT INTO mailing_list_member VALUES (3, 'out.test', 'carol', 'Carol', 'Out.test');
    INSERT INTO mailing_list_member VALUES (3, 'in.test', 'ann', 'ann', 'in.test');
"""


def test_lists_of_the_second_version_keep_their_members_and_who_may_write(tmp_path: Path) -> None:
    connection = open_database(tmp_path / FILE_NAME)
    first, second = migrations("directory")[:2]
    connection.execute(f"{first}{second}PRAGMA user_version = 2;{LISTS_OF_THE_SECOND_VERSION}")
    connection.close()
    with Directory.open(tmp_path) as directory:
        team = MailingList(3, Mailbox("Team", "in.test"), ListSettings("authenticated"))
        assert directory.lists.list() == (MailingList(5, Mailbox("news", "in.test"), ListSettings()), team)
        assert [str(member.address) for member in directory.lists.members(team)] == ["ann@in.test", "Carol@Out.test"]
        directory.lists.remove(team.address)
        assert directory.lists.members(team) == ()
        assert directory.lists.add(Mailbox("team", "in.test")).id == 6


DMARC_OF_THE_NINTH_VERSION = """
    INSERT INTO dmarc_day VALUES (1, 20000, 'in.test', '["in.test","none","","","r","r","0",false,"treewalk"]', '', 1, 0, NULL);
    INSERT INTO dmarc_row VALUES (1, '{"source":"192.0.2.1","disposition":"none","dkim":true,"spf":true,"from":"in.test"}', 3);
    INSERT INTO dmarc_received VALUES (4, 1, '"a@b"@Out.test', 'Out', '', '7', 2, 3, 'in.test',
        '["in.test","none","","","r","r","0",false,""]', '', 1, 5);
    INSERT INTO dmarc_received_row VALUES (4, '{"source":"192.0.2.1","disposition":"none","dkim":true,"spf":true}', 3);
"""


def test_reports_of_the_ninth_version_are_kept_and_known_by_the_domain_of_their_sender(tmp_path: Path) -> None:
    connection = open_database(tmp_path / FILE_NAME)
    connection.execute(f"{''.join(migrations('directory')[:9])}PRAGMA user_version = 9;{DMARC_OF_THE_NINTH_VERSION}")
    connection.close()
    with Directory.open(tmp_path) as directory:
        [day] = directory.dmarc_tallies.summaries(None, EPOCH.date())
        [report] = directory.dmarc_received.list(None, EPOCH)
    assert (day.domain, day.messages) == ("in.test", 3)
    assert (report.sender, report.author, report.messages, report.beyond) == ('"a@b"@Out.test', "", 3, 5)
    with closing(open_database(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("SELECT source, octets FROM dmarc_received").fetchall() == [("out.test", 66)]
        assert connection.execute("SELECT octets FROM dmarc_day").get == 83
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


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
        assert directory.routes.add("out.test", "mx").pattern == "out.test"
        assert directory.forwards.set(ann, [Mailbox("x", "out.test")]) == directory.forwards.find(ann.id)
        assert directory.auto_replies.set(ann, AutoReply("Away.\n")) == directory.auto_replies.find(ann.id)
        assert directory.dmarc_tallies.summaries(None, EPOCH.date()) == ()
        assert directory.dmarc_received.list(None, EPOCH) == ()
        directory.documents.store("effect.dat", ann, b"*.*.*.* default", "root")
        assert isinstance(directory.resolve(directory.lists.add(Mailbox("staff", "in.test")).address), MailingList)
