# SPDX-License-Identifier: Apache-2.0
"""The documentation says what is so: pages made from the program are current, links lead somewhere, commands run."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Final

import click
import pytest

from genkan.admin import commands_docs, reply_docs, settings_docs
from genkan.admin.cli import main
from genkan.config import Config
from genkan.config_errors import table_of
from genkan.policy import chain
from tests.support.commands import commands_below, commands_in
from tests.support.pages import Page, Terminal, all_pages
from tests.support.sources import PACKAGE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES: Final = {page.name: page for page in all_pages()}

MADE: Final = {
    "docs/commands.md": commands_docs,
    "docs/replies.md": reply_docs,
    "docs/settings.md": settings_docs,
}

RUN: Final = {
    "README.md": ["added ann@in.test", "Subject: First mail"],
    "CONTRIBUTING.md": [],
    "docs/rules.md": [
        "stored effect.dat as revision 1\nwarning: effect.dat:5: is never reached",
        "effect.dat:4: client 192.168.1.20 may relay to anywhere",
        "Built-in: nobody relays without AUTH.",
        "-192.168.1.20     true\n",
        "stored effect.dat as revision 3",
    ],
    "docs/forwarding.md": [
        "          boss@in.test -> bob@in.test\ncopy      stays in the mailbox\nsenders   everybody\n",
        "senders   *@partner.test, carol@out.test\n",
        "forwards    ann@home.test\n",
        "until    2027-01-06 15:00:00 UTC\nevery    7d\nonly     everybody\nexcept   *@partner.test\n",
        "ann@in.test forwards nothing any more\n",
    ],
    "docs/dmarc-reports.md": ["mail for dmarc@in.test goes to dmarc-reports:\n"],
    "docs/lists.md": [
        "bounce limit   5 days\nowners         ann@in.test\nmembers        carol@example.net\n               ann@in.test\n",
        "dev@in.test  1        0          members and owners, moderated\n",
        "resumed ann@in.test\n",
    ],
    "docs/signatures.md": [
        "(rsa), signing\n",
        '_domainkey.in.test. IN TXT "v=DKIM1; k=ed25519; p=',
        "then: genkan dkim rotate in.test\n",
        "(rsa): retired\n",
    ],
    "docs/queue.md": [
        "3           due    ",
        "held: 1 recipient of 1 message\n",
        "<dan@example.org>  held (operator)  attempts 0\n",
        "rerouted: 1 recipient of 1 message\n",
        "released: 1 recipient of 1 message\n",
        "would be deleted: 1 recipient of 1 message\ndeleted: 1 recipient of 1 message\n",
        "allowed       500 (its own)\n",
    ],
    "docs/doctor.md": ["the DNS does not answer for in.test (127.0.0.1:1: Connection refused)", "exit status 1\n"],
    "docs/ends.md": [
        "mail for crm@in.test goes to https://crm.in.test/mail\nchanged crm.in.test\n",
        "crm.in.test  default  default  default      secret\n",
        "mail for orders@in.test goes to python:mail_in:deliver\n",
        "tickets@in.test  pipe:/bin/cat - {recipient}\n",
    ],
    "docs/relay.md": [
        "mail for dan@partner.test goes to mx (no route, no line of gateway.dat, no delivery.smarthost)",
        "partner.test  smtp:mx.partner.test\n*             smtp:smarthost.example.net:587\nmail for dan@sales.partner.test",
        "warning: route orders.test: there is no module orders; put it into the folder of delivery.handlers",
        "mail for dan@branch.test goes to smtp:192.0.2.25 (gateway.dat:1)",
        "smarthost.example.net:587  verified  default    default      in.test",
    ],
}
"""The pages whose blocks are run, and what those print."""

TABLES: Final = {name for name, field in Config.model_fields.items() if table_of(field)}
FOLDERS: Final = {path.parent.name for path in PACKAGE.glob("*/*.py")} | {
    "src",
    "tests",
    "docs",
    "bench",
    "requirements",
}


def test_pages_made_from_the_program_are_current() -> None:
    for name, maker in MADE.items():
        assert PAGES[name].text == maker.render(), f"out of date: run `python -m {maker.__name__} > {name}`"


def test_every_setting_has_an_entry() -> None:
    page = PAGES["docs/settings.md"].text
    missing = [key for key in _settings() if f"| `{key}` |" not in page]
    assert missing == []


def test_every_command_has_a_section() -> None:
    anchors = PAGES["docs/commands.md"].anchors()
    missing = [
        " ".join(words)
        for words in (words for words, _ in commands_below(main, "genkan"))
        if "-".join(words) not in anchors
    ]
    assert missing == []


def test_settings_that_pages_speak_of_exist() -> None:
    known = set(_settings())
    key = re.compile(rf"(?:{'|'.join(TABLES)})\.[a-z_]+")
    files = (".py", ".md", ".db", ".sql", ".dat")
    spoken = {
        (page.name, word)
        for page in PAGES.values()
        for word in page.words()
        if key.fullmatch(word) and not word.endswith(files)
    }
    assert spoken
    assert {(name, word) for name, word in spoken if word not in known} == set()


def test_commands_that_pages_speak_of_exist() -> None:
    lines = [(page.name, line) for page in PAGES.values() for line in _command_lines(page)]
    assert len(lines) > 10
    assert [fault for name, line in lines for fault in _faults(name, line)] == []


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert _faults("page", "genkan -c FILE account grow ann@in.test") == ["page: genkan account grow: no such command"]
    assert _faults("page", "genkan check --deep") == ["page: genkan check has no option --deep"]
    assert _faults("page", "genkan -c FILE queue show ID --content") == []


def test_make_targets_that_pages_speak_of_exist() -> None:
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    spoken = {
        (page.name, target)
        for page in PAGES.values()
        for code in page.code()
        for target in re.findall(r"\bmake (?:-C \S+ )?([a-z.][\w./-]*)", code)
    }
    assert spoken
    assert {(name, target) for name, target in spoken if target not in targets} == set()


def test_links_between_pages_lead_somewhere() -> None:
    assert [fault for page in PAGES.values() for fault in _dead_links(page)] == []


def test_files_that_pages_name_are_there() -> None:
    named = [(page, word) for page in PAGES.values() for word in page.words() if _is_our_file(word)]
    assert len(named) > 10
    places = {page.name: (page.path.parent, ROOT, PACKAGE) for page, _ in named}
    dead = [
        (page.name, word) for page, word in named if not any((place / word).exists() for place in places[page.name])
    ]
    assert dead == []


def test_every_folder_of_the_package_is_in_the_readme() -> None:
    tree = PAGES["README.md"].blocks("")[0]
    assert [path.parent.name for path in PACKAGE.glob("*/__init__.py") if f"{path.parent.name}/ " not in tree] == []


def test_the_table_of_checks_names_each_of_them_in_the_order_of_the_chain() -> None:
    table = re.findall(r"^\|[^|]*\|[^|]*\| `([a-z-]+)` \|", PAGES["docs/flow.md"].text, re.MULTILINE)
    assert table == _checks_in_order()


def test_every_decision_says_why_and_what_else_was_possible() -> None:
    decisions = [page for name, page in PAGES.items() if name.startswith("docs/decisions/")]
    wanted = {"why", "alternatives", "what-was-measured", "what-it-costs"}
    assert [(page.name, wanted - page.anchors()) for page in decisions if wanted - page.anchors()] == []


def test_blocks_of_commands_stand_only_where_they_are_run() -> None:
    assert {name for name, page in PAGES.items() if page.blocks("sh")} == set(RUN)


@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_page_work_as_written(name: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None and os.environ.get("CI") != "true":
        pytest.skip("needs the package curl")
    with Terminal(tmp_path) as terminal:
        output = "".join(map(terminal.run, PAGES[name].blocks("sh")))
    assert [text for text in RUN[name] if text not in output] == []


def _checks_in_order() -> list[str]:
    """The names of the checks as policy/chain.py lists them, stage by stage."""
    _, _, stages = inspect.getsource(chain.Chain).partition("self.connect")
    classes = re.findall(r"^ {12}([A-Z]\w+)\(", stages.replace("self._filter", "ContentFilter("), re.MULTILINE)
    return [vars(chain)[name].name for name in classes]


def _settings() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        table = table_of(field)
        yield from [name] if table is None else (f"{name}.{key}" for key in table.model_fields)


def _command_lines(page: Page) -> Iterator[str]:
    """Every use of `genkan` in the page's code, each to the end of its line; continued lines are one."""
    for code in page.code():
        for line in code.replace("\\\n", " ").split("\n"):
            found = re.search(r"(?:^|[\s/])(genkan (?:-c \S+ )?[a-z].*)", line)
            if found:
                yield found[1]


def _faults(name: str, line: str) -> list[str]:
    """What is wrong in one command line: a word that is no command, an option that its command does not have."""
    words = shlex.split(line, comments=True)[1:]
    if words[:1] == ["-c"]:
        words = words[2:]
    command: click.Command = main
    path = ["genkan"]
    while isinstance(command, click.Group) and words:
        path.append(words.pop(0))
        inner = commands_in(command).get(path[-1])
        if inner is None:
            return [f"{name}: {' '.join(path)}: no such command"]
        command = inner
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return [
        f"{name}: {' '.join(path)} has no option {word}"
        for word in words
        if word.startswith("--") and word not in {*known, "--help"}
    ]


def _dead_links(page: Page) -> Iterator[str]:
    for link in page.links():
        file, _, anchor = link.partition("#")
        target = page.path.parent / file if file else page.path
        if not target.exists():
            yield f"{page.name}: {link}: no such file"
        elif anchor and anchor not in PAGES[str(target.resolve().relative_to(ROOT))].anchors():
            yield f"{page.name}: {link}: no such heading"


def _is_our_file(word: str) -> bool:
    """Whether a word looks like a file or folder of the checkout: `smtp/session.py`, `docs/`, `CHANGELOG.md`."""
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", word):
        return word.partition("/")[0] in FOLDERS and ("." in word or word.partition("/")[0] in ("src", "tests", "docs"))
    return re.fullmatch(r"\w+\.(py|md)", word) is not None
