# SPDX-License-Identifier: Apache-2.0
"""effect.dat: each subject and action, the patterns of use that the product documents, and the order of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.rules.document import Document, Origin
from genkan.rules.effect import SHIPPED, EffectAction, EffectRules, append_refusals, parse_effect
from genkan.smtp.address import parse_mailbox

if TYPE_CHECKING:
    from genkan.rules.effect import EffectMatch

CLIENT = "203.0.113.9"
LAN = "192.168.7.1"


def rules(text: str) -> EffectRules:
    return parse_effect(Document("effect.dat", "", 5, text))


def match(text: str, client: str = CLIENT, path: str = "x@out.test", *, blank: bool = False) -> EffectMatch | None:
    reverse_path = parse_mailbox(path) if path else None
    return rules(text).match(client, reverse_path, blank=blank)


def action(text: str, client: str = CLIENT, path: str = "x@out.test", *, blank: bool = False) -> EffectAction | None:
    found = match(text, client, path, blank=blank)
    return None if found is None else found.action


def findings(text: str) -> list[str]:
    return [str(finding) for finding in rules(text).findings]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", EffectAction.TRUE),
        ("true", EffectAction.TRUE),
        ("TRUE", EffectAction.TRUE),
        ("default", EffectAction.DEFAULT),
        ("false", EffectAction.FALSE),
        ("only", EffectAction.ONLY),
        ("norelay", EffectAction.NORELAY),
        ("norelay,0", EffectAction.NORELAY),
        ("norelay,1", EffectAction.NORELAY),
        ("norelay,2", EffectAction.NORELAY_AUTH),
        ("NoRelay , 2", EffectAction.NORELAY_AUTH),
    ],
)
@pytest.mark.parametrize("separator", [" ", "\t", " \t  "])
def test_each_action_is_read(word: str, expected: EffectAction, separator: str) -> None:
    assert action(f"{CLIENT}{separator}{word}") is expected


@pytest.mark.parametrize("digit", "13456789")
def test_an_unassigned_digit_forbids_relaying_and_is_a_finding(digit: str) -> None:
    assert action(f"{CLIENT} norelay,{digit}") is EffectAction.NORELAY
    assert findings(f"{CLIENT} norelay,{digit}") == [
        f"note: effect.dat:1: has norelay,{digit}, which has no meaning and is read as norelay,0; write norelay,0"
    ]


@pytest.mark.parametrize(
    ("subject", "client", "path"),
    [
        ("203.0.113.9", CLIENT, ""),
        ("203.0.*.*", CLIENT, ""),
        ("*.*.*.*", CLIENT, ""),
        ("*", "2001:db8::1", ""),
        ("*.*.*.*", "2001:db8::1", ""),
        ("203.0.113.0/28", CLIENT, ""),
        ("2001:db8::/32", "2001:db8::1", ""),
        ("203.0.113.9", "::ffff:203.0.113.9", ""),
        ("out.test", CLIENT, "x@OUT.test"),
        ("OUT.test", CLIENT, "x@out.test"),
        ("例え.test", CLIENT, "x@xn--r8jz45g.test"),
        ("x@out.test", CLIENT, "X@out.test"),
        ("*@out.test", CLIENT, "x@out.test"),
        ("*@*", CLIENT, "x@out.test"),
        ("#<>", CLIENT, ""),
    ],
)
def test_each_subject_matches(subject: str, client: str, path: str) -> None:
    assert action(f"{subject} false", client, path) is EffectAction.FALSE


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ("out.test", "x@sub.out.test"),
        ("sub.out.test", "x@out.test"),
        ("*@out.test", "x@sub.out.test"),
        ("x@out.test", "y@out.test"),
        ("out.test", ""),
        ("*@*", ""),
        ("#<>", "x@out.test"),
        ("#blank", ""),
        ("203.0.113.8", "x@out.test"),
        ("2001:db8::/32", "x@out.test"),
        ("::/0", "x@out.test"),
    ],
)
def test_no_subject_matches_more_than_it_says(subject: str, path: str) -> None:
    assert match(f"{subject} false", CLIENT, path) is None


def test_the_null_reverse_path_and_the_empty_argument_are_told_apart() -> None:
    assert action(SHIPPED, path="") is EffectAction.DEFAULT
    assert action(SHIPPED, path="", blank=True) is EffectAction.FALSE
    assert action(SHIPPED) is None
    assert findings(SHIPPED) == []
    assert action("#BLANK false", path="", blank=True) is EffectAction.FALSE
    assert action("*@* false", path="", blank=True) is None
    assert action("* false", path="", blank=True) is EffectAction.FALSE


def test_an_empty_document_leaves_all_to_the_built_in_rules() -> None:
    assert match("") is None
    assert match("'10.0.0.1 false\r\n") is None


@pytest.mark.parametrize("first", ["203.0.*.*", "*", "out.test", "x@out.test", "*@*"])
@pytest.mark.parametrize("second", ["203.0.113.9", "*.*.*.*", "*@out.test", "X@out.test", "203.0.113.0/24"])
def test_the_first_line_wins_whatever_its_kind(first: str, second: str) -> None:
    assert action(f"10.9.9.9 only\n{first} norelay\n{second} true") is EffectAction.NORELAY
    assert action(f"{second} default\n{first} false") is EffectAction.DEFAULT


def test_a_match_tells_where_its_line_stands() -> None:
    found = match("'LAN\r\n192.168.*.* default\r\n\r\n*.*.*.*\tnorelay\r\n")
    assert found is not None
    assert found.rule.origin == Origin("effect.dat", "", 5, 4)
    assert str(found.rule) == "*.*.*.* norelay,0"
    assert found.matched


@pytest.mark.parametrize(
    ("text", "lan", "world"),
    [
        ("192.168.*.* default\n*.*.*.* norelay", EffectAction.DEFAULT, EffectAction.NORELAY),
        ("192.168.*.* default\n*.*.*.* false", EffectAction.DEFAULT, EffectAction.FALSE),
        ("192.168.7.1 default\n*.*.*.* norelay,2", EffectAction.DEFAULT, EffectAction.NORELAY_AUTH),
        ("192.168.7.1 true", EffectAction.TRUE, None),
        ("out.test", EffectAction.TRUE, EffectAction.TRUE),
        ("friend.test default\n* false", EffectAction.FALSE, EffectAction.FALSE),
        ("out.test default\n*@* false", EffectAction.DEFAULT, EffectAction.DEFAULT),
    ],
)
def test_the_documented_patterns_of_use(text: str, lan: EffectAction, world: EffectAction | None) -> None:
    assert (action(text, LAN), action(text, CLIENT)) == (lan, world)


def test_only_keeps_relaying_from_everybody_else() -> None:
    text = "10.0.0.1 false\n192.168.*.* only\n172.16.0.1 only\n"
    assert action(text, LAN) is EffectAction.ONLY
    assert action(text, "172.16.0.1") is EffectAction.ONLY
    assert action(text, "10.0.0.1") is EffectAction.FALSE
    elsewhere = match(text, CLIENT)
    assert elsewhere is not None
    assert (elsewhere.action, elsewhere.rule.origin.line) == (EffectAction.NORELAY, 2)
    assert not elsewhere.matched


def test_a_client_is_judged_before_it_wrote_any_reverse_path() -> None:
    read = rules(SHIPPED + "*@* false\n192.168.*.* only\n*.*.*.* norelay\n")
    found = [read.match_client(client) for client in (LAN, CLIENT)]
    assert [(one.rule.origin.line, one.action) for one in found if one is not None] == [
        (4, EffectAction.ONLY),
        (5, EffectAction.NORELAY),
    ]
    assert rules(SHIPPED + "192.168.*.* only\n").match_client(CLIENT) is None


@pytest.mark.parametrize(
    "line",
    [
        "10.0.0.1 ture",
        "10.0.0.1 true office",
        "10.0.0.1 norelay,10",
        "10.0.0.1, true",
        "10.0.0.300 false",
        "10.0.0 false",
        "*.out.test false",
        "sales*@out.test false",
        "ann@ false",
        "a..b false",
        "10.0.0.1\u3000false",
        "2001:db8::/200 false",
        "<ann@in.test> false",
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_and_no_rule(line: str) -> None:
    read = rules(f"'\n{line}\n10.0.0.1 default\n")
    assert [str(rule) for rule in read.rules] == ["10.0.0.1 default"]
    assert [str(finding)[:21] for finding in read.findings] == ["error: effect.dat:2: "]


def test_a_line_that_begins_with_a_number_sign_is_a_comment_with_a_finding() -> None:
    assert rules("# my network\n#10.0.0.1 true\n").rules == ()
    assert findings("# my network") == [
        "note: effect.dat:1: begins with # and is read as a comment; begin comments with '"
    ]


def test_a_word_that_may_be_a_slip_is_named() -> None:
    assert findings("flase") == ["note: effect.dat:1: takes 'flase' for a domain; see whether it is one"]


def test_the_origin_names_the_account_whose_document_it_is() -> None:
    [rule] = parse_effect(Document("effect.dat", "ann@in.test", 2, "*@out.test false")).rules
    assert str(rule.origin) == "effect.dat of ann@in.test:1"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_refusal_is_put_at_the_end_with_the_line_ends_of_the_text(line_end: str) -> None:
    text = f"#<> default{line_end}10.0.0.1 true"
    assert append_refusals(text, [CLIENT]) == f"{text}{line_end}203.0.113.9 false{line_end}"
    assert append_refusals(text + line_end, [CLIENT]) == f"{text}{line_end}203.0.113.9 false{line_end}"


def test_a_refusal_makes_a_document_of_nothing() -> None:
    assert append_refusals("", [CLIENT]) == "203.0.113.9 false\n"
    assert append_refusals("", ["2001:DB8::1"]) == "2001:db8::1 false\n"
    assert append_refusals("", ["::ffff:203.0.113.9"]) == "203.0.113.9 false\n"


@pytest.mark.parametrize(
    ("line", "client", "above"),
    [
        ("*.*.*.* norelay", CLIENT, True),
        ("*", CLIENT, True),
        ("0.0.0.0/0 default", CLIENT, True),
        ("::/0 default", CLIENT, False),
        ("*@* false", CLIENT, False),
        ("203.0.*.* true", CLIENT, False),
        ("*.*.*.* norelay", "2001:db8::1", True),
        ("::/0 norelay", "2001:db8::1", True),
        ("0.0.0.0/0 norelay", "2001:db8::1", False),
    ],
)
def test_a_refusal_stands_above_the_line_for_the_whole_internet(line: str, client: str, above: bool) -> None:
    before, after = "'comment\r\n\r\n10.0.0.1 true\r\n", f"{line}\r\nout.test false\r\n"
    refusal = f"{client} false\r\n"
    expected = f"{before}{refusal}{after}" if above else f"{before}{after}{refusal}"
    assert append_refusals(before + after, [client]) == expected
    if above:
        assert action(append_refusals(before + after, [client]), client) is EffectAction.FALSE


def test_a_refusal_above_the_first_line_stands_first() -> None:
    assert append_refusals("*.*.*.* norelay", [CLIENT]) == "203.0.113.9 false\n*.*.*.* norelay"


@pytest.mark.parametrize("client", [CLIENT, "::ffff:203.0.113.9"])
def test_a_client_that_is_refused_already_is_not_added_again(client: str) -> None:
    text = "203.0.113.9\tFALSE\n*.*.*.* norelay\n"
    assert append_refusals(text, [client]) == text
    assert append_refusals(append_refusals("", [client]), [client]) == append_refusals("", [client])


def test_a_refusal_that_is_never_reached_does_not_count() -> None:
    text = "*.*.*.* norelay\n203.0.113.9 false\n"
    assert append_refusals(text, [CLIENT]) == f"203.0.113.9 false\n{text}"


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "", "unknown"])
def test_loopback_and_what_is_no_address_are_never_added(client: str) -> None:
    assert append_refusals("#<> default\n", [client]) == "#<> default\n"


def test_several_clients_get_their_lines_in_one_go() -> None:
    text = "192.0.2.1 default\n*.*.*.* norelay\n"
    clients = ["203.0.113.9", "203.0.113.10", "203.0.113.9", "127.0.0.1"]
    assert append_refusals(text, clients) == (
        "192.0.2.1 default\n203.0.113.9 false\n203.0.113.10 false\n*.*.*.* norelay\n"
    )
