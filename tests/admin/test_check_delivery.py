# SPDX-License-Identifier: Apache-2.0
"""What `genkan check` says about the settings of [delivery]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.admin.check_delivery import check_delivery

if TYPE_CHECKING:
    from tests.admin.conftest import Installation


def said(installation: Installation) -> list[str]:
    """The findings without their remedies, and without the folder of the installation."""
    found = check_delivery(installation.config)
    return [f"{one.level}: {one.subject}: {one.sentence}".replace(f"{installation.folder}/", "") for one in found]


def test_nothing_is_said_of_settings_that_work(installation: Installation) -> None:
    (installation.folder / "handlers").mkdir()
    installation.set('# tls_ca = "file"', 'tls_ca = "tls/cert.pem"')
    installation.set('# handlers = "folder"', 'handlers = "handlers"')
    installation.set('source_ipv4 = ""', 'source_ipv4 = "127.0.0.1"')
    assert said(installation) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            '# tls_ca = "file"',
            'tls_ca = "missing.pem"',
            "error: missing.pem: cannot be read (No such file or directory)",
        ),
        (
            '# tls_ca = "file"',
            'tls_ca = "genkan.toml"',
            "error: genkan.toml: is no PEM file of certificate authorities",
        ),
        ('# handlers = "folder"', 'handlers = "missing"', "warning: delivery.handlers: missing is no folder"),
        (
            'source_ipv4 = ""',
            'source_ipv4 = "192.0.2.1"',
            "warning: delivery.source_ipv4: 192.0.2.1 is not an address of this machine, so nothing can be sent from it",
        ),
        ('warn = "4h"', 'warn = "5d"', "note: delivery.warn: no sender is ever told that mail is late"),
    ],
)
def test_a_setting_that_cannot_work_is_named(installation: Installation, old: str, new: str, finding: str) -> None:
    installation.set(old, new)
    assert said(installation) == [finding]


@pytest.mark.usefixtures("dns")
def test_the_command_check_speaks_of_them(installation: Installation) -> None:
    installation.set('# tls_ca = "file"', 'tls_ca = "missing.pem"')
    result = installation.call("check")
    assert (result.exit_code, "missing.pem: cannot be read" in result.stdout) == (1, True)
