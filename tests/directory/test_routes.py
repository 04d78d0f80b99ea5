# SPDX-License-Identifier: Apache-2.0
"""Routes: which of them an address goes by, how they are stored, and every reason to refuse one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import AlreadyExists, InvalidValue, NotFound
from genkan.directory.destination import ByMx, Maildir, SmtpHop
from genkan.directory.routes import Route
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from genkan.directory import Directory


def pattern(directory: Directory, address: str) -> str | None:
    """The pattern of the route that an address goes by."""
    route = directory.routes.find(parse_mailbox(address))
    return None if route is None else route.pattern


def add(directory: Directory, *patterns: str) -> None:
    for each in patterns:
        directory.routes.add(each, "smtp:mx.out.test")


def test_the_closest_route_counts(directory: Directory) -> None:
    add(directory, "*", "*.test", "*.out.test", "out.test", "Carol@Out.test")
    assert pattern(directory, "CAROL@OUT.TEST") == "carol@out.test"
    assert pattern(directory, "dan@out.test") == "out.test"
    assert pattern(directory, "dan@a.b.out.test") == "*.out.test"
    assert pattern(directory, "dan@other.test") == "*.test"
    assert pattern(directory, "dan@test") == "*"
    assert pattern(directory, "dan@[192.0.2.1]") == "*"


def test_a_parent_is_no_subdomain_of_itself(directory: Directory) -> None:
    add(directory, "*.out.test")
    assert pattern(directory, "dan@out.test") is None
    assert pattern(directory, "dan@about.test") is None


def test_an_asterisk_does_not_catch_the_mail_of_accounts_here(directory: Directory) -> None:
    add(directory, "*", "*.test")
    assert pattern(directory, "ann@in.test") is None
    add(directory, "in.test")
    assert pattern(directory, "ann@IN.test") == "in.test"
    add(directory, "ann@in.test")
    assert pattern(directory, "ann@in.test") == "ann@in.test"
    assert directory.routes.of_domain("in.test") == Route("in.test", SmtpHop("mx.out.test"))


def test_a_domain_that_is_no_longer_local_is_caught_again(directory: Directory) -> None:
    directory.domains.add("b.test")
    add(directory, "*")
    assert pattern(directory, "ann@b.test") is None
    directory.domains.remove("b.test")
    assert pattern(directory, "ann@b.test") == "*"


def test_a_change_counts_at_once_also_for_other_processes(directory: Directory, elsewhere: Directory) -> None:
    assert pattern(elsewhere, "dan@out.test") is None
    add(directory, "out.test")
    elsewhere.refresh()
    assert pattern(elsewhere, "dan@out.test") == "out.test"
    directory.routes.remove("OUT.test")
    elsewhere.refresh()
    assert (pattern(directory, "dan@out.test"), pattern(elsewhere, "dan@out.test")) == (None, None)


def test_a_route_is_replaced_only_when_that_is_meant(directory: Directory) -> None:
    add(directory, "out.test")
    with pytest.raises(
        AlreadyExists, match=r"out\.test goes to smtp:mx\.out\.test already; give --replace to change it"
    ):
        directory.routes.add("OUT.test", "mx")
    assert directory.routes.add("OUT.test", "mx", replace=True) == Route("out.test", ByMx())
    assert directory.routes.list() == (Route("out.test", ByMx()),)


def test_routes_are_listed_with_asterisks_last(directory: Directory) -> None:
    add(directory, "*", "*.b.test", "b.test", "a@b.test", "bücher.test")
    patterns = ["a@b.test", "b.test", "xn--bcher-kva.test", "*", "*.b.test"]
    assert [route.pattern for route in directory.routes.list()] == patterns
    assert [route.pattern for route in directory.routes.list("BÜCHER.test")] == ["xn--bcher-kva.test"]
    assert directory.routes.list("c.test") == ()


def test_an_account_may_be_left_out_of_its_domain_s_route(directory: Directory) -> None:
    add(directory, "in.test")
    directory.routes.add("ann@in.test", "maildir")
    assert directory.routes.find(Mailbox("Ann", "in.test")) == Route("ann@in.test", Maildir())


def test_a_quoted_local_part_is_found_as_it_is_written(directory: Directory) -> None:
    add(directory, '"Two Words"@out.test')
    assert pattern(directory, '"two words"@out.test') == '"two words"@out.test'


def test_a_route_says_its_pattern_for_the_log() -> None:
    assert Route("*.out.test", ByMx()).origin == "route *.out.test"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "'' is no pattern: the domain is missing; write ann@in.test, in.test, *.in.test or *"),
        ("*.", "'*.' is no pattern"),
        ("*in.test", "'*in.test' is no pattern"),
        ("**", "'**' is no pattern"),
        ("in test", "'in test' is no pattern"),
        ("@in.test", "'@in.test' is no address"),
        ("*@in.test", "*@in.test stands for no single address; write in.test for all of the domain"),
        ("sales*@in.test", "sales*@in.test stands for no single address"),
        ("[192.0.2.1]", "[192.0.2.1] is an address literal; write the domain, or the whole address"),
        ("x" * 300, f"'{'x' * 300}' is no pattern: the"),
    ],
)
def test_what_is_no_pattern_says_what_to_write(directory: Directory, text: str, error: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        directory.routes.add(text, "mx")
    assert str(raised.value).startswith(error)
    assert directory.routes.list() == ()


def test_only_accounts_have_a_maildir(directory: Directory) -> None:
    for text in ("*", "*.in.test"):
        with pytest.raises(InvalidValue, match="only accounts have a Maildir"):
            directory.routes.add(text, "maildir")


def test_a_route_that_is_not_there_cannot_be_removed(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"there is no route out\.test; see: genkan route list"):
        directory.routes.remove("Out.test")


def test_a_domain_of_very_many_labels_is_one_question(directory: Directory) -> None:
    add(directory, "*.a.test")
    assert pattern(directory, f"dan@{'a.' * 120}test") == "*.a.test"
