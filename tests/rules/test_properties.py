# SPDX-License-Identifier: Apache-2.0
"""Properties of all formats: any text is read, fast, findings name real lines; matching is what a plain search gives."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.rules.approval import parse_approval_addresses, parse_approval_subjects
from genkan.rules.document import Document
from genkan.rules.effect import EffectAction, append_refusals, parse_effect
from genkan.rules.effect_findings import effect_findings
from genkan.rules.gateway import parse_gateway
from genkan.rules.ordb import parse_ordb
from genkan.rules.rejectsmtpip import parse_rejectsmtpip
from genkan.rules.sender import parse_sender
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.rules.kinds import Ruleset

PARSERS: dict[str, Callable[[Document], Ruleset]] = {
    "effect.dat": parse_effect,
    "sender.dat": parse_sender,
    "ordb.dat": parse_ordb,
    "rejectsmtpip.dat": parse_rejectsmtpip,
    "gateway.dat": parse_gateway,
    "approval-addresses.dat": parse_approval_addresses,
    "approval-subjects.dat": parse_approval_subjects,
}

pieces = st.sampled_from(
    [
        *("192.0.2.1", "10.*.*.*", "*.*.*.*", "192.0.2.0/28", "2001:db8::/32", "*", "*@*", "#<>", "#blank", "#", "'"),
        *(
            "in.test",
            "ann@in.test",
            "*@in.test",
            "*.in.test",
            "例え",
            "@",
            "/",
            ":",
            ",",
            "-1",
            "0",
            ".",
            "%",
            "[",
            "]",
        ),
        *("true", "false", "only", "norelay", "default", "hold", "allow", "approve", "2h", "iplock", "1700000000"),
        *(" ", "\t", "\n", "\r\n", "\r", "\x00", "\ufffd", "\u3000", "\u2028", "\u0345", "９", "\ud800"),
    ]
)
texts = st.lists(pieces, max_size=40).map("".join) | st.text(max_size=60)


@pytest.mark.parametrize("name", PARSERS)
@given(text=texts)
def test_any_text_is_read_and_findings_name_real_lines(name: str, text: str) -> None:
    document = Document(name, "", 1, text)
    numbers = {f"{name}:{number}" for number, _ in document.all_lines()}
    for finding in PARSERS[name](document).findings:
        assert finding.subject in numbers
        assert "\n" not in str(finding)


@given(texts, st.sampled_from(["192.0.2.1", "2001:db8::1", "127.0.0.1"]))
def test_an_appended_refusal_leaves_all_other_lines_as_they_are(text: str, client: str) -> None:
    before = [line.text for line in Document("effect.dat", "", 1, text).lines()]
    appended = append_refusals(text, [client])
    after = [line.text for line in Document("effect.dat", "", 1, appended).lines()]
    assert append_refusals(appended, [client]) == appended
    if appended != text:
        after.remove(f"{client} false")
    assert after == before


MOST_SECONDS = 20  # of processor time; a second is usual, quadratic time would be minutes
HOSTILE = {
    "one line": "1.1.1.1," * 131_072,
    "dots": ("." * 8000 + "\n") * 131,
    "blanks": ("a" + " " * 8000 + "b\n") * 131,
    "commas": ("*@a" + "," * 8000 + "\n") * 131,
    "colons": (":" * 8000 + "\n") * 131,
    "asterisks": ("*." * 4000 + "\n") * 131,
    "at signs": ("a@" * 4000 + "\n") * 131,
    "hyphens": ("a" + "-" * 8000 + ".x\n") * 131,
    "beyond ascii": ("é" * 8000 + "\n") * 131,
    "binary": bytes(range(256)).decode("latin-1") * 4096,
    "thousands of clients": "".join(f"10.{n >> 8 & 255}.{n & 255}.1\tfalse\r\n" for n in range(10_000)),
    "thousands of addresses": "".join(f"a{n}@in{n}.test\r\n" for n in range(10_000)),
    "thousands of widths": "".join(f"2001:db8:{n:x}::/{n % 129}\n" for n in range(10_000)),
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_megabyte_of_anything_is_read_in_linear_time(name: str, kind: str) -> None:
    document = Document(name, "", 1, HOSTILE[kind])
    began = time.process_time()
    PARSERS[name](document)
    assert time.process_time() - began < MOST_SECONDS


def test_findings_of_thousands_of_lines_take_linear_time() -> None:
    text = HOSTILE["thousands of clients"] + HOSTILE["thousands of addresses"] + HOSTILE["thousands of widths"]
    rules = parse_effect(Document("effect.dat", "", 1, text))
    began = time.process_time()
    effect_findings(rules, ["in.test"])
    assert time.process_time() - began < MOST_SECONDS


SUBJECTS = st.sampled_from(
    [
        *("192.0.2.1", "192.0.2.2", "192.0.*.*", "*.*.*.1", "*.*.*.*", "*", "192.0.2.0/31", "0.0.0.0/0"),
        *("2001:db8::1", "2001:db8::/32", "::/0", "in.test", "out.test", "ann@in.test", "x@out.test", "*@in.test"),
        *("*@*", "#<>", "#blank"),
    ]
)
ACTIONS = st.sampled_from(["true", "default", "false", "only", "norelay", "norelay,2"])
CLIENTS = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.3.1", "203.0.113.1", "2001:db8::1", "2001:db8:1::", "::2"])
PATHS = st.none() | st.sampled_from([Mailbox("ANN", "in.test"), Mailbox("bob", "In.test"), Mailbox("x", "out.test")])


def plainly_matches(subject: str, client: str, path: Mailbox | None, *, blank: bool) -> bool:
    """Whether a line's subject matches, by comparing texts and networks."""
    if subject in ("#<>", "#blank"):
        return path is None and blank == (subject == "#blank")
    if subject in ("*", "*.*.*.*"):
        return True
    if subject[0].isdigit() or ":" in subject or subject.startswith("*."):
        if "*" in subject:
            parts = client.split(".")
            return len(parts) == 4 and all(a in ("*", b) for a, b in zip(subject.split("."), parts, strict=True))
        return ip_address(client) in ip_network(subject)
    if path is None:
        return False
    address = f"{path.local_part}@{path.domain}".lower()
    return subject in ("*@*", address, address.partition("@")[2], f"*@{address.partition('@')[2]}")


@given(st.lists(st.tuples(SUBJECTS, ACTIONS), max_size=25), CLIENTS, PATHS, st.booleans())
def test_effect_dat_matches_as_a_plain_search_does(
    lines: list[tuple[str, str]], client: str, path: Mailbox | None, blank: bool
) -> None:
    blank = blank and path is None
    text = "\n".join(f"{subject}\t{action}" for subject, action in lines)
    found = parse_effect(Document("effect.dat", "", 1, text)).match(client, path, blank=blank)
    expected = None
    for number, (subject, action) in enumerate(lines, start=1):
        if plainly_matches(subject, client, path, blank=blank):
            expected = (number, EffectAction({"norelay": "norelay,0"}.get(action, action)))
            break
    else:
        only = [number for number, (_, action) in enumerate(lines, start=1) if action == "only"]
        if only:
            expected = (only[0], EffectAction.NORELAY)
    assert (None if found is None else (found.rule.origin.line, found.action)) == expected


@given(st.lists(st.tuples(SUBJECTS, ACTIONS), max_size=25), CLIENTS, PATHS)
def test_a_line_said_to_be_never_reached_decides_nothing(
    lines: list[tuple[str, str]], client: str, path: Mailbox | None
) -> None:
    rules = parse_effect(Document("effect.dat", "", 1, "\n".join(" ".join(line) for line in lines)))
    found = effect_findings(rules, [])
    never = {int(one.subject.rpartition(":")[2]) for one in found if "never reached" in one.sentence}
    decided = rules.match(client, path, blank=False)
    assert decided is None or not decided.matched or decided.rule.origin.line not in never


@given(st.lists(st.tuples(SUBJECTS, ACTIONS), max_size=25))
def test_rules_are_written_as_they_are_read(lines: list[tuple[str, str]]) -> None:
    rules = parse_effect(Document("effect.dat", "", 1, "\n".join(" ".join(line) for line in lines))).rules
    again = parse_effect(Document("effect.dat", "", 1, "\n".join(map(str, rules)))).rules
    assert again == rules
