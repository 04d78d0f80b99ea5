# SPDX-License-Identifier: Apache-2.0
"""Rewritten reverse-paths: each leads back to what it stands for, and no forged, old or foreign one does."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from genkan.message.srs import VALID_DAYS, SrsKeys, is_rewritten
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

KEYS: Final = SrsKeys(b"k" * 32)
OTHERS: Final = SrsKeys(b"o" * 32)
TODAY: Final = 20_000
CAROL: Final = Mailbox("Carol", "out.test")

LABELS: Final = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
DOMAINS: Final = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
ATOMS: Final = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}", fullmatch=True)
LOCAL_PARTS: Final = st.lists(ATOMS, min_size=1, max_size=2).map(".".join) | st.text(
    st.sampled_from('ab "@\\=\u00e9\u3042.'), min_size=1, max_size=10
)


def rewritten(keys: SrsKeys, mailbox: Mailbox, domain: str = "in.test", day: int = TODAY) -> Mailbox:
    """The path, where it is not too long."""
    made = keys.rewrite(mailbox, domain, day)
    assert made is not None
    return made


def written_alike(mailbox: Mailbox) -> bool:
    try:
        return parse_mailbox(str(mailbox)) == mailbox
    except AddressError:
        return False


def test_a_path_says_what_it_stands_for() -> None:
    made = rewritten(KEYS, CAROL)
    prefix, digest, stamp, rest = made.local_part.split("=", 3)
    assert (prefix, len(digest), stamp, rest, made.domain) == ("SRS0", 8, "RA", "out.test=Carol", "in.test")
    assert KEYS.restore(made, TODAY) == CAROL


@given(LOCAL_PARTS, DOMAINS, st.integers(0, 10**6))
def test_every_path_leads_back(local_part: str, domain: str, day: int) -> None:
    mailbox = Mailbox(local_part, domain)
    assume(written_alike(mailbox) and not is_rewritten(local_part))
    made = KEYS.rewrite(mailbox, "in.test", day)
    assume(made is not None)
    assert made is not None
    assert parse_mailbox(str(made)) == made
    assert KEYS.restore(made, day + VALID_DAYS) == mailbox
    assert OTHERS.restore(made, day) is None


@given(st.text(max_size=70), DOMAINS, st.integers(0, 2**20))
def test_no_text_makes_it_raise_or_leads_anywhere(local_part: str, domain: str, day: int) -> None:
    assert KEYS.restore(Mailbox(local_part, domain), day) is None
    assert KEYS.restore(Mailbox(f"SRS0={local_part}", domain), day) is None
    assert KEYS.restore(Mailbox(f"SRS1={local_part}", domain), day) is None
    KEYS.rewrite(Mailbox(f"SRS1={local_part}", domain), "in.test", day)


@given(st.data())
def test_a_path_with_one_character_changed_leads_nowhere(data: st.DataObject) -> None:
    text = rewritten(KEYS, CAROL).local_part
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii"))
    assume(other.lower() != text[place].lower())
    assume(not (place == 4 and other in "+-"))
    assert KEYS.restore(Mailbox(text[:place] + other + text[place + 1 :], "in.test"), TODAY) is None


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_somebody_on_the_way_may_change_the_case(change: type[str]) -> None:
    made = rewritten(KEYS, CAROL)
    restored = KEYS.restore(Mailbox(change(made.local_part), "IN.test"), TODAY)
    assert restored is not None
    assert restored.folded() == CAROL.folded()


@pytest.mark.parametrize("separator", ["+", "-"])
def test_the_first_separator_may_be_another(separator: str) -> None:
    made = rewritten(KEYS, CAROL)
    assert KEYS.restore(Mailbox(f"SRS0{separator}{made.local_part[5:]}", "in.test"), TODAY) == CAROL


def test_a_path_is_good_for_21_days_and_never_again() -> None:
    made = rewritten(KEYS, CAROL)
    assert KEYS.restore(made, TODAY + 21) == CAROL
    assert KEYS.restore(made, TODAY + 22) is None
    assert KEYS.restore(made, TODAY - 1) is None
    assert KEYS.restore(made, TODAY + 1024) is None


def test_a_path_of_another_forwarder_becomes_one_to_him() -> None:
    first = rewritten(OTHERS, CAROL, "first.test")
    second = rewritten(KEYS, first)
    assert second.local_part.startswith("SRS1=")
    assert second.local_part.endswith(f"=first.test={first.local_part[4:]}")
    assert KEYS.restore(second, TODAY) == first
    assert OTHERS.restore(second, TODAY) is None


def test_a_third_forwarder_leaves_the_second_one_out() -> None:
    first = rewritten(OTHERS, Mailbox("c", "o.test"), "f.test")
    second = rewritten(SrsKeys(b"s" * 32), first, "s.test")
    third = rewritten(KEYS, second)
    assert "s.test" not in third.local_part
    assert KEYS.restore(third, TODAY) == first


def test_what_only_begins_like_one_is_wrapped_as_any_other() -> None:
    odd = Mailbox("SRS1=nothing", "out.test")
    assert KEYS.restore(rewritten(KEYS, odd), TODAY) == odd


def test_a_name_in_another_script_is_kept_and_its_domain_is_written_in_ascii() -> None:
    made = rewritten(KEYS, Mailbox("\u3042", "b\u00fccher.test"))
    assert KEYS.restore(made, TODAY) == Mailbox("\u3042", "xn--bcher-kva.test")


def test_a_path_that_would_be_too_long_is_not_made() -> None:
    longest = 64 - len("SRS0=12345678=12=out.test=")
    assert rewritten(KEYS, Mailbox("c" * longest, "out.test"))
    assert KEYS.rewrite(Mailbox("c" * (longest + 1), "out.test"), "in.test", TODAY) is None
    assert KEYS.rewrite(Mailbox("c c", "[IPv6:2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]"), "in.test", TODAY) is None


@pytest.mark.parametrize("local_part", ["SRS0=x", "srs1+x", "Srs0-"])
def test_a_rewritten_path_is_known_by_its_beginning(local_part: str) -> None:
    assert is_rewritten(local_part)


@pytest.mark.parametrize("local_part", ["SRS0", "SRS2=x", "xSRS0=x", ""])
def test_other_local_parts_are_not(local_part: str) -> None:
    assert not is_rewritten(local_part)
