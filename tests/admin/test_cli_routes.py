# SPDX-License-Identifier: Apache-2.0
"""`genkan route` and `genkan hop` as an operator types them: text, JSON, warnings, errors, exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.admin.conftest import Installation


@pytest.fixture
def staffed(installation: Installation) -> Installation:
    """The account ann with the alias info, and carol, an alias that leads elsewhere."""
    installation.text("account", "add", "ann@in.test", "--no-auth")
    installation.text("alias", "add", "info@in.test", "ann@in.test")
    installation.text("alias", "add", "carol@in.test", "carol@out.test")
    return installation


def way(installation: Installation, address: str) -> tuple[str, str]:
    """Destination and reason of an address."""
    entry = installation.json("route", "show", address)
    return entry["destination"], entry["reason"]


def test_routes_are_added_listed_and_removed(installation: Installation) -> None:
    assert installation.text("route", "list") == ""
    assert installation.text("route", "add", "*", "smtp:Smart.test:587") == "mail for * goes to smtp:smart.test:587\n"
    installation.text("route", "add", "Out.test", "mx")
    assert installation.text("route", "list") == (
        "pattern   destination\nout.test  mx\n*         smtp:smart.test:587\n"
    )
    assert installation.text("route", "list", "OUT.test").splitlines()[1:] == ["out.test  mx"]
    assert installation.text("route", "remove", "out.test") == "removed out.test\n"
    assert installation.json("route", "list") == [{"pattern": "*", "destination": "smtp:smart.test:587"}]


def test_an_empty_list_says_how_to_fill_it(installation: Installation) -> None:
    assert installation.call("route", "list").stderr == (
        "no route; add one with: genkan route add PATTERN DESTINATION\n"
    )
    assert installation.call("hop", "list").stderr == (
        "nothing is set for any next hop; the settings of [delivery] count\n"
    )


def test_a_route_is_replaced_only_when_that_is_said(installation: Installation) -> None:
    installation.text("route", "add", "out.test", "mx")
    assert installation.refusal("route", "add", "out.test", "smtp:mx.out.test") == (
        "out.test goes to mx already; give --replace to change it"
    )
    added = installation.json("route", "add", "out.test", "smtp:mx.out.test", "--replace")
    assert added == {"added": {"pattern": "out.test", "destination": "smtp:mx.out.test"}, "findings": []}


def test_what_is_odd_about_a_route_is_said_and_the_route_is_there(installation: Installation) -> None:
    assert installation.text("route", "add", "in.test", "pipe:/nowhere/program {recipient}") == (
        "mail for in.test goes to pipe:/nowhere/program {recipient}\n"
        "warning: route in.test: /nowhere/program is no program that can be started here; install it, correct its mode, "
        "or correct the route\n"
    )
    assert len(installation.json("route", "list")) == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["add", "*@in.test", "mx"], "*@in.test stands for no single address; write in.test for all of the domain"),
        (
            ["add", "in.test", "mx.in.test"],
            "'mx.in.test' is no destination; write one of maildir, mx, smtp:HOST[:PORT]",
        ),
        (["add", "*", "maildir"], "* stands for domains elsewhere, and only accounts have a Maildir"),
        (["add", "in.test", "https://a:b@in.test/"], "the URL holds credentials; leave them out and give the secret"),
        (["remove", "out.test"], "there is no route out.test; see: genkan route list"),
        (["list", "a b"], "'a b' is no pattern"),
        (["show", "bob@in.test"], "nobody has the address bob@in.test; see: genkan account list, genkan alias list"),
    ],
)
def test_what_the_directory_refuses_says_what_to_do(staffed: Installation, words: list[str], error: str) -> None:
    assert staffed.refusal("route", *words).startswith(error)


def test_the_way_of_an_account_is_its_maildir_unless_a_route_says_otherwise(staffed: Installation) -> None:
    assert staffed.text("route", "show", "info@in.test") == (
        "mail for info@in.test, which is ann@in.test, goes to maildir (account ann@in.test)\n"
    )
    staffed.text("route", "add", "*", "smtp:smart.test")
    assert way(staffed, "ann@in.test") == ("maildir", "account ann@in.test")
    staffed.text("route", "add", "in.test", "lmtp:unix:/run/lmtp")
    assert way(staffed, "ann+x@in.test") == ("lmtp:unix:/run/lmtp", "route in.test")
    staffed.text("route", "add", "ann@in.test", "maildir")
    assert way(staffed, "info@in.test") == ("maildir", "route ann@in.test")


def test_the_way_out_is_a_route_else_gateway_dat_else_the_smarthost_else_mx(staffed: Installation) -> None:
    assert way(staffed, "dan@out.test") == ("mx", "no route, no line of gateway.dat, no delivery.smarthost")
    staffed.set('smarthost = ""', 'smarthost = "smart.test:587"')
    assert way(staffed, "dan@out.test") == ("smtp:smart.test:587", "delivery.smarthost")
    (staffed.folder / "gateway.dat").write_text("other.test,a.test\nout.test,192.0.2.25\n")
    staffed.text("rules", "import", "gateway.dat", str(staffed.folder / "gateway.dat"))
    assert way(staffed, "dan@out.test") == ("smtp:192.0.2.25", "gateway.dat:2")
    staffed.text("route", "add", "*.test", "smtp:mx.test")
    assert way(staffed, "carol@in.test") == ("smtp:mx.test", "route *.test")
    assert staffed.text("route", "show", "carol@in.test").startswith(
        "mail for carol@in.test, which is carol@out.test, goes"
    )


def test_where_all_mail_is_handed_off_no_route_counts(staffed: Installation) -> None:
    staffed.set('# handoff = "folder"', 'handoff = "incoming"')
    staffed.text("route", "add", "ann@in.test", "mx")
    assert way(staffed, "ann@in.test") == ("the folder incoming", "delivery.handoff")


def test_the_mail_of_a_list_goes_its_members_ways(staffed: Installation) -> None:
    staffed.text("list", "add", "staff@in.test")
    assert staffed.refusal("route", "show", "staff@in.test") == (
        "staff@in.test is a mailing list; ask about its members: genkan list show staff@in.test"
    )


def test_next_hops_are_set_listed_and_removed_and_no_password_is_shown(installation: Installation) -> None:
    entry = {"name": "mx.out.test", "tls": "", "source": "", "username": "ann", "password": True, "connections": None}
    words = ("hop", "set", "MX.out.test", "--user", "ann", "--password-stdin")
    assert installation.json(*words, given="open sesame\r\n") == {"changed": entry, "findings": []}
    assert installation.text("hop", "set", "out.test", "--tls", "verified", "--source", "127.0.0.1") == (
        "changed out.test\n"
    )
    installation.text("hop", "set", "hooks.test", "--password-stdin", "--connections", "2", given="open sesame\n")
    assert installation.text("hop", "list") == (
        "next hop     tls       source     connections  auth\n"
        "hooks.test   default   default    2            secret\n"
        "mx.out.test  default   default    default      ann\n"
        "out.test     verified  127.0.0.1  default      -\n"
    )
    assert installation.json("hop", "list")[1] == entry
    assert installation.text("hop", "remove", "MX.out.test") == "removed MX.out.test\n"
    assert [each["name"] for each in installation.json("hop", "list")] == ["hooks.test", "out.test"]


def test_what_was_set_for_a_next_hop_can_be_taken_back(installation: Installation) -> None:
    words = ("--tls", "required", "--source", "127.0.0.1", "--connections", "2", "--user", "ann", "--password-stdin")
    installation.text("hop", "set", "out.test", *words, given="open sesame\n")
    back = ("--tls", "default", "--source", "default", "--connections", "0", "--no-auth")
    changed = installation.json("hop", "set", "out.test", *back)["changed"]
    assert changed == {
        "name": "out.test",
        "tls": "",
        "source": "",
        "username": "",
        "password": False,
        "connections": None,
    }


def test_what_is_odd_about_a_next_hop_is_said(installation: Installation) -> None:
    words = ("--tls", "none", "--user", "ann", "--password-stdin", "--source", "192.0.2.1")
    assert installation.text("hop", "set", "mx.out.test", *words, given="open sesame\n") == (
        "changed mx.out.test\n"
        "warning: hop mx.out.test: AUTH is wanted but TLS is not, and without TLS no password is told: only SCRAM-SHA-256 "
        "would work; run: genkan hop set mx.out.test --tls required\n"
        "warning: hop mx.out.test: 192.0.2.1 is not an address of this machine, so nothing can be sent from it; give the "
        "machine this address, or name another one with --source\n"
    )


def test_what_cannot_be_set_for_a_next_hop_says_what_to_do(installation: Installation) -> None:
    assert installation.refusal("hop", "set", "a/b", "--tls", "none").startswith("'a/b' is no host")
    assert installation.refusal("hop", "set", "out.test", "--source", "mx").startswith("'mx' is no IP address")
    assert installation.refusal("hop", "set", "out.test", "--password-stdin", given="\n").startswith(
        "the password is not"
    )
    assert installation.refusal("hop", "remove", "out.test") == (
        "nothing is set for the next hop out.test; see: genkan hop list"
    )
    assert installation.json("hop", "list") == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "Error: nothing to change: give --tls, --source, --user, --password-stdin, --no-auth or --connections"),
        (["--tls", "always"], "Error: Invalid value for '--tls': 'always' is not one of"),
        (["--connections", "-1"], "Error: Invalid value for '--connections': -1 is not in the range"),
        (["--user", "ann", "--no-auth"], "Error: --user gives a name for AUTH and --no-auth takes it away"),
        (["--user", "ann"], "Error: no terminal to ask for the password: give --password-stdin"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_wrong(installation: Installation, words: list[str], error: str) -> None:
    assert installation.misuse("hop", "set", "out.test", *words).startswith(error)
