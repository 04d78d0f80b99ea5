# SPDX-License-Identifier: Apache-2.0
"""Rule documents: their current text, their revisions, shadows, and what other processes and a crash of an edit leave."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.directory import InvalidValue, NotFound, Revision, StoredDocument
from genkan.directory.documents import MAX_DOCUMENT, MAX_HISTORY, MAX_REVISIONS
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.directory import Account, Directory

ANN = Mailbox("ann", "in.test")
EFFECT = "effect.dat"


def ann(directory: Directory) -> Account:
    return directory.accounts.show(ANN)


def texts(directory: Directory, account: Account | None = None) -> list[tuple[int, int | None]]:
    return [(revision.number, revision.size) for revision in directory.documents.history(EFFECT, account)]


def test_a_document_that_was_never_stored_is_none(directory: Directory) -> None:
    assert directory.documents.current(EFFECT) is None
    assert directory.documents.history(EFFECT) == ()
    assert directory.documents.list() == ()


def test_each_text_is_a_revision_and_the_last_one_counts(directory: Directory) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    directory.documents.store(EFFECT, None, b"one", "root", "first")
    second = directory.documents.store(EFFECT, None, b"second", "ann")
    assert second == StoredDocument(EFFECT, "", 2, b"second", "ann", second.created, "")
    assert before <= second.created <= datetime.now(UTC) + timedelta(seconds=1)
    assert directory.documents.current(EFFECT) == second
    (newest, oldest) = directory.documents.history(EFFECT)
    assert newest == Revision(2, "ann", second.created, "", 6)
    assert (oldest.number, oldest.author, oldest.comment, oldest.size) == (1, "root", "first", 3)
    assert directory.documents.revision(EFFECT, None, 1).octets == b"one"


def test_the_same_text_again_is_no_revision(directory: Directory, elsewhere: Directory) -> None:
    first = directory.documents.store(EFFECT, None, b"one", "root")
    elsewhere.refresh()
    cached = elsewhere.documents.current(EFFECT)
    assert directory.documents.store(EFFECT, None, b"one", "ann", "again") == first
    elsewhere.refresh()
    assert elsewhere.documents.current(EFFECT) is cached
    assert texts(directory) == [(1, 3)]


def test_an_empty_document_is_there(directory: Directory) -> None:
    directory.documents.store(EFFECT, None, b"", "root")
    current = directory.documents.current(EFFECT)
    assert current is not None
    assert (current.revision, current.octets) == (1, b"")


def test_documents_of_the_server_and_of_accounts_are_apart(directory: Directory) -> None:
    bob = directory.accounts.add(Mailbox("bob", "in.test"))
    directory.documents.store(EFFECT, None, b"server", "root")
    directory.documents.store(EFFECT, bob, b"bob", "root")
    stored = directory.documents.store(EFFECT, ann(directory), b"ann", "root")
    directory.documents.store("mail.dat", bob, b"", "root")
    assert (stored.account, stored.revision) == ("ann@in.test", 1)
    assert directory.documents.current(EFFECT, ann(directory)) == stored
    assert directory.documents.accounts_with(EFFECT) == (ann(directory), bob)
    assert directory.documents.accounts_with("sender.dat") == ()
    listed = [(entry.name, entry.account) for entry in directory.documents.list()]
    assert listed == [(EFFECT, None), (EFFECT, ann(directory)), (EFFECT, bob), ("mail.dat", bob)]


def test_an_earlier_text_comes_back_as_a_new_revision(directory: Directory) -> None:
    for octets in (b"one", b"second"):
        directory.documents.store(EFFECT, None, octets, "root")
    back = directory.documents.rollback(EFFECT, None, 1, "ann")
    assert (back.revision, back.octets, back.author, back.comment) == (3, b"one", "ann", "back to revision 1")
    assert texts(directory) == [(3, 3), (2, 6), (1, 3)]
    assert directory.documents.rollback(EFFECT, None, 3, "ann") == back


@pytest.mark.parametrize("number", [0, -1, 2, 10**12])
def test_a_revision_that_is_not_there_is_named(directory: Directory, number: int) -> None:
    directory.documents.store(EFFECT, ann(directory), b"one", "root")
    error = rf"{EFFECT} of ann@in.test has no revision {number}; see: genkan rules log {EFFECT} --account ann@in.test"
    with pytest.raises(NotFound, match=error):
        directory.documents.rollback(EFFECT, ann(directory), number, "root")
    with pytest.raises(NotFound, match=error):
        directory.documents.revision(EFFECT, ann(directory), number)


def test_a_removed_document_is_gone_and_can_come_back(directory: Directory, elsewhere: Directory) -> None:
    directory.documents.store(EFFECT, None, b"one", "root")
    directory.documents.store(EFFECT, ann(directory), b"one", "root")
    elsewhere.refresh()
    assert elsewhere.documents.current(EFFECT) is not None
    directory.documents.remove(EFFECT, None, "ann", "not needed")
    directory.documents.remove(EFFECT, ann(directory), "ann")
    elsewhere.refresh()
    assert elsewhere.documents.current(EFFECT) is None
    assert directory.documents.list() == ()
    assert directory.documents.accounts_with(EFFECT) == ()
    assert texts(directory) == [(2, None), (1, 3)]
    with pytest.raises(NotFound, match="effect.dat is not there; see: genkan rules list"):
        directory.documents.remove(EFFECT, None, "ann")
    with pytest.raises(NotFound, match="revision 2 of effect.dat removed it and has no text"):
        directory.documents.rollback(EFFECT, None, 2, "ann")
    assert directory.documents.rollback(EFFECT, None, 1, "ann").revision == 3


def test_removing_an_account_removes_its_documents(directory: Directory) -> None:
    gone = ann(directory)
    directory.documents.store(EFFECT, gone, b"one", "root")
    directory.documents.store_shadow(EFFECT, gone, b"two", "root")
    directory.accounts.remove(ANN)
    assert directory.documents.current(EFFECT, gone) is None
    assert directory._store.rows("SELECT count(*) FROM document_revision") == [(0,)]
    assert not directory.documents.has_shadows()
    with pytest.raises(NotFound, match="account ann@in.test is not there any more"):
        directory.documents.store(EFFECT, gone, b"one", "root")
    again = directory.accounts.add(ANN)
    assert directory.documents.current(EFFECT, again) is None


def test_an_edit_works_on_the_current_octets_of_whatever_process(directory: Directory, elsewhere: Directory) -> None:
    assert elsewhere.documents.current(EFFECT) is None
    directory.documents.store(EFFECT, None, b"one\n", "root")
    edited = elsewhere.documents.edit(EFFECT, None, lambda octets: octets + b"two\n", "server", "level 101")
    assert (edited.revision, edited.octets, edited.author, edited.comment) == (2, b"one\ntwo\n", "server", "level 101")
    assert elsewhere.documents.edit(EFFECT, None, lambda octets: octets, "server") == edited


def test_an_edit_of_what_is_not_there_begins_with_nothing(directory: Directory) -> None:
    assert directory.documents.edit(EFFECT, None, lambda octets: octets + b"one", "server").octets == b"one"
    ours = ann(directory)
    shipped = directory.documents.edit(EFFECT, ours, lambda octets: octets + b"one", "server", absent=b"shipped ")
    assert shipped.octets == b"shipped one"


def test_an_edit_that_fails_changes_nothing(directory: Directory) -> None:
    stored = directory.documents.store(EFFECT, None, b"one", "root")

    def fail(_octets: bytes) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        directory.documents.edit(EFFECT, None, fail, "server")
    assert directory.documents.current(EFFECT) == stored
    assert directory.documents.store(EFFECT, None, b"two", "root").revision == 2


def test_several_documents_are_stored_all_or_none(directory: Directory) -> None:
    with pytest.raises(InvalidValue):
        directory.documents.store_all([(EFFECT, None, b"one"), ("mail.dat", None, b"x" * (MAX_DOCUMENT + 1))], "root")
    assert directory.documents.list() == ()
    assert directory.documents.current(EFFECT) is None
    stored = directory.documents.store_all([(EFFECT, None, b"one"), ("mail.dat", ann(directory), b"two")], "root")
    assert [(document.name, document.account) for document in stored] == [(EFFECT, ""), ("mail.dat", "ann@in.test")]


def test_a_shadow_is_kept_beside_the_current_text(directory: Directory, elsewhere: Directory) -> None:
    assert not elsewhere.documents.has_shadows()
    assert elsewhere.documents.shadow(EFFECT) is None
    directory.documents.store(EFFECT, None, b"one", "root")
    shadow = directory.documents.store_shadow(EFFECT, None, b"trial", "ann", "stricter")
    assert shadow == StoredDocument(EFFECT, "", -1, b"trial", "ann", shadow.created, "stricter")
    elsewhere.refresh()
    assert elsewhere.documents.has_shadows()
    assert elsewhere.documents.shadow(EFFECT) == shadow
    assert texts(elsewhere) == [(1, 3)]
    assert [(entry.name, entry.has_shadow) for entry in elsewhere.documents.list()] == [(EFFECT, True)]


def test_no_two_shadows_share_a_number(directory: Directory) -> None:
    first = directory.documents.store_shadow(EFFECT, None, b"one", "root")
    directory.documents.drop_shadow(EFFECT)
    second = directory.documents.store_shadow(EFFECT, None, b"two", "root")
    third = directory.documents.store_shadow(EFFECT, None, b"three", "root")
    assert (first.revision, second.revision, third.revision) == (-1, -2, -3)
    assert directory.documents.shadow(EFFECT) == third


def test_a_promoted_shadow_is_the_current_text_and_a_shadow_no_longer(directory: Directory) -> None:
    directory.documents.store(EFFECT, None, b"one", "root")
    directory.documents.store_shadow(EFFECT, None, b"trial", "ann", "stricter")
    promoted = directory.documents.promote(EFFECT, None, "bob")
    assert (promoted.revision, promoted.octets, promoted.author, promoted.comment) == (2, b"trial", "bob", "stricter")
    assert directory.documents.current(EFFECT) == promoted
    assert directory.documents.shadow(EFFECT) is None
    assert not directory.documents.has_shadows()


def test_a_shadow_may_be_of_a_document_that_is_not_there(directory: Directory) -> None:
    directory.documents.store_shadow(EFFECT, ann(directory), b"trial", "root")
    assert directory.documents.current(EFFECT, ann(directory)) is None
    assert [(entry.account, entry.current) for entry in directory.documents.list()] == [(ann(directory), None)]
    assert directory.documents.promote(EFFECT, ann(directory), "root").revision == 1


def test_without_a_shadow_there_is_nothing_to_drop_or_promote(directory: Directory) -> None:
    error = "effect.dat has no shadow; put a text on trial with: genkan rules shadow effect.dat FILE"
    with pytest.raises(NotFound, match=error):
        directory.documents.drop_shadow(EFFECT)
    with pytest.raises(NotFound, match=error):
        directory.documents.promote(EFFECT, None, "root")


@pytest.mark.parametrize(("author", "comment"), [("a\nb", ""), ("", "\x1b[2J"), ("x" * 501, ""), ("", "\ud800")])
def test_remarks_are_one_line_of_text(directory: Directory, author: str, comment: str) -> None:
    with pytest.raises(InvalidValue, match="at most 500 characters on one line"):
        directory.documents.store(EFFECT, None, b"one", author, comment)
    with pytest.raises(InvalidValue, match="at most 500 characters on one line"):
        directory.documents.store_shadow(EFFECT, None, b"one", author, comment)
    assert directory.documents.list() == ()


def test_the_newest_thousand_revisions_are_kept(directory: Directory) -> None:
    first = directory.documents.store(EFFECT, None, b"0", "root")
    document = directory._store.rows("SELECT id FROM document")[0][0]
    rows = ((document, number, "root", 0, "", b"%d" % number) for number in range(2, MAX_REVISIONS + 3))
    with directory._store.change():
        directory._store._connection.executemany("INSERT INTO document_revision VALUES (?, ?, ?, ?, ?, ?)", rows)
    last = directory.documents.store(EFFECT, None, b"last", "root")
    numbers = [revision.number for revision in directory.documents.history(EFFECT)]
    assert numbers == list(range(last.revision, last.revision - MAX_REVISIONS, -1))
    with pytest.raises(NotFound):
        directory.documents.revision(EFFECT, None, first.revision)


def test_large_revisions_are_kept_up_to_a_bound_and_the_newest_always(directory: Directory) -> None:
    for number in range(MAX_HISTORY // MAX_DOCUMENT + 2):
        directory.documents.store(EFFECT, None, b"%d" % number + bytes(MAX_DOCUMENT - 1), "root")
    assert [number for number, _ in texts(directory)] == [10, 9, 8, 7, 6, 5, 4, 3]


def test_a_cached_document_costs_less_than_a_microsecond(directory: Directory) -> None:
    account = ann(directory)
    directory.documents.store(EFFECT, account, b"one", "root")
    current = directory.documents.current
    assert current(EFFECT, account) is current(EFFECT, account)
    best = 1.0
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(1000):
            current(EFFECT, account)
        best = min(best, time.perf_counter() - started)
    assert best / 1000 < 2e-6  # some 0.3 us on an idle machine


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=300), name=st.sampled_from(["effect.dat", "mail.dat"]), owned=st.booleans())
def test_any_octets_come_back_as_they_were_stored(
    directory: Directory, elsewhere: Directory, octets: bytes, name: str, owned: bool
) -> None:
    account = ann(directory) if owned else None
    stored = directory.documents.store(name, account, octets, "root")
    shadow = directory.documents.store_shadow(name, account, octets[::-1], "root")
    elsewhere.refresh()
    assert elsewhere.documents.current(name, account) == stored
    assert elsewhere.documents.shadow(name, account) == shadow
    assert (stored.octets, shadow.octets) == (octets, octets[::-1])
