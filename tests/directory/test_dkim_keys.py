# SPDX-License-Identifier: Apache-2.0
"""The keys that our domains sign with: their steps from made to removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import AlreadyExists, InvalidValue, NotFound
from genkan.directory.dkim_keys import DkimKey
from tests.support.server import START

if TYPE_CHECKING:
    from genkan.directory import Directory
    from genkan.directory.dkim_keys import KeyAlgorithm, KeyState


LONGEST = ".".join(["a" * 54, "b" * 59, "c" * 59, "d" * 59])  # with ._domainkey.in.test behind it


def key(
    selector: str, state: KeyState = "signing", domain: str = "in.test", algorithm: KeyAlgorithm = "rsa"
) -> DkimKey:
    return DkimKey(domain, selector, algorithm, b"-----BEGIN PRIVATE KEY-----\n", state, START)


def states(directory: Directory) -> dict[str, str]:
    return {found.selector: found.state for found in directory.dkim_keys.list()}


def test_what_is_added_is_there_whole(directory: Directory) -> None:
    directory.dkim_keys.add([key("mail2026")])
    assert directory.dkim_keys.list() == directory.dkim_keys.list("IN.test") == (key("mail2026"),)
    assert directory.dkim_keys.list("out.test") == ()


def test_only_keys_that_sign_are_signed_with(directory: Directory, elsewhere: Directory) -> None:
    assert elsewhere.dkim_keys.signing("in.test") == ()
    directory.dkim_keys.add([key("a"), key("b", "waiting"), key("c", "retired")])
    elsewhere.refresh()
    assert elsewhere.dkim_keys.signing("in.test") == (key("a"),)


def test_rotation_retires_what_has_signed_and_signs_with_what_has_waited(directory: Directory) -> None:
    directory.dkim_keys.add([key("a"), key("b"), key("c", "waiting"), key("d", "retired")])
    assert directory.dkim_keys.signing("in.test") == (key("a"), key("b"))
    directory.dkim_keys.rotate("IN.TEST")
    assert states(directory) == {"a": "retired", "b": "retired", "c": "signing", "d": "retired"}
    assert directory.dkim_keys.signing("in.test") == (key("c"),)


def test_a_key_goes_on_while_none_of_its_algorithm_waits(directory: Directory) -> None:
    directory.dkim_keys.add([key("a"), key("b", algorithm="ed25519"), key("c", "waiting", algorithm="ed25519")])
    directory.dkim_keys.rotate("in.test")
    assert states(directory) == {"a": "signing", "b": "retired", "c": "signing"}


def test_keys_that_would_sign_beside_too_many_others_go_on_waiting(directory: Directory) -> None:
    directory.dkim_keys.add([*map(key, "abcd"), key("e", "waiting", algorithm="ed25519")])
    with pytest.raises(InvalidValue, match="5 keys of one domain cannot sign; 4 is the most"):
        directory.dkim_keys.rotate("in.test")
    assert states(directory) == dict.fromkeys("abcd", "signing") | {"e": "waiting"}


def test_without_a_key_that_waits_nothing_is_rotated(directory: Directory) -> None:
    directory.dkim_keys.add([key("a")])
    with pytest.raises(NotFound, match=r"no key of in\.test waits to be used; make one with: genkan dkim add in\.test"):
        directory.dkim_keys.rotate("in.test")
    assert states(directory) == {"a": "signing"}


def test_a_removed_key_signs_no_more(directory: Directory) -> None:
    directory.dkim_keys.add([key("a"), key("b")])
    assert len(directory.dkim_keys.signing("in.test")) == 2
    directory.dkim_keys.remove("in.test", "A")
    assert directory.dkim_keys.signing("in.test") == (key("b"),)
    with pytest.raises(NotFound, match=r"in\.test has no key with the selector a; see: genkan dkim list"):
        directory.dkim_keys.remove("in.test", "a")


def test_a_selector_is_taken_once_and_then_nothing_is_added(directory: Directory) -> None:
    directory.dkim_keys.add([key("a")])
    with pytest.raises(AlreadyExists, match=r"in\.test has a key with the selector a; choose another one"):
        directory.dkim_keys.add([key("b"), key("a")])
    assert states(directory) == {"a": "signing"}


@pytest.mark.parametrize("selector", ["2026.mail", "a" * 63, f"{'a' * 63}.{'b' * 63}", LONGEST])
def test_a_selector_may_have_several_labels(directory: Directory, selector: str) -> None:
    directory.dkim_keys.add([key(selector)])
    assert states(directory) == {selector: "signing"}


@pytest.mark.parametrize(
    "selector", ["", "-a", "a-", "a b", "a..b", "a" * 64, f"a.{'b' * 64}", "ä", "A", "a_b", f"a{LONGEST}"]
)
def test_what_is_no_selector_is_refused(directory: Directory, selector: str) -> None:
    with pytest.raises(InvalidValue, match="is no selector; give letters, digits and hyphens, such as mail2026"):
        directory.dkim_keys.add([key(selector)])
    assert directory.dkim_keys.list() == ()


def test_a_foreign_domain_has_no_keys(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"domain out\.test is not a local one"):
        directory.dkim_keys.add([key("a", domain="out.test")])


def test_more_signatures_than_a_message_should_have_are_refused(directory: Directory) -> None:
    with pytest.raises(InvalidValue, match="5 keys of one domain cannot sign; 4 is the most"):
        directory.dkim_keys.add([key(name) for name in "abcde"])
    assert directory.dkim_keys.list() == ()


def test_the_keys_of_a_domain_go_with_it(directory: Directory) -> None:
    directory.domains.add("in2.test")
    directory.dkim_keys.add([key("a", domain="in2.test")])
    directory.domains.remove("in2.test")
    assert directory.dkim_keys.list() == ()


def test_a_private_key_is_not_shown_by_accident() -> None:
    assert "PRIVATE" not in repr(key("a"))


def test_the_closest_domain_with_keys_signs(directory: Directory) -> None:
    directory.domains.add("sub.in.test")
    directory.dkim_keys.add([key("a")])
    directory.dkim_keys.add([key("b", "waiting", "sub.in.test")])
    assert directory.dkim_keys.closest("deep.Sub.in.test") == directory.dkim_keys.closest("in.test") == (key("a"),)
    directory.dkim_keys.rotate("sub.in.test")
    assert directory.dkim_keys.closest("deep.sub.in.test") == (key("b", domain="sub.in.test"),)
    assert directory.dkim_keys.closest("out.test") == ()


def test_a_top_level_domain_signs_for_nobody(directory: Directory) -> None:
    directory.domains.add("test")
    directory.dkim_keys.add([key("a", domain="test")])
    assert directory.dkim_keys.closest("out.test") == directory.dkim_keys.closest("test") == ()
