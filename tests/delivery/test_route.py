# SPDX-License-Identifier: Apache-2.0
"""Routes are found anew at each attempt, from what the directory says at that moment."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from genkan.delivery.route import HandoffRoute, LocalRoute, NoRoute, Router
from genkan.directory.directory import Directory
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANN = Mailbox("ann", "in.test")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    """One domain with one account."""
    with closing(Directory.open(tmp_path / "data")) as directory:
        directory.domains.add("in.test")
        directory.accounts.add(ANN, "Ann Example")
        yield directory


@pytest.fixture
def router(directory: Directory, tmp_path: Path) -> Router:
    return Router(directory, "mail/{domain}/{local_part}", tmp_path)


@pytest.mark.parametrize("address", ["ann@in.test", "ANN@In.Test", "ann+news@in.test"])
def test_an_account_has_its_maildir(router: Router, tmp_path: Path, address: str) -> None:
    assert router.route(parse_mailbox(address)) == LocalRoute(tmp_path / "mail" / "in.test" / "ann")


def test_an_alias_leads_to_the_maildir_of_its_account(router: Router, directory: Directory, tmp_path: Path) -> None:
    directory.aliases.add(Mailbox("sales", "in.test"), ANN)
    assert router.route(Mailbox("sales", "in.test")) == LocalRoute(tmp_path / "mail" / "in.test" / "ann")


def test_an_account_that_is_gone_has_no_route_until_somebody_has_the_address_again(
    router: Router, directory: Directory, tmp_path: Path
) -> None:
    with closing(Directory.open(tmp_path / "data")) as another:
        another.accounts.remove(ANN)
        directory.refresh()
        assert router.route(ANN) == NoRoute(
            "ann@in.test is not known any more: add the account or an alias again, or remove the mail"
        )
        another.accounts.add(Mailbox("eve", "in.test"), "Eve")
        another.aliases.add(ANN, Mailbox("eve", "in.test"))
    directory.refresh()
    assert router.route(ANN) == LocalRoute(tmp_path / "mail" / "in.test" / "eve")


def test_another_domain_has_no_route(router: Router) -> None:
    assert router.route(Mailbox("carol", "example.net")) == NoRoute(
        "no route to example.net: this server delivers to its own domains only"
    )


def test_an_alias_to_another_domain_has_no_route(router: Router, directory: Directory) -> None:
    directory.aliases.add(Mailbox("carol", "in.test"), Mailbox("carol", "example.net"))
    assert isinstance(router.route(Mailbox("carol", "in.test")), NoRoute)


@pytest.mark.parametrize("address", ["ann@in.test", "nobody@in.test", "carol@example.net"])
def test_where_mail_is_handed_off_all_of_it_is(directory: Directory, tmp_path: Path, address: str) -> None:
    router = Router(directory, "mail/{domain}/{local_part}", tmp_path, tmp_path / "incoming")
    assert router.route(parse_mailbox(address)) == HandoffRoute(tmp_path / "incoming")
