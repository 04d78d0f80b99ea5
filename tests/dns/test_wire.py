# SPDX-License-Identifier: Apache-2.0
"""Messages from the network, in every state of decay: they are a reply to our question, or nothing. dnspython is the judge."""

from __future__ import annotations

import struct
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dns.answer import BRIEF, Answer, MailExchange, Record, RecordType, Status, TlsaRecord, failure
from genkan.dns.wire import MOST_ALIASES, MOST_RECORDS, make_query, read_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME: Final = (b"mail", b"example", b"test")
QUERY: Final = make_query(NAME, "A")
FLAGS: Final = dns.flags.RD | dns.flags.AD
OWNERS: Final = ("mail.example.test.", "a.example.test.", "b.test.", "Mail.EXAMPLE.test.")


def reply(*rrsets: tuple[str, str, Sequence[str]], rdtype: RecordType = "A") -> dns.message.Message:
    """A reply of dnspython's making to our question: owner, type and data of each set of records."""
    message = dns.message.make_response(
        dns.message.from_wire(make_query(NAME, rdtype).octets), recursion_available=True
    )
    message.id = QUERY.id
    message.answer.extend(dns.rrset.from_text(owner, 60, "IN", kind, *data) for owner, kind, data in rrsets)
    return message


def read(octets: bytes, rdtype: RecordType = "A") -> Answer | None:
    found = read_reply(type(QUERY)(QUERY.id, NAME, rdtype, edns=True), octets)
    return None if found is None else found.answer


RIGHT: Final = reply((OWNERS[0], "A", ["192.0.2.1"])).to_wire()
FOUND: Final = Answer(Status.FOUND, ("192.0.2.1",), 60)


def test_a_question_is_one_that_others_understand() -> None:
    asked = dns.message.make_query("mail.example.test", "A", use_edns=0, payload=1232, id=QUERY.id, flags=FLAGS)
    assert dns.message.from_wire(QUERY.octets).to_wire() == asked.to_wire()
    plain = make_query(NAME, "TXT", edns=False)
    asked = dns.message.make_query("mail.example.test", "TXT", id=plain.id, flags=FLAGS)
    assert plain.octets == asked.to_wire()


def test_ids_are_random() -> None:
    assert len({make_query(NAME, "A").id for _ in range(100)}) > 90


def test_a_reply_is_read() -> None:
    assert read(RIGHT) == FOUND
    assert read(RIGHT + b"junk") == FOUND


@pytest.mark.parametrize(
    ("rdtype", "data", "records"),
    [
        ("A", ["192.0.2.9", "192.0.2.10"], ("192.0.2.10", "192.0.2.9")),
        ("AAAA", ["2001:DB8:0:0:0:0:0:1"], ("2001:db8::1",)),
        ("MX", ["20 a.test.", "5 B.test."], (MailExchange(5, "b.test"), MailExchange(20, "a.test"))),
        ("CNAME", ["Other.example.test."], ("other.example.test",)),
        ("PTR", ["Mail.example.test.", "x\\.y.test."], ("mail.example.test", "x\\046y.test")),
        ("TXT", ['"a" "" "b\\255"'], ("ab\xff",)),
        ("TLSA", ["3 1 0 00FF", "2 0 255 ab"], (TlsaRecord(2, 0, 255, b"\xab"), TlsaRecord(3, 1, 0, b"\0\xff"))),
    ],
)
def test_records_of_each_type_are_read(rdtype: RecordType, data: list[str], records: tuple[Record, ...]) -> None:
    message = reply((OWNERS[0], rdtype, data), rdtype=rdtype)
    assert read(message.to_wire(), rdtype) == Answer(Status.FOUND, records, 60)


def test_the_bit_of_an_authentic_answer_is_read() -> None:
    message = reply((OWNERS[0], "A", ["192.0.2.1"]))
    assert read(message.to_wire()) == Answer(Status.FOUND, ("192.0.2.1",), 60)
    message.flags |= dns.flags.AD
    assert read(message.to_wire()) == Answer(Status.FOUND, ("192.0.2.1",), 60, authentic=True)
    denied = reply()
    denied.flags |= dns.flags.AD
    assert read(denied.to_wire()) == Answer(Status.NO_DATA, ttl=BRIEF, authentic=True)


def test_a_failure_is_never_authentic() -> None:
    message = reply()
    message.flags |= dns.flags.AD
    message.set_rcode(dns.rcode.SERVFAIL)
    assert read(message.to_wire()) == failure("SERVFAIL")


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_certificate_record_that_ends_early_makes_the_reply_none(length: int) -> None:
    assert read(hostile("TLSA", 52, bytes(length)), "TLSA") is None
    assert read(hostile("TLSA", 52, bytes(3)), "TLSA") == Answer(Status.FOUND, (TlsaRecord(0, 0, 0, b""),), 60)


def test_the_name_is_compared_without_case() -> None:
    message = reply((OWNERS[3], "A", ["192.0.2.1"]))
    message.question[0].name = dns.name.from_text(OWNERS[3])
    assert read(message.to_wire()) == FOUND


@pytest.mark.parametrize(
    ("name", "rdtype", "rdclass"),
    [("x.test", "A", "IN"), ("mail.example.test", "AAAA", "IN"), ("mail.example.test", "A", "CH")],
)
def test_a_reply_to_another_question_is_none(name: str, rdtype: str, rdclass: str) -> None:
    other = dns.message.make_query(name, rdtype, rdclass, id=QUERY.id)
    assert read(dns.message.make_response(other, recursion_available=True).to_wire()) is None


def test_a_reply_under_another_id_is_none() -> None:
    assert read(struct.pack("!H", QUERY.id ^ 1) + RIGHT[2:]) is None


def test_a_question_is_no_reply() -> None:
    assert read(QUERY.octets) is None


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.YXDOMAIN])
def test_an_error_needs_no_question(rcode: dns.rcode.Rcode) -> None:
    message = dns.message.Message(QUERY.id)
    message.flags = dns.flags.Flag(dns.flags.QR)
    assert read(message.to_wire()) is None
    message.set_rcode(rcode)
    answer = read(message.to_wire())
    assert answer is not None
    assert answer.status is Status.FAILED


def test_a_truncated_reply_may_end_anywhere_behind_the_question() -> None:
    message = reply((OWNERS[0], "A", ["192.0.2.1", "192.0.2.2"]))
    message.flags |= dns.flags.TC
    message.use_edns(-1)
    whole = message.to_wire()
    for end in range(12 + len(QUERY.question), len(whole) + 1):
        cut = read_reply(QUERY, whole[:end])
        assert cut is not None
        assert cut.truncated


def test_a_whole_reply_may_not_end_early() -> None:
    message = reply((OWNERS[0], "A", ["192.0.2.1"]))
    message.use_edns(-1)
    whole = message.to_wire()
    assert [read(whole[:end]) for end in range(len(whole))] == [None] * len(whole)


def test_records_for_a_name_that_is_denied_are_a_failure() -> None:
    message = reply((OWNERS[0], "A", ["192.0.2.1"]))
    message.set_rcode(dns.rcode.NXDOMAIN)
    answer = read(message.to_wire())
    assert answer is not None
    assert answer.status is Status.FAILED


@pytest.mark.parametrize(("aliases", "status"), [(MOST_ALIASES, Status.FOUND), (MOST_ALIASES + 1, Status.FAILED)])
def test_chains_of_aliases_have_a_longest(aliases: int, status: Status) -> None:
    names = [OWNERS[0], *(f"n{number}.test." for number in range(aliases))]
    chain = [(owner, "CNAME", [target]) for owner, target in pairwise(names)]
    answer = read(reply(*chain, (names[-1], "A", ["192.0.2.1"])).to_wire())
    assert answer is not None
    assert answer.status is status


RRSETS: Final = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(OWNERS[:3]), st.just("A"), st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=3)
        ),
        st.tuples(st.sampled_from(OWNERS[:3]), st.just("CNAME"), st.sampled_from(OWNERS[:3]).map(lambda name: [name])),
        st.tuples(st.sampled_from(OWNERS[:3]), st.just("TXT"), st.just(['"x"'])),
    ),
    max_size=5,
    unique_by=lambda rrset: rrset[:2],
)


@given(RRSETS, st.booleans(), st.booleans())
def test_it_reads_what_dnspython_reads(rrsets: list[tuple[str, str, list[str]]], denied: bool, has_soa: bool) -> None:
    message = reply(*rrsets)
    message.set_rcode(dns.rcode.NXDOMAIN if denied else dns.rcode.NOERROR)
    if has_soa:
        message.authority.append(dns.rrset.from_text("test.", 50, "IN", "SOA", "a.test. b.test. 1 2 3 4 40"))
    octets = message.to_wire()
    answer = read(octets)
    assert answer is not None
    try:
        judge = dns.message.from_wire(octets)
        assert isinstance(judge, dns.message.QueryMessage)
        chain = judge.resolve_chaining()
    except (dns.message.ChainTooLong, dns.message.AnswerForNXDOMAIN):
        assert answer.status is Status.FAILED
        return
    if chain.answer is not None:
        assert answer == Answer(
            Status.FOUND, tuple(sorted(rdata.to_text() for rdata in chain.answer)), chain.minimum_ttl
        )
    else:
        ttl = min(chain.minimum_ttl, 40 if has_soa else 5)
        assert answer == Answer(Status.NO_SUCH_NAME if denied else Status.NO_DATA, ttl=ttl)


@given(st.binary(max_size=80), st.integers(0, len(RIGHT)), st.integers(0, len(RIGHT)))
def test_whatever_arrives_is_an_answer_or_nothing(junk: bytes, start: int, length: int) -> None:
    spoilt = RIGHT[:start] + junk + RIGHT[start + length :]
    head = RIGHT[: 12 + len(QUERY.question)]
    for octets in (spoilt, RIGHT[:2] + spoilt[2:], RIGHT[:12] + spoilt[12:], head + junk):
        answer = read(octets)
        assert answer is None or isinstance(answer, Answer)


def hostile(rdtype: RecordType, number: int, *data: bytes) -> bytes:
    """A right reply to our question with one record for each of `data`."""
    header = struct.pack("!6H", QUERY.id, 0x8180, 1, len(data), 0, 0)
    question = make_query(NAME, rdtype).question
    records = (b"\xc0\x0c" + struct.pack("!HHIH", number, 1, 60, len(each)) + each for each in data)
    return header + question + b"".join(records)


INTO_FIRST: Final = struct.pack("!H", 0xC000 | (12 + len(QUERY.question) + 12))


def deep(depth: int, count: int) -> bytes:
    """A reply of PTR records, of which each but the first adds a label to the first, and has all of that one's."""
    others = (b"\2" + struct.pack("!H", number) + INTO_FIRST for number in range(count - 1))
    return hostile("PTR", 12, b"\1a" * depth + b"\0", *others)


def winding(pointers: int) -> bytes:
    """A reply whose records have names of that many pointers, which lie in the data of the first."""
    start = 12 + len(QUERY.question) + 12
    first = b"".join(
        struct.pack("!H", 0xC000 | (start + 2 * number - 2 if number else 12)) for number in range(pointers)
    )
    octets = hostile("TXT", 99, first, *(b"\1" + bytes([number & 255]) for number in range(MOST_RECORDS - 1)))
    last = struct.pack("!H", 0xC000 | (start + 2 * pointers - 2))
    return octets[: start + 2 * pointers] + octets[start + 2 * pointers :].replace(b"\xc0\x0c", last)


def test_names_that_are_honest_are_read_however_many() -> None:
    """A host of 200 names; and one that IPv6 gives an own name of 34 labels."""
    name = (*(b"a",) * 32, b"ip6", b"arpa")
    query = make_query(name, "PTR")
    records = (b"\xc0\x0c" + struct.pack("!HHIH", 12, 1, 60, 16) + b"\4%04d\4host\4test\0" % n for n in range(200))
    octets = struct.pack("!6H", query.id, 0x8180, 1, 200, 0, 0) + query.question + b"".join(records)
    found = read_reply(query, octets)
    assert found is not None
    assert found.answer.records == tuple(f"{number:04}.host.test" for number in range(200))


@pytest.mark.parametrize(
    ("rdtype", "octets"),
    [("PTR", deep(120, MOST_RECORDS)), ("TXT", winding(120)), ("TXT", winding(8000))],
    ids=["many labels", "many pointers", "one chain of pointers"],
)
def test_a_reply_whose_names_take_long_is_none_and_soon(rdtype: RecordType, octets: bytes) -> None:
    begun = time.process_time()
    assert read(octets, rdtype) is None
    assert time.process_time() - begun < 0.05


@pytest.mark.parametrize(
    ("rdtype", "octets"),
    [
        ("PTR", deep(10, MOST_RECORDS)),
        ("PTR", deep(120, 70)),
        ("TXT", hostile("TXT", 16, bytes(60000))),
        ("TXT", hostile("TXT", 16, b"\1a" * 30000)),
        ("TXT", hostile("TXT", 16, *(b"\x70" + bytes([n & 255]) * 112 for n in range(MOST_RECORDS)))),
        ("A", hostile("A", 1, *(struct.pack("!I", n) for n in range(MOST_RECORDS)))),
        ("A", hostile("A", 1, *(struct.pack("!I", n) for n in range(4000)))),
    ],
)
def test_no_reply_keeps_everybody_waiting(rdtype: RecordType, octets: bytes) -> None:
    begun = time.process_time()
    assert read(octets, rdtype) is not None
    assert time.process_time() - begun < 0.15
