# SPDX-License-Identifier: Apache-2.0
"""Bounces to rewritten reverse-paths: they lead to the original while those are good, and to nobody when forged."""

from __future__ import annotations

import time
from typing import Final

import pytest

from genkan.directory import Directory, Elsewhere, External, InvalidValue, Local, Unknown
from genkan.directory.rewritten_paths import SECRET
from genkan.message.srs import SrsKeys
from genkan.smtp.address import Mailbox

ANN: Final = Mailbox("ann", "in.test")
CAROL: Final = Mailbox("carol", "out.test")


def path_for(directory: Directory, mailbox: Mailbox = CAROL) -> Mailbox:
    """The path that forwarded mail gets today."""
    made = directory.rewritten_paths.rewrite(mailbox, "in.test")
    assert made is not None
    return made


def aged(directory: Directory, days: int) -> Mailbox:
    """A path that was made so many days ago."""
    made = SrsKeys(directory.secret(SECRET)).rewrite(CAROL, "in.test", int(time.time() // 86400) - days)
    assert made is not None
    return made


def test_mail_to_a_rewritten_path_goes_to_the_original(directory: Directory, elsewhere: Directory) -> None:
    path = path_for(directory)
    assert elsewhere.resolve(path) == Elsewhere(CAROL)
    assert elsewhere.resolve(Mailbox(path.local_part.lower(), "IN.test")) == Elsewhere(CAROL)
    assert elsewhere.sender_account(path) is None


def test_it_does_so_for_three_weeks_and_the_answer_is_not_kept(directory: Directory) -> None:
    assert directory.resolve(aged(directory, 20)) == Elsewhere(CAROL)
    assert directory.resolve(aged(directory, 23)) == Unknown()
    path = path_for(directory)
    assert directory.resolve(path) is not directory.resolve(path)


def test_a_forged_path_is_nobodys(directory: Directory) -> None:
    local_part = path_for(directory).local_part
    forged = SrsKeys(b"guessed").rewrite(CAROL, "in.test", int(time.time() // 86400))
    assert forged is not None
    for each in (forged.local_part, local_part.replace("carol", "dan"), local_part + "x", "SRS0=x", "SRS1=a=b==c"):
        assert directory.resolve(Mailbox(each, "in.test")) == Unknown()


def test_a_path_in_another_domain_is_not_looked_at(directory: Directory) -> None:
    assert directory.resolve(Mailbox(path_for(directory).local_part, "out.test")) == External()


def test_whoever_has_that_very_address_gets_the_mail_but_no_pattern_does(directory: Directory) -> None:
    path = path_for(directory)
    directory.aliases.add(Mailbox("*", "in.test"), ANN)
    assert directory.resolve(path) == Elsewhere(CAROL)
    assert directory.resolve(Mailbox("SRS0=x", "in.test")) == Local(directory.accounts.show(ANN))
    directory.aliases.add(path, ANN)
    assert directory.resolve(path) == Local(directory.accounts.show(ANN))


def test_a_domain_that_was_elsewhere_and_is_ours_now_is_asked_itself(directory: Directory) -> None:
    path, of_nobody = path_for(directory, Mailbox("kai", "late.test")), path_for(directory, Mailbox("x", "late.test"))
    directory.domains.add("late.test")
    kai = directory.accounts.add(Mailbox("kai", "late.test"))
    assert directory.resolve(path) == Local(kai)
    assert directory.resolve(of_nobody) == Unknown()


def test_to_ask_writes_nothing_and_may_be_done_while_something_is_changed(directory: Directory) -> None:
    odd = Mailbox("SRS0=AAAAAAAA=AA=out.test=x", "in.test")
    assert directory.resolve(odd) == Unknown()
    with pytest.raises(InvalidValue, match="leads back to ann"):
        directory.forwards.set(directory.accounts.show(ANN), [odd, ANN])
