# SPDX-License-Identifier: Apache-2.0
"""The address cases of Dominic Sayers' isemail suite, judged by RFC 5321: no comments, folding or obsolete forms."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from genkan.smtp.address import AddressError, parse_mailbox
from tests.support.vectors import vectors_folder

VALID_IN_SMTP = frozenset({"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"})

# Cases where RFC 5321 and the suite disagree, each with the reason.
EXCEPTIONS: dict[str, str] = {}


class Case(NamedTuple):
    """One case of the suite; `address` has the control characters that the file writes as their pictures."""

    number: str
    address: str
    category: str


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    root = ET.parse(vectors_folder("address") / "tests.xml").getroot()
    return [
        Case(
            test.get("id", ""),
            "".join(chr(ord(c) - 0x2400) if "\u2400" <= c <= "\u241f" else c for c in test.findtext("address") or ""),
            test.findtext("category") or "",
        )
        for test in root.iter("test")
    ]


def accepts(address: str) -> bool:
    try:
        parse_mailbox(address)
    except AddressError:
        return False
    return True


def test_all_cases_of_the_suite_are_read(cases: list[Case]) -> None:
    assert len(cases) == 164
    assert Counter(case.category in VALID_IN_SMTP for case in cases) == {False: 126, True: 38}


def test_what_rfc_5321_allows_is_accepted_and_all_else_is_refused(cases: list[Case]) -> None:
    wrong = [case for case in cases if accepts(case.address) is not (case.category in VALID_IN_SMTP)]
    assert {case.number for case in wrong} == set(EXCEPTIONS), wrong


def test_what_is_accepted_is_written_so_that_it_reads_back(cases: list[Case]) -> None:
    accepted = [parse_mailbox(case.address) for case in cases if accepts(case.address)]
    assert [parse_mailbox(str(mailbox)) for mailbox in accepted] == accepted
