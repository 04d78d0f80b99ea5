# SPDX-License-Identifier: Apache-2.0
"""Maildir delivery on a real file system: what lies there afterwards, what a crash leaves, what goes wrong alone."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.delivery.local import LocalDelivery, deliver_batch, file_name, maildir_path
from genkan.delivery.outcome import Deferred, Delivered
from genkan.smtp.address import Mailbox
from tests.support.programs import crashes_survived

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

ACCEPTED = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = b"Return-Path: <>\r\nDelivered-To: ann@in.test\r\n"
CONTENT = (b"Subject: x\r\n\r\n", b"first\r\n", b"second\r\n")
SIZE = sum(map(len, CONTENT))
NAME = f"1767225600.B0000000007R1.mx.in.test,S={len(FIELDS) + SIZE}"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return tmp_path / "mail" / "in.test" / "ann"


def item(maildir: Path, number: int = 7) -> LocalDelivery:
    return LocalDelivery(
        f"B{number:010}", 1, ACCEPTED, maildir, FIELDS, lambda: iter(CONTENT), SIZE, first_attempt=True
    )


def deliver(*items: LocalDelivery) -> list[Delivered | Deferred]:
    outcomes = deliver_batch(items, "mx.in.test")
    return [outcome for outcome in outcomes if isinstance(outcome, Delivered | Deferred)]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def reason_of(outcome: Delivered | Deferred) -> str:
    assert isinstance(outcome, Deferred)
    return outcome.reason


@contextmanager
def file_size_limit(octets: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_message_lies_whole_in_new_of_a_maildir_made_for_it(maildir: Path) -> None:
    assert deliver(item(maildir)) == [Delivered()]
    assert files_in(maildir) == [f"new/{NAME}"]
    assert (maildir / "new" / NAME).read_bytes() == FIELDS + b"".join(CONTENT)
    assert sorted(path.name for path in maildir.iterdir()) == ["cur", "new", "tmp"]


def test_only_the_owner_can_read_maildir_and_message(maildir: Path) -> None:
    deliver(item(maildir))
    paths = [maildir, maildir / "cur", maildir / "new", maildir / "tmp", maildir / "new" / NAME]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o700, 0o700, 0o700, 0o700, 0o600]


def test_the_size_in_the_name_is_the_size_of_the_file(maildir: Path) -> None:
    deliver(item(maildir))
    assert (maildir / "new" / NAME).stat().st_size == int(NAME.rpartition("=")[2])


def test_recipients_of_one_message_have_files_of_their_own(maildir: Path) -> None:
    deliver(item(maildir), replace(item(maildir), recipient_number=2))
    assert len(files_in(maildir / "new")) == 2


def test_a_batch_larger_than_a_group_is_delivered_whole(maildir: Path) -> None:
    assert deliver(*(item(maildir, number) for number in range(150))) == [Delivered()] * 150
    assert len(files_in(maildir / "new")) == 150


def test_missing_parts_of_a_maildir_are_made_again(maildir: Path) -> None:
    maildir.mkdir(parents=True)
    (maildir / "tmp").mkdir()
    assert deliver(item(maildir)) == [Delivered()]


def test_content_is_taken_chunk_by_chunk(maildir: Path) -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            on_disk = sum(path.stat().st_size for path in (maildir / "tmp").glob("*"))
            taken.append(on_disk)
            yield b"x" * 65536

    outcome = deliver(replace(item(maildir), fields=b"", content=chunks, size=64 * 65536))
    assert outcome == [Delivered()]
    assert taken == [0, *(number * 65536 for number in range(1, 64))]


def test_files_are_synced_before_their_names_appear_and_new_afterwards(maildir: Path) -> None:
    deliver(item(maildir, 1))
    calls: list[str] = []

    def note(_: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in ("writev", "fsync", "rename"):
            calls.append(function.__name__)

    sys.setprofile(note)
    try:
        deliver(item(maildir, 2), item(maildir, 3))
    finally:
        sys.setprofile(None)
    assert [call for call in calls if call != "writev"] == ["fsync", "fsync", "rename", "rename", "fsync"]
    assert calls.index("fsync") > max(place for place, call in enumerate(calls) if call == "writev")


def test_a_file_left_in_tmp_by_a_crash_is_replaced(maildir: Path) -> None:
    (maildir / "tmp").mkdir(parents=True)
    (maildir / "tmp" / NAME).write_bytes(b"half of")
    assert deliver(replace(item(maildir), first_attempt=False)) == [Delivered()]
    assert files_in(maildir) == [f"new/{NAME}"]
    assert (maildir / "new" / NAME).read_bytes() == FIELDS + b"".join(CONTENT)


def test_a_link_left_in_tmp_is_not_followed(maildir: Path, tmp_path: Path) -> None:
    (maildir / "tmp").mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    (maildir / "tmp" / NAME).symlink_to(tmp_path / "elsewhere")
    assert deliver(item(maildir)) == [Delivered()]
    assert (tmp_path / "elsewhere").read_bytes() == b"untouched"
    assert not (maildir / "new" / NAME).is_symlink()


@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_message_already_in_new_is_not_written_again(maildir: Path, *, first_attempt: bool) -> None:
    (maildir / "new").mkdir(parents=True)
    (maildir / "new" / NAME).write_bytes(b"as delivered before")
    assert deliver(replace(item(maildir), first_attempt=first_attempt)) == [Delivered()]
    assert files_in(maildir) == [f"new/{NAME}"]
    assert (maildir / "new" / NAME).read_bytes() == b"as delivered before"


@pytest.mark.parametrize(
    "name",
    [f"{NAME}:2,S", f"{NAME}:2,", f"{NAME},W=300:2,FRS", NAME.replace("S=", "S=9"), NAME.partition(",")[0] + ":2,S"],
)
def test_a_message_that_was_read_meanwhile_is_not_delivered_twice(maildir: Path, name: str) -> None:
    for folder in ("tmp", "new", "cur"):
        (maildir / folder).mkdir(parents=True)
    (maildir / "cur" / name).write_bytes(b"read")
    assert deliver(replace(item(maildir), first_attempt=False), item(maildir, 8)) == [Delivered()] * 2
    assert files_in(maildir) == [f"cur/{name}", f"new/{NAME.replace('07R', '08R')}"]


def test_another_recipients_copy_does_not_count_as_delivered(maildir: Path) -> None:
    deliver(replace(item(maildir), recipient_number=11))
    deliver(replace(item(maildir), first_attempt=False))
    assert len(files_in(maildir / "new")) == 2


def test_a_crash_at_any_line_neither_loses_nor_doubles_a_message(tmp_path: Path) -> None:
    assert crashes_survived(Path(__file__).with_name("crash_at_each_line.py"), tmp_path) > 100


def test_one_bad_recipient_does_not_hurt_the_others(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    outcomes = deliver(item(maildir, 1), item(tmp_path / "file" / "bob", 2), item(maildir, 3))
    assert [outcomes[0], outcomes[2]] == [Delivered(), Delivered()]
    assert reason_of(outcomes[1]) == f"delivery to Maildir {tmp_path}/file/bob stopped: Not a directory"


def test_what_the_disk_does_not_take_is_deferred_and_leaves_nothing(maildir: Path) -> None:
    large = replace(item(maildir, 2), content=lambda: iter([b"x" * 65536] * 4), size=4 * 65536)
    with file_size_limit(100_000):
        outcomes = deliver(item(maildir, 1), large, item(maildir, 3))
    assert [outcomes[0], outcomes[2]] == [Delivered(), Delivered()]
    assert reason_of(outcomes[1]) == f"delivery to Maildir {maildir} stopped: File too large"
    assert len(files_in(maildir)) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [("x" * 300, "File name too long"), ("\ud800", "'utf-8' codec can't encode"), ("", "Is a directory")],
)
def test_a_maildir_that_cannot_be_is_deferred(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name if name else tmp_path
    if not name:
        (tmp_path / "tmp" / NAME).mkdir(parents=True)
    (outcome,) = deliver(item(path))
    assert text in reason_of(outcome)


def test_content_that_is_not_whole_is_deferred_not_delivered(maildir: Path) -> None:
    (outcome,) = deliver(replace(item(maildir), size=SIZE + 1))
    assert "octets where" in reason_of(outcome)
    assert files_in(maildir) == []


def test_content_that_cannot_be_read_is_deferred(maildir: Path, tmp_path: Path) -> None:
    (outcome,) = deliver(replace(item(maildir), content=lambda: iter([(tmp_path / "segment").read_bytes()])))
    assert "No such file" in reason_of(outcome)


def test_an_unexpected_error_passes_and_leaves_nothing_behind(maildir: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError

    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match=r"^$"):
        deliver_batch([item(maildir, 1), replace(item(maildir, 2), content=broken)], "mx.in.test")
    assert files_in(maildir) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_no_descriptor_stays_open(maildir: Path, tmp_path: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    deliver(item(maildir, 1), item(tmp_path / ("x" * 300), 2), replace(item(maildir, 3), size=1))
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_host_name_of_any_length_and_look_gives_a_possible_name(maildir: Path) -> None:
    name = file_name(item(maildir), "a/b:c,d" + "x" * 300)
    assert name.startswith(r"1767225600.B0000000007R1.a\057b\072c\054dxxx")
    assert len(name) < 240


@pytest.mark.parametrize(
    ("local_part", "expected"),
    [
        ("ann", "ann"),
        ("Ann.B_c+x=y-1", "ann.b_c+x=y-1"),
        ("a@b", "a@b"),
        (".ann", "%2Eann"),
        ("..", "%2E%2E"),
        ("a..b", "a.%2Eb"),
        ("../../etc", "%2E%2E%2F.%2E%2Fetc"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252fb"),
        ("a b\0c", "a%20b%00c"),
        ("", "%"),
        ("JÜRGEN", "jürgen"),
        ("田中", "田中"),
        ("a\u202eb", "a%E2%80%AEb"),
        ("~root", "%7Eroot"),
        ("{domain}", "%7Bdomain%7D"),
    ],
)
def test_a_local_part_becomes_one_safe_name(local_part: str, expected: str) -> None:
    actual = maildir_path("mail/{domain}/{local_part}", Path("/srv"), Mailbox(local_part, "In.Test"))
    assert str(actual) == f"/srv/mail/in.test/{expected}"


def test_an_absolute_template_and_one_with_own_dots_are_taken_as_they_are() -> None:
    actual = maildir_path("/var/home/{local_part}@{domain}/.Maildir", Path("/srv"), Mailbox("ann", "in.test"))
    assert str(actual) == "/var/home/ann@in.test/.Maildir"


def test_long_names_are_cut_to_255_octets_and_stay_apart() -> None:
    paths = [maildir_path("{local_part}", Path("/srv"), Mailbox("田" * 100 + end, "in.test")) for end in "ab"]
    assert all(len(path.name.encode()) <= 255 for path in paths)
    assert paths[0] != paths[1]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)


@given(texts, texts)
def test_no_mailbox_leaves_its_folder(local_part: str, domain: str) -> None:
    path = maildir_path("mail/{domain}/{local_part}", Path("/srv"), Mailbox(local_part, domain))
    names = path.parts
    assert (len(names), names[:3]) == (5, ("/", "srv", "mail"))
    assert not any(name.startswith(".") or ".." in name or "\0" in name for name in names)
    assert max(len(name.encode()) for name in names) <= 255


@given(texts, texts)
def test_two_mailboxes_share_a_maildir_only_if_the_directory_holds_them_equal(one: str, other: str) -> None:
    mailboxes = Mailbox(one, "in.test"), Mailbox(other, "in.test")
    paths = [maildir_path("{local_part}", Path("/srv"), mailbox) for mailbox in mailboxes]
    assert (paths[0] == paths[1]) == (mailboxes[0].folded() == mailboxes[1].folded())
