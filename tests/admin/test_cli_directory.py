# SPDX-License-Identifier: Apache-2.0
"""`genkan domain`, `account`, `alias` and `lock` as an operator types them: text, JSON, errors, exit status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from genkan.directory import Directory, Lock, LockKind
from genkan.directory.passwords import PasswordWrong, verify_password
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.directory import Account
    from tests.admin.conftest import Installation

ANN = Mailbox("ann", "in.test")
SECRET = "ann's secret 1"


def add_ann(installation: Installation, *words: str) -> str:
    add = ("account", "add", "ann@in.test", "--name", "Ann Example", "--password-stdin")
    return installation.text(*add, *words, given=SECRET + "\n")


def stored(installation: Installation) -> Account | None:
    with Directory.open(installation.config.storage_folder) as directory:
        return directory.account(ANN)


def test_a_domain_is_added_listed_and_removed(installation: Installation) -> None:
    assert installation.text("domain", "add", "In2.Test") == "added in2.test\n"
    assert installation.text("domain", "list") == (
        "domain    accounts  aliases\nin.test   0         0        default\nin2.test  0         0\n"
    )
    assert installation.text("domain", "remove", "in2.test") == "removed in2.test\n"
    assert [domain["name"] for domain in installation.json("domain", "list")] == ["in.test"]


def test_domain_commands_speak_json(installation: Installation) -> None:
    entry = {"name": "in2.test", "default": False, "accounts": 0, "aliases": 0}
    assert installation.json("domain", "add", "in2.test") == entry
    assert installation.json("domain", "list")[1] == entry
    assert installation.json("domain", "remove", "in2.test") == {"removed": "in2.test"}


def test_a_domain_in_use_is_not_removed(installation: Installation) -> None:
    add_ann(installation)
    error = installation.refusal("domain", "remove", "in.test")
    assert error.startswith("domain in.test still has 1 accounts, 0 aliases and 0 lists; remove them first")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["domain", "add", "in.test"], "domain in.test is already there"),
        (["domain", "add", "in test"], "'in test' is not a domain"),
        (["domain", "remove", "other.test"], "domain other.test is not a local one"),
        (["account", "add", "ann@other.test", "--no-auth"], "domain other.test is not a local one; add it with"),
        (["account", "show", "kai@in.test"], "account kai@in.test is not there; see: genkan account list"),
        (["account", "remove", "kai@in.test"], "account kai@in.test is not there"),
        (["account", "set", "kai@in.test", "--name", "Kai"], "account kai@in.test is not there"),
        (["account", "passwd", "kai@in.test"], "account kai@in.test is not there"),
        (["alias", "add", "a@other.test", "ann@in.test"], "domain other.test is not a local one"),
        (["alias", "add", "a@in.test", "a@in.test"], "the aliases lead back to themselves"),
        (["alias", "remove", "a@in.test"], "alias a@in.test is not there; see: genkan alias list"),
        (["lock", "clear", "192.0.2.1"], "192.0.2.1/32 is not locked"),
        (["lock", "clear", "nowhere"], "'nowhere' cannot be locked"),
    ],
)
def test_what_the_directory_refuses_is_an_error_that_says_what_to_do(
    installation: Installation, words: list[str], error: str
) -> None:
    assert installation.refusal(*words).startswith(error)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["account", "add", "ann"], "Error: Invalid value for 'ADDRESS': 'ann' is no address such as ann@in.test: "),
        (["account", "add", "ann@in.test"], "Error: no terminal to ask for the password: give --password-stdin"),
        (
            ["account", "add", "ann@in.test", "--quota", "1XB"],
            "Error: Invalid value for '--quota': expected a size such",
        ),
        (["account", "set", "ann@in.test"], "Error: nothing to change: give --name, --quota or --external-limit"),
        (["account", "set", "ann@in.test", "--nam", "x"], "Error: No such option"),
        (["alias", "add", "a@in.test"], "Error: Missing argument 'TARGET'"),
        (["domain", "ad"], "Error: No such command 'ad'"),
    ],
)
def test_a_wrong_command_line_has_exit_status_2(installation: Installation, words: list[str], error: str) -> None:
    assert installation.misuse(*words).startswith(error)


def test_an_account_is_made_with_its_password(installation: Installation) -> None:
    assert add_ann(installation) == "added ann@in.test\n"
    account = stored(installation)
    verify_password(account, SECRET)
    with pytest.raises(PasswordWrong):
        verify_password(account, SECRET + "\n")
    assert account is not None
    assert account.cram_secret is None


def test_an_account_is_shown_without_its_secrets(installation: Installation) -> None:
    add_ann(installation, "--quota", "100MB", "--reversible")
    installation.text("alias", "add", "sales@in.test", "ann@in.test")
    assert installation.json("account", "show", "Ann@IN.test") == {
        "address": "ann@in.test",
        "name": "Ann Example",
        "quota": 104857600,
        "mechanisms": ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"],
        "aliases": ["sales@in.test"],
        "forwards": [],
        "replies": False,
    }
    assert installation.text("account", "show", "ann@in.test") == (
        "account     ann@in.test\n"
        "name        Ann Example\n"
        "quota       100MB\n"
        "mechanisms  PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256\n"
        "aliases     sales@in.test\n"
        "forwards    nothing\n"
        "answers     nothing\n"
    )


def test_accounts_are_listed_by_domain(installation: Installation) -> None:
    add_ann(installation)
    installation.text("domain", "add", "in2.test")
    installation.text("account", "add", "kai@in2.test", "--no-auth", "--name", "海")
    assert installation.text("account", "list") == (
        "account       quota  password  name\n"
        "ann@in.test   -      yes       Ann Example\n"
        "kai@in2.test  -      no        海\n"
    )
    assert [entry["address"] for entry in installation.json("account", "list", "in2.test")] == ["kai@in2.test"]


def test_an_empty_list_prints_nothing_but_a_hint_on_standard_error(installation: Installation) -> None:
    result = installation.call("account", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no account yet; add one with: genkan account add ADDRESS\n"
    assert installation.json("account", "list") == []


def test_only_the_first_line_of_standard_input_is_the_password(installation: Installation) -> None:
    installation.text("account", "add", "ann@in.test", "--password-stdin", given=f"{SECRET}\r\nmore\n")
    verify_password(stored(installation), SECRET)


def test_a_password_that_is_not_utf8_is_refused(installation: Installation) -> None:
    error = installation.refusal("account", "add", "ann@in.test", "--password-stdin", given=b"\xff" * 12)
    assert error == "the password on standard input is not UTF-8; give it in that encoding"


def test_a_short_password_is_refused_and_no_account_made(installation: Installation) -> None:
    error = installation.refusal("account", "add", "ann@in.test", "--password-stdin", given="short\n")
    assert error.startswith("the password is too short")
    assert stored(installation) is None


def test_a_password_is_changed_and_taken_away(installation: Installation) -> None:
    add_ann(installation, "--reversible")
    assert installation.text("account", "passwd", "ann@in.test", "--password-stdin", given="another secret\n") == (
        "changed ann@in.test\n"
    )
    verify_password(stored(installation), "another secret")
    assert installation.json("account", "show", "ann@in.test")["mechanisms"] == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
    assert installation.json("account", "passwd", "ann@in.test", "--no-auth")["mechanisms"] == []


def test_name_and_quota_are_changed_one_at_a_time(installation: Installation) -> None:
    add_ann(installation, "--quota", "1MB")
    assert installation.json("account", "set", "ann@in.test", "--name", "Ann")["quota"] == 1048576
    assert installation.json("account", "set", "ann@in.test", "--quota", "none")["quota"] is None
    assert installation.json("account", "set", "ann@in.test", "--quota", "2000")["quota"] == 2000
    assert installation.text("account", "set", "ann@in.test", "--quota", "0") == "changed ann@in.test\n"
    entry = installation.json("account", "show", "ann@in.test")
    assert (entry["name"], entry["quota"]) == ("Ann", None)


def test_an_account_is_removed(installation: Installation) -> None:
    add_ann(installation)
    assert installation.text("account", "remove", "ann@in.test") == "removed ann@in.test\n"
    assert stored(installation) is None


def test_an_account_is_not_made_twice(installation: Installation) -> None:
    add_ann(installation)
    error = installation.refusal("account", "add", "ANN@in.test", "--no-auth")
    assert error == "account ann@in.test is already there; change it with: genkan account set ann@in.test"


def test_aliases_are_listed_with_where_their_mail_ends(installation: Installation) -> None:
    add_ann(installation)
    assert installation.text("alias", "add", "sales@in.test", "ann@in.test") == "added sales@in.test -> ann@in.test\n"
    installation.text("alias", "add", "shop@in.test", "sales@in.test")
    installation.text("alias", "add", "*@in.test", "carol@example.net")
    assert installation.text("alias", "list") == (
        "alias          target             mail ends at\n"
        "sales@in.test  ann@in.test        ann@in.test\n"
        "shop@in.test   sales@in.test      ann@in.test\n"
        "*@in.test      carol@example.net  carol@example.net\n"
    )
    assert installation.json("alias", "list", "in.test")[1] == {
        "alias": "shop@in.test",
        "target": "sales@in.test",
        "end": "ann@in.test",
    }


def test_an_alias_to_nobody_is_made_with_a_note(installation: Installation) -> None:
    assert installation.text("alias", "add", "sales@in.test", "kai@in.test") == (
        "added sales@in.test -> kai@in.test\nnote: nobody has the address kai@in.test yet\n"
    )
    assert installation.json("alias", "list")[0]["end"] == ""


def test_an_alias_is_removed_only_if_it_leads_where_it_was_said_to(installation: Installation) -> None:
    installation.text("alias", "add", "sales@in.test", "carol@example.net")
    error = installation.refusal("alias", "remove", "sales@in.test", "ann@in.test")
    assert error.startswith("alias sales@in.test leads to carol@example.net, not to ann@in.test")
    assert installation.json("alias", "remove", "sales@in.test", "carol@example.net") == {"removed": "sales@in.test"}
    assert installation.json("alias", "list") == []


def test_locks_are_listed_and_cleared(installation: Installation) -> None:
    now = datetime.now(UTC)
    until = now.replace(microsecond=0) + timedelta(days=1)
    with Directory.open(installation.config.storage_folder) as directory:
        directory.locks.extend(Lock(ip_network("192.0.2.1"), until, "10 failed AUTH", now, LockKind.AUTH))
        directory.locks.lock_for_rate("2001:db8::1", now + timedelta(microseconds=1), timedelta(days=2))
        directory.locks.add("198.51.100.0/24", None, "by hand", now + timedelta(seconds=1))
    rate_until = now + timedelta(days=2, microseconds=1)
    assert installation.text("lock", "list") == (
        "network          kind      until                    reason\n"
        f"192.0.2.1/32     auth      {until:%Y-%m-%d %H:%M:%S} UTC  10 failed AUTH\n"
        f"2001:db8::/64    rate      {rate_until:%Y-%m-%d %H:%M:%S} UTC  too many connections\n"
        "198.51.100.0/24  operator  never                    by hand\n"
    )
    first = installation.json("lock", "list")[0]
    assert (first["until"], first["kind"]) == (until.isoformat(), "auth")
    assert installation.text("lock", "clear", "192.0.2.1") == "cleared 1\n"
    assert installation.json("lock", "clear") == {"cleared": 2}
    assert installation.json("lock", "list") == []
