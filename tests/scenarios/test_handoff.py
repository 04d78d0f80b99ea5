# SPDX-License-Identifier: Apache-2.0
"""Mail that another server's delivery service is to deliver: pairs of files in its folder, all of them, whatever happens."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.load import RECIPIENTS, Client, Load, content, until_queue_is_empty
from tests.support.server import maildir

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import MakeSite

HAND_OFF: Final = '[delivery]\nhandoff = "incoming"\nretry = ["1s"]\n'


def pairs(folder: Path) -> dict[str, tuple[list[str], bytes]]:
    """By name, the recipients and the content of every pair; fails if an envelope has no message."""
    found = {}
    for envelope in folder.glob("*.RCP"):
        lines = envelope.read_bytes().decode().split("\r\n")
        assert lines[0] == f"Message-ID: <{envelope.stem.partition('-')[0]}@mx.in.test>"
        recipients = [line.partition(": ")[2] for line in lines if line.startswith("Recipient: ")]
        found[envelope.stem] = recipients, envelope.with_suffix(".MSG").read_bytes()
    return found


def test_a_message_becomes_one_pair_with_all_its_recipients(make_site: MakeSite) -> None:
    site = make_site(HAND_OFF)
    folder = site.config.home / "incoming"
    folder.mkdir()
    site.start()
    with Client(site.port) as client:
        assert client.send(content(1), RECIPIENTS)[:3] == "250"
    until_queue_is_empty(site.config)
    [(recipients, octets)] = pairs(folder).values()
    assert recipients == list(RECIPIENTS)
    assert octets.endswith(b"\r\n" + content(1))
    assert len(list(folder.iterdir())) == 2
    assert maildir(site.config, "ann@in.test") == []
    assert site.terminate() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_server_has_handed_over_every_acknowledged_message_once(make_site: MakeSite, workers: int) -> None:
    site = make_site(f"workers = {workers}\n{HAND_OFF}")
    folder = site.config.home / "incoming"
    folder.mkdir()
    numbers, acknowledged = count(1), set[int]()
    for _ in range(2):
        site.start()
        load = Load(site.port, clients=8, numbers=numbers)
        load.start()
        load.until_acknowledged(150)
        site.kill()
        load.stop()
        acknowledged |= load.acknowledged
    site.start()
    until_queue_is_empty(site.config)
    found: Counter[int] = Counter()
    for recipients, octets in pairs(folder).values():
        number = int(octets.partition(b"X-Number: ")[2].partition(b"\r\n")[0])
        assert octets.endswith(b"\r\n" + content(number))
        assert recipients == [RECIPIENTS[number % len(RECIPIENTS)]]
        found[number] += 1
    assert acknowledged <= found.keys()
    assert set(found.values()) == {1}
    assert {path.suffix for path in folder.iterdir()} == {".MSG", ".RCP"}
    assert site.terminate() == 0


def test_without_the_folder_mail_waits_and_goes_once_it_is_there(make_site: MakeSite) -> None:
    site = make_site(HAND_OFF)
    site.start()
    with Client(site.port) as client:
        assert client.send(content(1))[:3] == "250"
    site.until_logged("deferred", 1)
    assert "incoming stopped: No such file or directory" in site.logged("deferred")[0]["reason"]
    (site.config.home / "incoming").mkdir()
    until_queue_is_empty(site.config)
    assert len(pairs(site.config.home / "incoming")) == 1
    assert site.terminate() == 0
