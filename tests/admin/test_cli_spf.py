# SPDX-License-Identifier: Apache-2.0
"""`genkan spf` asks the DNS as the server would and tells what decided; `genkan grey` shows who was deferred for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import Directory, GreyEntry
from tests.support.dns_server import Manner, dns_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.admin.conftest import Installation
    from tests.support.dns_server import DnsServer

ZONE: Final = """
out.test     300 TXT "v=spf1 ip4:192.0.2.0/24 -all exp=why.out.test"
why.out.test 300 TXT "%{c} is not ours"
client.test  300 TXT "v=spf1 ~all"
xn--r8jz45g.test 300 TXT "v=spf1 ?all"
"""
NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def dns(installation: Installation) -> Iterator[DnsServer]:
    """A name server that the installation asks."""
    with dns_server(ZONE) as server:
        installation.set("servers = []", f'servers = ["{server.address}"]')
        installation.set('timeout = "4s"', 'timeout = "10s"')
        yield server


@pytest.mark.usefixtures("dns")
def test_the_result_comes_first_and_then_what_decided(installation: Installation) -> None:
    assert installation.text("spf", "--client", "192.0.2.10", "--from", "x@out.test").splitlines() == [
        "pass",
        "domain       out.test (smtp.mailfrom)",
        "reason       out.test: ip4:192.0.2.0/24",
    ]
    assert installation.text("spf", "--client", "2001:db8::1", "--from", "x@out.test").splitlines() == [
        "fail",
        "domain       out.test (smtp.mailfrom)",
        "reason       out.test: -all",
        "explanation  2001:db8::1 is not ours",
    ]


@pytest.mark.usefixtures("dns")
def test_all_of_it_is_there_for_programs(installation: Installation) -> None:
    assert installation.json("spf", "--client", "198.51.100.1", "--from", "<x@out.test>", "--hello", "client.test") == {
        "result": "fail",
        "domain": "out.test",
        "reason": "out.test: -all",
        "explanation": "198.51.100.1 is not ours",
        "identity": "smtp.mailfrom",
    }


@pytest.mark.usefixtures("dns")
@pytest.mark.parametrize("words", [(), ("--from", ""), ("--from", "<>")])
def test_the_null_reverse_path_is_judged_by_the_hello_domain(
    installation: Installation, words: tuple[str, ...]
) -> None:
    lines = installation.text("spf", "--client", "192.0.2.10", "--hello", "client.test", *words).splitlines()
    assert lines[:2] == ["softfail", "domain       client.test (smtp.helo)"]


@pytest.mark.usefixtures("dns")
@pytest.mark.parametrize(
    ("sender", "result"),
    [('"x y"@out.test', "pass"), ("x@例え.test", "neutral"), ("x@a..test", "none"), ("x@other.test", "none")],
)
def test_any_reverse_path_has_a_result(installation: Installation, sender: str, result: str) -> None:
    assert installation.text("spf", "--client", "192.0.2.10", "--from", sender).splitlines()[0] == result


def test_where_the_dns_cannot_be_asked_the_exit_status_says_so(installation: Installation, dns: DnsServer) -> None:
    dns.treat("out.test", Manner(rcode="SERVFAIL"))
    result = installation.call("spf", "--client", "192.0.2.10", "--from", "x@out.test")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "temperror")
    assert "SERVFAIL" in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "x@out.test"), "--client"),
        (("--client", "192.0.2.10"), "say who sends"),
        (("--client", "192.0.2.10", "--from", "<>"), "say who sends"),
        (("--client", "mx.out.test", "--from", "x@out.test"), "is no IP address"),
        (("--client", "192.0.2.10", "--from", "x@out.test\x1b"), "control characters"),
    ],
)
def test_a_command_line_that_is_wrong_is_told(installation: Installation, words: tuple[str, ...], says: str) -> None:
    assert says in installation.misuse("spf", *words)


def test_no_account_data_is_needed(installation: Installation, dns: DnsServer) -> None:
    (installation.config.storage_folder / "directory.db").unlink()
    assert installation.text("spf", "--client", "192.0.2.10", "--from", "x@out.test").startswith("pass\n")
    assert not (installation.config.storage_folder / "directory.db").exists()
    assert dns.count("out.test", "TXT") == 1


# Who waits.


@pytest.fixture
def deferred(installation: Installation) -> Installation:
    with Directory.open(installation.config.storage_folder) as directory:
        entries = [
            GreyEntry("192.0.2.0/24", "x@out.test", NOW, NOW),
            GreyEntry("2001:db8::/48", "client.test", NOW, NOW + timedelta(hours=1), let_in=True),
        ]
        directory.grey.note(entries, NOW, timedelta(days=1), timedelta(days=35))
    return installation


def test_those_who_were_deferred_are_listed_the_last_first(deferred: Installation) -> None:
    assert deferred.text("grey", "list").splitlines() == [
        "network        sender       first                    last                     state",
        "2001:db8::/48  client.test  2026-11-23 12:00:00 UTC  2026-11-23 13:00:00 UTC  let in",
        "192.0.2.0/24   x@out.test   2026-11-23 12:00:00 UTC  2026-11-23 12:00:00 UTC  waits",
    ]
    assert deferred.json("grey", "list", "--limit", "1") == [
        {
            "network": "2001:db8::/48",
            "sender": "client.test",
            "since": "2026-11-23T12:00:00+00:00",
            "seen": "2026-11-23T13:00:00+00:00",
            "let_in": True,
        }
    ]


def test_some_or_all_of_them_are_forgotten(deferred: Installation) -> None:
    assert deferred.text("grey", "clear", "192.0.2.77") == "cleared 1\n"
    assert "no sender in 192.0.2.0/24 is known" in deferred.refusal("grey", "clear", "192.0.2.77")
    assert deferred.json("grey", "clear") == {"cleared": 1}
    assert deferred.call("grey", "list").stderr == "nobody was deferred that could come again\n"


def test_what_is_no_network_is_refused(deferred: Installation) -> None:
    assert "is no address" in deferred.refusal("grey", "clear", "out.test")
