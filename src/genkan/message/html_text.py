# SPDX-License-Identifier: Apache-2.0
"""HTML as the text somebody reads, near enough to find words in it that tags, comments or entities break.

No parser: one pass each for what is hidden, tags and entities, linear on any input.
"""

from __future__ import annotations

import html
import re
from typing import Final

_HIDDEN: Final = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE)
_ENDS: Final = {
    "": re.compile("-->"),
    "script": re.compile(r"</script\b", re.IGNORECASE),
    "style": re.compile(r"</style\b", re.IGNORECASE),
}

# The rest of a tag: quoted values may hold ">", but both are bounded, so that no "<" makes us read on for long.
_REST: Final = r"""(?:[^<>"']*+(?:(?:"[^"]{0,200}"|'[^']{0,200}')[^<>"']*+){0,40}+>|[^<>]*+>)"""
_BREAK: Final = re.compile(
    rf"</?(?:p|div|br|hr|tr|td|th|li|ul|ol|dl|dt|dd|table|h[1-6]|blockquote|pre|title|option|body|head)\b{_REST}",
    re.IGNORECASE,
)
_TAG: Final = re.compile(rf"<[/!?a-zA-Z]{_REST}")
_ENTITY: Final = re.compile(
    r"&(?:#[0-9]{1,7}+(?![0-9])|#[xX][0-9a-fA-F]{1,6}+(?![0-9a-fA-F])|[A-Za-z][A-Za-z0-9]{1,31}+);?"
)


def visible_text(source: str) -> str:
    """The text of HTML: tags that end a line are line ends, others nothing; scripts, styles and comments are gone."""
    text = source
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", _without_hidden(text)))
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


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
