# SPDX-License-Identifier: Apache-2.0
"""Every case of the RFC 7208 suite, asked of a name server on loopback: by the check's own question, and by `genkan spf`."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from genkan.admin.cli import main
from genkan.dns.resolver import Resolver
from genkan.dns.spf import SpfResult, explained_spf
from tests.conformance.spf_suite import Case, Scenario, scenarios
from tests.dns.asking import PATIENT, run
from tests.support.dns_server import dns_server
from tests.support.server import DEADLINE, StoppedClock, configuration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genkan.config_values import ListenAddress

CASES: Final = 203
HASTY: Final = timedelta(seconds=0.3)


@pytest.fixture(scope="module")
def suite() -> list[Scenario]:
    return scenarios()


def timeout_for(case: Case) -> timedelta:
    """Who may wait for a silent server does not wait for long."""
    return HASTY if "temperror" in case.results else PATIENT


def asked(case: Case, server: ListenAddress) -> SpfResult:
    async def ask() -> SpfResult:
        resolver = Resolver((server,), timeout_for(case), StoppedClock())
        return await explained_spf(resolver, case.client, case.sender, case.hello)

    return run(ask())


def test_all_cases_of_the_suite_are_read(suite: list[Scenario]) -> None:
    assert sum(len(scenario.cases) for scenario in suite) == CASES


def test_every_case_has_a_result_that_the_suite_accepts(suite: list[Scenario]) -> None:
    wrong = []
    for scenario in suite:
        with dns_server() as server:
            scenario.fill(server)
            for case in scenario.cases:
                found = asked(case, server.address)
                if not case.accepts(found.result, found.explanation):
                    wrong.append((case, found))
    assert wrong == []


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[Case, ListenAddress], tuple[str, str]]:
    """Ask by the command `genkan spf`, in this process; the result and the explanation."""

    def by_command(case: Case, server: ListenAddress) -> tuple[str, str]:
        words = [*command(tmp_path, case, server), "--json"]
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        told = json.loads(result.stdout)
        assert result.exit_code == int(told["result"] == "temperror")
        return told["result"], told["explanation"]

    return by_command


def command(home: Path, case: Case, server: ListenAddress) -> list[str]:
    """The words behind `genkan`, for a configuration of just that server."""
    settings = f'dns.servers = ["{server}"]\ndns.timeout = "{"1s" if "temperror" in case.results else "10s"}"\n'
    config = configuration(home, settings)
    words = ["-c", str(config.file), "spf", "--client", case.client, f"--hello={case.hello}"]
    return [*words, f"--from={case.sender}"] if case.sender else words


def test_the_command_has_the_same_results(
    suite: list[Scenario], ask: Callable[[Case, ListenAddress], tuple[str, str]]
) -> None:
    wrong = []
    for scenario in suite:
        with dns_server() as server:
            scenario.fill(server)
            for case in scenario.cases:
                told = ask(case, server.address)
                if not case.accepts(*told):
                    wrong.append((case, told))
    assert wrong == []


@pytest.mark.parametrize("name", ["redirect-cancels-prior-exp", "helo-not-fqdn", "alltimeout", "v-macro-ip6"])
def test_the_command_says_the_same_as_a_process(suite: list[Scenario], tmp_path: Path, name: str) -> None:
    ((scenario, case),) = [(scenario, case) for scenario in suite for case in scenario.cases if case.name == name]
    with dns_server() as server:
        scenario.fill(server)
        words = [sys.executable, "-m", "genkan", *command(tmp_path, case, server.address)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=False)
    result, _, rest = done.stdout.partition("\n")
    _, _, explanation = rest.partition("explanation  ")
    assert case.accepts(result, explanation.rstrip("\n"))
    assert (done.returncode, done.stderr) == (int(result == "temperror"), "")
