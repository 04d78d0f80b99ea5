# SPDX-License-Identifier: Apache-2.0
"""Programs that take mail: what they get, what their end means, and that none outlives its time."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.pipe import EXIT_STATUSES, MOST_WORDS, PipeOpener
from tests.delivery.consignments import CONTENT, FIELDS, consignment, unreadable
from tests.support.server import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome

PATIENT = timedelta(seconds=20)


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Both event loops start programs in their own ways."""
    found: Callable[..., Any] = request.param
    return found


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o700)
    return str(path)


def python(tmp_path: Path, text: str) -> str:
    (tmp_path / "code.py").write_text(text, "utf-8")
    return script(tmp_path, f'exec {shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / "code.py"))} "$@"')


async def carried(opener: PipeOpener, mail: Consignment) -> list[Outcome]:
    carrier = await opener()
    assert carrier.usable
    outcomes = await carrier.carry(mail)
    await carrier.close()
    return outcomes


def pipe(program: str, tmp_path: Path, *arguments: str, timeout: timedelta = PATIENT) -> PipeOpener:
    return PipeOpener(program, arguments, timeout, tmp_path)


def test_a_program_gets_fields_and_content_on_its_input(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "cat > got")
    outcomes = run(carried(pipe(program, tmp_path), consignment()))
    assert outcomes == [Delivered(by=program)]
    assert (tmp_path / "got").read_bytes() == FIELDS + CONTENT


def test_content_larger_than_any_pipe_arrives_whole(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "wc -c")
    large = consignment(content=b"x" * 3_000_000)
    assert run(carried(pipe(program, tmp_path), large)) == [Delivered(by=f"{program}: {3_000_000 + len(FIELDS)}")]


def test_the_environment_is_the_envelope_and_nothing_of_the_servers(tmp_path: Path) -> None:
    program = script(tmp_path, "env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort > got")
    os.environ["GENKAN_TEST_SECRET"] = "secret"
    try:
        uvloop.run(carried(pipe(program, tmp_path), consignment()))
    finally:
        del os.environ["GENKAN_TEST_SECRET"]
    assert (tmp_path / "got").read_text("utf-8").splitlines() == [
        "CLIENT_ADDRESS=192.0.2.7",
        f"HOME={tmp_path}",
        "LANG=C.UTF-8",
        "MESSAGE_ID=B0000000007",
        "ORIGINAL_RECIPIENT=ANN@in.test",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "RECIPIENT=ann@in.test",
        "SENDER=eve@out.test",
    ]


def test_no_other_file_of_the_server_is_open_in_a_program(run: Callable[..., Any], tmp_path: Path) -> None:
    program = python(tmp_path, "import os\nprint(sorted(int(name) for name in os.listdir('/proc/self/fd'))[:-1])")
    with (tmp_path / "secret").open("wb") as secret:
        os.set_inheritable(secret.fileno(), True)
        (outcome,) = run(carried(pipe(program, tmp_path), consignment()))
    assert outcome == Delivered(by=f"{program}: [0, 1, 2]")


def test_placeholders_become_arguments_and_no_shell_reads_them(tmp_path: Path) -> None:
    program = script(tmp_path, 'for argument in "$@"; do echo "<$argument>"; done')
    opener = pipe(program, tmp_path, "-f", "{reverse_path}", "to={recipient}", "{message_id}", "{other}", "$(id)")
    (outcome,) = uvloop.run(carried(opener, consignment("`id`&{reverse_path}@in.test")))
    said = "<-f> <eve@out.test> <to=`id`&{reverse_path}@in.test> <B0000000007> <{other}> <$(id)>"
    assert outcome == Delivered(by=f"{program}: {said}")


def test_an_address_never_becomes_an_option(tmp_path: Path) -> None:
    program = script(tmp_path, "echo $1")
    mail = consignment("-oQ/tmp@in.test", "bob@in.test")
    outcomes = uvloop.run(carried(pipe(program, tmp_path, "{recipient}"), mail))
    reason = f"{program} is not given an address that begins with a hyphen, it would be read as an option"
    assert outcomes == [Failed(reason, "5.1.3"), Delivered(by=f"{program}: bob@in.test")]
    outcomes = uvloop.run(carried(pipe(program, tmp_path, "--to={recipient}"), mail))
    assert outcomes[0] == Delivered(by=f"{program}: --to=-oQ/tmp@in.test")


def test_each_recipient_has_a_process_and_an_outcome_of_its_own(tmp_path: Path) -> None:
    program = script(tmp_path, 'test "$RECIPIENT" = bob@in.test && exit 67; cat >> got')
    outcomes = uvloop.run(carried(pipe(program, tmp_path), consignment("ann@in.test", "bob@in.test", "eva@in.test")))
    failed = Failed(f"{program} ended with status 67 (no such recipient)", "5.1.1")
    assert outcomes == [Delivered(by=program), failed, Delivered(by=program)]
    assert (tmp_path / "got").read_bytes() == (FIELDS + CONTENT) * 2


@pytest.mark.parametrize("status", [1, 2, 111, *EXIT_STATUSES])
def test_an_exit_status_fails_or_defers_as_the_table_says(status: int, tmp_path: Path) -> None:
    program = script(tmp_path, f"cat > /dev/null; echo sorry; exit {status}")
    (outcome,) = uvloop.run(carried(pipe(program, tmp_path), consignment()))
    meaning, code = EXIT_STATUSES.get(status, ("", "4.3.0"))
    reason = f"{program} ended with status {status}{f' ({meaning})' if meaning else ''}: sorry"
    assert outcome == (Failed(reason, code) if code[0] == "5" else Deferred(reason, status=code))


def test_of_the_statuses_those_of_the_message_fail_and_those_of_the_machine_defer() -> None:
    assert [status for status, (_, code) in EXIT_STATUSES.items() if code[0] == "5"] == [65, 67, 68, 69, 76, 77]


def test_a_program_that_dies_of_a_signal_defers(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "kill -SEGV $$")
    assert run(carried(pipe(program, tmp_path), consignment())) == [
        Deferred(f"{program} was ended by SIGSEGV", status="4.3.0")
    ]


def test_a_program_that_is_not_there_defers_with_what_to_do(run: Callable[..., Any], tmp_path: Path) -> None:
    (outcome,) = run(carried(pipe("/nowhere/program", tmp_path), consignment()))
    reason = "/nowhere/program cannot be started: No such file or directory; correct the route, or the file"
    assert outcome == Deferred(reason, status="4.3.5")


def test_a_file_that_is_no_program_defers(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no program", "utf-8")
    (outcome,) = run(carried(pipe(str(tmp_path / "notes"), tmp_path), consignment()))
    assert isinstance(outcome, Deferred)
    assert "Permission denied" in outcome.reason


def test_a_program_need_not_read(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "exec 0<&-; echo done")
    large = consignment(content=b"x" * 1_000_000)
    assert run(carried(pipe(program, tmp_path), large)) == [Delivered(by=f"{program}: done")]


def test_a_program_may_end_while_somebody_else_holds_its_input_and_output(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    code = "import os, sys, time\nif os.fork():\n    os._exit(0)\nprint(os.getpid(), file=open('pid', 'w'))\ntime.sleep(30)"
    program = python(tmp_path, code)
    large = consignment(content=b"x" * 1_000_000)
    assert run(carried(pipe(program, tmp_path), large)) == [Delivered(by=program)]
    until((tmp_path / "pid").exists, "the second process")
    until(lambda: bool((tmp_path / "pid").read_text("utf-8")), "its number")
    os.kill(int((tmp_path / "pid").read_text("utf-8")), 9)


def test_endless_output_is_read_and_not_kept(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "head -c 5000000 /dev/zero | tr '\\0' x; printf '\\033[2J'; exit 65")
    (outcome,) = run(carried(pipe(program, tmp_path), consignment()))
    assert outcome == Failed(
        f"{program} ended with status 65 (the data are wrong): {'x' * (MOST_WORDS - 3)}...", "5.6.0"
    )


def test_what_a_program_says_is_one_line_of_visible_characters(tmp_path: Path) -> None:
    program = script(tmp_path, "printf 'no\\033[2J\\r\\nsuch \\377\\0box' >&2; exit 67")
    (outcome,) = uvloop.run(carried(pipe(program, tmp_path), consignment()))
    assert outcome == Failed(f"{program} ended with status 67 (no such recipient): no [2J such \ufffd box", "5.1.1")


def test_a_program_that_takes_too_long_is_killed_with_all_it_has_started(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    program = script(
        tmp_path, "trap '' TERM INT HUP\necho begun\nsh -c 'echo $$ > inner; sleep 60' &\necho $$ > outer\nwait"
    )
    opener = pipe(program, tmp_path, timeout=timedelta(seconds=0.5))
    large = consignment(content=b"x" * 1_000_000)
    reason = f"{program} was not finished within 0.5 s and was killed: begun"
    assert run(carried(opener, large)) == [Deferred(reason, status="4.4.7")]
    numbers = [int((tmp_path / name).read_text("utf-8")) for name in ("outer", "inner")]
    until(lambda: not any(map(is_alive, numbers)), "the end of both processes")
    assert not os.path.exists(f"/proc/{numbers[0]}")


def test_a_carrier_that_is_cancelled_leaves_no_process(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "echo $$ > pid.new; mv pid.new pid; sleep 60")

    async def cancelled() -> None:
        task = asyncio.create_task(carried(pipe(program, tmp_path), consignment()))
        await asyncio.to_thread(until, (tmp_path / "pid").exists, "the start of the program")
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    run(cancelled())
    number = int((tmp_path / "pid").read_text("utf-8"))
    until(lambda: not is_alive(number), "the end of the process")


def test_content_that_cannot_be_read_is_never_taken_for_the_whole_message(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    program = script(tmp_path, "cat > got; touch finished")
    (outcome,) = run(carried(pipe(program, tmp_path), unreadable()))
    assert outcome == Deferred("the content cannot be read: Input/output error", status="4.3.0")
    assert not (tmp_path / "finished").exists()


def test_content_of_another_size_than_the_spool_says_is_never_taken(tmp_path: Path) -> None:
    program = script(tmp_path, "cat > got; touch finished")
    for size in (len(CONTENT) - 1, len(CONTENT) + 1):
        (outcome,) = uvloop.run(carried(pipe(program, tmp_path), consignment(size=size)))
        reason = "the content cannot be read: the content has not the size that the spool says"
        assert outcome == Deferred(reason, status="4.3.0")
    assert not (tmp_path / "finished").exists()


def test_no_child_is_left_to_be_waited_for(run: Callable[..., Any], tmp_path: Path) -> None:
    program = script(tmp_path, "echo $$ >> pids; cat > /dev/null")
    run(carried(pipe(program, tmp_path), consignment("ann@in.test", "bob@in.test", "eva@in.test")))
    numbers = (tmp_path / "pids").read_text("utf-8").split()
    assert len(numbers) == 3
    assert [number for number in numbers if os.path.exists(f"/proc/{number}")] == []


def is_alive(number: int) -> bool:
    """Whether it runs; a process that only waits to be reaped by somebody else does not."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
