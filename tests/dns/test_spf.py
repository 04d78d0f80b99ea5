# SPDX-License-Identifier: Apache-2.0
"""SPF through our resolver: which identity is asked about, what the outcome is, and that hostile zones end it in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.dns.spf import SpfResult, explained_spf, outcome_of, spf
from genkan.dns.spf_macros import LONGEST_RECORD
from tests.dns.asking import run
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.dns.asking import Asking

CLIENT: Final = "192.0.2.10"
SENDER: Final = "x@out.test"


def result(asking: Asking, sender: str = SENDER, hello: str = "client.test", client: str = CLIENT) -> SpfResult:
    return run(explained_spf(asking.resolver, client, sender, hello))


@pytest.mark.parametrize(
    ("record", "client", "expected"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", CLIENT, "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "::ffff:192.0.2.10", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::10", "pass"),
        ("v=spf1 a:mail.out.test -all", CLIENT, "pass"),
        ("v=spf1 a:mail.out.test -all", "2001:db8::10", "pass"),
        ("v=spf1 mx -all", CLIENT, "pass"),
        ("v=spf1 ptr -all", CLIENT, "pass"),
        ("v=spf1 exists:%{i}.%{l}.out.test -all", CLIENT, "pass"),
        ("v=spf1 include:other.test -all", CLIENT, "pass"),
        ("v=spf1 redirect=other.test", CLIENT, "pass"),
        ("v=spf1 mx -all", "192.0.2.11", "fail"),
        ("v=spf1 ~all", CLIENT, "softfail"),
        ("v=spf1 ?all", CLIENT, "neutral"),
        ("v=spf1", CLIENT, "neutral"),
        ("v=spf10 -all", CLIENT, "none"),
        ("v=spf1 include:nowhere.test -all", CLIENT, "permerror"),
        ("v=spf1 nonsense -all", CLIENT, "permerror"),
        ("v=spf1 include:out.test -all", CLIENT, "permerror"),
        ("v=spf1 " + "a:mail.out.test/0 " * 10 + "-all", CLIENT, "pass"),
        ("v=spf1 " + "exists:client.test " * 11 + "-all", CLIENT, "permerror"),
        ("v=spf1 a:1.void.test a:2.void.test a:3.void.test -all", CLIENT, "permerror"),
    ],
)
def test_the_record_of_the_domain_decides(asking: Asking, record: str, client: str, expected: str) -> None:
    asking.server.add(
        f"out.test 300 TXT {quoted(record)}\n"
        "out.test 300 MX 10 mail.out.test\n"
        "mail.out.test 300 A 192.0.2.10\n"
        "mail.out.test 300 AAAA 2001:db8::10\n"
        "10.2.0.192.in-addr.arpa 300 PTR mail.out.test\n"
        "192.0.2.10.x.out.test 300 A 127.0.0.2\n"
        'other.test 300 TXT "v=spf1 ip4:192.0.2.10 -all"\n'
        "client.test 300 TXT anything\n"
    )
    assert result(asking, client=client).result == expected


def quoted(record: str) -> str:
    """As character-strings of a zone file."""
    return " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))


def test_the_null_reverse_path_is_judged_by_the_hello_domain(asking: Asking) -> None:
    asking.server.add('client.test 300 TXT "v=spf1 ip4:192.0.2.10 -all"\npostmaster.client.test 300 A 127.0.0.2\n')
    asking.server.add('other.test 300 TXT "v=spf1 exists:%{l}.client.test -all"\nout.test 300 TXT "v=spf1 ?all"\n')
    assert result(asking, "").result == "pass"
    assert result(asking, "", client="192.0.2.11").result == "fail"
    assert result(asking, "", "other.test").result == "pass"
    assert result(asking).result == "neutral"


@pytest.mark.parametrize(
    ("sender", "hello"),
    [("", ""), ("", "[192.0.2.10]"), ("", "client"), ("x@[192.0.2.10]", "a.test"), ("x@a..test", "a.test")],
)
def test_what_is_no_domain_is_not_asked_about(asking: Asking, sender: str, hello: str) -> None:
    assert result(asking, sender, hello) == SpfResult("none", reason="there is no domain to ask about")
    assert asking.server.questions == []


def test_a_domain_beyond_ascii_is_asked_about_in_a_labels(asking: Asking) -> None:
    asking.server.add(
        'xn--r8jz45g.test 300 TXT "v=spf1 exists:%{d}.out.test -all"\nxn--r8jz45g.test.out.test 300 A 127.0.0.2'
    )
    assert result(asking, "x@例え.test").result == "pass"


def test_the_explanation_is_the_domains_own(asking: Asking) -> None:
    asking.server.add('out.test 300 TXT "v=spf1 -all exp=why.out.test"\nwhy.out.test 300 TXT %{i}-is-not-ours')
    assert result(asking) == SpfResult("fail", "out.test", "out.test: -all", "192.0.2.10-is-not-ours")


def test_a_known_answer_is_judged_at_once_and_no_explanation_is_asked_for(asking: Asking) -> None:
    asking.server.add('out.test 300 TXT "v=spf1 include:other.test -all exp=why.out.test"')
    asking.server.add('other.test 300 TXT "v=spf1 ip4:192.0.2.77 -all"')

    async def ask() -> tuple[SpfResult, SpfResult | Awaitable[SpfResult]]:
        first = spf(asking.resolver, CLIENT, SENDER, "client.test")
        assert not isinstance(first, SpfResult)
        return await first, spf(asking.resolver, CLIENT, SENDER, "client.test")

    asked, known = run(ask())
    assert asked == known == SpfResult("fail", "out.test", "out.test: -all")
    assert asking.server.questions == [("out.test", "TXT"), ("other.test", "TXT")]


def test_without_an_explanation_the_deadline_is_the_same(asking: Asking) -> None:
    asking.server.add('out.test 300 TXT "v=spf1 a -all"')
    asking.server.treat("out.test", Manner(delay=0.15))
    hasty = asking.hasty(timeout=0.1)

    async def ask() -> SpfResult:
        found = spf(hasty.resolver, CLIENT, SENDER, "client.test")
        return found if isinstance(found, SpfResult) else await found

    assert run(ask()).result == "temperror"


def test_answers_come_from_the_cache_the_second_time(asking: Asking) -> None:
    asking.server.add('out.test 300 TXT "v=spf1 a -all"\nout.test 300 A 192.0.2.10')
    assert [result(asking).result, result(asking).result] == ["pass", "pass"]
    assert (asking.server.count("out.test", "TXT"), asking.server.count("out.test", "A")) == (1, 1)


def test_a_server_that_fails_or_is_silent_is_a_temporary_error(asking: Asking) -> None:
    asking.server.treat("broken.test", Manner(rcode="SERVFAIL"))
    asking.server.treat("silent.test", Manner(silent=True))
    assert result(asking, "x@broken.test").result == "temperror"
    assert result(asking.hasty(), "x@silent.test").result == "temperror"


def test_an_evaluation_has_a_deadline_of_its_own(asking: Asking) -> None:
    names = [f"{number}.slow.test" for number in range(8)]
    asking.server.add("".join(f"{name} 300 A 192.0.2.1\n" for name in names))
    asking.server.add(f'out.test 300 TXT "v=spf1 {" ".join(f"a:{name}" for name in names)} -all"')
    asking.server.treat("slow.test", Manner(delay=0.15))
    assert result(asking.hasty(timeout=0.25)).result == "temperror"
    assert asking.server.count("7.slow.test") == 0


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 " + "ip4:192.0.2.10 " * (LONGEST_RECORD // 10),
        "V=SPF1 a:%{l" + "9" * 5000 + "}.test -all",
        "v=spf1 ip6:1:2:3:4:5:6:7:8%eth0/64 a:%{l0}.test -all",
    ],
)
def test_a_record_that_nobody_should_write_is_a_permanent_error(asking: Asking, record: str) -> None:
    asking.server.add(f"out.test 300 TXT {quoted(record)}")
    assert result(asking).result == "permerror"


def test_a_long_text_that_is_no_spf_record_does_not_matter(asking: Asking) -> None:
    asking.server.add(f'out.test 300 TXT {quoted("k" * (LONGEST_RECORD + 1))}\nout.test 300 TXT "v=spf1 -all"')
    assert result(asking).result == "fail"


@pytest.mark.parametrize(("text", "outcome"), [("pass", "pass"), ("permerror", "permerror"), ("", None), (None, None)])
def test_an_outcome_is_known_by_its_name(text: object, outcome: str | None) -> None:
    assert outcome_of(text) == outcome
