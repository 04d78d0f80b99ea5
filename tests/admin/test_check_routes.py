# SPDX-License-Identifier: Apache-2.0
"""What `genkan check` and the commands say about routes and next hops, and that it runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.admin.check_routes import check_routes
from genkan.directory import Directory
from genkan.directory.hops import HopFields
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.admin.conftest import Installation

SCRAM_ONLY = "AUTH is wanted but TLS is not, and without TLS no password is told: only SCRAM-SHA-256 would work"


@pytest.fixture
def directory(installation: Installation) -> Iterator[Directory]:
    with Directory.open(installation.config.storage_folder) as opened:
        opened.accounts.add(Mailbox("ann", "in.test"), "Ann Example")
        opened.lists.add(Mailbox("dev", "in.test"))
        opened.lists.add_owner(Mailbox("dev", "in.test"), Mailbox("ann", "in.test"))
        yield opened


def said(installation: Installation, directory: Directory) -> list[str]:
    """The findings without their remedies."""
    found = check_routes(directory, installation.config)
    return [f"{finding.level}: {finding.subject}: {finding.sentence}" for finding in found]


def of_route(installation: Installation, directory: Directory, pattern: str, destination: str) -> list[str]:
    """What is said of one route that is the only one."""
    directory.routes.add(pattern, destination)
    return [line.replace(f"route {pattern}: ", "") for line in said(installation, directory)]


@pytest.mark.parametrize(
    ("pattern", "destination"),
    [
        ("ann@in.test", "maildir"),
        ("in.test", "lmtp:127.0.0.1:24"),
        ("in.test", "pipe:/bin/sh {recipient}"),
        ("in.test", "python:email.message:Message"),
        ("*", "smtp:smart.test"),
        ("out.test", "mx"),
        ("dan@out.test", "smtp:mx.out.test"),
    ],
)
def test_nothing_is_said_of_a_route_that_can_work(
    installation: Installation, directory: Directory, pattern: str, destination: str
) -> None:
    assert of_route(installation, directory, pattern, destination) == []


@pytest.mark.parametrize(
    ("pattern", "destination", "finding"),
    [
        ("bob@in.test", "mx", "warning: no account has this address, so no mail takes the route"),
        ("ann+x@in.test", "mx", "warning: its mail goes by the routes of ann@in.test"),
        ("dev@in.test", "mx", "warning: mail of lists takes no route"),
        ("dev-owner@in.test", "mx", "warning: mail of lists takes no route"),
        ("out.test", "maildir", "warning: out.test is not local, and only accounts here have a Maildir"),
        ("out.test", "lmtp:127.0.0.1:24", "note: out.test is not local: only who may relay can write there"),
        ("dan@out.test", "https://in.test/", "note: out.test is not local: only who may relay can write there"),
        ("in.test", "lmtp:unix:/etc/passwd", "warning: there is no socket /etc/passwd now"),
        ("in.test", "pipe:/etc/passwd", "warning: /etc/passwd is no program that can be started here"),
        ("in.test", "pipe:/bin", "warning: /bin is no program that can be started here"),
        ("in.test", "python:email.nowhere:f", "warning: there is no module email.nowhere"),
        ("in.test", "python:email.message.deeper:f", "warning: there is no module email.message.deeper"),
        ("in.test", "python:nowhere.at.all:f", "warning: there is no module nowhere.at.all"),
    ],
)
def test_a_route_that_leads_nowhere_is_named(
    installation: Installation, directory: Directory, pattern: str, destination: str, finding: str
) -> None:
    assert of_route(installation, directory, pattern, destination) == [finding]


def test_where_nobody_may_relay_routes_for_domains_elsewhere_are_named(
    installation: Installation, directory: Directory
) -> None:
    installation.set('mode = "on"', 'mode = "off"')
    for pattern in ("out.test", "*"):
        directory.routes.add(pattern, "mx")
    assert said(installation, directory) == [
        "warning: route out.test: nobody may relay, so no mail for out.test is taken",
        "warning: route *: nobody may relay, so no mail for other domains is taken",
    ]
    directory.documents.store("effect.dat", None, b"192.0.2.1 true\n", "operator")
    assert said(installation, directory) == []


def test_a_module_is_looked_for_in_the_folder_of_the_site_and_not_run(
    installation: Installation, directory: Directory
) -> None:
    package = installation.folder / "handlers" / "orders"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit\n")
    (package / "new.py").write_text("raise SystemExit\n")
    directory.routes.add("in.test", "python:orders.new:deliver")
    assert said(installation, directory) == ["warning: route in.test: there is no module orders.new"]
    installation.set('# handlers = "folder"', 'handlers = "handlers"')
    assert said(installation, directory) == []


@pytest.mark.parametrize(
    ("name", "fields", "finding"),
    [
        ("mx.out.test", HopFields(tls="none", username="ann", password="x"), SCRAM_ONLY),
        ("mx.out.test", HopFields(username="ann", password="x"), None),
        ("hooks.test", HopFields(tls="none", password="x"), None),
        ("out.test", HopFields(source="127.0.0.1"), None),
        (
            "out.test",
            HopFields(source="192.0.2.1"),
            "192.0.2.1 is not an address of this machine, so nothing can be sent from it",
        ),
        (
            "out.test",
            HopFields(source="2001:db8::1"),
            "2001:db8::1 is not an address of this machine, so nothing can be sent from it",
        ),
    ],
)
def test_a_next_hop_that_cannot_work_is_named(
    installation: Installation, directory: Directory, name: str, fields: HopFields, finding: str | None
) -> None:
    directory.hops.set(name, **fields)
    expected = [] if finding is None else [f"warning: hop {name}: {finding}"]
    assert said(installation, directory) == expected


def test_the_setting_counts_where_the_next_hop_says_nothing_about_tls(
    installation: Installation, directory: Directory
) -> None:
    installation.set('tls = "opportunistic"', 'tls = "none"')
    directory.hops.set("mx.out.test", username="ann", password="x")
    assert said(installation, directory) == [f"warning: hop mx.out.test: {SCRAM_ONLY}"]
    directory.hops.set("mx.out.test", tls="required")
    assert said(installation, directory) == []


@pytest.mark.usefixtures("dns")
def test_the_command_check_speaks_of_routes(installation: Installation) -> None:
    installation.text("route", "add", "in.test", "python:nowhere:f")
    assert "warning: route in.test: there is no module nowhere; put it into the folder" in installation.text("check")
