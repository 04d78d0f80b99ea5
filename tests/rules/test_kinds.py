# SPDX-License-Identifier: Apache-2.0
"""The table of rule documents: complete, and each readable as it is shipped."""

from __future__ import annotations

import pytest

from genkan.rules.kinds import KINDS


def test_every_document_has_its_row() -> None:
    assert list(KINDS) == [
        "effect.dat",
        "sender.dat",
        "mail.dat",
        "ordb.dat",
        "rejectsmtpip.dat",
        "gateway.dat",
        "approval-addresses.dat",
        "approval-subjects.dat",
    ]
    assert [name for name, kind in KINDS.items() if kind.per_account] == ["effect.dat", "sender.dat", "mail.dat"]


@pytest.mark.parametrize("name", KINDS)
def test_what_is_shipped_has_no_findings(name: str) -> None:
    document = KINDS[name].shipped_document()
    assert (document.name, document.account, document.revision) == (name, "", 0)
    assert KINDS[name].parse(document).findings == ()


def test_only_effect_dat_is_shipped_with_lines() -> None:
    assert [(name, kind.shipped) for name, kind in KINDS.items() if kind.shipped] == [
        ("effect.dat", "#<> default\n#blank false\n")
    ]
