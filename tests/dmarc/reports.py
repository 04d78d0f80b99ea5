# SPDX-License-Identifier: Apache-2.0
"""Reports that several tests look at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from genkan.dmarc.aggregate import (
    Override,
    Period,
    PublishedPolicy,
    Report,
    Reporter,
    Row,
    Signature,
    SpfAuthResult,
)

PERIOD: Final = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 1, 23, 59, 59, tzinfo=UTC))
REPORTER: Final = Reporter("In Test", "postmaster@in.test", "Genkan 1")
POLICY: Final = PublishedPolicy("example.com", "reject", "quarantine", "none", "s", "r", "1:d", True, "treewalk")
PASSED: Final = Row(
    "192.0.2.1",
    "pass",
    dkim_aligned=True,
    spf_aligned=False,
    header_from="example.com",
    envelope_from="bounce.example.net",
    signatures=(Signature("example.com", "s1", "pass"), Signature("example.net", "s2", "fail")),
    spf=SpfAuthResult("bounce.example.net", "pass"),
)
FAILED: Final = Row(
    "2001:db8::1",
    "none",
    dkim_aligned=False,
    spf_aligned=False,
    header_from="child.example.com",
    overrides=(Override("policy_test_mode"), Override("local_policy", "a <known> list & more")),
)
REPORT: Final = Report(
    REPORTER, "1780272000.example.com@in.test", PERIOD, POLICY, ((PASSED, 3), (FAILED, 2)), "sp is wrong"
)
