# SPDX-License-Identifier: Apache-2.0
"""Mail for a program: the content on its standard input, one process for each recipient, and what its exit status says.

No shell is involved, nothing of the server's environment is passed on, and no address ever becomes an option.
"""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.program import Program
from genkan.delivery.whole import whole_content
from genkan.message.visible import visible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta
    from pathlib import Path

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from genkan.spool.queue import Leased

MOST_WORDS: Final = 1000  # characters of a program's output in a reason

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_OUTPUT: Final = 8 * MOST_WORDS  # octets of it that are kept
_PLACEHOLDER: Final = re.compile(r"\{(recipient|original_recipient|reverse_path|message_id|client_address)\}")

_VARIABLES: Final = {"reverse_path": "SENDER"}  # as programs that are started by mail servers know it

_TEMPORARY: Final = "4.3.0"
_NOT_SET_UP: Final = "4.3.5"  # RFC 3463: system incorrectly configured
_TOOK_TOO_LONG: Final = "4.4.7"
_BAD_ADDRESS: Final = "5.1.3"

EXIT_STATUSES: Final = {
    64: ("wrong usage", _NOT_SET_UP),
    65: ("the data are wrong", "5.6.0"),
    66: ("no input", _TEMPORARY),
    67: ("no such recipient", "5.1.1"),
    68: ("no such host", "5.1.2"),
    69: ("not available", "5.3.0"),
    70: ("internal error", _TEMPORARY),
    71: ("operating system error", _TEMPORARY),
    72: ("a system file is missing", _NOT_SET_UP),
    73: ("cannot write its output", _TEMPORARY),
    74: ("input or output error", _TEMPORARY),
    75: ("try again later", _TEMPORARY),
    76: ("protocol error", "5.5.0"),
    77: ("not permitted", "5.7.1"),
    78: ("wrong configuration", _NOT_SET_UP),
    126: ("the program cannot be run", _NOT_SET_UP),
    127: ("a program was not found", _NOT_SET_UP),
}
"""Exit status (sysexits.h): what it says, and its enhanced code: class 5 fails, class 4 defers. All others but 0 defer."""


class PipeOpener:
    """Starts one program for mail."""

    def __init__(self, program: str, arguments: tuple[str, ...], timeout: timedelta, folder: Path) -> None:
        """`timeout` is for one recipient; `folder` is the program's working folder and its HOME."""
        self._carrier = PipeCarrier(program, arguments, timeout.total_seconds(), folder)

    async def __call__(self) -> PipeCarrier:
        """See `Opener`."""
        return self._carrier


class PipeCarrier:
    """Runs the program once for each recipient, one after the other."""

    def __init__(self, program: str, arguments: tuple[str, ...], timeout: float, folder: Path) -> None:
        self._program = program
        self._arguments = arguments
        self._timeout = timeout
        self._folder = folder

    @property
    def usable(self) -> bool:
        """See `Carrier`."""
        return True

    async def close(self) -> None:
        """See `Carrier`."""

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """See `Carrier`."""
        return [await self._run(consignment, leased) for leased in consignment.leased]

    async def _run(self, consignment: Consignment, leased: Leased) -> Outcome:
        """One program for one recipient, from its start to its end."""
        values = _values(consignment, leased)
        arguments = [_filled(argument, values) for argument in self._arguments]
        if any(given.startswith("-") for given, own in zip(arguments, self._arguments, strict=True) if own[:1] != "-"):
            reason = f"{self._program} is not given an address that begins with a hyphen, it would be read as an option"
            return Failed(reason, _BAD_ADDRESS)
        try:
            program = await Program.start(
                [self._program, *arguments], self._environment(values), self._folder, _MOST_OUTPUT
            )
        except (OSError, ValueError) as error:  # ValueError: NUL in an argument
            reason = f"{self._program} cannot be started: {getattr(error, 'strerror', None) or error}"
            return Deferred(f"{reason}; correct the route, or the file", status=_NOT_SET_UP)
        try:
            async with aclosing(whole_content(consignment)) as content:
                return await self._attend(program, content)
        finally:
            await program.end()

    async def _attend(self, program: Program, content: AsyncIterator[bytes]) -> Outcome:
        """Give it the content and wait for its end. Whoever is not finished in time is ended by the caller."""
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    await program.feed(content)
                except OSError as error:
                    # It must not take what it has for the whole message: no end of input, but its end.
                    return Deferred(f"the content cannot be read: {error.strerror or error}", status=_TEMPORARY)
                status = await program.exit_status()
        except TimeoutError:
            reason = f"{self._program} was not finished within {self._timeout:g} s and was killed"
            return Deferred(f"{reason}{_words(program)}", status=_TOOK_TOO_LONG)
        return self._outcome(status, _words(program))

    def _outcome(self, status: int, words: str) -> Outcome:
        if status == 0:
            return Delivered(by=f"{self._program}{words}")
        if status < 0:
            return Deferred(f"{self._program} was ended by {_signal_name(-status)}{words}", status=_TEMPORARY)
        meaning, code = EXIT_STATUSES.get(status, ("", _TEMPORARY))
        reason = f"{self._program} ended with status {status}{meaning and f' ({meaning})'}{words}"
        return Failed(reason, code) if code.startswith("5") else Deferred(reason, status=code)

    def _environment(self, values: dict[str, str]) -> dict[str, str]:
        own = {_VARIABLES.get(name, name.upper()): value for name, value in values.items()}
        return own | {"PATH": _PATH, "HOME": str(self._folder), "LANG": "C.UTF-8"}


def _values(consignment: Consignment, leased: Leased) -> dict[str, str]:
    """What the program is told, by name: in lower case as placeholders, in upper case as environment."""
    envelope, reverse_path = consignment.envelope, consignment.reverse_path
    return {
        "reverse_path": "" if reverse_path is None else str(reverse_path),
        "recipient": str(leased.recipient.mailbox),
        "original_recipient": str(leased.recipient.forward_path),
        "message_id": envelope.message_id,
        "client_address": envelope.client_address,
    }


def _filled(argument: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], argument)


def _words(program: Program) -> str:
    """What it said, to be put behind a reason."""
    words = visible(program.output, MOST_WORDS)
    return words and f": {words}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
