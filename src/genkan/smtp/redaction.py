# SPDX-License-Identifier: Apache-2.0
"""What the log may show of a command line."""

from __future__ import annotations

from typing import Final

from genkan.smtp.command import KNOWN_VERBS

MAX_LOGGED: Final = 200  # octets of a refused line that the log shows
_MOST_OF_A_WORD: Final = 8  # characters of an unknown command that the log shows


def loggable(line: bytes) -> str:
    """A command line as the log may show it, at most 200 octets of it.

    Of AUTH the verb only, for its argument may be a password; of an unknown command not even that unless it looks like
    a word: clients that lose their place send credentials as commands.
    """
    word = line.partition(b" ")[0]
    verb = word.upper()
    if verb == b"AUTH":
        return "AUTH"
    if verb in KNOWN_VERBS:
        return line[:MAX_LOGGED].decode("utf-8", "replace")
    if word.isalpha() and len(word) <= _MOST_OF_A_WORD and word in {verb, word.lower()}:
        return word.decode("ascii")
    return f"{len(line)} octets"
