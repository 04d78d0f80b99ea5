# SPDX-License-Identifier: Apache-2.0
"""Entries for tests: one ordinary mail transaction and its connection, and whatever an entry may hold."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import hypothesis.strategies as st
from msgspec import Struct
from msgspec.structs import replace

from genkan.record.entry import (
    ConnectionEntry,
    ContentEntry,
    Decision,
    RcptEntry,
    Rule,
    TransactionEntry,
)
from tests.support.server import START

AT: Final = START.timestamp()
RULE: Final = Rule("effect.dat", revision=3, line=12, text="192.0.2.0/24 false")
FORBIDDEN: Final = Decision("SENDER_FORBIDDEN", "effect", "client 192.0.2.10", RULE)
UNKNOWN: Final = Decision("USER_UNKNOWN", "known-recipient", fields={"forward_path": "nobody@in.test"})

_ACCEPTED: Final = TransactionEntry(
    at=AT,
    session="1-a-1",
    client="192.0.2.10",
    role="smtp",
    hello="mx.example.net",
    reverse_path="Carol@example.net",
    rcpts=[RcptEntry("nobody@in.test", decision=UNKNOWN), RcptEntry("Sales@in.test", "bob@in.test")],
    content=ContentEntry(1234, received=2, from_field="<carol@example.net>", header="Subject: hello\r\n"),
    message_id="B0000000001",
    end="accepted",
)
_CLOSED: Final = ConnectionEntry(
    at=AT + 1,
    session="1-a-1",
    client="192.0.2.10",
    role="smtp",
    reason="client closed",
    hello="mx.example.net",
    seconds=1.5,
    transactions=1,
    messages=1,
)


def transaction(**changes: Any) -> TransactionEntry:
    """A message for one known and one unknown recipient, accepted at AT; with `changes`."""
    return replace(_ACCEPTED, **changes)


def connection(**changes: Any) -> ConnectionEntry:
    """The connection of that message, ended a second later; with `changes`."""
    return replace(_CLOSED, **changes)


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that entries are made of."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return st.builds(kind, **{name: anything(hint) for name, hint in get_type_hints(kind).items()})
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is UnionType:
        return st.one_of([anything(part) for part in parts])
    if origin is list:
        return st.lists(anything(parts[0]), max_size=2)
    return st.dictionaries(anything(parts[0]), anything(parts[1]), max_size=2)


_SIMPLE: Final[dict[Any, st.SearchStrategy[Any]]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(0, 1e9),
    bool: st.booleans(),
    NoneType: st.none(),
}
