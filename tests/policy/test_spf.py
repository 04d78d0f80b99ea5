# SPDX-License-Identifier: Apache-2.0
"""SPF at MAIL: what defers, who is not asked about, and that the record answers in the place of the DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.simulation import QuietWorld
from genkan.policy.facts import SpfFinding
from genkan.policy.replay import Replay
from genkan.policy.spf import GREY, SPF
from tests.support.policy_site import ACCEPTED, config_of
from tests.support.server import START

if TYPE_CHECKING:
    from genkan.dns.spf import SpfOutcome
    from tests.support.policy_site import Site

CLIENT: Final = "192.0.2.10"
SENDER: Final = "x@out.test"
DEFER: Final = '[spf]\nmode = "defer"'
DEFERRED: Final = "SPF_DEFERRED"
GREYING: Final = f"{DEFER}\ngrey = true"


@pytest.mark.parametrize(
    ("result", "told", "lenient"),
    [
        ("pass", ACCEPTED, ACCEPTED),
        ("fail", DEFERRED, DEFERRED),
        ("softfail", DEFERRED, ACCEPTED),
        ("neutral", ACCEPTED, ACCEPTED),
        ("none", ACCEPTED, ACCEPTED),
        ("temperror", ACCEPTED, ACCEPTED),
        ("permerror", ACCEPTED, ACCEPTED),
    ],
)
def test_fail_and_softfail_are_deferred_where_the_setting_says_so(
    site: Site, result: SpfOutcome, told: str, lenient: str
) -> None:
    site.spf_results[CLIENT, SENDER] = result
    assert site.client(DEFER).mail(SENDER) == told
    assert site.client(f"{DEFER}\nsoftfail = false").mail(SENDER) == lenient
    assert site.client().mail(SENDER) == ACCEPTED


def test_the_result_is_a_fact_of_the_transaction_and_the_refusal_names_domain_and_client(site: Site) -> None:
    site.spf_results[CLIENT, SENDER] = "softfail"
    client = site.client(DEFER)
    client.mail(SENDER)
    assert client.entry is not None
    assert client.entry.facts == {SPF: "softfail"}
    assert client.entry.decision is not None
    assert client.entry.decision.check == "spf"
    assert client.entry.decision.detail == "softfail: out.test does not permit 192.0.2.10"


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (SENDER, SpfFinding("pass", "smtp.mailfrom", "out.test")),
        ("", SpfFinding("pass", "smtp.helo", "client.test")),
        ("x@other.test", SpfFinding("none", "smtp.mailfrom", "other.test")),
        ("x@例え.test", SpfFinding("none", "smtp.mailfrom", "xn--r8jz45g.test")),
        ("x@[192.0.2.7]", SpfFinding("none", "smtp.mailfrom", "[192.0.2.7]")),
    ],
)
def test_the_transaction_knows_what_was_asked_about_and_what_came_of_it(
    site: Site, sender: str, expected: SpfFinding
) -> None:
    site.spf_results |= {(CLIENT, SENDER): "pass", (CLIENT, "client.test"): "pass"}
    client = site.client()
    client.mail(sender)
    assert client.transaction is not None
    assert client.transaction.spf == expected


def test_who_is_not_asked_about_has_no_finding(site: Site) -> None:
    client = site.client(account="ann@in.test")
    client.mail(SENDER)
    assert client.transaction is not None
    assert client.transaction.spf is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (f'{DEFER}\ndns_failure = "defer"', "SPF_UNAVAILABLE"),
        (f'{GREYING}\ndns_failure = "defer"', "SPF_UNAVAILABLE"),
        (DEFER, ACCEPTED),
        ('[spf]\ndns_failure = "defer"', ACCEPTED),
    ],
)
def test_a_failure_of_the_dns_defers_only_by_setting(site: Site, settings: str, told: str) -> None:
    site.spf_results[CLIENT, SENDER] = "temperror"
    assert site.client(settings).mail(SENDER) == told


def test_an_error_in_the_record_is_no_failure_of_the_dns(site: Site) -> None:
    site.spf_results[CLIENT, SENDER] = "permerror"
    assert site.client(f'{DEFER}\ndns_failure = "defer"').mail(SENDER) == ACCEPTED


def test_who_comes_again_late_enough_is_let_in_with_the_fact_noted(site: Site) -> None:
    site.spf_results |= {(CLIENT, SENDER): "fail", (CLIENT, "client.test"): "softfail", (CLIENT, "y@out.test"): "pass"}

    def facts(sender: str) -> dict[str, object]:
        client = site.client(GREYING)
        told = client.mail(sender)
        assert client.transaction is not None
        return {"told": told, **client.transaction.facts}

    assert facts(SENDER) == {"told": DEFERRED, SPF: "fail", GREY: False}
    site.patient |= {(CLIENT, SENDER), (CLIENT, "client.test")}
    assert facts(SENDER) == {"told": ACCEPTED, SPF: "fail", GREY: True}
    assert facts("") == {"told": ACCEPTED, SPF: "softfail", GREY: True}
    assert facts("y@out.test") == {"told": ACCEPTED, SPF: "pass"}
    assert site.client(DEFER).mail(SENDER) == DEFERRED


@pytest.mark.parametrize("patient", [True, False])
def test_a_replay_takes_from_the_record_whether_it_had_come_again(site: Site, patient: bool) -> None:
    site.spf_results[CLIENT, SENDER] = "fail"
    if patient:
        site.patient.add((CLIENT, SENDER))
    client = site.client(GREYING)
    told = client.mail(SENDER)
    assert client.entry is not None
    (mail, *_) = Replay(config_of(GREYING), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == ((told, ()), False)
    (mail,) = Replay(config_of(DEFER), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == ((DEFERRED, ()), False)


def test_a_replay_does_not_know_whether_it_would_have_come_again(site: Site) -> None:
    site.spf_results[CLIENT, SENDER] = "fail"
    client = site.client(DEFER)
    client.mail(SENDER)
    assert client.entry is not None
    (mail,) = Replay(config_of(GREYING), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == ((DEFERRED, ()), True)


def test_the_result_is_a_fact_also_where_it_decides_nothing(site: Site) -> None:
    site.spf_results[CLIENT, SENDER] = "fail"
    client = site.client('[spf]\nmode = "mark"')
    assert client.mail(SENDER) == ACCEPTED
    assert client.transaction is not None
    assert client.transaction.facts == {SPF: "fail"}


@pytest.mark.parametrize(
    ("effect", "asked"),
    [
        (None, True),
        ("192.0.2.10 default", False),
        ("192.0.2.0/24 only", False),
        ("192.0.2.10 true", False),
        ("192.0.2.10 norelay", True),
        ("*.*.*.* default", True),
        ("*.*.*.* true", False),
        ("out.test true", False),
        ("out.test default", True),
        ("198.51.100.1 default", True),
    ],
)
def test_a_client_that_effect_dat_trusts_is_not_asked_about(site: Site, effect: str | None, asked: bool) -> None:
    site.spf_results[CLIENT, SENDER] = "fail"
    if effect is not None:
        site.rules("effect.dat", effect)
    assert site.client(DEFER).mail(SENDER) == (DEFERRED if asked else ACCEPTED)
    assert site.spf_asked == ([(CLIENT, SENDER)] if asked else [])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_not_asked_about(site: Site, address: str) -> None:
    assert site.client(DEFER, address=address).mail(SENDER) == ACCEPTED
    assert site.spf_asked == []


@pytest.mark.parametrize("settings", ['[spf]\nmode = "off"', f'{DEFER}\nexempt = ["2001:db8::/32", "192.0.2.0/28"]'])
def test_nobody_is_asked_where_the_settings_say_so(site: Site, settings: str) -> None:
    site.spf_results[CLIENT, SENDER] = "fail"
    assert site.client(settings).mail(SENDER) == ACCEPTED
    assert site.spf_asked == []


def test_the_null_reverse_path_is_judged_by_the_hello_domain(site: Site) -> None:
    site.spf_results[CLIENT, "client.test"] = "fail"
    client = site.client(DEFER)
    assert client.mail("") == DEFERRED
    assert client.entry is not None
    assert client.entry.decision is not None
    assert client.entry.decision.detail == "fail: client.test does not permit 192.0.2.10"
    assert site.client(DEFER, address="192.0.2.11").mail("") == ACCEPTED
    (mail,) = Replay(config_of(DEFER), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == ((DEFERRED, ()), False)


def test_accounts_are_not_asked_about(site: Site) -> None:
    assert site.client(DEFER, account="ann@in.test").mail(SENDER) == ACCEPTED
    assert site.spf_asked == []


def test_a_local_reverse_path_is_asked_about_and_never_deferred(site: Site) -> None:
    site.spf_results["192.0.2.10", "bob@in.test"] = "fail"
    client = site.client(f'{DEFER}\n[auth]\nunauthenticated_accounts = "anywhere"')
    assert client.mail("bob@in.test") == ACCEPTED
    assert client.transaction is not None
    assert (client.transaction.facts["spf"], site.spf_asked) == ("fail", [("192.0.2.10", "bob@in.test")])


def test_a_check_before_it_saves_the_question(site: Site) -> None:
    assert site.client(DEFER).mail("nobody@in.test") != ACCEPTED
    assert site.spf_asked == []


def test_the_local_part_is_asked_about_as_it_is_meant_and_not_as_it_is_quoted(site: Site) -> None:
    site.client(DEFER).mail('"x y"@out.test')
    assert site.spf_asked == [(CLIENT, "x y@out.test")]


def test_a_simulation_asks_nobody_and_says_so_where_it_matters() -> None:
    def simulated(settings: str) -> tuple[object, list[str]]:
        world = QuietWorld(config_of(settings), START)
        return world.spf(CLIENT, SENDER, "client.test"), world.unasked

    assert simulated(DEFER) == (None, ["the SPF record of out.test"])
    assert simulated("") == (None, [])


def test_a_replay_takes_the_result_from_the_record(site: Site) -> None:
    site.spf_results[CLIENT, SENDER] = "fail"
    client = site.client()
    client.mail(SENDER)
    assert client.entry is not None
    site.spf_asked.clear()
    (mail,) = Replay(config_of(DEFER), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == ((DEFERRED, ()), False)
    site.rules("effect.dat", "192.0.2.10 default")
    (mail, *_) = Replay(config_of(DEFER), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == (("accepted", ()), False)
    assert site.spf_asked == []


@pytest.mark.parametrize(("settings", "unknown"), [(DEFER, True), ("", False), ('[spf]\nmode = "off"', False)])
def test_a_result_that_was_not_recorded_is_unknown_where_it_would_decide(
    site: Site, settings: str, unknown: bool
) -> None:
    client = site.client('[spf]\nmode = "off"')
    client.mail(SENDER)
    assert client.entry is not None
    (mail,) = Replay(config_of(settings), site.directory, site.rulebook()).transaction(client.entry)
    assert (mail.said, mail.unknown) == (("accepted", ()), unknown)
