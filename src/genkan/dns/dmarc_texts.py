# SPDX-License-Identifier: Apache-2.0
"""What the DNS has at a name, as the search for DMARC records wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.dmarc.discovery import Found
from genkan.dns.answer import Status

if TYPE_CHECKING:
    from genkan.dmarc.discovery import FoundStatus
    from genkan.dns.answer import Answer

_STATUS: Final[dict[Status, FoundStatus]] = {
    Status.FOUND: "found",
    Status.NO_DATA: "nothing",
    Status.NO_SUCH_NAME: "no such name",
    Status.FAILED: "failed",
}


def found_texts(answer: Answer) -> Found:
    """The answer to a question for TXT."""
    return Found(_STATUS[answer.status], answer.texts)
