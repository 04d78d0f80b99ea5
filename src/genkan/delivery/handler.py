# SPDX-License-Identifier: Apache-2.0
"""Mail for a Python function: `async def deliver(mail: Mail) -> None` of a module of the site's own.

It runs on the server's event loop: what blocks in it holds up all mail. Only its return without an exception takes the
mail; whatever else happens to it defers, so that no slip of its author loses any.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from genkan.delivery.carrier import HopUnreachable
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.whole import whole_content, whole_size
from genkan.mail import Defer, Mail, MailRecipient, Refuse
from genkan.message.visible import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta
    from types import ModuleType

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome

    Deliver = Callable[[Mail], Awaitable[None]]

MOST_WORDS: Final = 500  # characters of a reason that the function gives

_NOT_SET_UP: Final = "4.3.5"  # RFC 3463: system incorrectly configured
_WENT_WRONG: Final = "4.3.0"
_TOOK_TOO_LONG: Final = "4.4.7"
_IMPORTING: Final = re.compile(r"^<|/importlib/__init__")  # files between an import and what is imported
_FAREWELL: Final = 5.0  # seconds for a function to end that was told to


class FunctionOpener:
    """Finds the function of one destination; the module is imported once, by the first who needs it."""

    def __init__(self, module: str, function: str, timeout: timedelta) -> None:
        """`timeout` is for one call, whatever it waits for."""
        self._module = module
        self._function = function
        self._timeout = timeout.total_seconds()
        self._deliver: Deliver | None = None

    async def __call__(self) -> FunctionCarrier:
        """See `Opener`. Raises `HopUnreachable` while there is no such function, with what to do."""
        if self._deliver is None:
            self._deliver = self._find(await self._import())
        return FunctionCarrier(f"{self._module}:{self._function}", self._deliver, self._timeout)

    async def _import(self) -> ModuleType:
        """The module; it is read in a thread, for what it imports in turn may take seconds."""
        importlib.invalidate_caches()  # the file may be newer than the last look into its folder
        try:
            return await asyncio.to_thread(_import, self._module)
        except Exception as error:  # noqa: BLE001
            what = f"the module {self._module} cannot be imported: {_describe(error)}"
            raise _not_set_up(f"{what}; put it into the folder of delivery.handlers, or correct it") from None

    def _find(self, module: ModuleType) -> Deliver:
        found: Any = getattr(module, self._function, None)
        if found is None:
            raise _not_set_up(f"{self._module} has no function {self._function}; add it and restart the server")
        if not inspect.iscoroutinefunction(found):
            raise _not_set_up(
                f"{self._module}:{self._function} is not an async function; write"
                f" `async def {self._function}(mail)` and restart the server"
            )
        deliver: Deliver = found
        return deliver


class FunctionCarrier:
    """Calls the function, once for each consignment."""

    def __init__(self, name: str, deliver: Deliver, timeout: float) -> None:
        self._name = name
        self._deliver = deliver
        self._timeout = timeout

    @property
    def usable(self) -> bool:
        """See `Carrier`."""
        return True

    async def close(self) -> None:
        """See `Carrier`."""

    async def carry(self, consignment: Consignment) -> list[Outcome]:
        """See `Carrier`. A function that does not end when it is told to is left alone: the mail does not wait for it."""
        mail = _mail(consignment)
        call = asyncio.create_task(self._call(mail))
        try:
            done, _ = await asyncio.wait((call,), timeout=self._timeout)
            if not done:
                call.cancel()
                await asyncio.wait((call,), timeout=_FAREWELL)
        finally:
            call.cancel()
        if not done:
            # Even if it has returned by now: what it left undone when it was told to end, nobody knows.
            said: Outcome | None = Deferred(
                f"{self._name} did not return within {self._timeout:g} s; make it faster, or raise delivery.end_timeout",
                status=_TOOK_TOO_LONG,
            )
        elif call.cancelled():
            said = Deferred(f"{self._name} was cancelled", status=_WENT_WRONG)
        else:
            said = call.result()
        return [said or self._outcome(recipient.said) for recipient in mail.recipients]

    async def _call(self, mail: Mail) -> Outcome | None:
        """What an exception says for all recipients; `None` when each has its own outcome."""
        try:
            await self._deliver(mail)
        except (Refuse, Defer) as said:
            return self._outcome(said)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return Deferred(f"{self._name} raised {_describe(error)}", status=_WENT_WRONG)
        return None

    def _outcome(self, said: Refuse | Defer | None) -> Outcome:
        if said is None:
            return Delivered(by=self._name)
        words = visible(said.reason, MOST_WORDS)
        if isinstance(said, Refuse):
            return Failed(f"{self._name}: {words}", said.status, reply=words)
        return Deferred(f"{self._name}: {words}", status=said.status, reply=words)


def _import(name: str) -> ModuleType:
    """On a thread of its own, where `SystemExit` would be lost between the threads."""
    try:
        return importlib.import_module(name)
    except SystemExit as error:
        msg = f"it ended the program ({error}) instead of being imported"
        raise ImportError(msg) from None


def _not_set_up(reason: str) -> HopUnreachable:
    return HopUnreachable(Deferred(visible(reason, MOST_WORDS), status=_NOT_SET_UP))


def _describe(error: BaseException) -> str:
    """Kind, words and place of an exception on one line."""
    words = visible(str(error), MOST_WORDS)
    frames = traceback.extract_tb(error.__traceback__)
    ours = max((number for number, frame in enumerate(frames) if frame.filename == __file__), default=-1)
    theirs = [frame for frame in frames[ours + 1 :] if not _IMPORTING.search(frame.filename)]
    where = "".join(f" at {frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in theirs[-1:])
    return f"{type(error).__name__}{where}{': ' if words else ''}{words}"


def _mail(consignment: Consignment) -> Mail:
    envelope, reverse_path = consignment.envelope, consignment.reverse_path
    recipients = tuple(
        MailRecipient(
            str(leased.recipient.forward_path),
            str(leased.recipient.mailbox),
            leased.recipient.notify,
            leased.recipient.original,
            leased.number,
            leased.attempt,
        )
        for leased in consignment.leased
    )
    return Mail(
        id=envelope.message_id,
        accepted_at=envelope.accepted_at,
        reverse_path="" if reverse_path is None else str(reverse_path),
        recipients=recipients,
        size=whole_size(consignment),
        content=partial(whole_content, consignment),
        client_address=envelope.client_address,
        hello_domain=envelope.hello_domain,
        account=envelope.account,
        protocol=envelope.protocol,
        body=envelope.body,
        smtputf8=envelope.smtputf8,
    )
