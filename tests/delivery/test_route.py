# SPDX-License-Identifier: Apache-2.0
"""Routes are found anew at each attempt, from what the directory says at that moment; the order in which they count."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from genkan.delivery.dmarc_reader import ReaderSettings, ReportsOpener
from genkan.delivery.outcome import Deferred, Failed
from genkan.delivery.route import (
    AccountRoute,
    HandoffRoute,
    HopRoute,
    ListRoute,
    LocalRoute,
    ReportsRoute,
    RoleRoute,
    RouterSettings,
)
from genkan.delivery.route import Router as PlainRouter
from genkan.delivery.ways import WayLimits, Ways
from genkan.directory.directory import Directory
from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.spool.queue import Leased
from tests.delivery.worlds import smtp_world
from tests.support.server import StoppedClock
from tests.support.spools import envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.delivery.route import Route

ANN = Mailbox("ann", "in.test")
CAROL = Mailbox("carol", "example.net")


class Router:
    """A router that is asked by address."""

    def __init__(self, directory: Directory, folder: Path, handoff: Path | None = None, smarthost: str = "") -> None:
        limits = WayLimits(10, 100, "opportunistic", timedelta(seconds=1), "multipart", folder)
        reader = ReportsOpener(lambda: directory, ReaderSettings("mx.in.test", timedelta(days=1)), StoppedClock())
        ways = Ways(directory, smtp_world(), limits, reader)
        settings = RouterSettings("mail/{domain}/{local_part}", folder, handoff, smarthost)
        self._router = PlainRouter(directory, settings, ways)

    def route(self, mailbox: Mailbox, route: str = "", *, requiretls: bool = False) -> Route:
        recipient = Recipient(mailbox, mailbox, route=route)
        sent = envelope(1, recipient)._replace(requiretls=requiretls)
        return self._router.route(Leased(sent, 1, 0, recipient, 1))

    def hop(self, mailbox: Mailbox, route: str = "", *, requiretls: bool = False) -> str:
        """The name of the next hop, and whom it is told."""
        found = self.route(mailbox, route, requiretls=requiretls)
        assert isinstance(found, HopRoute)
        return f"{found.way.name} for {found.mailbox}"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    """One domain with one account."""
    with closing(Directory.open(tmp_path / "data")) as directory:
        directory.domains.add("in.test")
        directory.accounts.add(ANN, "Ann Example")
        yield directory


@pytest.fixture
def router(directory: Directory, tmp_path: Path) -> Router:
    return Router(directory, tmp_path)


@pytest.mark.parametrize("address", ["ann@in.test", "ANN@In.Test", "ann+news@in.test"])
def test_an_account_has_its_maildir(router: Router, tmp_path: Path, address: str) -> None:
    mailbox = parse_mailbox(address)
    assert router.route(mailbox) == LocalRoute(tmp_path / "mail" / "in.test" / "ann", mailbox)


def test_an_alias_leads_to_the_maildir_of_its_account(router: Router, directory: Directory, tmp_path: Path) -> None:
    sales = Mailbox("sales", "in.test")
    directory.aliases.add(sales, ANN)
    assert router.route(sales) == LocalRoute(tmp_path / "mail" / "in.test" / "ann", sales)


def test_an_account_that_is_gone_has_no_route_until_somebody_has_the_address_again(
    router: Router, directory: Directory, tmp_path: Path
) -> None:
    with closing(Directory.open(tmp_path / "data")) as another:
        another.accounts.remove(ANN)
        directory.refresh()
        assert router.route(ANN) == Deferred(
            "ann@in.test is not known any more: add the account or an alias again, or remove the mail", status="4.1.1"
        )
        another.accounts.add(Mailbox("eve", "in.test"), "Eve")
        another.aliases.add(ANN, Mailbox("eve", "in.test"))
    directory.refresh()
    assert router.route(ANN) == LocalRoute(tmp_path / "mail" / "in.test" / "eve", ANN)


def test_mail_for_another_domain_goes_to_its_mx_hosts(router: Router) -> None:
    assert router.hop(CAROL) == "MX of example.net for carol@example.net"


def test_an_alias_to_another_domain_leads_there(router: Router, directory: Directory) -> None:
    directory.aliases.add(Mailbox("carol", "in.test"), CAROL)
    assert router.hop(Mailbox("carol", "in.test")) == "MX of example.net for carol@example.net"


def test_a_domains_route_counts_before_gateway_dat_and_that_before_the_smarthost(
    directory: Directory, tmp_path: Path
) -> None:
    router = Router(directory, tmp_path, smarthost="smart.test:587")
    assert router.hop(CAROL) == "smtp:smart.test:587 for carol@example.net"
    directory.documents.store("gateway.dat", None, b"*.net,gate.test,26\r\n", "operator")
    assert router.hop(CAROL) == "smtp:gate.test:26 for carol@example.net"
    directory.routes.add("example.net", "smtp:192.0.2.25")
    assert router.hop(CAROL) == "smtp:192.0.2.25 for carol@example.net"
    directory.routes.remove("example.net")
    assert router.hop(CAROL) == "smtp:gate.test:26 for carol@example.net"


def test_what_the_operator_names_for_a_mail_counts_before_all_else(router: Router, directory: Directory) -> None:
    directory.routes.add("example.net", "smtp:192.0.2.25")
    assert router.hop(CAROL, "smtp:192.0.2.26") == "smtp:192.0.2.26 for carol@example.net"
    assert router.hop(ANN, "smtp:192.0.2.26") == "smtp:192.0.2.26 for ann@in.test"
    assert router.route(CAROL, "fail:thrown away") == Failed("thrown away")


def test_an_accounts_own_route_counts_before_its_forward_and_that_before_the_route_of_its_domain(
    router: Router, directory: Directory
) -> None:
    account = directory.accounts.show(ANN)
    directory.routes.add("in.test", "lmtp:unix:/run/lmtp")
    assert router.hop(ANN) == "lmtp:unix:/run/lmtp for ann@in.test"
    forward = directory.forwards.set(account, [CAROL])
    found = router.route(ANN)
    assert isinstance(found, AccountRoute)
    assert (found.forward, found.reply) == (forward, None)
    assert isinstance(found.end, HopRoute)
    directory.routes.add("ann@in.test", "pipe:/bin/true")
    assert router.hop(ANN) == "pipe:/bin/true for ann@in.test"


def test_a_list_and_the_addresses_beside_it_have_routes_of_their_own(router: Router, directory: Directory) -> None:
    dev = directory.lists.add(Mailbox("dev", "in.test"))
    assert router.route(dev.address) == ListRoute(dev)
    directory.lists.add_owner(dev.address, ANN)
    assert isinstance(router.route(Mailbox("dev-owner", "in.test")), RoleRoute)


def test_mail_that_requires_tls_has_a_queue_of_its_own(router: Router) -> None:
    assert router.hop(CAROL, requiretls=True) == "MX of example.net (REQUIRETLS) for carol@example.net"


def test_a_password_is_for_the_hosts_that_the_operator_has_named_and_for_no_mx(
    router: Router, directory: Directory
) -> None:
    directory.hops.set("example.net", username="ann", password="secret 1")
    for mailbox, login in ((CAROL, ""), (Mailbox("x", "via.test"), "ann")):
        directory.routes.add("via.test", "smtp:example.net", replace=True)
        found = router.route(mailbox)
        assert isinstance(found, HopRoute)
        assert getattr(found.way.opener, "_plan").login == login  # noqa: B009


@pytest.mark.parametrize("address", ["ann@in.test", "nobody@in.test", "carol@example.net"])
def test_where_mail_is_handed_off_all_of_it_is(directory: Directory, tmp_path: Path, address: str) -> None:
    router = Router(directory, tmp_path, tmp_path / "incoming")
    assert router.route(parse_mailbox(address)) == HandoffRoute(tmp_path / "incoming")


def test_mail_of_an_account_whose_route_reads_reports_has_its_maildir_behind_that(
    router: Router, directory: Directory, tmp_path: Path
) -> None:
    directory.routes.add("ann@in.test", "dmarc-reports:")
    found = router.route(ANN)
    assert isinstance(found, ReportsRoute)
    assert (found.reader.way.name, found.reader.way.connections) == ("dmarc-reports:", 1)
    assert found.otherwise == LocalRoute(tmp_path / "mail" / "in.test" / "ann", ANN)
