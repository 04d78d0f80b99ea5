# SPDX-License-Identifier: Apache-2.0
"""The judgement of a message's origin: about whom it is made, what is asked for it and when, and that it ends in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from genkan.dmarc.discovery import MOST_NAMES
from genkan.message.content import HeaderScan
from genkan.policy.authenticity import MOST_CHAIN_KEYS
from tests.policy.origins import (
    ANN,
    AUTHOR,
    CLIENT,
    EXISTS,
    FAILED,
    REFUSE,
    X,
    coming,
    publish,
    sealers,
    signed_by,
    txt,
)
from tests.support.leaping_loop import LeapingLoop
from tests.support.policy_site import ACCEPTED, Site, config_of
from tests.support.signed_mail import BODY, HEADER, TAGS, key_of, sealed, signed

if TYPE_CHECKING:
    from genkan.directory import Directory
    from genkan.policy.facts import Role
    from genkan.policy.origin import Authenticity
    from tests.support.policy_site import Client

WALK: Final = ["_dmarc.example.test", "_dmarc.test"]
KEY: Final = f"sel._domainkey.{AUTHOR}"
PATIENCE: Final = config_of().dns.timeout.total_seconds()


def scanned(header: bytes) -> HeaderScan:
    scan = HeaderScan(len(header))
    scan.feed(header + b"\r\n")
    return scan


class Judged:
    """A message that was judged: what had been asked when its header section was complete, what it came to, in what time."""

    def __init__(self, site: Site, client: Client, header: bytes, body: bytes) -> None:
        self.asked_at_once: list[str] = []
        self.found: Authenticity | None = None
        self.took = 0.0
        with asyncio.Runner(loop_factory=LeapingLoop) as runner:
            runner.run(self._judge(site, client, header, body))

    async def _judge(self, site: Site, client: Client, header: bytes, body: bytes) -> None:
        assert client.transaction is not None
        judge = client.chain.judge(client.transaction, scanned(header))
        self.asked_at_once = list(site.asked)
        if judge is not None:
            judge.feed(body)
            self.found = await judge.finish()
        self.took = asyncio.get_running_loop().time()

    @property
    def outcome(self) -> str | None:
        assert self.found is not None
        return None if self.found.dmarc is None else self.found.dmarc.outcome


def judge(site: Site, header: bytes = HEADER, settings: str = "", sender: str = X) -> Judged:
    return Judged(site, coming(site, settings, sender), header, BODY)


# Whose mail is judged.


@pytest.mark.parametrize(
    ("settings", "rules", "account", "role", "address"),
    [
        ("", (), ANN, "smtp", CLIENT),
        ("", (), ANN, "submission", CLIENT),
        ("", ("192.0.2.10 true",), "", "smtp", CLIENT),
        ("", ("192.0.2.10 default",), "", "smtp", CLIENT),
        ("", ("out.test true",), "", "smtp", CLIENT),
        ('[spf]\nexempt = ["192.0.2.0/24"]', (), "", "smtp", CLIENT),
        ("[spf]\nexempt = []", (), "", "smtp", "127.0.0.1"),
        ("[dkim]\nverify = false", (), "", "smtp", CLIENT),
    ],
)
def test_about_whom_the_operator_knows_nobody_is_asked(
    site: Site, settings: str, rules: tuple[str, ...], account: str, role: Role, address: str
) -> None:
    site.rules("effect.dat", *rules)
    client = site.client(settings, role=role, account=account, address=address)
    assert client.send(X, ANN) == ACCEPTED
    judged = Judged(site, client, signed_by(site, AUTHOR), BODY)
    assert (judged.found, site.asked) == (None, [])


@pytest.mark.parametrize("rule", ["198.51.100.1 true", "192.0.2.10 norelay", "other.test true", "* default"])
def test_a_rule_about_others_or_that_trusts_nobody_changes_nothing(site: Site, rule: str) -> None:
    site.rules("effect.dat", rule)
    assert judge(site).found is not None


# What is asked, and when.


@pytest.mark.parametrize(
    ("header", "settings", "names"),
    [
        (HEADER, "", WALK),
        (HEADER.replace(b"@example", b"@a.example"), "", ["_dmarc.a.example.test", *WALK]),
        (HEADER, '[dmarc]\nmode = "off"', []),
        (HEADER, '[spf]\nmode = "off"', []),
        (signed(), "", [KEY, *WALK]),
        (signed(), '[dmarc]\nmode = "off"', [KEY]),
        (signed(header=signed()), "", [KEY, *WALK]),
        (sealed(HEADER), "", ["sel._domainkey.d1.test", *WALK]),
        (b"Subject: x\r\n", "", []),
        (HEADER + b"From: bob@other.test\r\n", "", [*WALK, "_dmarc.other.test"]),
        (signed() + b"From: bob@other.test\r\n", "", [KEY, *WALK, "_dmarc.other.test"]),
        (HEADER + b"From: a@a.test, b@b.test, c@c.test\r\n", "", []),
        (b"DKIM-Signature: v=1\r\n" + HEADER, "", WALK),
        (b"", "", []),
    ],
)
def test_what_is_needed_is_asked_when_the_header_section_is_complete_and_nothing_else(
    site: Site, header: bytes, settings: str, names: list[str]
) -> None:
    judged = judge(site, header, settings)
    assert (judged.asked_at_once, site.asked) == (names, names)


def test_whether_an_author_exists_is_asked_only_where_his_policy_depends_on_it(site: Site) -> None:
    header = HEADER.replace(b"@example", b"@a.example")
    publish(site, "p=none; sp=reject")
    judge(site, header)
    assert "a.example.test" not in site.asked
    publish(site, "p=none; np=reject")
    judge(site, header)
    assert site.asked[-1] == "a.example.test"


def test_about_a_signer_nobody_is_asked_who_cannot_be_the_author(site: Site) -> None:
    publish(site)
    judge(site, signed_by(site, "other.test"))
    assert site.asked == ["sel._domainkey.other.test", *WALK]
    judge(site, signed_by(site, "a.example.test"))
    assert site.asked[3:] == ["sel._domainkey.a.example.test", *WALK, "_dmarc.a.example.test"]


def test_a_name_is_asked_once_though_it_is_needed_for_two_things(site: Site) -> None:
    """The record of an author whose domain looks like that of a key is the key of a signature."""
    header = signed(TAGS.replace("s=sel", "s=_dmarc"), HEADER.replace(b"@example", b"@_domainkey.example"))
    judge(site, header)
    assert site.asked == ["_dmarc._domainkey.example.test", "_dmarc.example.test", "_dmarc.test"]


# What it comes to.


def test_the_field_says_all_that_was_found(site: Site) -> None:
    publish(site)
    site.spf_results[CLIENT, X] = "softfail"
    found = judge(site, signed_by(site, AUTHOR)).found
    assert found is not None
    field = found.field.replace(b"\r\n ", b" ").decode()
    assert field.startswith(
        "Authentication-Results: mx.in.test; dmarc=pass policy.dmarc=reject header.from=example.test; "
        "spf=softfail smtp.mailfrom=x@out.test; dkim=pass (2048-bit key) header.d=example.test header.s=sel "
        "header.a=rsa-sha256 header.b="
    )
    assert field.endswith("\r\n")


def test_the_field_names_the_sender_in_a_labels(site: Site) -> None:
    found = judge(site, sender="x@例え.test").found
    assert found is not None
    assert b" spf=none smtp.mailfrom=x@xn--r8jz45g.test;" in found.field


@pytest.mark.parametrize(("settings", "outcome"), [("", "fail"), ('[dmarc]\nmode = "off"', None)])
def test_dmarc_is_judged_only_where_it_is_wanted(site: Site, settings: str, outcome: str | None) -> None:
    publish(site)
    judged = judge(site, settings=settings)
    assert judged.outcome == outcome
    assert judged.found is not None
    assert (b"dmarc=" in judged.found.field) == (outcome is not None)


def test_a_setting_bounds_the_signatures_that_are_looked_at(site: Site) -> None:
    publish(site)
    header = signed_by(site, AUTHOR)
    for name in ("a.test", "b.test"):
        header = signed_by(site, name, header)
    assert judge(site, header, "[dkim]\nsignatures = 2").outcome == "fail"
    assert judge(site, header, "[dkim]\nsignatures = 3").outcome == "pass"


def test_all_signatures_that_the_setting_allows_count(site: Site) -> None:
    publish(site)
    header = many_signatures(99) + signed_by(site, AUTHOR)
    assert judge(site, header, "[dkim]\nsignatures = 100").outcome == "pass"


# The DNS is late.


@pytest.mark.parametrize("header", [HEADER, signed(), sealed(signed())])
def test_it_ends_in_time_though_the_dns_is_silent(site: Site, header: bytes) -> None:
    site.silent = {KEY, "sel._domainkey.d1.test", *WALK}
    judged = judge(site, header, REFUSE)
    assert judged.found is not None
    assert judged.found.dmarc is not None
    assert (judged.found.dmarc.outcome, judged.found.dmarc.author_domain) == ("temperror", AUTHOR)
    assert judged.took == pytest.approx(PATIENCE)
    assert [one.outcome for one in judged.found.signatures.dkim] == ["temperror"] * header.count(b"DKIM-Signature")


def test_without_dmarc_keys_have_all_the_time(site: Site) -> None:
    site.silent = {KEY}
    assert judge(site, signed(), '[dmarc]\nmode = "off"').took == pytest.approx(PATIENCE)


def test_a_key_that_does_not_come_costs_no_other_signature_its_own(site: Site) -> None:
    publish(site)
    header = signed(TAGS.replace("example.test", "silent.test"), signed_by(site, AUTHOR))
    site.silent = {"sel._domainkey.silent.test"}
    judged = judge(site, header, REFUSE)
    assert judged.found is not None
    assert [one.outcome for one in judged.found.signatures.dkim] == ["temperror", "pass"]
    assert judged.outcome == "pass"


@pytest.mark.parametrize("tags", ["p=reject", "p=none; np=reject"])
def test_nor_is_a_message_spared_that_waits_for_a_key_of_nobody(site: Site, tags: str) -> None:
    publish(site, tags)
    site.silent = {"sel._domainkey.silent.test"}
    header = HEADER.replace(b"@example", b"@missing.example")
    judged = judge(site, signed(TAGS.replace("example.test", "silent.test"), header), REFUSE)
    assert judged.found is not None
    assert judged.found.dmarc is not None
    assert (judged.found.dmarc.outcome, judged.found.dmarc.policy) == ("fail", "reject")


def test_a_key_that_cannot_be_had_is_no_key_that_is_wrong(site: Site) -> None:
    publish(site)
    site.zone[KEY] = FAILED
    assert judge(site, signed()).outcome == "temperror"
    site.zone[KEY] = EXISTS
    assert judge(site, signed()).outcome == "fail"


def test_who_does_not_wait_for_a_judgement_leaves_nothing_behind(site: Site) -> None:
    site.silent = {KEY, *WALK}
    client = coming(site)

    async def leave() -> None:
        assert client.transaction is not None
        judging = client.chain.judge(client.transaction, scanned(signed()))
        assert judging is not None
        finishing = asyncio.ensure_future(judging.finish())
        await asyncio.sleep(0)
        finishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finishing

    asyncio.run(leave())


# Hostile mail.


def many_signatures(count: int) -> bytes:
    """Signatures of so many names below the author's domain, as deep as names may be."""
    below = ".".join(["a"] * 60)
    tags = "DKIM-Signature: v=1; a=rsa-sha256; d=n{}.{}.example.test; s=s; h=from; bh={}=; b=AAAA\r\n"
    return "".join(tags.format(number, below, "A" * 43) for number in range(count)).encode()


def chain_of(count: int) -> bytes:
    """An ARC chain of so many sets, with two names in each and nothing that verifies."""
    common = "a=rsa-sha256; s=s; b=AAAA"
    return "".join(
        f"ARC-Seal: i={number}; cv={'none' if number == 1 else 'pass'}; d=seal{number}.test; {common}\r\n"
        f"ARC-Message-Signature: i={number}; d=sign{number}.test; h=from; bh={'A' * 43}=; {common}\r\n"
        f"ARC-Authentication-Results: i={number}; mx.test; dmarc=pass\r\n"
        for number in range(1, count + 1)
    ).encode()


def test_ten_thousand_signatures_cost_ten_questions(site: Site) -> None:
    judged = judge(site, many_signatures(10_000) + HEADER, "[limits]\nheader_lines = 20000")
    assert judged.found is not None
    assert len(judged.found.signatures.dkim) == 10
    assert len(site.asked) == 10 + len(WALK)


def test_a_long_chain_costs_no_more_names_than_are_worth_it(site: Site) -> None:
    judged = judge(site, chain_of(50) + HEADER)
    assert judged.found is not None
    assert judged.found.signatures.arc.outcome == "fail"
    assert judged.asked_at_once == site.asked
    assert len(site.asked) == 10 + MOST_CHAIN_KEYS + len(WALK)


def test_all_that_hostile_mail_can_have_asked_is_bounded(site: Site) -> None:
    publish(site, "p=none; np=reject")
    header = many_signatures(20) + chain_of(50) + HEADER.replace(b"@", b"@" + b"b." * 60)
    for number in range(20):  # whoever cannot be verified at present might be the author
        site.zone[f"s._domainkey.n{number}.{'a.' * 60}example.test"] = FAILED
    judged = judge(site, header)
    assert len(judged.asked_at_once) == 10 + MOST_CHAIN_KEYS + 8
    assert len(judged.asked_at_once) < len(site.asked) <= 10 + MOST_CHAIN_KEYS + MOST_NAMES
    assert judged.outcome == "temperror"


def test_a_signature_of_the_author_is_not_pushed_out_by_a_chain(site: Site) -> None:
    publish(site)
    assert judge(site, chain_of(50) + signed_by(site, AUTHOR)).outcome == "pass"


def test_an_honest_chain_of_many_forwarders_is_followed_to_its_start(site: Site) -> None:
    header = HEADER
    for _ in range(MOST_CHAIN_KEYS):
        header = sealed(header)
    sealers(site, MOST_CHAIN_KEYS)
    found = judge(site, header).found
    assert found is not None
    assert (found.signatures.arc.outcome, found.signatures.arc.oldest_pass) == ("pass", 0)


FRAGMENTS: Final = st.sampled_from(
    [
        *(
            b"From: ",
            b"DKIM-Signature: ",
            b"ARC-Seal: ",
            b"ARC-Message-Signature: ",
            b"ARC-Authentication-Results: i=1;",
        ),
        *(b"v=1; ", b"a=rsa-sha256; ", b"d=example.test; ", b"d=..; ", b"s=sel; ", b"h=from; ", b"b=AA==; ", b"i=1; "),
        *(
            b"cv=none; ",
            b"l=99999999999999999999; ",
            b"ann@example.test",
            b"@",
            b"<",
            b'"',
            b"(",
            b"\r\n",
            b"\r\n ",
            b"\n",
        ),
        *(signed(), sealed(HEADER), HEADER, b"\xff", b"\0", b"x@\xe4\xbe\x8b.test", b"a." * 200),
    ]
)


@given(header=st.lists(FRAGMENTS, max_size=20).map(b"".join), body=st.binary(max_size=50))
@examples(deadline=None, max_examples=100)
def test_no_header_section_makes_a_judgement_fail(directory: Directory, header: bytes, body: bytes) -> None:
    site = Site(directory)
    site.zone[KEY] = txt(key_of().record)
    publish(site)
    found = Judged(site, coming(site, ""), header, body).found
    assert found is not None
    assert found.dmarc is not None
    assert found.field.startswith(b"Authentication-Results: mx.in.test;\r\n dmarc=")
    assert found.field.isascii()
    assert found.field.count(b"\n") == found.field.count(b"\r\n") == found.field.count(b"\r\n ") + 1
