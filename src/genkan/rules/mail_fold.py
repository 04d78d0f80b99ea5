# SPDX-License-Identifier: Apache-2.0
"""Text as the content filter compares it: NFKC, case-folded, without what cannot be seen; and wildcards on it.

Linear on any input, and without characters that cost a hundred times what others do: Python's normalisation sorts
runs of combining marks in quadratic time, so long runs are cut, and a heap of characters that stand for a phrase is
left out.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import Final

# Characters that encodings disagree about: Unicode's own and Microsoft's for one code of JIS X 0208, after NFKC.
_SAME: Final = (("\u301c", "~"), ("\u2212", "-"), ("\u2016", "\u2225"), ("\u2014", "\u2015"))
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\U000e0000-\U000e0fff]"
)
# Where combining marks are, with the scripts around them; most text, Japanese too, has nothing of both.
_MARKS: Final = "\u0300-\u1fff\u20d0-\u20ff\u2c80-\u2dff\u302a-\u302f\u3099\u309a\ua600-\uabff\ufb1e\ufe20-\ufe2f"
_RARE: Final = re.compile(f"[{_MARKS}\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]")
_RUN: Final = re.compile(f"[{_MARKS}\U00010000-\U0001ffff]{{32}}")
# One character that stands for a word or a phrase, up to 18 characters long: units in a square, Arabic ligatures.
_PHRASE: Final = re.compile("[\u3300-\u3357\ufdfa\ufdfb]")
MAX_PHRASES: Final = 2000  # more of them in one text are no text
_LONG: Final = 16384  # characters from which on they are counted


def fold(text: str) -> str:
    """The form in which two texts are the same to the filter, whatever their case, width and encoding were."""
    if text.isascii():
        return text.lower()
    if len(text) > _LONG:
        text = _without_heaps(text)
    text = text.replace("\uff9e", "\u3099").replace("\uff9f", "\u309a")
    for one, other in _SAME:
        text = text.replace(one, other)
    if _RARE.search(text) or _is_beyond_bmp(text):
        return _normalised(_INVISIBLE.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", text).casefold()


def _without_heaps(text: str) -> str:
    """The text, each phrase after so many of them replaced by U+FFFD, which says that there is something."""
    octets = text.encode("utf-16-le", "surrogatepass")
    if octets.count(b"\x33") + octets.count(b"\xfd") <= MAX_PHRASES:  # their high octets: faster than a look at each
        return text
    nth = next(islice(_PHRASE.finditer(text), MAX_PHRASES, None), None)
    return text if nth is None else text[: nth.start()] + _PHRASE.sub("\ufffd", text[nth.start() :])


def _is_beyond_bmp(text: str) -> bool:
    """Whether a character is outside of the Basic Multilingual Plane; faster than looking for one."""
    return len(text.encode("utf-16-le", "surrogatepass")) > 2 * len(text)


def wildcard_in(pieces: tuple[str, ...], text: str) -> bool:
    """Whether `text` has the pieces between the asterisks of a pattern, in order; both are folded already.

    One piece is looked for anywhere. Several are a pattern for the whole text: the first begins it, the last ends it.
    """
    if len(pieces) == 1:
        return pieces[0] in text
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _normalised(text: str) -> str:
    cuts = [run.end() for run in _RUN.finditer(text)]
    if not cuts:
        return unicodedata.normalize("NFKC", text)
    starts, ends = [0, *cuts], [*cuts, len(text)]
    return "".join(unicodedata.normalize("NFKC", text[start:end]) for start, end in zip(starts, ends, strict=True))
