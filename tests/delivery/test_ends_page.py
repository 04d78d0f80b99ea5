# SPDX-License-Identifier: Apache-2.0
"""The examples in docs/ends.md do what the page says: each is taken from there and run."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
import uvloop
from aiohttp import web

from genkan.delivery.handler import FunctionOpener
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.pipe import PipeOpener
from genkan.delivery.webhook_answer import Answer, outcomes
from genkan.delivery.webhook_request import envelope_octets
from tests.delivery.consignments import ACCEPTED_AT, CONTENT, FIELDS, consignment
from tests.delivery.receivers import SECRET, carried, opener
from tests.support.pages import all_pages

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.delivery.carrier import Opener
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome

(PAGE,) = (page for page in all_pages() if page.name == "docs/ends.md")
VERIFY, RECEIVE, FUNCTION, ITS_TEST, PROGRAM = PAGE.blocks("python")
ENVELOPE, ANSWER = PAGE.blocks("json")
PATIENT: Final = timedelta(seconds=20)


def ran(code: str) -> dict[str, Any]:
    """The names that an example defines."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "docs/ends.md", "exec"), names)  # noqa: S102
    return names


def delivered(given: Opener, mail: Consignment) -> list[Outcome]:
    async def carry() -> list[Outcome]:
        return await (await given()).carry(mail)

    return uvloop.run(carry())


def test_the_envelope_of_the_page_is_one() -> None:
    mail = consignment()
    known, shown = json.loads(envelope_octets(mail, mail.leased)), json.loads(ENVELOPE)
    assert list(shown) == list(known)
    assert list(shown["recipients"][0]) == list(known["recipients"][0])


def test_the_answer_of_the_page_means_what_it_says() -> None:
    mail = consignment("ann@in.test", "bob@in.test", "eva@in.test")
    answer = Answer(200, "OK", "application/json", "", "", ANSWER.encode(), whole=True)
    later, refused, taken = outcomes(answer, mail.leased, "in.test", ACCEPTED_AT)
    assert isinstance(later, Deferred)
    assert isinstance(refused, Failed)
    assert isinstance(taken, Delivered)
    assert (later.status, refused.status) == ("4.2.2", "5.1.1")


class TestReceiver:
    """The receiver of the page, which verifies with the function before it."""

    @pytest.fixture
    def names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("WEBHOOK_FOLDER", str(tmp_path))
        return ran(VERIFY + RECEIVE)

    async def _send(self, names: dict[str, Any], mail: Consignment, secret: str, now: float) -> list[Outcome]:
        runner = web.AppRunner(names["app"])
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            given = opener(f"http://127.0.0.1:{runner.addresses[0][1]}/mail", _At(now), secret=secret)
            return await carried(given, mail)
        finally:
            await runner.cleanup()

    def test_it_keeps_what_is_ours(self, names: dict[str, Any], tmp_path: Path) -> None:
        large = consignment(content=CONTENT * 50_000)
        (outcome,) = uvloop.run(self._send(names, large, SECRET, time.time()))
        assert isinstance(outcome, Delivered)
        (path,) = tmp_path.iterdir()
        assert (path.name, path.read_bytes()) == ("B0000000007.eml", FIELDS + CONTENT * 50_000)

    @pytest.mark.parametrize(("secret", "age"), [("wrong", 0), ("", 0), (SECRET, 301)])
    def test_it_does_not_take_what_is_not_ours_or_old(
        self, names: dict[str, Any], tmp_path: Path, secret: str, age: float
    ) -> None:
        (outcome,) = uvloop.run(self._send(names, consignment(), secret, time.time() - age))
        assert isinstance(outcome, Deferred)
        assert outcome.reply == "503 the signature is not that of our mail server"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("signature", ["", "x", "t=,v1=", "t=x,v1=x", "v1=,t=5"])
    def test_it_knows_a_signature_that_is_none(self, names: dict[str, Any], signature: str) -> None:
        assert names["is_ours"](SECRET, signature, "B1", b"{}", hashlib.sha256().hexdigest(), 0.0) is False


class TestFunction:
    """The module of the page."""

    def test_its_own_test_passes(self) -> None:
        ran(FUNCTION + ITS_TEST)["test_orders_are_taken_and_others_refused"]()

    def test_it_takes_refuses_and_defers_as_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "page_mail_in.py").write_text(FUNCTION, "utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        given = FunctionOpener("page_mail_in", "deliver", PATIENT)
        both = consignment("orders@in.test", "sales@in.test")
        name = "page_mail_in:deliver"
        refused = Failed(f"{name}: no such department", "5.1.1", reply="no such department")
        assert delivered(given, both) == [Delivered(by=name), refused]
        assert sys.modules["page_mail_in"].__dict__["taken"] == [("B0000000007", FIELDS + CONTENT)]
        (bounce,) = delivered(given, consignment("orders@in.test", reverse_path=""))
        assert isinstance(bounce, Failed)
        (late,) = delivered(given, consignment("orders@in.test", content=b"Subject: x\r\nX-Order: later\r\n\r\n"))
        assert isinstance(late, Deferred)
        del sys.modules["page_mail_in"]


def test_the_program_of_the_page_keeps_mail_and_refuses_whom_it_does_not_know(tmp_path: Path) -> None:
    program = tmp_path / "ticket"
    program.write_text(PROGRAM.replace("/usr/bin/env python3", sys.executable), "utf-8")
    program.chmod(0o700)
    given = PipeOpener(str(program), ("tickets",), PATIENT, tmp_path)
    taken, refused = delivered(given, consignment("ann@in.test", "nobody@in.test"))
    assert taken == Delivered(by=str(program))
    assert refused == Failed(f"{program} ended with status 67 (no such recipient): no such person", "5.1.1")
    assert (tmp_path / "tickets-B0000000007.eml").read_bytes() == FIELDS + CONTENT


class _At:
    """A clock that stands at a moment."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._now, UTC)

    def monotonic(self) -> float:
        return self._now
