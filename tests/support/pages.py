# SPDX-License-Identifier: Apache-2.0
"""The documentation as tests read it: pages, their links, code and commands, and a terminal that does what a page says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.support.server import DEADLINE, free_port, until
from tests.support.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)
_LISTENERS: Final = {"smtp": 2525, "submission": 2587, "submissions": 2465}


@dataclass(frozen=True)
class Page:
    """One Markdown file; `name` is its path below the checkout."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return ROOT / self.name

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of one language, in order."""
        return [text for name, text in _FENCE.findall(self.text) if name == language]

    def code(self) -> Iterator[str]:
        """All code: each fenced block, and each piece between single backticks."""
        yield from (text for _, text in _FENCE.findall(self.text))
        yield from self.words()

    def words(self) -> list[str]:
        """What stands between single backticks."""
        return _INLINE.findall(_FENCE.sub("", self.text))

    def links(self) -> list[str]:
        """The targets of links to other pages and within this one."""
        targets = _LINK.findall(_FENCE.sub("", self.text))
        return [target for target in targets if not target.startswith(("http:", "https:", "mailto:"))]

    def anchors(self) -> set[str]:
        """What a link can lead to inside the page: its headings in lower case, blanks as hyphens, no punctuation."""
        headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(_FENCE.sub("", self.text)))
        return {heading.strip().replace(" ", "-") for heading in headings}


def all_pages() -> list[Page]:
    """Every page of the checkout."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("tests/**/*.md")]
    return [Page(str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in sorted(paths)]


class Terminal:
    """A shell in an empty folder. A block that serves goes on in the background; ports are exchanged for free ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {role: free_port() for role in _LISTENERS}
        self._server: subprocess.Popen[bytes] | None = None
        self._config = ""
        self._keeps_all = False
        programs = Path(sys.executable).parent
        self._environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            assert self._server.wait(DEADLINE) == 0

    def run(self, block: str) -> str:
        """Run a block of shell commands and give what it prints; fail if any of them fails."""
        block = self._with_free_ports(block)
        served = re.fullmatch(r"genkan -c (\S+) serve\n", block)
        if served is not None:
            self._serve(served[1])
            return ""
        output = self._shell(block)
        if self._server is not None and not self._keeps_all:
            until(lambda: json.loads(self._shell(f"genkan -c {self._config} queue list --json")) == [], "delivery")
        return output

    def _with_free_ports(self, block: str) -> str:
        listeners = " ".join(f"--listen {role}=127.0.0.1:{port}" for role, port in self._ports.items())
        block = re.sub(r"\bgenkan init (\S+)", rf"genkan init \1 {listeners}", block)
        for role, usual in _LISTENERS.items():
            block = re.sub(rf"\b{usual}\b", str(self._ports[role]), block)
        return block

    def _shell(self, block: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", block],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE * 2,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, config: str) -> None:
        log = self._folder / "log"
        command = ["genkan", "-c", config, "serve"]
        with log.open("ab") as output:
            self._server = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        self._config = config
        self._keeps_all = "\npaused = true\n" in (self._folder / config).read_text()
        until(lambda: b"worker started" in log.read_bytes(), "the start of the server")
