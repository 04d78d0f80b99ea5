# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` as a whole: which checks there are, how long they take, and the command with its text, JSON and exit status."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.admin.doctor import examine
from genkan.admin.doctor_case import Case
from genkan.admin.doctor_handshake import Visitor
from genkan.config_values import ListenAddress
from genkan.delivery.client_tls import ClientContexts
from genkan.dns.answer import Answer, Status
from genkan.dns.cache import Cache, Question
from genkan.dns.resolver import Resolver
from tests.admin.doctoring import patient
from tests.dns.asking import PATIENT, run
from tests.support.dns_server import Manner, dns_server
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.admin.doctor_finding import Observation
    from tests.admin.conftest import Installation
    from tests.support.dns_server import DnsServer

CLOSED: Final = """
closed.test         60 MX  0 .
closed.test         60 TXT "v=spf1 -all"
_dmarc.closed.test  60 TXT "v=DMARC1; p=reject; rua=mailto:a@closed.test"
_mta-sts.closed.test 60 TXT "v=STSv1; id=1"
_smtp._tls.closed.test 60 TXT "v=TLSRPTv1; rua=mailto:a@closed.test"
xn--r8jz45g.test    60 MX  0 .
"""
ZONE: Final = f"""
in.test        60 MX  10 mx.in.test
in.test        60 TXT "v=spf1 mx -all"
_dmarc.in.test 60 TXT "v=DMARC1; p=none"
mx.in.test     60 A   127.0.0.1
{CLOSED}
"""


@pytest.fixture
def dns(installation: Installation) -> Iterator[DnsServer]:
    """A name server that the installation asks."""
    with dns_server(ZONE) as server:
        installation.set("servers = []", f'servers = ["{server.address}"]')
        yield server


# All checks.


def test_all_checks_of_a_domain_are_told_in_their_order() -> None:
    zone = "in.test 60 MX 10 mx.in.test\nmx.in.test 60 A 192.0.2.1\n"
    with patient(zone) as one:
        one.server.treat("_25._tcp.mx.in.test", Manner(rcode="SERVFAIL"))
        found = one.visited(patience=0.2).examined()
    assert list(dict.fromkeys(each.check for each in found)) == [
        *("MX", "reverse name", "SPF", "DKIM", "DMARC", "certificate", "MTA-STS", "TLS-RPT", "DANE")
    ]


def test_a_domain_that_is_not_there_is_asked_no_more_about() -> None:
    with patient("other.test 60 A 192.0.2.1") as one:
        (found,) = one.examined()
        assert len(one.server.questions) == 1
    assert (found.check, found.level, found.seen) == ("MX", "error", "there is no domain in.test")


def test_a_domain_whose_zone_fails_is_asked_no_more_about() -> None:
    with patient("in.test 60 A 192.0.2.1") as one:
        one.server.treat("in.test", Manner(rcode="SERVFAIL"))
        (found,) = one.examined()
    assert (found.check, found.level) == ("MX", "error")
    assert found.seen.startswith("the DNS does not answer for in.test (")


def test_a_name_server_that_is_silent_is_left_in_time() -> None:
    with patient("in.test 60 A 192.0.2.1") as one:
        one.server.treat(".", Manner(silent=True))
        (found,) = one.hasty().examined()
    assert found.seen == "the DNS does not answer for in.test (no answer within 0.2 s)"


def test_what_is_not_known_by_the_deadline_is_said_and_the_rest_is_known() -> None:
    with patient("in.test 60 MX 0 .") as one:
        one.server.treat("_dmarc.in.test", Manner(held=True))
        begun = monotonic()
        found = one.examined(deadline=1.0)
        assert monotonic() - begun < 5
    late = [(each.check, each.seen) for each in found if "not known" in each.seen]
    assert late == [("DMARC", "this was not known within 1 s")]
    assert {"MX", "SPF", "TLS-RPT"} <= {each.check for each in found}


# The command.


@pytest.mark.usefixtures("dns")
def test_each_observation_is_a_line_and_each_record_one_for_a_zone_file(installation: Installation) -> None:
    installation.text("domain", "add", "closed.test")
    result = installation.call("doctor", "closed.test")
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "error    MX            a null MX says that the domain takes no mail, yet it is ours; publish an MX record",
        "closed.test. IN MX 10 mx.in.test.",
    ]
    assert "ok       TLS-RPT       reports go to mailto:a@closed.test" in lines
    assert result.exit_code == 1


@pytest.mark.usefixtures("dns")
def test_without_an_error_the_command_succeeds(installation: Installation, dns: DnsServer) -> None:
    dns.remove("_mta-sts.closed.test")
    assert installation.text("doctor", "closed.test").splitlines()[:3] == [
        "note     MX            closed.test takes no mail (null MX); publish MX records if it is to take some",
        "ok       SPF           v=spf1 -all",
        "ok       SPF           it takes 0 of 10 terms that ask the DNS",
    ]


@pytest.mark.usefixtures("dns")
def test_programs_get_each_observation_with_all_its_fields(installation: Installation, dns: DnsServer) -> None:
    dns.remove("_mta-sts.closed.test")
    dns.remove("_smtp._tls.closed.test")
    found = installation.json("doctor", "closed.test")
    assert [set(each) for each in found] == [{"check", "level", "seen", "remedy", "record"}] * len(found)
    assert found[-1] == {
        "check": "TLS-RPT",
        "level": "note",
        "seen": "nobody is told when senders have trouble with TLS",
        "remedy": "publish this",
        "record": '_smtp._tls.closed.test. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@closed.test"',
    }


@pytest.mark.usefixtures("dns")
def test_a_domain_of_ours_is_compared_with_the_installation(installation: Installation) -> None:
    record = installation.json("dkim", "add", "in.test", "--algorithm", "ed25519")[0]["zone"]
    lines = installation.call("doctor", "IN.test.").stdout.splitlines()
    assert "ok       MX            mx.in.test [127.0.0.1], this server" in lines
    assert record in lines
    assert [line for line in lines if "self-signed: senders cannot tell" in line] != []


@pytest.mark.usefixtures("dns")
def test_a_domain_beyond_ascii_is_looked_up_by_its_a_labels(installation: Installation) -> None:
    assert "xn--r8jz45g.test takes no mail" in installation.text("doctor", "例え.test")


@pytest.mark.usefixtures("dns")
def test_selectors_are_looked_at_once_each(installation: Installation, dns: DnsServer) -> None:
    lines = installation.call("doctor", "closed.test", "--selector", "S1", "--selector", "s1").stdout.splitlines()
    assert [line for line in lines if "DKIM" in line] == [
        "error    DKIM          there is no key s1; publish its record, or correct the selector"
    ]
    assert dns.count("s1._domainkey.closed.test", "TXT") == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("ann@in.test",), "'ann@in.test' is no domain such as in.test"),
        (("https://in.test/",), "'https://in.test/' is no domain such as in.test"),
        (("in..test",), "'in..test' is no domain such as in.test"),
        (("",), "'' is no domain such as in.test"),
        ((f"{'a' * 64}.test",), "is no domain such as in.test"),
        (("192.0.2.1",), "'192.0.2.1' is an address; a domain is needed, such as in.test"),
        (("in.test", "--selector", "s 1"), "'s 1' is no selector such as mail2026"),
        ((), "Missing argument 'DOMAIN'"),
    ],
)
def test_words_that_are_no_domain_or_selector_are_a_usage_error(
    installation: Installation, words: tuple[str, ...], error: str
) -> None:
    assert error in installation.misuse("doctor", *words)


def test_name_servers_that_are_not_there_end_it_in_seconds(installation: Installation) -> None:
    installation.set("servers = []", 'servers = ["127.0.0.1:1"]')
    result = installation.call("doctor", "in.test")
    assert result.exit_code == 1
    assert result.stdout.startswith("error    MX            the DNS does not answer for in.test (127.0.0.1:1: ")


# Whatever a zone says.

VISITOR: Final = Visitor("mx.in.test", ClientContexts(), StoppedClock())
TEXTS: Final = st.text(st.characters(max_codepoint=255), max_size=4000)
WORDS: Final = (
    "v=spf1 |v=DMARC1;|v=DKIM1;|v=STSv1;|v=TLSRPTv1;|rua=|mailto:a@x.test|p=|id=|k=rsa|include:|x.test |mx |a/33 |ptr |"
    "%{i}.x.test |all|redirect=|;| |,|=|\0"
)
RECORDS: Final = st.lists(st.sampled_from(WORDS.split("|")), max_size=40).map("".join)


@given(st.lists(TEXTS | RECORDS, min_size=1, max_size=3))
def test_any_text_in_a_zone_is_judged_in_few_words(texts: list[str]) -> None:
    async def look() -> list[Observation]:
        cache = Cache(StoppedClock())
        names = [
            "in.test",
            "x.test",
            "s._domainkey.in.test",
            "_dmarc.in.test",
            "_mta-sts.in.test",
            "_smtp._tls.in.test",
        ]
        for name in names:
            cache.put(Question(name, "TXT"), Answer(Status.FOUND, tuple(texts), 60))
        cache.put(Question("in.test", "MX"), Answer(Status.NO_DATA, ttl=60))
        resolver = Resolver((ListenAddress("127.0.0.1", 1),), PATIENT, VISITOR.clock, cache)
        return await examine(Case("in.test", resolver, VISITOR, selectors=("s",)))

    found = run(look())
    assert len(found) < 100
    assert max(len(each.seen) for each in found) < 2000
