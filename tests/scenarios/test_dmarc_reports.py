# SPDX-License-Identifier: Apache-2.0
"""A day in the life of DMARC: forged mail is counted, the day ends, its report goes out; such a report comes in, and is shown."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from click.testing import CliRunner

from genkan.admin.cli import main
from genkan.dmarc.daily import day_period
from genkan.dmarc.reading import read_report
from tests.listener.ruled import call, send
from tests.support.caller import listener
from tests.support.dns_server import dns_server
from tests.support.next_hop import next_hop
from tests.support.server import START, add_account, configuration, maildir, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from genkan.config import Config
    from tests.support.next_hop import NextHop
    from tests.support.server import RunningServer

ZONE: Final = """
_dmarc.example.com. 60 TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
example.com. 60 A 192.0.2.80
"""
SETTINGS: Final = """
dns.servers = ["{dns}"]
delivery.mta_sts = false
spf.mode = "mark"
[dmarc]
mode = "quarantine"
reports = true
report_organization = "In Test"
"""
FORGED: Final = b"From: The Boss <boss@example.com>\r\nSubject: urgent\r\n\r\nPay.\r\n"
TODAY: Final = START.date()
LONG_AGO: Final = "36500d"  # the server's clock stands, that of a command does not
SEEN: Final = ("dmarc", "show", "example.com", "--since", LONG_AGO)
RECEIVED: Final = ("dmarc", "received", "example.com", "--since", LONG_AGO)


def genkan(config: Config, *words: str) -> Any:
    result = CliRunner().invoke(main, ["-c", str(config.file), *words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def hour_strikes(server: RunningServer) -> None:
    """What the server does once an hour, on its event loop."""
    assert server.worker.reports is not None
    asyncio.run_coroutine_threadsafe(server.worker.reports.send_due(), server._loop).result(60)


@contextmanager
def reporting(folder: Path, settings: str, hop: NextHop) -> Iterator[RunningServer]:
    """A server that reports, and reads what comes to dmarc@in.test; mail for example.com goes to the next hop."""
    config = configuration(folder, settings, listener(proxied=True))
    for name in ("postmaster", "ann", "dmarc"):
        add_account(config, f"{name}@in.test")
    genkan(config, "dkim", "add", "in.test", "--algorithm", "ed25519")
    genkan(config, "route", "add", "example.com", f"smtp:127.0.0.1:{hop.port}")
    genkan(config, "route", "add", "dmarc@in.test", "dmarc-reports:")
    with serving(config) as server:
        yield server


def forged_mail_is_counted(server: RunningServer) -> None:
    """Two forged mails come, and the day goes on."""
    with call(server) as caller:
        assert send(caller, FORGED, b"ann") == 250
        assert send(caller, FORGED, b"ann", sender=b"bounce@example.net") == 250
    until(lambda: [day["messages"] for day in genkan(server.config, *SEEN)["days"]] == [2], "the count")
    hour_strikes(server)


def the_report_goes_out(server: RunningServer, hop: NextHop) -> bytes:
    """The day is over: its report, once, however often the hour strikes."""
    assert hop.taken == []
    server.advance(timedelta(days=1))
    for _ in range(2):
        hour_strikes(server)
    (taken,) = hop.until_taken(1)
    assert (taken.reverse_path, taken.recipients) == ("postmaster@in.test", ["dmarc@example.com"])
    assert [day["report"] for day in genkan(server.config, *SEEN)["days"]] == ["sent to dmarc@example.com"]
    return taken.content


def the_same_comes_in(server: RunningServer, content: bytes) -> None:
    """The report comes from elsewhere, about a domain that is ours by now, and mail that is none, which a person finds."""
    genkan(server.config, "domain", "add", "example.com")
    with call(server, "192.0.2.20") as caller:
        assert send(caller, content, b"dmarc", sender=b"postmaster@out.test") == 250
        assert send(caller, b"Subject: no report\r\n\r\n", b"dmarc") == 250
    until(lambda: len(maildir(server.config, "dmarc@in.test")) == 1, "the mail that is no report")
    until(lambda: len(genkan(server.config, *RECEIVED)["reports"]) == 1, "the report that came in")


def test_a_day_of_dmarc(tmp_path: Path) -> None:
    with dns_server(ZONE) as dns, next_hop() as hop:
        with reporting(tmp_path, SETTINGS.format(dns=dns.address), hop) as server:
            forged_mail_is_counted(server)
            content = the_report_goes_out(server, hop)
            the_same_comes_in(server, content)
        told = genkan(server.config, *RECEIVED)
    assert content.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=in.test;")
    report = read_report(content)
    assert (report.reporter.organization, report.period) == ("In Test", day_period(TODAY))
    assert [(row.disposition, row.envelope_from, count) for row, count in report.rows] == [
        ("quarantine", "example.net", 1),
        ("quarantine", "out.test", 1),
    ]
    assert [(one["organization"], one["sender"], one["author"], one["quarantined"]) for one in told["reports"]] == [
        ("In Test", "postmaster@out.test", "", 2)
    ]
    assert told["failing"] == [{"address": "192.0.2.10", "header_from": "example.com", "messages": 2, "reporters": 1}]
