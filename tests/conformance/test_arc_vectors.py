# SPDX-License-Identifier: Apache-2.0
"""The public ARC validation suite, judged by RFC 8617; the body also comes one octet at a time.

The suite is of December 2016, the RFC of 2019. A case without a cv= is one that it leaves open, for a chain that says itself
that it has failed: RFC 8617, 5.2, step 2, calls that "fail".
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
import yaml

from genkan.dkim.verification import Verification
from tests.support.signed_mail import MOST
from tests.support.vectors import vectors_folder

NOW: Final = 1_500_000_000

# Cases where RFC 8617 and the suite disagree, each with the reason.
EXCEPTIONS: Final = {
    "ams_fields_c_na": "without c= the suite reads relaxed/relaxed, the RFC (4.1.2) what RFC 6376, 3.5, says: simple/simple",
    "ams_fields_h_empty": "the suite lets a signature cover no From, the RFC (4.1.2) reads h= as RFC 6376, 3.5, which wants it",
}


class Case(NamedTuple):
    """One case: a message with CRLF, the outcome, the TXT records there are."""

    name: str
    message: bytes
    outcome: str
    records: dict[str, str]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    text = (vectors_folder("arc") / "arc-draft-validation-tests.yml").read_text("utf-8")
    return [
        Case(name, test["message"].replace("\n", "\r\n").encode(), test["cv"].lower() or "fail", group["txt-records"])
        for group in yaml.safe_load_all(text)
        if group
        for name, test in group["tests"].items()
    ]


def outcome(case: Case, chunk: int) -> str:
    header, _, body = (b"\r\n" + case.message).partition(b"\r\n\r\n")
    verification = Verification(header.removeprefix(b"\r\n") + b"\r\n", MOST)
    for start in range(0, len(body), chunk):
        verification.feed(body[start : start + chunk])
    keys = {name: (case.records[name],) if name in case.records else () for name in verification.questions}
    return verification.results(keys, NOW).arc.outcome


def test_all_cases_of_the_suite_are_read(cases: list[Case]) -> None:
    assert len(cases) == 171


@pytest.mark.parametrize("chunk", [1, 65_536])
def test_chains_are_judged_as_the_suite_says(cases: list[Case], chunk: int) -> None:
    wrong = {case.name for case in cases if outcome(case, chunk) != case.outcome}
    assert wrong == set(EXCEPTIONS)
