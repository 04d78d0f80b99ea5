# SPDX-License-Identifier: Apache-2.0
"""What keeps the tree readable, held true: who imports whom, where words and surprises may stand, how big things get.

A rule that has to be broken gets a line in one of the tables of exceptions, with the reason.
"""

from __future__ import annotations

import ast
import re
from typing import Final

from tests.support.sources import PACKAGE, Source, parameters, sources

OUTSIDE: Final = {
    "",
    "findings",
    "ip",
    "product_logs",
    "config",
    "config_authenticity",
    "config_delivery",
    "config_restart",
    "config_types",
    "config_values",
    "config_errors",
    "clock",
    "maillog",
    "main",
    "worker",
    "deliveries",
    "opening",
    "mail",
    "session_settings",
    "__main__",
}
SHARED: Final = {"clock", "ip", "maillog", "product_logs", "findings"}

MAY_IMPORT: Final = {
    "smtp": set[str](),
    "message": {"smtp.address"},
    "storage": {"message"},
    "directory": {"storage", "message", "smtp.address", "dmarc", "ip"},
    "spool": {"storage", "message", "smtp.address", "directory.message_ids"},
    "rules": {"message", "smtp.address", "findings", "ip"},
    "dns": {"config_values", "dmarc.discovery", *SHARED},
    "dkim": {"smtp.address"},
    "dmarc": {"message", "smtp.address"},
    "scanner": set(SHARED),
    "record": {"message", "smtp.address", *SHARED},
    "policy": {
        "smtp",
        "message",
        "rules",
        "directory",
        "record",
        "dns",
        "dkim",
        "dmarc",
        "scanner",
        "config",
        "config_authenticity",
        "config_values",
        *SHARED,
    },
    "epost": {"rules", "directory", "smtp.address", "message", "findings"},
    "delivery": {
        "spool",
        "message",
        "smtp",
        "directory",
        "storage",
        "dns",
        "dkim",
        "dmarc",
        "rules.gateway",
        "rules.document",
        "mail",
        *SHARED,
    },
    "web": {"directory", "smtp.address", "storage.engine", *SHARED},
    "listener": {
        "rules",
        "dns",
        "dkim",
        "dmarc.aggregate",
        "dmarc.record",
        "smtp",
        "message",
        "policy",
        "spool",
        "directory",
        "record",
        "scanner",
        "storage.engine",
        "config",
        "config_authenticity",
        "config_values",
        *SHARED,
    },
    "admin": {
        "delivery.local",
        "delivery.onward",
        "delivery.outcome",
        "spool",
        "directory",
        "policy",
        "dns",
        "dkim",
        "dmarc",
        "delivery.mailbox_usage",
        # `genkan doctor` looks at MX hosts, policies and certificates as those do who send mail there.
        *("delivery.client_tls", "delivery.dane", "delivery.mx", "delivery.smtp_connection"),
        *("delivery.sts", "delivery.sts_fetch"),
        "rules",
        "record",
        "epost",
        "message",
        "smtp",
        "storage.engine",
        "config",
        "config_values",
        "config_errors",
        "config_restart",
        "findings",
        "clock",
        "main",
        "opening",
        "worker",
        "session_settings",
        "",
    },
}
"""Folder: the folders or modules it may import beside itself; "" is the package itself, for its version."""

IMPURE: Final = {
    *("asyncio", "concurrent", "multiprocessing", "queue", "select", "selectors", "threading", "uvloop"),
    *("http", "os", "pathlib", "shutil", "signal", "smtplib", "socket", "ssl", "subprocess", "tempfile"),
    *("apsw", "sqlite3", "logging", "time", "random"),
}
"""What smtp/, message/ and dmarc/ may not import: an event loop, threads, the system, a clock, a database, a log."""

MAY_CATCH_ALL: Final = {
    "main": "the last place before the process ends",
    "delivery.attempts": "the recipient is deferred",
    "delivery.batches": "the recipients are deferred",
    "delivery.handler": "whatever a site's function raises defers its mail",
    "delivery.hop": "the recipients are deferred",
    "listener.connection": "the client gets a temporary reply with an id that is in the log",
    "delivery.dispatcher": "the recipient is deferred",
    "listener.trials": "a text on trial never touches the mail that is under way",
    "spool.writer": "a failed job must not end the thread that all others wait for",
}
MAY_ASK_THE_TIME: Final = {
    "clock": "it is the clock",
    "delivery.mailbox_usage": "compares with the times that the system gives to folders",
}

REPLY: Final = re.compile(r"[2-5]\d\d[ -]")
ENHANCED: Final = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")

MOST_LINES: Final = 500
MOST_FUNCTION_LINES: Final = 40
MOST_PARAMETERS: Final = 6

LONG_FUNCTIONS: Final[dict[str, str]] = {}
MANY_PARAMETERS: Final[dict[str, str]] = {}
LONG_FILES: Final[dict[str, str]] = {}

OWN = sources("src")
ALL = (*OWN, *sources("bench"), *sources("tests"))


def test_a_folder_imports_only_what_its_layer_allows() -> None:
    strays = [
        f"{source.name} imports {name}"
        for source in OWN
        if source.folder
        for name in sorted(source.own_imports())
        if not _allowed(source.folder, name)
    ]
    assert strays == []


def test_every_folder_has_its_line_in_the_table_of_layers() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders == set(MAY_IMPORT)


def test_modules_of_no_folder_are_few_and_known() -> None:
    assert {source.module for source in OWN if not source.folder} - {"__init__"} == OUTSIDE - {""}


def test_code_lies_no_deeper_than_folder_and_module() -> None:
    assert [path for path in PACKAGE.rglob("*.py") if len(path.relative_to(PACKAGE).parts) > 2] == []


def test_the_protocol_the_mail_object_and_signatures_do_no_io() -> None:
    strays = [
        f"{source.name} imports {name}"
        for source in OWN
        if source.folder in ("smtp", "message", "dkim", "dmarc")
        for name in sorted(source.imports())
        if name.split(".")[0] in IMPURE
    ]
    assert strays == []


def test_only_the_clock_and_the_commands_ask_what_time_it_is() -> None:
    asking = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
    strays = [
        f"{source.name}:{node.lineno}"
        for source in OWN
        if source.folder != "admin" and source.module not in MAY_ASK_THE_TIME
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in asking
    ]
    assert strays == []


def test_no_reply_text_stands_outside_the_catalogue() -> None:
    strays = [
        f"{source.name}:{line}: {text!r}"
        for source in OWN
        if source.module != "smtp.replies"
        for line, text in source.literals()
        if REPLY.match(text) or (ENHANCED.search(text) and not _reports(source, text))
    ]
    assert [stray for stray in strays if not _is_version(stray)] == []


def _reports(source: Source, text: str) -> bool:
    """Whether it is the code by itself of a delivery report (RFC 3463), which no client is ever told."""
    return (source.folder == "delivery" or source.module in ("mail", "message.bounce", "message.dsn")) and bool(
        ENHANCED.fullmatch(text)
    )


def test_the_rule_for_reply_texts_knows_one_when_it_sees_it() -> None:
    assert all(map(REPLY.match, ("250 ok", "250-SIZE", "354 go")))
    assert all(map(ENHANCED.search, ("5.7.1", "see 4.3.2 of")))
    assert not any(map(REPLY.match, ("250", "2500 octets", "120 s")))
    assert not any(map(ENHANCED.search, ("127.0.0.1", "3.11", "10.0.0.0/8", "5.7")))


def test_the_unexpected_is_caught_in_few_places() -> None:
    strays = [
        f"{source.name}:{node.lineno}"
        for source in OWN
        if source.module not in MAY_CATCH_ALL
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and not _raises_again(node)
    ]
    assert strays == []


def test_only_commands_and_the_main_program_print() -> None:
    strays = [
        f"{source.name}:{node.lineno}"
        for source in OWN
        if source.folder != "admin" and source.module != "main"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert strays == []


def test_a_file_begins_with_its_licence_and_what_it_is_for() -> None:
    written = [source for source in ALL if source.text]
    licence = "# SPDX-License-Identifier: Apache-2.0\n"
    assert [source.name for source in written if not source.text.startswith(licence)] == []
    assert [source.name for source in written if not ast.get_docstring(source.tree)] == []


def test_files_stay_readable() -> None:
    long = {source.name for source in ALL if source.text.count("\n") > MOST_LINES}
    assert long == set(LONG_FILES)


def test_functions_stay_short() -> None:
    long = {
        f"{source.name.removeprefix('src/')} {name}"
        for source in ALL
        for name, function in source.functions()
        if function.end_lineno is not None and function.end_lineno - function.lineno + 1 > MOST_FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)


def test_functions_have_few_parameters() -> None:
    many = {
        f"{source.name.removeprefix('src/')} {name}"
        for source in ALL
        for name, function in source.functions()
        if len(parameters(function)) > MOST_PARAMETERS
    }
    assert many == set(MANY_PARAMETERS)


def test_names_say_what_a_thing_is() -> None:
    empty = {"utils", "helpers", "common", "base", "misc", "util", "helper"}
    assert [source.name for source in ALL if source.name.rpartition("/")[2].removesuffix(".py") in empty] == []
    classes = [
        f"{source.name} {node.name}"
        for source in ALL
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in classes if name.endswith(("Manager", "Handler", "Helper"))] == []


def test_tests_replace_nothing_of_ours_and_do_not_sleep() -> None:
    tests = sources("tests")
    assert [source.name for source in tests if source.imports() & {"unittest.mock", "mock"}] == []
    strays = [
        f"{source.name}:{node.lineno}"
        for source in tests
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _sleeps_or_patches(node)
    ]
    assert strays == []


def _allowed(folder: str, name: str) -> bool:
    if name.partition(".")[0] == folder:
        return True
    return any(name == allowed or (allowed and name.startswith(f"{allowed}.")) for allowed in MAY_IMPORT[folder])


def _is_version(stray: str) -> bool:
    """SQLite's version looks like an enhanced code."""
    return stray.startswith("src/genkan/storage/engine.py") and "SQLite" in stray


def _catches_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        one is None or (isinstance(one, ast.Name) and one.id in ("Exception", "BaseException")) for one in caught
    )


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _sleeps_or_patches(call: ast.Call) -> bool:
    words = ast.unparse(call.func)
    if words in ("time.sleep", "sleep"):
        return True
    if words == "asyncio.sleep":
        return ast.unparse(call.args[0]) != "0"
    return words == "monkeypatch.setattr" and "genkan" in ast.unparse(call.args[0])
