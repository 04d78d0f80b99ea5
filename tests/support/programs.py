# SPDX-License-Identifier: Apache-2.0
"""Programs beside a test that import what it imports, in a process of their own: they may die where they like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import genkan

if TYPE_CHECKING:
    from subprocess import CompletedProcess


def run_python(*arguments: str | Path) -> CompletedProcess[str]:
    """Run Python with this `genkan` and these `tests`, to its end; what it wrote is in the result."""
    paths = [str(Path(genkan.__path__[0]).parent), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def crashes_survived(program: Path, folder: Path) -> int:
    """Run a program that crashes at one line after another of its work in `folder`, and prints how often it did."""
    done = run_python(program, folder)
    assert done.stderr == ""
    return int(done.stdout)
