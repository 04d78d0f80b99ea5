# SPDX-License-Identifier: Apache-2.0
"""What `genkan check` says when no name server answers: what becomes of mail, and how bad that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.check_dns import check_name_servers
from genkan.opening import open_directory
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from tests.admin.conftest import Installation
    from tests.support.dns_server import DnsServer

REFUSED: Final = "nobody answers (127.0.0.1:1: Connection refused)"
LET_IN: Final = "SPF and DMARC let everything in"
NAMELESS: Final = "clients have no names"

Changes = dict[tuple[str, str], str]


def said(installation: Installation) -> list[str]:
    """The findings without their remedies."""
    with open_directory(installation.config) as directory:
        found = check_name_servers(directory, installation.config)
        return [f"{one.level}: {one.subject}: {one.sentence}" for one in found]


def changed(installation: Installation, changes: Changes) -> None:
    for (table, old), new in changes.items():
        installation.set_in(table, old, new)


SPF_OFF: Final = {("spf", 'mode = "mark"'): 'mode = "off"'}
SPF_DEFERS: Final = {("spf", 'mode = "mark"'): 'mode = "defer"'}
SPF_PUTS_OFF: Final = {("spf", 'dns_failure = "mark"'): 'dns_failure = "defer"'}
DMARC_OFF: Final = {("dmarc", 'mode = "mark"'): 'mode = "off"'}
DMARC_REFUSES: Final = {("dmarc", 'mode = "mark"'): 'mode = "refuse"'}
DMARC_PUTS_OFF: Final = {("dmarc", 'dns_failure = "mark"'): 'dns_failure = "defer"'}
NO_NAMES: Final = {("dns", "reverse = true"): "reverse = false"}


@pytest.mark.parametrize(
    ("changes", "level", "effects"),
    [
        ({}, "warning", f"{LET_IN}, {NAMELESS}"),
        (NO_NAMES, "warning", LET_IN),
        (DMARC_OFF, "warning", f"SPF lets everything in, {NAMELESS}"),
        (SPF_OFF, "warning", NAMELESS),
        (SPF_PUTS_OFF, "warning", f"{LET_IN}, {NAMELESS}"),
        (DMARC_REFUSES, "error", f"{LET_IN}, {NAMELESS}"),
        (SPF_DEFERS, "error", f"{LET_IN}, {NAMELESS}"),
        (DMARC_PUTS_OFF, "error", f"SPF lets everything in, DMARC puts everything off, {NAMELESS}"),
        (
            SPF_DEFERS | SPF_PUTS_OFF | DMARC_PUTS_OFF | NO_NAMES,
            "error",
            "SPF and DMARC put everything off",
        ),
    ],
    ids=range(9),
)
def test_that_nobody_answers_is_said_with_what_becomes_of_mail(
    installation: Installation, changes: Changes, level: str, effects: str
) -> None:
    installation.set("servers = []", 'servers = ["127.0.0.1:1"]')
    changed(installation, changes)
    assert said(installation) == [f"{level}: dns.servers: {REFUSED}: {effects}"]


def test_block_lists_of_ordb_dat_count_when_it_names_one(installation: Installation) -> None:
    installation.set("servers = []", 'servers = ["127.0.0.1:1"]')
    changed(installation, SPF_OFF | NO_NAMES)
    found = []
    for octets in (b"# none\n", b"list.test\n"):
        with open_directory(installation.config) as directory:
            directory.documents.store("ordb.dat", None, octets, "operator")
        found.append(said(installation))
    assert found == [[], [f"error: dns.servers: {REFUSED}: ordb.dat lets everything in"]]


def test_a_server_that_says_no_has_answered_and_is_asked_once(installation: Installation, dns: DnsServer) -> None:
    changed(installation, DMARC_REFUSES)
    assert said(installation) == []
    assert dns.questions == [("in-addr.arpa", "TXT")]


def test_nobody_is_asked_where_nothing_depends_on_it(installation: Installation, dns: DnsServer) -> None:
    changed(installation, SPF_OFF | NO_NAMES)
    assert said(installation) == []
    assert dns.questions == []


def test_servers_that_fail_or_are_silent_answer_nobody(installation: Installation, dns: DnsServer) -> None:
    dns.treat(".", Manner(rcode="REFUSED"))
    assert said(installation) == [
        f"warning: dns.servers: nobody answers ({dns.address}: REFUSED): {LET_IN}, {NAMELESS}"
    ]
    installation.set('timeout = "10s"', 'timeout = "1s"')
    dns.treat(".", Manner(silent=True))
    assert said(installation) == [f"warning: dns.servers: nobody answers (no answer within 1 s): {LET_IN}, {NAMELESS}"]


def test_the_command_fails_when_what_is_to_be_refused_is_let_in(installation: Installation) -> None:
    installation.set("servers = []", 'servers = ["127.0.0.1:1"]')
    changed(installation, DMARC_REFUSES)
    result = installation.call("check")
    remedy = "start a name server, or name others that answer"
    assert (result.exit_code, f"error: dns.servers: {REFUSED}: {LET_IN}, {NAMELESS}; {remedy}\n" in result.stdout) == (
        1,
        True,
    )
