# SPDX-License-Identifier: Apache-2.0
"""The benchmark's parts: the load tool brings mail to the real server, and figures become the tables that are printed."""

from __future__ import annotations

import os
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory.directory import Directory, Local
from genkan.message.mime import TextReader
from genkan.rules.document import Document
from genkan.rules.effect import EffectRules, parse_effect
from genkan.rules.mail import parse_mail
from genkan.rules.mail_block import Item, MailRules
from genkan.rules.mail_match import MailMatcher, MailText
from genkan.smtp.address import parse_mailbox
from tests.support.clients import Post, cannot_run, program, running_post
from tests.support.load import Client
from tests.support.server import free_port

BENCH: Final = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))  # its modules are a program of their own, not a package

import report  # noqa: E402
import rules  # noqa: E402
from bench import make_plan, parse_arguments  # noqa: E402
from ends import MaildirEnd, SinkEnd, await_count  # noqa: E402
from idle import IdleFigures  # noqa: E402
from loads import DEFAULT_LOADS, DELIVERIES, IDLE, LOADS, QUICK_LOADS, SAME_MAIL, Load  # noqa: E402
from loadtool import BenchError, build_tool, put_load  # noqa: E402
from measure import Figures  # noqa: E402
from peers import DEFAULT_PEERS, DELIVERING, KINDS, QUICK_PEERS, kind_named  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load tool, compiled from its source as it is now."""
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        cannot_run(
            "there is no C compiler for the load tool; on Debian and Ubuntu: apt-get install gcc libc6-dev libssl-dev"
        )
    try:
        return build_tool(tmp_path_factory.mktemp("bench"))
    except BenchError as error:
        if "libssl-dev" in str(error):
            cannot_run(str(error))
        raise


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """A server that takes the load tool's mail."""
    with running_post(tmp_path) as running:
        with Directory.open(running.server.config.storage_folder) as directory:
            directory.domains.add("example.com")
            directory.accounts.add(parse_mailbox("user0@example.com"))
        yield running


def load(*flags: str, size: int = 1024) -> Load:
    return Load("a", "a load", size, 2, flags, 10)


@pytest.mark.parametrize("flags", [(), ("-1",), ("-p",), ("-P",), ("-t",), ("-t", "-1")])
def test_ten_messages_of_the_load_tool_are_delivered(tool: Path, post: Post, flags: tuple[str, ...]) -> None:
    run = put_load(tool, load(*flags), post.port("smtp"), 10)
    assert (run.finished, run.errors, run.note) == (10, 0, "")
    assert run.rate > 0
    contents = post.contents("user0@example.com", 10)
    assert len(contents) == 10
    assert len(set(contents)) == 1


@pytest.mark.parametrize("flags", [(), ("-1",), ("-p",), ("-P",), ("-P", "-1")])
def test_mail_goes_to_as_many_recipients_as_asked_for(tool: Path, post: Post, flags: tuple[str, ...]) -> None:
    with Directory.open(post.server.config.storage_folder) as directory:
        for number in (1, 2):
            directory.accounts.add(parse_mailbox(f"user{number}@example.com"))
    run = put_load(tool, load("-r", "3", *flags), post.port("smtp"), 10)
    assert (run.finished, run.errors) == (10, 0)
    assert [len(post.contents(f"user{number}@example.com", count)) for number, count in enumerate((4, 3, 3))] == [
        4,
        3,
        3,
    ]


def test_the_filter_finds_no_word_of_its_blocks_in_the_load_tools_mail(tool: Path, post: Post) -> None:
    put_load(tool, load(size=20_000), post.port("smtp"), 1)
    reader = TextReader(1_000_000)
    reader.feed(post.contents("user0@example.com", 1)[0])
    reader.finish()
    text = MailText(reader.header, reader.texts)
    assert len("".join(text.texts)) > 19_000
    assert MailMatcher(mail_rules().blocks).first(text) is None


def test_a_large_body_is_as_large_as_asked_for(tool: Path, post: Post) -> None:
    run = put_load(tool, load(size=100_000), post.port("smtp"), 2)
    assert (run.finished, run.errors) == (2, 0)
    assert [abs(len(content) - 100_000) < 1000 for content in post.contents("user0@example.com", 2)] == [True, True]


def test_handshakes_alone_bring_no_mail(tool: Path, post: Post) -> None:
    run = put_load(tool, load("-H"), post.port("smtp"), 10)
    assert (run.finished, run.errors) == (10, 0)
    assert post.nothing_accepted()


def test_refused_mail_counts_as_errors(tool: Path, tmp_path: Path) -> None:
    with running_post(tmp_path) as post:  # nobody here has the load tool's recipient
        run = put_load(tool, load(), post.port("smtp"), 10)
    assert run.errors > 0
    assert run.finished == 0


def effect_rules() -> EffectRules:
    return parse_effect(Document("effect.dat", "", 1, rules.effect_text()))


def mail_rules() -> MailRules:
    return parse_mail(Document("mail.dat", "", 1, rules.mail_text()))


def test_the_many_lines_of_effect_dat_are_read_and_pass_the_load_by_up_to_the_last_third() -> None:
    found = effect_rules()
    assert (len(found.rules), found.findings) == (1000, ())
    assert len({rule.text for rule in found.rules}) == 1000
    match = found.match("127.0.0.1", parse_mailbox("load@client.example"), blank=False)
    assert match is not None
    assert (match.rule.origin.line, str(match.rule)) == (900, "127.*.*.* default")


def test_the_many_blocks_of_mail_dat_have_three_tokens_a_condition_and_a_third_looks_at_the_body_alone() -> None:
    found = mail_rules()
    assert (len(found.blocks), found.findings) == (200, ())
    conditions = [condition for block in found.blocks for condition in block.conditions]
    assert {len(condition.tokens) for condition in conditions} == {3}
    assert {condition.item for condition in conditions} == {Item.FROM, Item.SUBJECT, Item.UNIQUE_HEADER, Item.BODY}
    assert sum([one.item for one in block.conditions] == [Item.BODY] for block in found.blocks) * 3 >= len(found.blocks)


def test_the_many_accounts_are_there_as_if_the_directory_had_added_them(tmp_path: Path) -> None:
    with Directory.open(tmp_path) as directory:
        directory.domains.add("example.com")
        rules.add_accounts(tmp_path)
        directory.refresh()
        assert len(directory.accounts.list()) == 10_000
        last = directory.resolve(parse_mailbox("USER9999@example.com"))
        assert isinstance(last, Local)
        assert (str(last.account.address), last.account.name) == ("user9999@example.com", "User 9999")
        added = directory.accounts.add(parse_mailbox("user10000@example.com"), "User 10000")
        assert added.can_authenticate == last.account.can_authenticate


def test_a_tool_newer_than_its_source_is_not_built_again(tool: Path) -> None:
    built_at = tool.stat().st_mtime_ns
    assert build_tool(tool.parent).stat().st_mtime_ns == built_at


def figures(peer: str, rate: float, name: str = "1k-s100", cpu_us: float = 100.0, errors: int = 0) -> Figures:
    return Figures(name, peer, 1000, rate, rate - 10, rate + 10, cpu_us, 1.5, 12.25, 40.0, 0.0, errors, "")


def test_a_load_table_gives_the_ratio_to_postfix() -> None:
    rows = report.load_table([figures("genkan", 6000), figures("postfix", 1200), figures("sink", 18000)])
    assert [row[report.COLUMNS.index("x Postfix")] for row in rows] == ["x Postfix", "5.00", "1.00", "15.00"]
    assert rows[1] == ("genkan", "6000", "5990-6010", "5.00", "100", "1.50", "12.2", "40", "0.0", "0")


def test_a_load_table_without_postfix_has_no_ratio() -> None:
    assert report.load_table([figures("genkan", 6000)])[1][report.COLUMNS.index("x Postfix")] == ""


def test_delivering_is_held_against_delivering() -> None:
    rows = report.load_table(
        [figures("genkan-maildir", 900), figures("postfix", 1200), figures("postfix-maildir", 300)]
    )
    assert rows[1][report.COLUMNS.index("x Postfix")] == "3.00"


def test_passing_on_is_held_against_passing_on_and_against_the_best_settings_of_postfix() -> None:
    rows = report.load_table(
        [
            figures("genkan-relay", 900, "deliver-1k"),
            figures("postfix-maildir", 800, "deliver-1k"),
            figures("postfix-relay", 300, "deliver-1k"),
            figures("postfix-tuned-relay", 450, "deliver-1k"),
        ]
    )
    assert [row[report.COLUMNS.index("x Postfix")] for row in rows[1:]] == ["2.00", "1.00", "0.67", "1.00"]


def test_delivered_mail_has_a_floor_of_its_own() -> None:
    rows = report.verdict_table(
        [
            figures("genkan-maildir", 610, "deliver-1k"),
            figures("postfix-maildir", 300, "deliver-1k"),
            figures("genkan-relay", 590, "deliver-10k"),
            figures("postfix-relay", 300, "deliver-10k"),
        ]
    )
    assert rows[1:] == [
        ("deliver-1k", "genkan-maildir", "2.03", "2", "2", "aim reached", "100", ""),
        ("deliver-10k", "genkan-relay", "1.97", "2", "2", "below the floor", "100", ""),
    ]


@pytest.mark.parametrize(
    ("rate", "cpu_us", "row"),
    [
        (3900, 100, ("1k-s100", "genkan", "3.90", "4", "8", "below the floor", "100", "150 kept")),
        (4000, 150, ("1k-s100", "genkan", "4.00", "4", "8", "floor held", "150", "150 kept")),
        (8000, 151, ("1k-s100", "genkan", "8.00", "4", "8", "aim reached", "151", "150 EXCEEDED")),
    ],
)
def test_a_verdict_holds_the_ratio_against_floor_and_aim(rate: float, cpu_us: float, row: tuple[str, ...]) -> None:
    rows = report.verdict_table([figures("genkan", rate, cpu_us=cpu_us), figures("postfix", 1000)])
    assert rows == [report.VERDICT_COLUMNS, row]


def test_verdicts_are_about_ours_alone_and_need_postfix() -> None:
    assert report.verdict_table([figures("sink", 9000), figures("postfix", 1000)]) == [report.VERDICT_COLUMNS]
    assert report.verdict_table([figures("genkan", 9000)]) == [report.VERDICT_COLUMNS]


def test_each_receivers_best_number_of_sessions_is_held_to_the_same_ratio() -> None:
    rows = report.verdict_table(
        [
            figures("genkan", 500, "1k-s1"),
            figures("postfix", 250, "1k-s1"),
            figures("genkan", 9000, "1k-s10"),
            figures("postfix", 2000, "1k-s10"),
        ]
    )
    assert rows[1:] == [
        ("1k-s1", "genkan", "2.00", "1.3", "2", "aim reached", "100", ""),
        ("1k, best sessions", "genkan", "4.50", "4", "8", "floor held", "", ""),
    ]


def test_those_that_deliver_are_held_at_their_best_too_each_to_those_that_end_alike() -> None:
    rows = report.verdict_table(
        [
            figures("genkan-relay", 900, "deliver-1k"),
            figures("postfix-relay", 400, "deliver-1k"),
            figures("postfix-maildir", 900, "deliver-1k"),
            figures("genkan-relay", 600, "deliver-1k-s10"),
            figures("postfix-relay", 500, "deliver-1k-s10"),
        ]
    )
    assert rows[1:] == [
        ("deliver-1k", "genkan-relay", "2.25", "2", "2", "aim reached", "100", ""),
        ("deliver-1k, best sessions", "genkan-relay", "1.80", "2", "2", "below the floor", "", ""),
    ]


def test_receivers_with_rules_are_held_against_the_same_without() -> None:
    rows = report.rules_table(
        [
            figures("genkan", 5000, "10k-s50"),
            figures("genkan-rules", 4000, "10k-s50", cpu_us=130),
            figures("genkan-2", 8000, "10k-s50"),
            figures("genkan-2-rules", 6300, "10k-s50", cpu_us=99.5),
            figures("genkan", 5000),
            figures("genkan-rules", 2500),
        ]
    )
    assert rows == [
        report.RULES_COLUMNS,
        ("10k-s50", "genkan-rules", "0.80", "0.8", "kept", "30.0"),
        ("10k-s50", "genkan-2-rules", "0.79", "0.8", "BELOW", "-0.5"),
        ("1k-s100", "genkan-rules", "0.50", "", "", "0.0"),
    ]


def test_rules_alone_have_nothing_to_be_held_against() -> None:
    assert report.rules_table([figures("genkan-rules", 4000), figures("genkan", 0), figures("postfix", 1000)]) == [
        report.RULES_COLUMNS
    ]


def test_idle_connections_are_held_to_their_limit() -> None:
    rows = report.idle_table([IdleFigures("genkan", 10000, 40, 80, 4.1, 3.25), IdleFigures("other", 10, 1, 2, 5.1, 0)])
    assert rows[1:] == [
        ("genkan", "10000", "40.0", "80.0", "4.10", "5 kept", "3.2"),
        ("other", "10", "1.0", "2.0", "5.10", "5 EXCEEDED", "0.0"),
    ]


def test_a_plain_table_has_columns_of_equal_width() -> None:
    assert (
        report.plain([("receiver", "per second"), ("genkan", "6000")]) == "receiver  per second\ngenkan          6000"
    )


def test_a_markdown_table_has_its_numbers_to_the_right() -> None:
    table = report.markdown([("receiver", "per second"), ("genkan", "6000")])
    assert table == "| receiver | per second |\n| --- | ---: |\n| genkan | 6000 |"


def test_the_loads_that_are_named_elsewhere_exist() -> None:
    assert {*DEFAULT_LOADS, *QUICK_LOADS, *chain(*SAME_MAIL)} - {IDLE} <= LOADS.keys()


def test_the_receivers_that_are_named_elsewhere_exist() -> None:
    assert {*DEFAULT_PEERS, *QUICK_PEERS} <= KINDS.keys()


def test_receivers_that_deliver_are_known_by_their_names() -> None:
    assert [name for name, kind in KINDS.items() if kind.delivers != name.endswith(DELIVERING)] == []


def test_a_load_that_none_of_the_receivers_is_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.py", "--peers", "mine=/bin/sh", "--loads", ",".join(DELIVERIES)])
    with pytest.raises(BenchError, match="deliver-10k are for receivers that deliver"):
        make_plan(parse_arguments())


def test_files_of_a_maildir_are_counted_and_its_folder_knows_when_the_last_came(tmp_path: Path) -> None:
    end = MaildirEnd(tmp_path / "new")
    assert end.count() == 0
    (tmp_path / "new").mkdir()
    for name in ("one", "two"):
        (tmp_path / name).touch()
        (tmp_path / name).rename(tmp_path / "new" / name)
    os.utime(tmp_path / "new", (1000, 2000.5))
    assert (end.count(), await_count(end, 2, 1)) == (2, 2000.5)
    assert await_count(end, 3, 0) is None


def test_the_server_behind_a_relay_counts_what_it_takes(tmp_path: Path) -> None:
    program("smtp-sink", "postfix")
    tmp_path.chmod(0o755)
    port = free_port()
    end = SinkEnd(port, tmp_path / "end")
    try:
        assert end.count() == 0
        with Client(port) as client:
            for _ in range(3):
                assert client.send(b"Subject: x\r\n\r\n").startswith("250")
            assert await_count(end, 3, 5) == (tmp_path / "end" / "out").stat().st_mtime
            assert end.count() == 3
    finally:
        end.close()
    assert end.next_hop == f"127.0.0.1:{port}"


def test_a_receiver_of_ones_own_is_a_script_with_arguments() -> None:
    name, kind = kind_named("mine=/x/start.sh:one:two")
    assert (name, str(kind.script), kind.arguments) == ("mine", "/x/start.sh", ("one", "two"))
    assert kind.missing() == "/x/start.sh does not exist"


def test_an_unknown_receiver_is_told_with_those_there_are() -> None:
    with pytest.raises(BenchError, match="there are genkan, "):
        kind_named("unknown")


def test_each_receivers_start_script_is_there_and_runs() -> None:
    assert [kind.script.name for kind in KINDS.values() if not kind.script.stat().st_mode & 0o100] == []
