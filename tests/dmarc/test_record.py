# SPDX-License-Identifier: Apache-2.0
"""Records: which texts are one, what they say, and what becomes of tags that are wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.record import (
    LONGEST_RECORD,
    MOST_TAGS,
    MOST_URIS,
    DmarcRecord,
    Place,
    Policy,
    only_record,
    parse_record,
)

ADDRESS = "mailto:reports@example.test"


def parsed(text: str) -> DmarcRecord:
    record = parse_record(text)
    assert record is not None
    return record


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1;",
        "V = DMARC1 ;",
        "v=DMARC1;p=none",
        "v=DMARC1; p=none; pct=50; ri=3600; rf=afrf; x=y",
        "v=DMARC1;;;",
    ],
)
def test_a_record_begins_with_its_version_and_has_defaults_for_all_else(text: str) -> None:
    assert parsed(text) == DmarcRecord()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=DMARC2; p=none",
        "v=dmarc1; p=none",
        "v=DMARC1 p=none",
        "v=DMARC12",
        " v=DMARC1",
        "p=none; v=DMARC1",
        "DMARC1; p=none",
        "v=DMARC1;".ljust(LONGEST_RECORD + 1, ";"),
    ],
)
def test_what_does_not_begin_so_is_no_record(text: str) -> None:
    assert parse_record(text) is None


def test_each_tag_is_read() -> None:
    assert parsed(
        "v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=s; fo=1:d:s; psd=n; t=y;"
        f" rua={ADDRESS}, https://x.test/r ; ruf=mailto:f@example.test"
    ) == DmarcRecord(
        p="reject",
        sp="quarantine",
        np="none",
        adkim="s",
        aspf="s",
        rua=(ADDRESS, "https://x.test/r"),
        ruf=("mailto:f@example.test",),
        fo="1:d:s",
        psd="n",
        testing=True,
    )


def test_names_and_words_are_read_in_any_case() -> None:
    assert parsed("v=DMARC1; P=Reject; PSD=Y; AdKim=S") == DmarcRecord(p="reject", psd="y", adkim="s")


def test_the_limit_of_size_behind_an_address_is_gone() -> None:
    assert parsed(f"v=DMARC1; p=none; rua={ADDRESS}!10m,{ADDRESS}!9").rua == (ADDRESS, ADDRESS)
    assert parsed(f"v=DMARC1; p=none; rua={ADDRESS}!ten").rua == ()


def test_a_wrong_value_is_as_good_as_none_and_the_owner_can_be_told() -> None:
    assert parsed("v=DMARC1; p=none; adkim=x; aspf=; psd=z; t=maybe; fo=0:1; what; rua=nobody") == DmarcRecord(
        faults=(
            "something in it is no tag",
            "rua has something that is no URI",
            "adkim is none of r, s",
            "aspf is none of r, s",
            "fo is no list of 0, 1, d and s",
            "psd is none of y, n, u",
            "t is none of y, n",
        )
    )


def test_of_a_tag_that_is_given_twice_the_first_counts() -> None:
    assert parsed("v=DMARC1; p=reject; p=none") == DmarcRecord(p="reject", faults=("p is given twice",))


@pytest.mark.parametrize(
    "tags", ["p=rejct", "p=", "p=reject; sp=x", "p=reject; np=x", "p=r\N{LATIN SMALL LETTER E WITH ACUTE}ject; sp=x"]
)
def test_a_record_with_a_wrong_policy_only_asks_for_reports(tags: str) -> None:
    record = parsed(f"v=DMARC1; {tags}; rua={ADDRESS}; adkim=s")
    assert (record.p, record.sp, record.np, record.usable) == ("none", None, None, True)
    assert (record.rua, record.adkim) == ((ADDRESS,), "s")


@pytest.mark.parametrize("tags", ["p=rejct", "p=reject; sp=x", "p=reject; np=x", "p=rejct; rua=nobody"])
def test_a_record_with_a_wrong_policy_that_nobody_can_be_told_of_is_of_no_use(tags: str) -> None:
    record = parsed(f"v=DMARC1; {tags}")
    assert (record.usable, record.p) == (False, "none")


def test_a_record_without_a_policy_has_none() -> None:
    assert parsed("v=DMARC1; sp=reject") == DmarcRecord(sp="reject")


@pytest.mark.parametrize(
    ("record", "policies"),
    [
        (DmarcRecord("reject"), ("reject", "reject", "reject")),
        (DmarcRecord("reject", sp="none"), ("reject", "none", "none")),
        (DmarcRecord("none", np="reject"), ("none", "none", "reject")),
        (DmarcRecord("none", sp="quarantine", np="reject"), ("none", "quarantine", "reject")),
    ],
)
def test_domains_below_have_a_policy_of_their_own(record: DmarcRecord, policies: tuple[Policy, ...]) -> None:
    places: tuple[Place, ...] = ("domain", "subdomain", "no such subdomain")
    assert tuple(record.requested(place) for place in places) == policies


def test_while_its_owner_is_testing_a_policy_is_one_step_less() -> None:
    testing = DmarcRecord(testing=True)
    assert [testing.applied(policy) for policy in ("none", "quarantine", "reject")] == ["none", "none", "quarantine"]
    assert DmarcRecord().applied("reject") == "reject"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), None),
        (("v=spf1 -all", "v=DMARC1; p=reject", "x"), DmarcRecord("reject")),
        (("v=DMARC1; p=reject", "v=DMARC1; p=reject"), None),
        (("v=DMARC1; p=reject", "v=DMARC1; p=wrong"), None),
        (("v=DMARC1; p=reject", "v=DMARC2; p=none"), DmarcRecord("reject")),
    ],
)
def test_several_records_at_one_name_are_none(texts: tuple[str, ...], expected: DmarcRecord | None) -> None:
    assert only_record(texts) == expected


def test_what_is_read_and_kept_has_bounds() -> None:
    assert parsed("v=DMARC1; p=none; " + "x=y; " * MOST_TAGS + "sp=reject").sp is None
    assert len(parsed(f"v=DMARC1; p=none; rua={','.join(['a:b'] * 100)}").rua) == MOST_URIS


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_text_is_too_much(text: str) -> None:
    record = parsed(f"v=DMARC1;{text}")
    assert len(record.faults) <= MOST_TAGS + 10


@pytest.mark.parametrize("piece", ["rua=a:" + "!" * 20, "p = ", "=", "a:b,", " \t", "rua=" + "a" * 90 + "!1"])
def test_no_record_takes_long(piece: str) -> None:
    text = f"v=DMARC1; rua={piece}" + piece * LONGEST_RECORD
    before = time.process_time()
    for length in range(LONGEST_RECORD - 20, LONGEST_RECORD):  # each is another text, and not remembered
        parse_record(text[:length])
    assert time.process_time() - before < 0.2
