# SPDX-License-Identifier: Apache-2.0
"""Clients whose mail a filter caught get their line in effect.dat, in a moment and many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.directory import Directory
from genkan.rules.effect import SHIPPED
from tests.listener.ruled import MESSAGE, block, call, ruled, send, store
from tests.support.server import until

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.config import Config
    from genkan.directory.documents import StoredDocument
    from tests.support.server import RunningServer

CATCHING = {"mail.dat": block("101")}


def current(config: Config) -> StoredDocument | None:
    with Directory.open(config.storage_folder) as directory:
        return directory.documents.current("effect.dat")


def text(config: Config) -> str:
    stored = current(config)
    return "" if stored is None else stored.octets.decode()


def refuse(server: RunningServer, *clients: str) -> None:
    """As if a filter had caught mail of them all in one turn of the event loop."""
    house = server.worker.listeners[0].door.house

    def tell() -> None:
        for client in clients:
            house.refuse_client(client)

    server.call(tell)


def test_a_caught_client_is_refused_from_then_on(tmp_path: Path) -> None:
    with ruled(tmp_path, CATCHING) as server:
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann") == 552
        until(lambda: "192.0.2.10 false" in text(server.config), "the line")
        with call(server) as caller:
            assert caller.ask(b"MAIL FROM:<x@out.test>") == [550]
        with call(server, "192.0.2.11") as caller:
            assert caller.ask(b"MAIL FROM:<x@out.test>") == [250]


def test_without_a_document_the_shipped_lines_stay_in_force(tmp_path: Path) -> None:
    with ruled(tmp_path, {}) as server:
        refuse(server, "192.0.2.10")
    assert text(server.config) == f"{SHIPPED}192.0.2.10 false\n"


def test_many_clients_are_written_each_once_before_the_server_ends(tmp_path: Path) -> None:
    clients = [f"192.0.2.{number}" for number in range(1, 101)]
    with ruled(tmp_path, {"effect.dat": "out.test true\n"}) as server:
        refuse(server, *clients, *clients)
    lines = text(server.config).splitlines()
    assert lines[0] == "out.test true"
    assert sorted(lines[1:]) == sorted(f"{client} false" for client in clients)
    stored = current(server.config)
    assert stored is not None
    assert stored.revision <= 10
    assert stored.author == "mail.dat"


def test_a_client_that_has_its_line_already_makes_no_revision(tmp_path: Path) -> None:
    with ruled(tmp_path, {"effect.dat": "192.0.2.10 false\n"}) as server:
        refuse(server, "192.0.2.10", "127.0.0.1")
    stored = current(server.config)
    assert stored is not None
    assert (stored.revision, stored.octets) == (1, b"192.0.2.10 false\n")


def test_an_ipv6_client_gets_its_line_above_the_one_for_everybody(tmp_path: Path) -> None:
    with ruled(tmp_path, {"effect.dat": "#<> default\n*.*.*.* default\n"}) as server:
        refuse(server, "192.0.2.10", "2001:db8::1")
    lines = text(server.config).splitlines()
    assert lines.index("192.0.2.10 false") < lines.index("*.*.*.* default")
    assert "2001:db8::1 false" in lines


def test_the_octets_of_a_document_in_shift_jis_stay_as_they_are(tmp_path: Path) -> None:
    octets = "' 拒否リスト\r\nbad.test false\r\n".encode("cp932")
    with ruled(tmp_path, {}) as server:
        with Directory.open(server.config.storage_folder) as directory:
            directory.documents.store("effect.dat", None, octets, "operator")
        refuse(server, "192.0.2.10")
    stored = current(server.config)
    assert stored is not None
    assert stored.octets == octets + b"192.0.2.10 false\r\n"


def test_the_log_tells_of_it(tmp_path: Path) -> None:
    with ruled(tmp_path, {}) as server:
        refuse(server, "192.0.2.10")
        until(lambda: "effect.dat extended" in server.log, "the entry in the log")


def test_a_document_that_is_full_is_told_to_the_log_and_harms_nobody(tmp_path: Path) -> None:
    with ruled(tmp_path, CATCHING) as server:
        with Directory.open(server.config.storage_folder) as directory:
            store(directory, "effect.dat", "' " + "x" * (8 * 1024 * 1024 - 3) + "\n")
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann") == 552
            until(lambda: "effect.dat could not be extended" in server.log, "the entry in the log")
            assert caller.ask(b"MAIL FROM:<x@out.test>") == [250]
