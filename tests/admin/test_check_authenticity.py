# SPDX-License-Identifier: Apache-2.0
"""What `genkan check` says about the settings of [spf] and [dmarc]: what rests on nothing, and what is without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.check_authenticity import check_authenticity

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

Change = tuple[str, str, str]

SPF_OFF: Final = ("spf", 'mode = "mark"', 'mode = "off"')
SPF_DEFERS: Final = ("spf", 'mode = "mark"', 'mode = "defer"')
DKIM_OFF: Final = ("dkim", "verify = true", "verify = false")
DMARC_OFF: Final = ("dmarc", 'mode = "mark"', 'mode = "off"')
GREY: Final = ("spf", "grey = false", "grey = true")
DNS_FAILURE: Final = ("spf", 'dns_failure = "mark"', 'dns_failure = "defer"')
NOBODY_JUDGED: Final = "dmarc.mode: DMARC rests on SPF and DKIM, and one of them is off: nobody's mail is judged"


def said(installation: Installation, *changes: Change) -> list[str]:
    """The findings without their remedies, after these changes."""
    for change in changes:
        installation.set_in(*change)
    found = check_authenticity(installation.config)
    return [f"{one.level}: {one.subject}: {one.sentence}" for one in found]


def test_nothing_is_said_of_what_comes_with_the_program(installation: Installation) -> None:
    assert said(installation) == []


@pytest.mark.parametrize(("mode", "level"), [("mark", "note"), ("quarantine", "error"), ("refuse", "error")])
@pytest.mark.parametrize("change", [SPF_OFF, DKIM_OFF], ids=["spf", "dkim"])
def test_dmarc_that_has_nothing_to_rest_on_is_named(
    installation: Installation, mode: str, level: str, change: Change
) -> None:
    assert said(installation, ("dmarc", 'mode = "mark"', f'mode = "{mode}"')) == []
    assert said(installation, change) == [f"{level}: {NOBODY_JUDGED}"]


def test_where_dmarc_is_not_asked_it_may_rest_on_nothing(installation: Installation) -> None:
    assert said(installation, DMARC_OFF, SPF_OFF, DKIM_OFF) == []


@pytest.mark.parametrize(("change", "key"), [(GREY, "grey"), (DNS_FAILURE, "dns_failure")], ids=["grey", "dns failure"])
def test_what_only_counts_where_spf_defers_is_noted(installation: Installation, change: Change, key: str) -> None:
    assert said(installation, change) == [f'note: spf.{key}: has no effect while spf.mode is "mark"']
    assert said(installation, DMARC_OFF, SPF_OFF) == [f'note: spf.{key}: has no effect while spf.mode is "off"']


def test_what_only_counts_where_spf_defers_is_well_there(installation: Installation) -> None:
    assert said(installation, SPF_DEFERS, GREY, DNS_FAILURE) == []


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_an_exemption_for_everybody_is_a_warning(installation: Installation, network: str) -> None:
    exempt = 'exempt = ["127.0.0.0/8"]'
    assert said(installation, ("spf", exempt, f'exempt = ["192.0.2.0/24", "{network}"]')) == [
        f"warning: spf.exempt: nothing is asked about anybody in {network}: neither SPF nor DKIM nor DMARC is judged"
    ]


def test_a_sealer_without_a_domain_of_its_own_is_a_warning(installation: Installation) -> None:
    sealers = 'trusted_sealers = ["com", "lists.dest.test"]'
    assert said(installation, ("dmarc", "trusted_sealers = []", sealers)) == [
        (
            "warning: dmarc.trusted_sealers: com is a single label: "
            "no forwarder below it is believed, and it seals no mail itself"
        )
    ]


@pytest.mark.usefixtures("dns")
def test_the_command_fails_where_dmarc_is_to_decide_and_cannot(installation: Installation) -> None:
    installation.set_in("dmarc", 'mode = "mark"', 'mode = "refuse"')
    assert installation.call("check").exit_code == 0
    installation.set_in(*SPF_OFF)
    result = installation.call("check")
    assert (result.exit_code, f"error: {NOBODY_JUDGED}; " in result.stdout) == (1, True)
