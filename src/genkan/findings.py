# SPDX-License-Identifier: Apache-2.0
"""What is wrong or dangerous in settings and rule documents: one finding, and how bad it is (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """error: it does not work; warning: it works but is dangerous; note: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or dangerous: a setting's key or a file, what is so, and what to do about it."""

    level: Level
    subject: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        """One line: "LEVEL: SUBJECT: sentence; remedy"."""
        return f"{self.level}: {self.subject}: {self.sentence}; {self.remedy}"


def error(subject: object, sentence: str, remedy: str) -> Finding:
    """A finding that keeps the server, or part of it, from working."""
    return Finding(Level.ERROR, str(subject), sentence, remedy)


def warning(subject: object, sentence: str, remedy: str) -> Finding:
    """A finding that works but exposes mail, accounts or other servers."""
    return Finding(Level.WARNING, str(subject), sentence, remedy)


def note(subject: object, sentence: str, remedy: str) -> Finding:
    """A finding that may well be meant so."""
    return Finding(Level.NOTE, str(subject), sentence, remedy)
