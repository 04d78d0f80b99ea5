# SPDX-License-Identifier: Apache-2.0
"""The example in docs/doctor.md is what `genkan doctor` says of such a domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from genkan.admin.dkim_operations import KeyEntry
from genkan.admin.doctor import CHECKS
from tests.admin.doctoring import HOME, patient
from tests.support.pages import all_pages
from tests.support.server import START

(PAGE,) = (page for page in all_pages() if page.name == "docs/doctor.md")
ZONE: Final = """
in.test        60 MX  10 mx.in.test
mx.in.test     60 A   192.0.2.1
in.test        60 TXT "v=spf1 mx -all"
in.test        60 TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.in.test 60 TXT "v=DMARC1; p=none; rua=mailto:postmaster@in.test"
"""
NAME: Final = "20261101e._domainkey.in.test"
RECORD: Final = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463, A.2
KEY: Final = KeyEntry("in.test", "20261101e", "ed25519", "signing", START, NAME, RECORD, f'{NAME}. IN TXT "{RECORD}"')


def test_the_example_is_what_it_says() -> None:
    """All but the line on the certificate, since nobody is at 192.0.2.1."""
    with patient(ZONE, replace(HOME, keys=(KEY,))) as one:
        found = one.visited(patience=0.2).examined()
    said = [line for each in found if each.check != "certificate" for line in each.lines()]
    (example,) = PAGE.blocks("console")
    shown = example.removesuffix("\n").split("\n")[1:]
    assert [line for line in shown if "  certificate  " not in line] == said


def test_the_page_has_a_row_for_each_check_in_their_order() -> None:
    rows = [line.split("`")[1] for line in PAGE.text.split("\n") if line.startswith("| `")]
    assert tuple(rows[4 : 4 + len(CHECKS)]) == tuple(CHECKS)
