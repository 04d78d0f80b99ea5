# SPDX-License-Identifier: Apache-2.0
"""Python functions that take mail: what they are given, and that no slip of theirs loses any."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from genkan.delivery.carrier import HopUnreachable
from genkan.delivery.handler import FunctionOpener
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.mail import Mail
from tests.delivery.consignments import ACCEPTED_AT, CONTENT, FIELDS, consignment, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome

NAME = "site_mail:deliver"
DELIVERED = Delivered(by=NAME)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that modules are imported from; they are forgotten after the test."""
    known = set(sys.modules)
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - known:
        if name.startswith("site_mail"):
            del sys.modules[name]


def opener(folder: Path, body: str, timeout: float = 20.0) -> FunctionOpener:
    """The function `deliver` with this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = "import asyncio\nimport sys\nfrom genkan.mail import Defer, Mail, Refuse\nseen = []\n"
    (folder / "site_mail.py").write_text(f"{head}async def deliver(mail: Mail) -> None:\n{lines}", "utf-8")
    return FunctionOpener("site_mail", "deliver", timedelta(seconds=timeout))


def carried(given: FunctionOpener, mail: Consignment) -> list[Outcome]:
    async def carry() -> list[Outcome]:
        carrier = await given()
        outcomes = await carrier.carry(mail)
        assert carrier.usable
        await carrier.close()
        return outcomes

    return uvloop.run(carry())


def seen() -> list[Any]:
    found: list[Any] = sys.modules["site_mail"].__dict__["seen"]
    return found


def unreachable(given: FunctionOpener) -> Deferred:
    with pytest.raises(HopUnreachable) as caught:
        carried(given, consignment())
    assert isinstance(caught.value.outcome, Deferred)
    assert caught.value.outcome.status == "4.3.5"
    return caught.value.outcome


def test_a_function_that_returns_has_taken_the_mail_for_all(folder: Path) -> None:
    given = opener(folder, "seen.append((mail, await mail.read(1000)))")
    assert carried(given, consignment("ann@in.test", "bob@in.test")) == [DELIVERED, DELIVERED]
    ((mail, content),) = seen()
    assert isinstance(mail, Mail)
    assert content == FIELDS + CONTENT
    assert (mail.id, mail.accepted_at, mail.reverse_path) == ("B0000000007", ACCEPTED_AT, "eve@out.test")
    assert (mail.client_address, mail.hello_domain, mail.protocol) == ("192.0.2.7", "mx.out.test", "ESMTPS")
    assert mail.size == len(FIELDS + CONTENT)
    assert [(one.forward_path, one.mailbox, one.number, one.attempt) for one in mail.recipients] == [
        ("ANN@in.test", "ann@in.test", 0, 1),
        ("BOB@in.test", "bob@in.test", 1, 1),
    ]


def test_the_null_reverse_path_is_empty(folder: Path) -> None:
    assert carried(opener(folder, "seen.append(mail.reverse_path)"), consignment(reverse_path="")) == [DELIVERED]
    assert seen() == [""]


def test_a_module_is_imported_once(folder: Path) -> None:
    given = opener(folder, "seen.append(mail.id)")
    assert carried(given, consignment()) + carried(given, consignment()) == [DELIVERED] * 2
    assert len(seen()) == 2


def test_what_is_raised_counts_for_all(folder: Path) -> None:
    both = consignment("ann@in.test", "bob@in.test")
    refused = Failed(f"{NAME}: no such shop", "5.1.1", reply="no such shop")
    body = "if mail.recipients[0].attempt:\n    raise Refuse('no such shop', '5.1.1')"
    assert carried(opener(folder, body), both) == [refused] * 2


def test_a_function_defers_with_its_own_status(folder: Path) -> None:
    given = opener(folder, "raise Defer('closed\\x1b[2J\\r\\ntoday', '4.3.2')")
    reply = "closed [2J today"
    assert carried(given, consignment()) == [Deferred(f"{NAME}: {reply}", status="4.3.2", reply=reply)]


def test_what_is_said_of_one_recipient_counts_for_that_one(folder: Path) -> None:
    body = "mail.recipients[0].refuse('gone')\nmail.recipients[1].defer('full', '4.2.2')"
    assert carried(opener(folder, body), consignment("ann@in.test", "bob@in.test", "eva@in.test")) == [
        Failed(f"{NAME}: gone", reply="gone"),
        Deferred(f"{NAME}: full", status="4.2.2", reply="full"),
        DELIVERED,
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{}['x']", "KeyError at site_mail.py:6: 'x'"),
        ("raise Refuse('no', '4.0.0')", "ValueError at mail.py:"),
        ("sys.exit(3)", "SystemExit at site_mail.py:6: 3"),
        ("raise ValueError('x' * 10000)", f"ValueError at site_mail.py:6: {'x' * 400}"),
        ("await mail.read('x')", "TypeError at mail.py:"),
    ],
)
def test_any_other_exception_defers(folder: Path, body: str, words: str) -> None:
    (outcome,) = carried(opener(folder, body), consignment())
    assert isinstance(outcome, Deferred)
    assert outcome.status == "4.3.0"
    assert outcome.reason.startswith(f"{NAME} raised {words}")


def test_a_function_that_cannot_be_called_with_mail_defers(folder: Path) -> None:
    given = opener(folder, "pass\nasync def other() -> None: ...")
    (folder / "site_mail.py").write_text("async def deliver() -> None: ...\n", "utf-8")
    (outcome,) = carried(given, consignment())
    words = "TypeError: deliver() takes 0 positional arguments but 1 was given"
    assert outcome == Deferred(f"{NAME} raised {words}", status="4.3.0")


def test_content_that_cannot_be_read_defers(folder: Path) -> None:
    (outcome,) = carried(opener(folder, "await mail.read(1000)"), unreadable())
    assert isinstance(outcome, Deferred)
    assert "Input/output error" in outcome.reason


def test_a_function_that_takes_too_long_is_cancelled_and_its_mail_deferred(folder: Path) -> None:
    body = "try:\n    await asyncio.Event().wait()\nexcept asyncio.CancelledError:\n    seen.append('told')\n    raise"
    (outcome,) = carried(opener(folder, body, timeout=0.05), consignment())
    reason = f"{NAME} did not return within 0.05 s; make it faster, or raise delivery.end_timeout"
    assert outcome == Deferred(reason, status="4.4.7")
    assert seen() == ["told"]


def test_a_function_that_returns_only_because_it_was_cancelled_has_taken_nothing(folder: Path) -> None:
    body = "try:\n    await asyncio.Event().wait()\nexcept asyncio.CancelledError:\n    pass"
    (outcome,) = carried(opener(folder, body, timeout=0.05), consignment())
    assert isinstance(outcome, Deferred)


def test_a_function_that_cancels_itself_defers(folder: Path) -> None:
    given = opener(folder, "raise asyncio.CancelledError")
    assert carried(given, consignment()) == [Deferred(f"{NAME} was cancelled", status="4.3.0")]


def test_a_carrier_that_is_cancelled_cancels_the_function(folder: Path) -> None:
    given = opener(
        folder, "try:\n    seen.append('begun')\n    await asyncio.Event().wait()\nfinally:\n    seen.append(1)"
    )

    async def cancelled() -> None:
        carrier = await given()
        task = asyncio.create_task(carrier.carry(consignment()))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    uvloop.run(cancelled())
    assert seen() == ["begun", 1]


def test_a_module_that_is_not_there_defers_with_what_to_do_until_it_is(folder: Path) -> None:
    given = FunctionOpener("site_mail", "deliver", timedelta(seconds=20))
    assert unreachable(given).reason == (
        "the module site_mail cannot be imported: ModuleNotFoundError: No module named 'site_mail';"
        " put it into the folder of delivery.handlers, or correct it"
    )
    opener(folder, "pass")
    assert carried(given, consignment()) == [DELIVERED]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def deliver(:\n", "SyntaxError: "),
        ("import nothing_of_that_name\n", "ModuleNotFoundError at site_mail.py:1: "),
        ("1 / 0\n", "ZeroDivisionError at site_mail.py:1: division by zero"),
        ("import sys\nsys.exit(2)\n", "ImportError: it ended the program (2) instead of being imported"),
    ],
)
def test_a_module_that_cannot_be_imported_defers(folder: Path, text: str, words: str) -> None:
    (folder / "site_mail.py").write_text(text, "utf-8")
    reason = unreachable(FunctionOpener("site_mail", "deliver", timedelta(seconds=20))).reason
    assert reason.startswith(f"the module site_mail cannot be imported: {words}")


def test_a_function_that_is_not_there_or_not_async_defers_with_what_to_do(folder: Path) -> None:
    (folder / "site_mail.py").write_text("def deliver(mail): ...\n", "utf-8")
    assert unreachable(FunctionOpener("site_mail", "deliver", timedelta(seconds=20))).reason == (
        "site_mail:deliver is not an async function; write `async def deliver(mail)` and restart the server"
    )
    assert unreachable(FunctionOpener("site_mail", "delivr", timedelta(seconds=20))).reason == (
        "site_mail has no function delivr; add it and restart the server"
    )


def test_a_module_may_lie_in_a_package(folder: Path) -> None:
    (folder / "site_mail_shop").mkdir()
    (folder / "site_mail_shop" / "orders.py").write_text("async def deliver(mail): ...\n", "utf-8")
    given = FunctionOpener("site_mail_shop.orders", "deliver", timedelta(seconds=20))
    assert carried(given, consignment()) == [Delivered(by="site_mail_shop.orders:deliver")]
