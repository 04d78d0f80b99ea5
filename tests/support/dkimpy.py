# SPDX-License-Identifier: Apache-2.0
"""dkimpy, the DKIM library of Debian's python3-dkim, run by the system's own Python: a judge that shares no code with us."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final

from tests.support.clients import cannot_run

if TYPE_CHECKING:
    from collections.abc import Mapping

_PYTHON: Final = "/usr/bin/python3"  # the system's own, which has Debian's modules
_VERIFIER: Final = """
import dkim, json, sys
records = json.loads(sys.argv[1])
message = sys.stdin.buffer.read()
look_up = lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode()

def verify(index):
    try:
        return dkim.DKIM(message).verify(idx=index, dnsfunc=look_up)
    except dkim.DKIMException:
        return False

names = [name.lower() for name, _ in dkim.DKIM(message).headers]
print(json.dumps([verify(index) for index in range(names.count(b"dkim-signature"))]))
"""


def need_dkimpy() -> None:
    """Skip the test where there is none; under CI=true fail it."""
    try:
        subprocess.run([_PYTHON, "-c", "import dkim"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.CalledProcessError):
        cannot_run("dkimpy is not installed; on Debian and Ubuntu: apt-get install python3-dkim")


def run_dkimpy(program: str, given: bytes, *arguments: str) -> bytes:
    """What a program that imports it prints."""
    command = [_PYTHON, "-c", program, *arguments]
    done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def verified(message: bytes, records: Mapping[str, str]) -> list[bool]:
    """Whether each signature of a message verifies, from the top down; `records` has the text of each TXT record."""
    found: list[bool] = json.loads(run_dkimpy(_VERIFIER, message, json.dumps(dict(records))))
    return found
