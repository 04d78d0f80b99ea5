# SPDX-License-Identifier: Apache-2.0
"""Mail for a rewritten reverse-path: a bounce comes in and goes on to the original, and nobody relays with a forged one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.message.srs import SrsKeys
from genkan.smtp.address import Mailbox
from tests.support.policy_site import ACCEPTED, Site

if TYPE_CHECKING:
    from genkan.directory import Directory

CAROL: Final = Mailbox("carol", "out.test")


@pytest.fixture
def path(directory: Directory) -> Mailbox:
    """What the reverse-path of carol's mail became when it was forwarded."""
    made = directory.rewritten_paths.rewrite(CAROL, "in.test")
    assert made is not None
    return made


@pytest.mark.parametrize("sender", ["", "mailer-daemon@far.test"])
def test_a_bounce_to_forwarded_mail_is_accepted_for_its_original_sender(site: Site, path: Mailbox, sender: str) -> None:
    client = site.client()
    assert client.mail(sender) == ACCEPTED
    told, facts = client.judge_rcpt(str(path))
    assert (told, facts.mailbox, facts.is_local) == (ACCEPTED, CAROL, True)


def test_the_case_of_the_path_may_have_changed(site: Site, path: Mailbox) -> None:
    assert site.client().send("", str(path).lower()) == ACCEPTED


def test_a_forged_path_relays_nothing(site: Site, path: Mailbox) -> None:
    guessed = SrsKeys(b"guessed").rewrite(CAROL, "in.test", 20_000)
    assert site.client().send("", str(guessed)) == "USER_UNKNOWN"
    assert site.client().send("", str(path).replace("carol", "dave")) == "USER_UNKNOWN"
    assert site.client().send("x@far.test", "SRS0=AAAAAAAA=AA=out.test=carol@in.test") == "USER_UNKNOWN"


def test_a_path_in_another_domain_is_not_ours_to_relay(site: Site, path: Mailbox) -> None:
    assert site.client().send("", f"{path.local_part}@out.test") == "RELAY_DENIED"


def test_a_path_is_nobody_who_could_send_without_auth(site: Site, path: Mailbox) -> None:
    assert site.client().send(str(path), "ann@in.test") == "NEED_EHLO_BEFORE_AUTH"
