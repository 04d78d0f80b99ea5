# SPDX-License-Identifier: Apache-2.0
"""A simulated dialogue says what the server says, and which rules it met on the way."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.admin.simulation import AskingWorld, QuietWorld, Script, Simulation
from genkan.directory import Directory
from genkan.session_settings import session_rules
from genkan.smtp.address import parse_mailbox
from genkan.smtp.reply import Profile
from tests.support.caller import Caller, proxy_v1
from tests.support.dns_server import dns_server
from tests.support.server import START, serving
from tests.support.signed_mail import key_of, signed
from tests.support.standing import make_standing, place_rules, standing_configuration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genkan.admin.simulation import Exchange, Simulated
    from genkan.config import Config

CLIENT: Final = "192.0.2.10"
MESSAGE: Final = b"From: <carol@out.test>\r\nSubject: cheap watches\r\n\r\n.buy\r\n..now"
SCRIPT: Final = Script(CLIENT, "carol@out.test", ("bob@in.test",), MESSAGE)
BLOCK: Final = "Virus:watches\r\nSubject:watches\r\nLevel:{}\r\n{}VirusEnd:\r\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("simulation") / "home"
    make_standing(home)
    return home


@pytest.fixture
def make(template: Path, tmp_path: Path) -> Any:
    """Makes the installation with these settings and rules."""

    def made(settings: Mapping[str, str] | None = None, rules: Mapping[tuple[str, str], bytes] | None = None) -> Config:
        config = standing_configuration(template, tmp_path / "home", settings or {})
        place_rules(config, rules or {})
        return config

    return made


def simulate(config: Config, script: Script, *, account: str = "", asking: bool = False) -> Simulated:
    with Directory.open(config.storage_folder) as directory:
        owner = directory.account(parse_mailbox(account)) if account else None
        world = (AskingWorld if asking else QuietWorld)(config, START)
        return asyncio.run(Simulation(config, directory, world, replace(script, account=owner)).run())


def exchange_of(simulated: Simulated, client: str) -> Exchange:
    """The exchange that begins with these words of the client."""
    (found,) = [exchange for exchange in simulated.exchanges if exchange.client.startswith(client)]
    return found


def real_dialogue(config: Config, script: Script, simulated: Simulated) -> list[list[str]]:
    """What the running server answers when a client says the same."""
    found = []
    with serving(config) as server:
        caller = Caller(server, script.role, first=proxy_v1(script.client), greeted=False)
        with caller:
            found.append(caller.reply())
            for exchange in simulated.exchanges[1:]:
                if exchange.client.startswith("("):
                    stuffed = b"".join(b".." + line[1:] if line[:1] == b"." else line for line in lines(script.content))
                    caller.send(stuffed + b"\r\n.\r\n")
                else:
                    caller.send(exchange.client.encode() + b"\r\n")
                found.append(caller.reply())
                if exchange.client == "STARTTLS":
                    caller.start_tls()
    return found


def lines(content: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


def without_ids(dialogue: list[list[str]]) -> list[list[str]]:
    return [[re.sub(r"B\d{10}", "ID", line) for line in answer] for answer in dialogue]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    ("script", "rules"),
    [
        (SCRIPT, {}),
        (replace(SCRIPT, forward_paths=("nobody@in.test", "sales@in.test", "x@out.test", "full@in.test")), {}),
        (replace(SCRIPT, reverse_path=""), {}),
        (replace(SCRIPT, reverse_path=None), {}),
        (replace(SCRIPT, reverse_path="ann@in.test"), {}),
        (replace(SCRIPT, reverse_path="a b"), {}),
        (replace(SCRIPT, reverse_path="gr\u00fc\u00dfe@out.test", hello="client.test"), {}),
        (replace(SCRIPT, forward_paths=("team@in.test", "news@in.test"), tls=True), {}),
        (replace(SCRIPT, role="submission"), {}),
        (SCRIPT, {("effect.dat", ""): b"192.0.2.0/24 false\n"}),
        (SCRIPT, {("mail.dat", ""): BLOCK.format("100", "").encode()}),
        (SCRIPT, {("approval-subjects.dat", ""): b"watches\trefuse\n"}),
    ],
)
def test_the_replies_are_those_of_the_running_server(
    make: Any, script: Script, rules: Mapping[tuple[str, str], bytes], profile: Profile
) -> None:
    config = make({"replies": f'"{profile}"'}, rules)
    simulated = simulate(config, script)
    said = [exchange.server for exchange in simulated.exchanges]
    assert without_ids(said) == without_ids(real_dialogue(config, script, simulated))


def test_a_session_is_told_what_the_listeners_tell_theirs(make: Any) -> None:
    config = make({"smtp.vrfy": "true", "auth.plaintext": '"always"'})
    with serving(config) as server:
        for listener in server.worker.listeners:
            real, simulated = listener.door.rules_now(), session_rules(config, listener.settings.role, starttls=True)
            assert replace(real, wordbook=simulated.wordbook) == simulated


@pytest.mark.parametrize(
    ("document", "account", "text", "place", "check"),
    [
        ("effect.dat", "", "192.0.2.0/24 false", "MAIL", "effect"),
        ("effect.dat", "bob@in.test", "out.test false", "RCPT", "account-effect"),
        ("approval-addresses.dat", "", "*@out.test refuse", "RCPT", "approval-address"),
        ("approval-subjects.dat", "", "watches\trefuse", "(the message", "approval-subject"),
        ("mail.dat", "", BLOCK.format("100", ""), "(the message", "filter"),
        ("mail.dat", "bob@in.test", BLOCK.format("100", ""), "(the message", "filter"),
    ],
)
def test_a_refusal_names_check_and_line(
    make: Any, document: str, account: str, text: str, place: str, check: str
) -> None:
    simulated = simulate(make(None, {(document, account): text.encode()}), SCRIPT)
    refused = exchange_of(simulated, place)
    assert (refused.check, refused.server[-1][0], simulated.accepted) == (check, "5", False)
    assert refused.rule is not None
    assert (refused.rule.document, refused.rule.account, refused.rule.line) == (document, account, 1)
    assert refused.rule in refused.rules


def test_the_destinations_of_an_account_are_its_own(make: Any) -> None:
    config = make(None, {("sender.dat", "ann@in.test"): b"*@in.test\nx@out.test,-1\n"})
    script = replace(SCRIPT, reverse_path="ann@in.test", forward_paths=("bob@in.test", "x@out.test"))
    simulated = simulate(config, script, account="ann@in.test")
    refused = exchange_of(simulated, "RCPT TO:<x@out.test>")
    assert refused.check == "destination"
    assert refused.rule is not None
    assert str(refused.rule) == "sender.dat of ann@in.test:2 x@out.test,-1"
    assert [fate.destination for fate in simulated.fates] == ["bob@in.test"]


def test_who_is_in_rejectsmtpip_is_cut_off_without_a_word(make: Any) -> None:
    simulated = simulate(make(None, {("rejectsmtpip.dat", ""): b"192.0.2.10\n"}), SCRIPT)
    (only,) = simulated.exchanges
    assert (only.server, only.check) == ([], "lock-out")
    assert only.rule is not None
    assert str(only.rule) == "rejectsmtpip.dat:1 192.0.2.10"


def test_a_rule_that_lets_in_is_named_as_well(make: Any) -> None:
    config = make(None, {("effect.dat", ""): b"' comment\n192.0.2.0/24 default\n"})
    met = exchange_of(simulate(config, SCRIPT), "MAIL").rules
    assert [str(rule) for rule in met] == ["effect.dat:2 192.0.2.0/24 default"]


def test_block_lists_are_not_asked_unless_that_is_wanted(make: Any) -> None:
    with dns_server("10.2.0.192.bl.test 60 A 127.0.0.2") as dns:
        config = make({"dns.servers": f'["{dns.address}"]'}, {("ordb.dat", ""): b"bl.test\n"})
        assert simulate(config, SCRIPT).accepted
        assert dns.questions == []
        refused = simulate(config, SCRIPT, asking=True).exchanges[0]
    assert (refused.check, refused.facts) == ("block-list", {"block list": "bl.test"})


def test_hosts_in_the_body_are_looked_up_when_that_is_wanted(make: Any) -> None:
    block = b"Virus:listed\r\nRBL:surbl.test\r\nLevel:100\r\nVirusEnd:\r\n"
    script = replace(SCRIPT, content=b"Subject: x\r\n\r\nhttp://www.evil.test/\r\n")
    with dns_server("evil.test.surbl.test 60 A 127.0.0.2") as dns:
        config = make({"dns.servers": f'["{dns.address}"]'}, {("mail.dat", ""): block})
        assert simulate(config, script).accepted
        refused = exchange_of(simulate(config, script, asking=True), "(the message")
    assert (refused.check, refused.facts["listed"]) == ("filter", "www.evil.test/surbl.test")


JUDGING: Final = {"dmarc.mode": '"refuse"', "spf.mode": '"mark"'}
BANK: Final = replace(SCRIPT, content=b"From: eve@bank.test\r\nSubject: x\r\n\r\nYour account.\r\n")


def test_the_origin_of_a_message_is_looked_up_when_that_is_wanted(make: Any) -> None:
    with dns_server('_dmarc.bank.test 60 TXT "v=DMARC1; p=reject"') as dns:
        config = make({"dns.servers": f'["{dns.address}"]', "dns.timeout": '"10s"', **JUDGING})
        assert simulate(config, BANK).accepted
        assert dns.questions == []
        simulated = simulate(config, BANK, asking=True)
    refused = exchange_of(simulated, "(the message")
    assert (refused.check, refused.server[-1][:3], simulated.accepted) == ("dmarc", "550", False)
    assert str(refused.rule) == "dmarc p=reject of bank.test"
    assert (refused.facts["dmarc"], refused.facts["dmarc policy"]) == ("fail", "reject of bank.test for bank.test")


@pytest.mark.parametrize(("written", "said"), [(b"end", "pass bank.test"), (b"emd", "fail bank.test")])
def test_a_signature_is_of_all_of_the_body(make: Any, written: bytes, said: str) -> None:
    key, text = key_of("ed25519"), b"Your account.\r\n" * 5000 + b"end\r\n"
    tags = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=bank.test; s=sel; h=from"
    content = signed(tags, b"From: eve@bank.test\r\n", text, key) + b"\r\n" + text.replace(b"end", written)
    with dns_server(f'sel._domainkey.bank.test 60 TXT "{key.record}"') as dns:
        config = make({"dns.servers": f'["{dns.address}"]', "dns.timeout": '"10s"', **JUDGING})
        simulated = simulate(config, replace(SCRIPT, content=content), asking=True)
    assert exchange_of(simulated, "(the message").facts["dkim"] == said


@pytest.mark.parametrize(
    "content",
    [
        b"From: x@_domainkey.bank.test\r\nDKIM-Signature: v=1; a=rsa-sha256; d=bank.test; s=_dmarc; h=from; bh=%b=; b=AA==\r\n"
        % (b"A" * 43),
        b"From: eve@bank.test\r\nX: " + b"x" * 2000 + b"\r\n",
        b"From: eve@bank.test\r\n" + b"Received: x\r\n" * 50,
    ],
)
def test_what_is_asked_may_be_needed_twice_or_not_at_all(make: Any, content: bytes) -> None:
    with dns_server() as dns:
        settings = {"dns.servers": f'["{dns.address}"]', "dns.timeout": '"10s"', "limits.header_size": "1000"}
        simulated = simulate(make(settings | JUDGING), replace(SCRIPT, content=content + b"\r\n"), asking=True)
    assert len(exchange_of(simulated, "(the message").server) == 1


@pytest.mark.parametrize(
    ("settings", "missed"),
    [
        (JUDGING, True),
        (JUDGING | {"dmarc.mode": '"quarantine"'}, True),
        (JUDGING | {"dmarc.mode": '"mark"', "dmarc.dns_failure": '"defer"'}, True),
        (JUDGING | {"dmarc.mode": '"mark"'}, False),
        (JUDGING | {"dmarc.mode": '"off"'}, False),
        (JUDGING | {"dkim.verify": "false"}, False),
        (JUDGING | {"spf.exempt": '["192.0.2.0/24"]'}, False),
    ],
)
def test_that_nobody_was_asked_is_told_where_it_might_have_decided(
    make: Any, settings: dict[str, str], missed: bool
) -> None:
    config = make(settings)
    with Directory.open(config.storage_folder) as directory:
        world = QuietWorld(config, START)
        assert asyncio.run(Simulation(config, directory, world, BANK).run()).accepted
    assert world.unasked == (["DKIM and DMARC of its author"] if missed else [])


def test_a_rule_does_not_believe_who_speaks_in_our_name(make: Any) -> None:
    block = b"Virus:x\r\nUnique-Header:Authentication-Results: dmarc=pass\r\nLevel:100\r\nVirusEnd:\r\n"
    content = b"Authentication-Results: %b; dmarc=pass\r\nFrom: carol@out.test\r\n\r\nhello\r\n"
    config = make(None, {("mail.dat", ""): block})
    accepted = [
        simulate(config, replace(SCRIPT, content=content % name)).accepted for name in (b"mx.in.test", b"x.test")
    ]
    assert accepted == [True, False]


def test_a_full_mailbox_is_looked_into(make: Any) -> None:
    refused = exchange_of(simulate(make(), replace(SCRIPT, forward_paths=("full@in.test",))), "RCPT")
    assert (refused.check, refused.facts) == ("quota", {"mailbox octets": 2000})


def test_without_a_right_recipient_there_is_no_message(make: Any) -> None:
    said = [exchange.client for exchange in simulate(make(), replace(SCRIPT, forward_paths=("x@in.test",))).exchanges]
    assert said[-2:] == ["RCPT TO:<x@in.test>", "QUIT"]


def test_auth_is_taken_on_trust(make: Any) -> None:
    script = replace(SCRIPT, reverse_path="ann@in.test", forward_paths=("x@out.test",))
    simulated = simulate(make(), script, account="ann@in.test")
    assert exchange_of(simulated, "AUTH CRAM-MD5").server == ["235 2.0.0 Authentication successful."]
    (fate,) = simulated.fates
    assert (fate.destination, fate.is_local) == ("x@out.test", False)


def test_where_auth_is_switched_off_the_client_goes_on_without(make: Any) -> None:
    script = replace(SCRIPT, reverse_path="ann@in.test")
    simulated = simulate(make({"auth.mode": '"off"'}), script, account="ann@in.test")
    assert exchange_of(simulated, "AUTH").server == ["503 5.5.1 Error: authentication not enabled."]
    assert exchange_of(simulated, "MAIL").check == "authentication"
    assert simulated.notes == ["the client goes on without AUTH, for ann@in.test cannot do it so"]


def test_a_message_for_a_list_goes_to_the_list(make: Any) -> None:
    simulated = simulate(make(), replace(SCRIPT, forward_paths=("news@in.test", "sales@in.test")))
    assert [(fate.forward_path, fate.destination) for fate in simulated.fates] == [
        ("news@in.test", "news@in.test"),
        ("sales@in.test", "ann@in.test"),
    ]


def test_a_held_message_says_for_whom_and_until_when(make: Any) -> None:
    rules = {("approval-addresses.dat", ""): b"*@out.test hold ann@in.test,kai@in2.test 2h approve\n"}
    (fate,) = simulate(make(None, rules), SCRIPT).fates
    assert fate.held is not None
    assert (fate.held.kind, fate.held.approvers, fate.held.then) == (
        "approval",
        ("ann@in.test", "kai@in2.test"),
        "approve",
    )
    assert (fate.held.until - START).total_seconds() == 7200


def test_tag_forward_copy_and_the_refused_client_are_foreseen(make: Any) -> None:
    block = BLOCK.format("611", "Tag:[x]\r\nForward:kai@in2.test\r\n")
    simulated = simulate(make(None, {("mail.dat", ""): block.encode()}), SCRIPT)
    (fate,) = simulated.fates
    assert (fate.forward_path, fate.destination, fate.tag) == ("bob@in.test", "kai@in2.test", "[x]")
    assert [copy.kind for copy in simulated.copies] == ["quarantine"]
    assert simulated.client_refused


def test_a_refused_message_may_leave_a_copy(make: Any) -> None:
    simulated = simulate(make(None, {("mail.dat", ""): BLOCK.format("110", "").encode()}), SCRIPT)
    assert (simulated.accepted, simulated.fates, len(simulated.copies)) == (False, [], 1)


def test_an_accounts_refusal_keeps_its_copy_and_lets_the_others_through(make: Any) -> None:
    config = make(None, {("mail.dat", "bob@in.test"): BLOCK.format("100", "").encode()})
    simulated = simulate(config, replace(SCRIPT, forward_paths=("bob@in.test", "ann@in.test")))
    assert [(fate.destination, fate.held is not None) for fate in simulated.fates] == [
        ("bob@in.test", True),
        ("ann@in.test", False),
    ]


def test_an_exempt_client_is_not_filtered_and_is_told_so(make: Any) -> None:
    config = make({"filter.exempt": '["192.0.2.0/24"]'}, {("mail.dat", ""): BLOCK.format("100", "").encode()})
    simulated = simulate(config, SCRIPT)
    assert simulated.accepted
    assert simulated.notes == ["mail.dat was not asked, for the setting filter.exempt says so"]


def test_nothing_is_left_behind(make: Any) -> None:
    block = BLOCK.format("111", "")
    config = make(None, {("mail.dat", ""): block.encode()})
    before = {path: path.stat().st_mtime_ns for path in config.home.rglob("*.db")}
    simulate(config, SCRIPT)
    assert {path: path.stat().st_mtime_ns for path in config.home.rglob("*.db")} == before
    assert not (config.storage_folder / "spool").exists()
