# SPDX-License-Identifier: Apache-2.0
"""Disks that are full or may not be written to: what clients are told, what becomes of the mail, what `serve` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.disk import small_disk
from tests.support.load import Client, assert_nothing_lost, content, loading
from tests.support.server import maildir, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import MakeSite


def test_a_full_spool_defers_with_an_id_and_takes_mail_again_once_there_is_space(
    tmp_path: Path, make_site: MakeSite
) -> None:
    with small_disk(tmp_path / "home" / "data") as disk:
        site = make_site()
        site.start()
        with loading(site.port) as load:
            load.until_acknowledged(100)
            disk.fill()
            until(lambda: load.replies["452 4.3.1"] >= 50, f"refusals, {load.replies}")
            disk.free()
            load.until_acknowledged(len(load.acknowledged) + 100)
        assert set(load.replies) == {"452 4.3.1"}
        assert load.errors == {}
        assert_nothing_lost(site.config, load.acknowledged)
        assert site.terminate() == 0


def test_the_id_of_a_full_spool_is_in_the_log(tmp_path: Path, make_site: MakeSite) -> None:
    with small_disk(tmp_path / "home" / "data") as disk:
        site = make_site()
        site.start()
        disk.fill()
        with Client(site.port) as client:
            replies = [client.send(content(number)) for number in (10, 11)]  # a large one and a small one
            assert client.command(b"NOOP\r\n")[:3] == "250"
        assert [reply[:9] for reply in replies] == ["452 4.3.1"] * 2
        ids = {reply.rpartition(" ")[2] for reply in replies}
        until(
            lambda: ids == {entry["id"] for entry in site.logged("refused") if entry["reply"] == "STORAGE_FULL"},
            f"{ids} in the log",
        )
        disk.free()
        with Client(site.port) as client:
            assert client.send(content(11))[:3] == "250"
        assert site.terminate() == 0


def test_mail_for_a_full_maildir_waits_in_the_queue_until_there_is_space(tmp_path: Path, make_site: MakeSite) -> None:
    with small_disk(tmp_path / "home" / "mail") as disk:
        site = make_site('[delivery]\nretry = ["1s"]\n')
        site.start()
        disk.fill()
        with loading(site.port) as load:
            load.until_acknowledged(100)
        site.until_logged("deferred", len(load.acknowledged))
        assert {entry["reason"].rpartition(": ")[2] for entry in site.logged("deferred")} == {"No space left on device"}
        assert maildir(site.config, "ann@in.test") == []
        disk.free()
        assert_nothing_lost(site.config, load.acknowledged)
        assert site.terminate() == 0


def test_serve_says_that_its_storage_is_read_only(tmp_path: Path, make_site: MakeSite) -> None:
    with small_disk(tmp_path / "home" / "data") as disk:
        site = make_site()
        disk.make_read_only()
        done = site.genkan("serve")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"genkan: {site.config.storage_folder}: it cannot be written to, check its owner and its mode "
            "(Read-only file system)\n"
        )


def test_serve_says_that_its_spool_is_full(tmp_path: Path, make_site: MakeSite) -> None:
    with small_disk(tmp_path / "home" / "data") as disk:
        site = make_site()
        disk.fill()
        done = site.genkan("serve")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"genkan: {site.config.storage_folder}/directory.db: the disk is full, free some space (disk I/O error)\n"
        )
