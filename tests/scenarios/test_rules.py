# SPDX-License-Identifier: Apache-2.0
"""Rule documents in a running server: what the operator stores decides at once, in every worker, as do the server's own lines."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.admin.operations import Operations
from genkan.admin.rule_operations import Remark
from tests.support.dns_server import Manner, dns_server
from tests.support.load import Client
from tests.support.server import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import MakeSite, Site

CONNECTIONS: Final = 12  # that all of them reach one of two workers happens once in 2000 runs
CLIENT: Final = "192.0.2.7"
SPAM: Final = b"Subject: cheap watches\r\n\r\nbuy\r\n"
HAM: Final = b"Subject: lunch\r\n\r\nat noon\r\n"
CATCHES: Final = b"Virus:watches\r\nSubject:watches\r\nLevel:101\r\nVirusEnd:\r\n"


def store(site: Site, document: str, octets: bytes | str, *words: str, status: int = 0) -> str:
    """`genkan rules import`; what it printed."""
    file = site.config.home / "to-import"
    file.write_bytes(octets if isinstance(octets, bytes) else octets.encode())
    done = site.genkan("rules", "import", document, str(file), *words)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def put(site: Site, document: str, octets: bytes) -> None:
    """As `store`, without the time that a process takes to start."""
    with closing(Operations.open(site.config)) as operations:
        operations.rules.store(operations.rules.place(document), octets, Remark("test"), datetime.now(UTC))


def mail_from(site: Site, address: str, client: str = CLIENT) -> set[str]:
    """The codes of the replies to MAIL on several new connections; "closed" for no greeting."""
    codes = set()
    for _ in range(CONNECTIONS):
        try:
            with Client(site.port, proxy_for=client) as connection:
                codes.add(connection.command(f"MAIL FROM:<{address}>\r\n".encode())[:3])
        except ConnectionError as error:
            codes.add("closed" if "gone after ''" in str(error) else str(error)[:3])
    return codes


def until_connections_of(site: Site, client: str) -> list[dict[str, Any]]:
    """The lines of the log about the connections of a client, once there is one."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = [entry for entry in site.logged("connection") if entry["client"] == client]
        return bool(found)

    until(look, f"a connection of {client} in the log")
    return found


def test_rules_take_effect_at_once_on_all_workers_and_so_do_rollback_and_removal(make_site: MakeSite) -> None:
    site = make_site("workers = 2", proxy=True)
    site.start()
    assert mail_from(site, "carol@rival.test") == {"250"}
    store(site, "effect.dat", "rival.test false\n")
    assert mail_from(site, "carol@rival.test") == {"550"}
    store(site, "effect.dat", f"{CLIENT} false\n")
    assert mail_from(site, "carol@rival.test") == {"550"}
    assert mail_from(site, "carol@rival.test", "192.0.2.8") == {"250"}
    assert site.genkan("rules", "rollback", "effect.dat", "1").returncode == 0
    assert mail_from(site, "carol@rival.test", "192.0.2.8") == {"550"}
    assert site.genkan("rules", "remove", "effect.dat").returncode == 0
    assert mail_from(site, "carol@rival.test") == {"250"}
    revisions = json.loads(site.genkan("rules", "log", "effect.dat", "--json").stdout)
    assert [revision["number"] for revision in revisions] == [4, 3, 2, 1]
    assert len(site.logged("worker started")) == 2
    assert site.terminate() == 0


def test_of_a_document_in_cp932_with_crlf_and_a_bad_line_all_other_lines_work(make_site: MakeSite) -> None:
    site = make_site(proxy=True)
    site.start()
    text = "' 社外からの迷惑メール\r\nrival.test false\r\n192.0.2.300 false\r\n192.0.2.9 false\r\n"
    printed = store(site, "effect.dat", text.encode("cp932"))
    assert printed.splitlines()[0] == "stored effect.dat as revision 1"
    assert [line for line in printed.splitlines()[1:] if line.startswith("error")] == printed.splitlines()[1:]
    assert "effect.dat:3: has '192.0.2.300'" in printed
    assert mail_from(site, "carol@rival.test") == {"550"}
    assert mail_from(site, "carol@example.net", "192.0.2.9") == {"550"}
    assert mail_from(site, "carol@example.net") == {"250"}
    assert site.genkan("rules", "export", "effect.dat", str(site.config.home / "out")).returncode == 0
    assert (site.config.home / "out").read_bytes() == text.encode("cp932")
    refusal = store(site, "effect.dat", "nonsense@@ false\n", "--strict", status=1)
    assert "nothing was stored" in refusal
    assert mail_from(site, "carol@rival.test") == {"550"}
    assert site.terminate() == 0


def test_a_client_that_sent_spam_is_refused_from_its_next_connection_on_by_all_workers(make_site: MakeSite) -> None:
    site = make_site("workers = 2\n[filter]\nexempt = []\n", proxy=True)
    site.start()
    put(site, "mail.dat", CATCHES)
    for client in ("127.0.0.1", CLIENT):
        with Client(site.port, proxy_for=client) as spammer:
            assert spammer.send(SPAM)[:3] == "552"
            assert spammer.send(HAM)[:3] == "250"  # the refusal is for the connections to come
    site.until_logged("effect.dat extended", 1)
    assert mail_from(site, "carol@example.net") == {"550"}
    assert mail_from(site, "carol@example.net", "127.0.0.1") == {"250"}
    shown = site.genkan("rules", "show", "effect.dat").stdout.splitlines()
    assert shown == ["#<> default", "#blank false", f"{CLIENT} false"]
    assert site.terminate() == 0


def test_many_spams_at_a_time_make_few_revisions_and_no_line_twice(make_site: MakeSite) -> None:
    site = make_site("workers = 2\n[filter]\nexempt = []\n", proxy=True)
    site.start()
    put(site, "mail.dat", CATCHES)
    clients = [Client(site.port, proxy_for=f"192.0.2.{number % 20 + 1}") for number in range(60)]
    replies: list[str] = []

    def send(client: Client) -> None:
        replies.append(client.send(SPAM)[:3])
        client.close()

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 60
    assert set(replies) <= {"552", "550"}  # 550: its line was there when this session came to MAIL
    wanted = {f"192.0.2.{number} false" for number in range(1, 21)}
    until(lambda: wanted <= set(site.genkan("rules", "show", "effect.dat").stdout.splitlines()), "all 20 lines")
    lines = site.genkan("rules", "show", "effect.dat").stdout.splitlines()
    assert len(lines) == len(set(lines))
    assert len(json.loads(site.genkan("rules", "log", "effect.dat", "--json").stdout)) <= 20
    assert site.terminate() == 0


def test_who_connects_too_often_is_locked_on_all_workers_until_the_lock_is_cleared(make_site: MakeSite) -> None:
    limits = '[limits]\nconnections_per_client = 5\nconnection_window = "10m"\n'
    site = make_site(f'workers = 2\n{limits}[auth]\nplaintext = "always"\n', proxy=True)
    site.genkan("account", "passwd", "ann@in.test", "--password-stdin", given="open sesame 1\n")
    site.start()
    for _ in range(5):
        Client(site.port, proxy_for=CLIENT).close()
    for _ in range(13):  # the count begins anew with the first, and again with the 7th and the 13th of them
        with pytest.raises(ConnectionError, match="gone after ''"):
            Client(site.port, proxy_for=CLIENT)
    locks = json.loads(site.genkan("lock", "list", "--json").stdout)
    assert [(lock["network"], lock["kind"]) for lock in locks] == [(f"{CLIENT}/32", "rate")]
    assert site.genkan("lock", "clear", CLIENT).returncode == 0
    Client(site.port, proxy_for=CLIENT).close()
    for number in range(12):
        Client(site.port, proxy_for="127.0.0.1").close() if number % 6 != 5 else _told_421(site, "127.0.0.1")
    with Client(site.port, proxy_for="192.0.2.50") as known:
        assert known.command(b"AUTH PLAIN AGFubkBpbi50ZXN0AG9wZW4gc2VzYW1lIDE=\r\n")[:3] == "235"
    for _ in range(4):
        Client(site.port, proxy_for="192.0.2.50").close()
    _told_421(site, "192.0.2.50")
    Client(site.port, proxy_for="192.0.2.50").close()
    assert json.loads(site.genkan("lock", "list", "--json").stdout) == []
    assert site.terminate() == 0


def _told_421(site: Site, client: str) -> None:
    with pytest.raises(ConnectionError, match="^421"):
        Client(site.port, proxy_for=client)


def test_a_client_that_a_block_list_names_is_refused_and_the_answer_is_remembered(make_site: MakeSite) -> None:
    with dns_server("7.2.0.192.bl.example.test 300 A 127.0.0.2") as dns:
        site = make_site(f'[dns]\nservers = ["{dns.address}"]\n', proxy=True)
        site.start()
        put(site, "ordb.dat", b"bl.example.test\n")
        for _ in range(3):
            with pytest.raises(ConnectionError, match="^550"):
                Client(site.port, proxy_for=CLIENT)
            Client(site.port, proxy_for="192.0.2.8").close()
        assert dns.count("7.2.0.192.bl.example.test") == 1
        Client(site.port, proxy_for="127.0.0.1").close()
        assert dns.count("1.0.0.127.bl.example.test") == 0
        assert site.terminate() == 0


def test_a_dead_name_server_delays_the_greeting_by_no_more_than_the_time_out(make_site: MakeSite) -> None:
    with dns_server() as dns:
        dns.treat(".", Manner(silent=True))
        site = make_site(f'[dns]\nservers = ["{dns.address}"]\ntimeout = "1s"\n', proxy=True)
        site.start()
        put(site, "ordb.dat", b"bl1.example.test\nbl2.example.test\nbl3.example.test\n")
        with Client(site.port, proxy_for=CLIENT) as client:
            assert client.send(HAM)[:3] == "250"
        seconds = [entry["seconds"] for entry in until_connections_of(site, CLIENT)]
        assert len(seconds) == 1
        assert 1.0 <= seconds[0] < 2.0
        assert site.terminate() == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["import", "effect.dat", "no-such-file"], "no-such-file", id="no file"),
        pytest.param(["import", "mail.dat", "-", "--account", "eve@in.test"], "eve@in.test", id="no account"),
        pytest.param(["promote", "mail.dat"], "rules shadow mail.dat FILE", id="no shadow"),
        pytest.param(["export", "effect.dat", "genkan.toml/file"], "genkan.toml", id="no folder"),
    ],
)
def test_a_wrong_command_says_what_to_do(make_site: MakeSite, words: list[str], says: str) -> None:
    site = make_site()
    done = site.genkan("rules", *(word.replace("genkan.toml", str(site.config.file)) for word in words))
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_octets_that_are_no_text_are_stored_as_they_are_and_harm_nothing(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(proxy=True)
    site.start()
    binary = bytes(range(256)) * 40 + b"\nrival.test false\n"
    for document in ("effect.dat", "mail.dat", "ordb.dat", "rejectsmtpip.dat", "approval-subjects.dat"):
        put(site, document, binary)
    with Client(site.port, proxy_for=CLIENT) as client:
        assert client.send(HAM)[:3] == "250"
    assert mail_from(site, "carol@rival.test") == {"550"}
    done = site.genkan("rules", "export", "mail.dat", str(tmp_path / "exported"))
    assert done.returncode == 0
    assert (tmp_path / "exported").read_bytes() == binary
    assert site.terminate() == 0
