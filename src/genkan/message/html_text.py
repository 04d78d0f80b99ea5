# SPDX-License-Identifier: Apache-2.0
"""HTML as the text somebody reads, near enough to find words in it that tags, comments or entities break.

No parser: one pass each for what is hidden, tags and entities, linear on any input.
"""

from __future__ import annotations

import html
import re
from html.entities import html5
from itertools import groupby
from operator import itemgetter
from typing import Final

_HIDDEN: Final = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE)
_ENDS: Final = {
    "": re.compile("-->"),
    "script": re.compile(r"</script\b", re.IGNORECASE),
    "style": re.compile(r"</style\b", re.IGNORECASE),
}

# The rest of a tag: quoted values may hold ">", but both are bounded, so that no "<" makes us read on for long.
_REST: Final = r"""(?:[^<>"']*+(?:(?:"[^"]{0,200}"|'[^']{0,200}')[^<>"']*+){0,40}+>|[^<>]*+>)"""
# The first letters stand before the names, which are tried in any case and so far more slowly.
_BREAK: Final = re.compile(
    r"<(?=/?[BDHLOPTUbdhloptu])/?"
    r"(?i:p|d(?:iv|[ltd])|b(?:r|lockquote|ody)|h(?:[r1-6]|ead)|t(?:[rdh]|able|itle)|li|ul|o(?:l|ption)|pre)\b"
    rf"{_REST}"
)
_TAG: Final = re.compile(rf"<[/!?a-zA-Z]{_REST}")
# Names that are read without a semicolon, whatever follows, by their first letters: "&notit" is "¬it".
_BARE: Final = "|".join(
    f"{letter}(?:{'|'.join(name[1:] for name in sorted(names, reverse=True))})"
    for letter, names in groupby(sorted(name for name in html5 if not name.endswith(";")), key=itemgetter(0))
)
_BARE_NAME: Final = re.compile(_BARE)
_ENTITY: Final = re.compile(
    r"&(?:#(?:([0-9]{1,7}+)(?![0-9])|[xX]([0-9a-fA-F]{1,6}+)(?![0-9a-fA-F]));?|"
    rf"([A-Za-z][A-Za-z0-9]{{1,31}}+;)|({_BARE}))"
)
_LOW: Final = tuple(
    html.unescape(f"&#{number};") for number in range(0xA0)
)  # controls, and Windows-1252 in their place


def visible_text(source: str) -> str:
    """The text of HTML: tags that end a line are line ends, others nothing; scripts, styles and comments are gone."""
    text = source
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", _without_hidden(text)))
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    """The same as `html.unescape`, which takes several times as long."""
    match entity.lastindex:
        case 1:
            return _numbered(int(entity[1]))
        case 2:
            return _numbered(int(entity[2], 16))
        case 3:
            return html5.get(entity[3]) or _begun(entity[3])
        case _:
            return html5[entity[4]]


def _begun(name: str) -> str:
    """A name that is not known, whose beginning may be."""
    bare = _BARE_NAME.match(name)
    return f"&{name}" if bare is None else html5[bare[0]] + name[bare.end() :]


def _numbered(number: int) -> str:
    if number < len(_LOW):
        return _LOW[number]
    if 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
        return "\ufffd"
    return "" if 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE else chr(number)  # no characters


def _without_hidden(source: str) -> str:
    """All but comments, scripts and styles; from one that does not end, everything stays."""
    pieces = []
    position = 0
    while (begin := _HIDDEN.search(source, position)) is not None:
        end = _ENDS[(begin[1] or "").lower()].search(source, begin.start() + 2)  # "<!-->" is a comment, too
        if end is None:
            break
        pieces.append(source[position : begin.start()])
        position = end.end()
        if begin[1]:
            pieces.append("<b")  # what is left of the end tag: blanks and ">"
    pieces.append(source[position:])
    return "".join(pieces)
