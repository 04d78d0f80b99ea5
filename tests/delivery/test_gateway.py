# SPDX-License-Identifier: Apache-2.0
"""gateway.dat for the relay: the first line that matches, and a changed document counts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.delivery.gateway import Gateway
from genkan.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open(tmp_path / "data") as opened:
        yield opened


def line(gateway: Gateway, domain: str) -> str | None:
    rule = gateway.match(domain)
    return None if rule is None else f"{rule.origin}: {rule}"


def test_the_first_line_that_matches_decides(directory: Directory) -> None:
    directory.documents.store(
        "gateway.dat", None, b"out.test,mx.out.test\r\n*,192.0.2.25,2525\r\nb.test,x.test\r\n", "op"
    )
    gateway = Gateway(directory.documents)
    assert line(gateway, "OUT.test") == "gateway.dat:1: out.test,mx.out.test,25"
    assert line(gateway, "b.test") == "gateway.dat:2: *,192.0.2.25,2525"


def test_without_a_document_no_domain_has_a_line(directory: Directory) -> None:
    assert line(Gateway(directory.documents), "out.test") is None


def test_each_change_of_the_document_counts_at_once(directory: Directory) -> None:
    gateway = Gateway(directory.documents)
    assert line(gateway, "out.test") is None
    directory.documents.store("gateway.dat", None, b"out.test,a.test\n", "op")
    assert line(gateway, "out.test") == "gateway.dat:1: out.test,a.test,25"
    directory.documents.store("gateway.dat", None, b"\nout.test,b.test\n", "op")
    assert line(gateway, "out.test") == "gateway.dat:2: out.test,b.test,25"
    directory.documents.rollback("gateway.dat", None, 1, "op")
    assert line(gateway, "out.test") == "gateway.dat:1: out.test,a.test,25"
    directory.documents.remove("gateway.dat", None, "op")
    assert line(gateway, "out.test") is None


def test_a_text_on_trial_does_not_count(directory: Directory) -> None:
    directory.documents.store_shadow("gateway.dat", None, b"out.test,a.test\n", "op")
    assert line(Gateway(directory.documents), "out.test") is None
