# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of DMARC: the record that counts, and whether its reports arrive."""

from __future__ import annotations

import pytest

from genkan.admin.doctor_dmarc import MOST_STRANGERS, check_dmarc
from tests.admin.doctoring import patient
from tests.support.dns_server import Manner

TO_US = "ok: reports go to a@in.test"


def said(zone: str, domain: str = "in.test") -> list[str]:
    with patient(f"in.test 60 A 192.0.2.1\n{zone}") as one:
        return one.changed(domain=domain).said(check_dmarc)


def by(text: str) -> list[str]:
    return said(f'_dmarc.in.test 60 TXT "{text}"')


def test_a_record_that_asks_for_something_and_has_reports_is_fine() -> None:
    assert by("v=DMARC1; p=reject; rua=mailto:a@in.test") == [
        "ok: policy reject, by _dmarc.in.test, organizational domain in.test",
        TO_US,
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "v=DMARC1; p=none; rua=mailto:a@in.test",
            "note: the policy none changes nothing for mail that fails; ask for quarantine or reject in time",
        ),
        (
            "v=DMARC1; p=reject; t=y; rua=mailto:a@in.test",
            "note: t=y: receivers do less than the policy says; take t=y out when the reports are good",
        ),
        ("v=DMARC1; p=reject", "note: nobody is sent reports; add rua=mailto:ADDRESS to the record"),
        (
            "v=DMARC1; p=reject; adkim=x; rua=mailto:a@in.test",
            "warning: the record at _dmarc.in.test is not as it should be: adkim is none of r, s; correct it",
        ),
        ("v=DMARC1; p=refuse", "error: the record at _dmarc.in.test is of no use; correct p, sp and np"),
        (
            "v=DMARC1; p=reject; rua=https://in.test/",
            "warning: https://in.test/ gets no reports: it is no mailto address; correct rua",
        ),
        (
            "DMARC1; p=reject",
            "warning: _dmarc.in.test has a text that is no record: DMARC1; p=reject; correct it or take it out",
        ),
    ],
)
def test_what_is_odd_about_a_record_is_said(text: str, line: str) -> None:
    assert line in by(text)


def test_a_fault_is_told_once_however_often_it_is_there() -> None:
    lines = said(f'_dmarc.in.test 60 TXT "v=DMARC1; p=reject; rua=mailto:a@in.test; {"junk; " * 20}x=1; x=2"')
    told = [line.removeprefix("warning: the record at _dmarc.in.test is not as it should be: ") for line in lines[:-2]]
    assert told == ["something in it is no tag; correct it", "x is given twice; correct it"]


def test_without_a_record_one_is_proposed() -> None:
    assert said("") == [
        (
            "warning: there is no record: mail that only pretends to be the domain's is not told apart; "
            "begin with this, read the reports, then ask for p=quarantine or p=reject"
        ),
        '_dmarc.in.test. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@in.test"',
    ]


def test_several_records_are_none() -> None:
    zone = '_dmarc.in.test 60 TXT "v=DMARC1; p=none"\n_dmarc.in.test 60 TXT "v=DMARC1; p=reject"'
    assert said(zone) == ["error: _dmarc.in.test has several records, and so none counts; keep one"]


def test_a_subdomain_is_judged_by_the_record_of_the_organization() -> None:
    zone = '_dmarc.in.test 60 TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@in.test"\nsub.in.test 60 A 192.0.2.1'
    assert said(zone, "sub.in.test") == [
        "ok: policy quarantine, by _dmarc.in.test, organizational domain in.test",
        TO_US,
    ]


def test_reports_to_others_need_their_consent() -> None:
    zone = '_dmarc.in.test 60 TXT "v=DMARC1; p=reject; rua=mailto:a@out.test"\nout.test 60 A 192.0.2.1\n'
    assert said(zone)[1:] == [
        (
            "warning: mailto:a@out.test gets no reports: "
            "out.test does not say at in.test._report._dmarc.out.test that it wants reports about in.test; "
            "let out.test publish this"
        ),
        'in.test._report._dmarc.out.test. IN TXT "v=DMARC1;"',
    ]
    assert said(f'{zone}in.test._report._dmarc.out.test 60 TXT "v=DMARC1;"')[1:] == ["ok: reports go to a@out.test"]


def test_consent_that_cannot_be_looked_up_is_a_warning() -> None:
    with patient('in.test 60 A 192.0.2.1\n_dmarc.in.test 60 TXT "v=DMARC1; p=reject; rua=mailto:a@out.test"') as one:
        one.server.treat("out.test", Manner(rcode="SERVFAIL"))
        assert one.said(check_dmarc)[1:] == [
            "warning: the DNS does not say whether mailto:a@out.test takes reports; look again later"
        ]


def test_a_zone_that_fails_is_an_error() -> None:
    with patient("in.test 60 A 192.0.2.1") as one:
        one.server.treat("_dmarc.in.test", Manner(rcode="SERVFAIL"))
        assert one.said(check_dmarc) == [
            "error: the DNS does not answer for _dmarc.in.test; correct the zone or its name servers"
        ]


def test_of_very_many_texts_that_are_no_record_the_first_are_shown() -> None:
    zone = "".join(f'_dmarc.in.test 60 TXT "text {number}"\n' for number in range(20))
    assert len([line for line in said(zone) if "a text that is no record" in line]) == MOST_STRANGERS
