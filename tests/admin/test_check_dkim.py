# SPDX-License-Identifier: Apache-2.0
"""What `genkan check` says about the keys that mail is signed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.admin.check_dkim import check_keys
from genkan.directory.dkim_keys import DkimKey
from genkan.opening import open_directory
from tests.support.server import START

if TYPE_CHECKING:
    from genkan.directory.dkim_keys import KeyAlgorithm, KeyState
    from tests.admin.conftest import Installation


def add(installation: Installation, state: KeyState, algorithm: KeyAlgorithm) -> None:
    with open_directory(installation.config) as directory:
        directory.dkim_keys.add([DkimKey("in.test", f"{state}-{algorithm}", algorithm, b"", state, START)])


def said(installation: Installation) -> list[str]:
    with open_directory(installation.config) as directory:
        return [*map(str, check_keys(directory, installation.config))]


def test_nothing_is_said_without_keys_or_with_one_that_everybody_knows(installation: Installation) -> None:
    assert said(installation) == []
    add(installation, "signing", "rsa")
    add(installation, "retired", "rsa")
    assert said(installation) == []


@pytest.mark.parametrize("state", ["waiting", "retired"])
def test_keys_of_which_none_signs_are_named(installation: Installation, state: KeyState) -> None:
    add(installation, state, "rsa")
    assert said(installation) == [
        (
            "warning: in.test: has DKIM keys, and none of them signs; use those that wait: genkan dkim rotate in.test, "
            "or make others: genkan dkim add in.test"
        )
    ]


def test_a_signature_that_not_everybody_knows_is_not_enough(installation: Installation) -> None:
    add(installation, "signing", "ed25519")
    add(installation, "waiting", "rsa")
    assert said(installation) == [
        (
            "warning: in.test: none of the DKIM keys that sign is an RSA one, and not every receiver knows others; "
            "add one beside them: genkan dkim add in.test --algorithm rsa"
        )
    ]


def test_where_nothing_is_to_be_signed_keys_may_rest(installation: Installation) -> None:
    add(installation, "waiting", "rsa")
    installation.set("sign = true", "sign = false")
    assert said(installation) == []


@pytest.mark.usefixtures("dns")
def test_the_command_check_speaks_of_them(installation: Installation) -> None:
    add(installation, "waiting", "rsa")
    assert "warning: in.test: has DKIM keys, and none of them signs; " in installation.text("check")
