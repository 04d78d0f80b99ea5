# SPDX-License-Identifier: Apache-2.0
"""The resolver against a real server on loopback: answers, memory, one question at a time, deadlines, hostile replies."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.config_values import ListenAddress
from genkan.dns.answer import BRIEF, Answer, MailExchange, Status, TlsaRecord
from genkan.dns.resolver import system_servers
from tests.dns.asking import Asking, run
from tests.support.dns_server import Manner, dns_server
from tests.support.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

ZONE: Final = """
example.test       3600 SOA   ns.example.test hostmaster.example.test 1 7200 900 1209600 300
mail.example.test   300 A     192.0.2.2
mail.example.test   300 A     192.0.2.1
mail.example.test    60 AAAA  2001:0db8:0:0::1
example.test        600 MX    10 Mail.example.test
example.test        600 MX    20 b.example.test
none.example.test   600 MX    0 .
example.test        900 TXT   "v=spf1 " "-all"
latin.example.test  900 TXT   "caf\\233"
www.example.test     20 CNAME mail.example.test
old.example.test    500 CNAME gone.example.test
round.example.test  500 CNAME trip.example.test
trip.example.test   500 CNAME round.example.test
1.2.0.192.in-addr.arpa 300 PTR Mail.Example.test
"""

FOUND: Final = Answer(Status.FOUND, ("192.0.2.1", "192.0.2.2"), 300)
REFUSED: Final = ListenAddress("127.0.0.1", free_port())


@pytest.fixture(autouse=True)
def _zone(asking: Asking) -> None:
    asking.server.add(ZONE)


def failed(asking: Asking, name: str = "mail.example.test") -> str:
    """The detail of an answer that must be a failure."""
    answer = asking.ask(name)
    assert (answer.status, answer.records, answer.ttl) == (Status.FAILED, (), BRIEF)
    return answer.detail


# Answers.


def test_addresses_are_in_canonical_form(asking: Asking) -> None:
    assert asking.ask("mail.example.test") == FOUND
    assert asking.ask("mail.example.test", "AAAA") == Answer(Status.FOUND, ("2001:db8::1",), 60)


def test_mail_exchanges_have_preference_and_name(asking: Asking) -> None:
    answer = asking.ask("example.test", "MX")
    assert answer.exchanges == (MailExchange(10, "mail.example.test"), MailExchange(20, "b.example.test"))
    assert answer.texts == ()
    assert asking.ask("none.example.test", "MX").exchanges == (MailExchange(0, "."),)


def test_text_is_joined_and_keeps_every_octet(asking: Asking) -> None:
    assert asking.ask("example.test", "TXT").texts == ("v=spf1 -all",)
    assert asking.ask("latin.example.test", "TXT").texts[0].encode("latin-1") == b"caf\xe9"


def test_names_in_answers_are_lower_case_without_a_final_dot(asking: Asking) -> None:
    assert asking.ask("1.2.0.192.in-addr.arpa", "PTR").texts == ("mail.example.test",)


def test_aliases_are_followed_and_the_shortest_time_to_live_counts(asking: Asking) -> None:
    assert asking.ask("www.example.test") == Answer(Status.FOUND, ("192.0.2.1", "192.0.2.2"), 20)


def test_an_alias_of_nothing_is_no_such_name(asking: Asking) -> None:
    assert asking.ask("old.example.test").status is Status.NO_SUCH_NAME


def test_aliases_in_a_circle_are_a_failure(asking: Asking) -> None:
    assert "CNAMEs without an end" in failed(asking, "round.example.test")


def test_no_records_and_no_name_are_told_apart_and_live_as_long_as_the_zone_says(asking: Asking) -> None:
    assert asking.ask("example.test", "A") == Answer(Status.NO_DATA, ttl=300)
    assert asking.ask("other.example.test") == Answer(Status.NO_SUCH_NAME, ttl=300)


@pytest.mark.parametrize(
    ("name", "ttl"),
    [("old.example.test", 300), ("short.example.test", 20), ("gone.low.test", 40), ("gone.young.test", 50)],
)
def test_a_no_lives_no_longer_than_the_aliases_before_it_the_zones_minimum_and_its_record(
    asking: Asking, name: str, ttl: int
) -> None:
    asking.server.add("short.example.test 20 CNAME gone.example.test")
    asking.server.add("low.test 3600 SOA . . 1 1 1 1 40\nyoung.test 50 SOA . . 1 1 1 1 3600")
    assert asking.ask(name) == Answer(Status.NO_SUCH_NAME, ttl=ttl)


def test_the_shortest_alias_of_a_chain_counts_wherever_it_stands(asking: Asking) -> None:
    asking.server.add("a.test 900 CNAME b.test\nb.test 7 CNAME c.test\nc.test 800 CNAME mail.example.test")
    assert asking.ask("a.test") == replace(FOUND, ttl=7)


def test_an_answer_of_no_time_to_live_is_asked_for_each_time(asking: Asking) -> None:
    asking.server.add("now.test 0 A 192.0.2.9")
    assert [asking.ask("now.test").ttl, asking.ask("now.test").ttl] == [0, 0]
    assert asking.server.count("now.test") == 2


def test_a_no_without_a_start_of_authority_is_believed_briefly(asking: Asking) -> None:
    assert asking.ask("example.org") == Answer(Status.NO_SUCH_NAME, ttl=BRIEF)


def test_times_to_live_are_capped(asking: Asking) -> None:
    asking.server.add("long.test 900000 A 192.0.2.9\nlong.test 900000 SOA . . 1 1 1 1 900000")
    assert asking.ask("long.test").ttl == 24 * 3600
    assert asking.ask("no.long.test").ttl == 3600


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a..test", ".a.test", "a" * 64 + ".test", "a." * 127 + "a", "x\u2028y", "\ud800.test", "-\u00e9"],
)
def test_text_that_is_no_domain_name_does_not_exist_and_is_not_asked(asking: Asking, name: str) -> None:
    assert asking.ask(name) == Answer(Status.NO_SUCH_NAME)
    assert asking.resolver.cached(name, "A") == Answer(Status.NO_SUCH_NAME)
    assert asking.server.questions == []


def test_a_backslash_is_no_escape(asking: Asking) -> None:
    assert asking.ask("mail\\046example.test").status is Status.NO_SUCH_NAME


def test_international_names_are_asked_as_a_labels(asking: Asking) -> None:
    asking.server.add("_dmarc.xn--wgv71a119e.test 60 A 192.0.2.3")
    assert asking.ask("_dmarc.\u65e5\u672c\u8a9e.test").texts == ("192.0.2.3",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(name=st.text(max_size=40) | st.text("a.K\u212a\u0130\u03a3_-", max_size=12))
def test_any_text_can_be_asked(asking: Asking, name: str) -> None:
    assert asking.ask(name).status is Status.NO_SUCH_NAME


# Memory.


def test_a_known_answer_is_there_at_once_and_in_any_writing(asking: Asking) -> None:
    assert asking.resolver.cached("mail.example.test", "A") is None
    asking.ask("mail.example.test")
    assert asking.resolver.cached("Mail.EXAMPLE.test.", "A") == FOUND
    assert asking.resolver.cached("mail.example.test", "AAAA") is None
    assert asking.ask("MAIL.example.test.") == FOUND
    assert asking.server.count("mail.example.test") == 1


@pytest.mark.parametrize(
    ("name", "seconds"), [("mail.example.test", 300), ("other.example.test", 300), ("a.org", BRIEF)]
)
def test_an_answer_is_believed_for_its_time_to_live(asking: Asking, name: str, seconds: int) -> None:
    asking.ask(name)
    assert asking.after(seconds - 1).resolver.cached(name, "A") is not None
    assert asking.after(1).resolver.cached(name, "A") is None
    asking.ask(name)
    assert asking.server.count(name) == 2


def test_a_failure_is_not_asked_again_for_a_moment(asking: Asking) -> None:
    asking.server.treat("dead.test", Manner(rcode="SERVFAIL"))
    assert failed(asking, "dead.test") == failed(asking.after(BRIEF - 1), "dead.test")
    assert asking.server.count("dead.test") == 1
    failed(asking.after(1), "dead.test")
    assert asking.server.count("dead.test") == 2


def test_what_was_authentic_stays_so_while_it_is_known(asking: Asking) -> None:
    asking.server.treat("mail.example.test", Manner(authentic=True))
    asking.ask("www.example.test")
    asking.ask("mail.example.test")
    assert asking.resolver.cached("mail.example.test", "A") == replace(FOUND, authentic=True)
    assert asking.resolver.cached("www.example.test", "A") == replace(FOUND, ttl=20)


def test_records_of_certificates_are_found(asking: Asking) -> None:
    asking.server.add("_25._tcp.mail.example.test 300 TLSA 3 1 0 00ff")
    answer = asking.ask("_25._tcp.mail.example.test", "TLSA")
    assert (answer.tlsa, answer.texts) == ((TlsaRecord(3, 1, 0, b"\0\xff"),), ())


def test_equal_questions_at_one_time_are_asked_once(asking: Asking) -> None:
    asking.server.treat(".", Manner(held=True))

    async def ask_often() -> list[Answer]:
        questions = [asking.resolver.query(name, "A") for name in ("mail.example.test", "MAIL.example.test.") * 5]
        await asyncio.to_thread(asking.server.until_asked, "mail.example.test")
        asking.server.release()
        return list(await asyncio.gather(*questions))

    assert run(ask_often()) == [FOUND] * 10
    assert asking.server.questions == [("mail.example.test", "A")]


def test_who_stops_waiting_does_not_stop_the_others(asking: Asking) -> None:
    asking.server.treat(".", Manner(held=True))

    async def leave() -> Answer:
        leaving, staying = (asking.resolver.query("mail.example.test", "A") for _ in range(2))
        await asyncio.to_thread(asking.server.until_asked, "mail.example.test")
        leaving.cancel()
        asking.server.release()
        return await staying

    assert run(leave()) == FOUND


# Deadlines and other servers.


def elapsed(asking: Asking, name: str = "mail.example.test") -> float:
    """How many seconds a failure takes."""
    begun = time.monotonic()
    failed(asking, name)
    return time.monotonic() - begun


def test_silence_ends_at_the_deadline(asking: Asking) -> None:
    asking.server.treat(".", Manner(silent=True))
    assert 0.15 < elapsed(asking.hasty(timeout=0.2)) < 1
    assert failed(asking.hasty(timeout=0.1)) == "no answer within 0.1 s"


def test_silence_by_tcp_ends_at_the_same_deadline(asking: Asking) -> None:
    asking.server.treat(".", Manner(truncated=True, times=1))
    asking.server.treat(".", Manner(silent=True))
    asking.server.treat(".", Manner(truncated=True, times=1))
    assert 0.25 < elapsed(asking.hasty(timeout=0.3)) < 0.55
    assert asking.server.streams >= 1


def test_a_lost_datagram_is_sent_again(asking: Asking) -> None:
    asking.server.treat(".", Manner(silent=True, times=1))
    assert asking.hasty(timeout=0.4).ask("mail.example.test") == FOUND
    assert asking.server.count("mail.example.test") == 2


def test_a_late_answer_is_still_taken_after_the_question_was_repeated(asking: Asking) -> None:
    asking.server.treat(".", Manner(silent=True))
    asking.server.treat(".", Manner(delay=0.2, times=1))
    assert asking.hasty(timeout=0.3).ask("mail.example.test") == FOUND


@pytest.mark.parametrize("manner", [Manner(silent=True), Manner(rcode="SERVFAIL"), Manner(rcode="REFUSED")])
def test_another_server_is_asked_and_then_preferred(asking: Asking, manner: Manner) -> None:
    with dns_server() as broken:
        broken.treat(".", manner)
        pair = asking.hasty(broken.address, asking.server.address, timeout=0.4)
        assert pair.ask("mail.example.test") == FOUND
        assert pair.ask("mail.example.test", "AAAA").status is Status.FOUND
        assert broken.questions == [("mail.example.test", "A")]


def test_a_port_where_nobody_listens_costs_no_time(asking: Asking) -> None:
    asking.server.treat(".", Manner(rcode="SERVFAIL"))
    assert "Connection refused" in failed(asking.hasty(REFUSED, timeout=10))
    assert asking.hasty(REFUSED, timeout=10).resolver.cached("x.test", "A") is None
    detail = failed(asking.hasty(REFUSED, asking.server.address, timeout=10))
    assert detail == f"{REFUSED}: Connection refused; {asking.server.address}: SERVFAIL"


def test_a_server_that_failed_is_not_asked_the_same_again(asking: Asking) -> None:
    asking.server.treat(".", Manner(rcode="SERVFAIL"))
    failed(asking)
    assert asking.server.count("mail.example.test") == 1


# Replies that are none, or not all.


def test_a_long_answer_comes_by_tcp(asking: Asking) -> None:
    asking.server.add("\n".join(f'long.test 60 TXT "{number:0200}"' for number in range(40)))
    assert len(asking.ask("long.test", "TXT").texts) == 40
    assert asking.server.streams == 1


def test_a_truncated_answer_is_asked_for_by_tcp(asking: Asking) -> None:
    asking.server.treat(".", Manner(truncated=True))
    assert asking.ask("mail.example.test") == FOUND
    assert asking.server.streams == 1


@pytest.mark.parametrize(
    "manner", [Manner(wrong_id=True, times=1), Manner(wrong_name=True, times=1), Manner(raw=b"?", times=1)]
)
def test_what_is_no_reply_to_the_question_is_ignored(asking: Asking, manner: Manner) -> None:
    asking.server.treat(".", manner)
    assert asking.hasty(timeout=0.4).ask("mail.example.test") == FOUND
    assert asking.server.count("mail.example.test") == 2


@pytest.mark.parametrize("manner", [Manner(wrong_id=True), Manner(wrong_name=True), Manner(raw=bytes(range(12)))])
def test_only_wrong_replies_are_no_answer(asking: Asking, manner: Manner) -> None:
    asking.server.treat(".", manner)
    assert failed(asking.hasty()) == "no answer within 0.2 s"


def test_a_wrong_reply_by_tcp_is_a_failure(asking: Asking) -> None:
    asking.server.treat(".", Manner(wrong_id=True))
    asking.server.treat(".", Manner(truncated=True, times=1))
    assert "none to the question" in failed(asking)


def test_more_records_than_anybody_needs_are_a_failure(asking: Asking) -> None:
    asking.server.add("\n".join(f"big.test 60 A 192.0.{number >> 8}.{number & 255}" for number in range(501)))
    assert "more than 500 records" in failed(asking, "big.test")


def test_a_server_without_edns_is_asked_without(asking: Asking) -> None:
    asking.server.treat(".", Manner(without_edns=True))
    assert asking.ask("mail.example.test") == FOUND
    assert asking.server.count("mail.example.test") == 2


def test_a_no_from_a_server_that_neither_knows_nor_recurses_is_a_failure(asking: Asking) -> None:
    nothing = b"\x81\x00\0\1\0\0\0\0\0\0\4mail\7example\4test\0\0\1\0\1"
    asking.server.treat(".", Manner(raw=nothing))
    assert "does not recurse" in failed(asking)


def test_every_question_has_its_own_port(asking: Asking) -> None:
    async def ask_many() -> None:
        await asyncio.gather(*(asking.resolver.query(f"n{number}.test", "A") for number in range(20)))

    run(ask_many())
    assert len(set(asking.server.ports)) > 15


# The system's servers.


def test_the_systems_servers_are_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("search in.test\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n" + "nameserver 192.0.2.3\n" * 2)
    assert system_servers(file) == tuple(ListenAddress(host, 53) for host in ("192.0.2.1", "2001:db8::1", "192.0.2.3"))


@pytest.mark.parametrize("text", ["", "nameserver not-an-address\n", None])
def test_without_a_usable_file_the_machine_itself_is_asked(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "resolv.conf").write_text(text)
    assert system_servers(tmp_path / "resolv.conf") == (ListenAddress("127.0.0.1", 53),)
