# SPDX-License-Identifier: Apache-2.0
"""Spools as an operator reads them while a worker writes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.spool.reading import find_message, list_queued, read_content, spool_folders
from genkan.spool.recording import Finished, PutBack
from genkan.spool.spool import SpoolLimits
from genkan.storage.engine import StorageCorrupt, StorageError
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from pathlib import Path

LIMITS: Final = SpoolLimits(inline_size=100, segment_size=1000)
NOW: Final = ACCEPTED + timedelta(minutes=1)


def fill(storage: Path, spool: int, *numbers: int) -> None:
    with open_spool_on_loop(storage / "spool" / str(spool), LIMITS) as opened:
        for number in numbers:
            assert opened.accept(envelope(number, ANN, BOB), b"%d " % number * number) is None


def test_there_is_nothing_in_an_empty_storage_folder(tmp_path: Path) -> None:
    assert spool_folders(tmp_path) == []
    assert list(list_queued(tmp_path, NOW)) == []
    assert find_message(tmp_path, "B0000000001", NOW) is None


def test_spools_are_listed_by_number(tmp_path: Path) -> None:
    for spool in (10, 2, 1):
        fill(tmp_path, spool)
    assert [folder.name for folder in spool_folders(tmp_path)] == ["1", "2", "10"]


def test_all_messages_of_all_spools_are_listed_in_the_order_of_acceptance(tmp_path: Path) -> None:
    fill(tmp_path, 1, *range(1, 602))
    fill(tmp_path, 2, 1001, 1000)
    numbers = [int(message.message_id[1:]) for message in list_queued(tmp_path, NOW)]
    assert numbers == [*range(1, 602), 1000, 1001]


def test_a_message_is_listed_with_its_envelope_and_the_recipients_it_still_has(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "spool" / "1", LIMITS) as opened:
        opened.accept(envelope(1, ANN, BOB), b"content")
        opened.accept(envelope(2)._replace(reverse_path=None, account="ann@in.test"), b"")
        opened.lease(limit=2)
        opened.record(Finished(1, 0), PutBack(1, 1, NOW + timedelta(hours=1), "no space"))
        first, second = list_queued(tmp_path, NOW)
    assert (first.message_id, first.accepted_at, first.size) == ("B0000000001", ACCEPTED, 7)
    assert (first.reverse_path, first.client_address) == ("carol@example.net", "192.0.2.10")
    assert (first.hello_domain, first.account, first.spool) == ("mx.example.net", "", tmp_path / "spool" / "1")
    [bob] = first.recipients
    assert (bob.forward_path, bob.mailbox, bob.state) == ("bob@in.test", "bob@in.test", "waiting")
    assert (bob.due_at, bob.attempts, bob.last_outcome) == (NOW + timedelta(hours=1), 1, "no space")
    assert (second.reverse_path, second.account, second.size) == ("", "ann@in.test", 0)
    assert [(one.state, one.attempts) for one in second.recipients] == [("due", 0)]


def test_a_recipient_is_waiting_due_or_leased(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "spool" / "1", LIMITS) as opened:
        opened.accept(envelope(1), b"content")
        states = []
        for now in (ACCEPTED - timedelta(seconds=1), ACCEPTED):
            states += [message.recipients[0].state for message in list_queued(tmp_path, now)]
        opened.lease()
        states += [message.recipients[0].state for message in list_queued(tmp_path, NOW)]
    assert states == ["waiting", "due", "leased"]


@pytest.mark.parametrize("number", [3, 2000])
def test_the_content_of_a_message_is_read_octet_for_octet_while_the_spool_is_open(tmp_path: Path, number: int) -> None:
    with open_spool_on_loop(tmp_path / "spool" / "1", LIMITS) as opened:
        opened.accept(envelope(number), b"%d " % number * number)
        message = find_message(tmp_path, f"B{number:010}", NOW)
        assert message is not None
        assert b"".join(read_content(message)) == b"%d " % number * number


def test_a_message_that_was_delivered_meanwhile_has_no_content(tmp_path: Path) -> None:
    with open_spool_on_loop(tmp_path / "spool" / "1", LIMITS) as opened:
        opened.accept(envelope(1), b"content")
        [message] = list_queued(tmp_path, NOW)
        opened.record(Finished(1, 0))
        assert list(read_content(message)) == []
        assert find_message(tmp_path, "B0000000001", NOW) is None


def test_a_damaged_segment_is_a_storage_error(tmp_path: Path) -> None:
    fill(tmp_path, 1, 500)
    [message] = list_queued(tmp_path, NOW)
    (segment,) = (tmp_path / "spool" / "1" / "segments").iterdir()
    segment.write_bytes(b"short")
    with pytest.raises(StorageError, match="content segment 1 ends at 5, before octet 2000 of a spooled message"):
        list(read_content(message))
    segment.unlink()
    with pytest.raises(StorageError, match="No such file"):
        list(read_content(message))


def test_a_damaged_database_is_a_storage_error(tmp_path: Path) -> None:
    fill(tmp_path, 1, 500)
    (tmp_path / "spool" / "1" / "spool.db").write_bytes(b"no database " * 1000)
    with pytest.raises(StorageCorrupt, match="restore it from a backup"):
        list(list_queued(tmp_path, NOW))
