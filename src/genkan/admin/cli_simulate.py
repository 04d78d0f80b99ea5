# SPDX-License-Identifier: Apache-2.0
"""The command `genkan simulate`: a dialogue with this server as it would go, and why."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, TypedDict

import click
import msgspec

from genkan.admin.invocation import ADDRESS, Failure, Invocation, pass_invocation
from genkan.admin.output import Output, moment_text, plain, with_json
from genkan.admin.simulation import AskingWorld, QuietWorld, Script, Simulation
from genkan.admin.story_words import CHECKS
from genkan.directory import Directory, NotFound
from genkan.opening import open_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Unpack

    from genkan.admin.simulation import Exchange, Fate, Kept, Simulated
    from genkan.config import Config
    from genkan.directory import Account
    from genkan.policy.facts import Role
    from genkan.smtp.address import Mailbox

BLANK: Final = "#blank"  # as effect.dat calls MAIL without a path
_STEP: Final = "   "


class Said(TypedDict):
    """The options that say what the client does."""

    client: str
    hello: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    message: BinaryIO | None
    role: Role
    tls: bool


def _client(_ctx: click.Context, _param: click.Parameter, word: str) -> str:
    try:
        return str(ip_address(word))
    except ValueError:
        raise click.BadParameter(f"{word!r} is no IP address such as 192.0.2.1 or 2001:db8::1") from None


def one_line(_ctx: click.Context, _param: click.Parameter, given: Any) -> Any:  # noqa: ANN401  (a word, or several)
    """What can stand in a command; all else is a usage error."""
    for word in given if isinstance(given, tuple) else (given,):
        if any(character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in word):
            raise click.BadParameter(f"{word!r} has control characters or is not UTF-8; no command can hold that")
    return given


client_option: Final = click.option(
    "--client", required=True, callback=_client, metavar="IP", help="The client's address."
)


@click.command()
@client_option
@click.option("--hello", default="", callback=one_line, metavar="NAME", help="How it greets; without it, [IP].")
@click.option("--auth", type=ADDRESS, help="The account it has authenticated as; no password is asked for.")
@click.option(
    "--from",
    "reverse_path",
    required=True,
    callback=one_line,
    metavar="ADDRESS",
    help='The reverse-path; "<>" is the null one, "#blank" none at all.',
)
@click.option(
    "--to",
    "forward_paths",
    required=True,
    multiple=True,
    callback=one_line,
    metavar="ADDRESS",
    help="A recipient; may be repeated.",
)
@click.option(
    "--message",
    type=click.File("rb"),
    metavar="FILE",
    help='The message ("-": standard input); without it, a tiny one.',
)
@click.option(
    "--role",
    type=click.Choice(["smtp", "submission", "submissions"]),
    default="smtp",
    show_default=True,
    help="The listener it comes to.",
)
@click.option("--tls", is_flag=True, help="It says STARTTLS.")
@click.option(
    "--dns",
    is_flag=True,
    help="Ask the DNS about block lists, SPF, signatures and DMARC, which are passed over otherwise.",
)
@pass_invocation
@with_json
def simulate(invocation: Invocation, auth: Mailbox | None, dns: bool, **said: Unpack[Said]) -> Output:  # noqa: FBT001
    """Tell how a dialogue with this server would go: each reply, each rule met, what would become of the message.

    Nothing is sent, stored or counted.
    """
    config = invocation.config()
    with open_directory(config) as directory:
        account = None if auth is None else _account(directory, auth)
        world = (AskingWorld if dns else QuietWorld)(config, invocation.now())
        simulation = Simulation(config, directory, world, _script(account, said))
        try:
            simulated = asyncio.run(simulation.run())
        except OSError as error:
            raise Failure(f"{error}; run this as the server's own user") from error
    simulated.notes += _notes(config, said["role"], account, world)
    return Output(_entry(simulated), _lines(simulated))


def _account(directory: Directory, address: Mailbox) -> Account:
    account = directory.account(address)
    if account is None:
        raise NotFound(f"account {address} is not there; see: genkan account list")
    return account


def _script(account: Account | None, said: Said) -> Script:
    reverse_path, message = _without_brackets(said["reverse_path"]), said["message"]
    forward_paths = tuple(map(_without_brackets, said["forward_paths"]))
    return Script(
        client=said["client"],
        reverse_path=None if reverse_path == BLANK else reverse_path,
        forward_paths=forward_paths,
        content=_tiny(reverse_path, forward_paths[0]) if message is None else _in_lines(message.read()),
        role=said["role"],
        hello=said["hello"],
        account=account,
        tls=said["tls"],
        declares_size=message is not None,
    )


def _tiny(reverse_path: str, forward_path: str) -> bytes:
    author = reverse_path if "@" in reverse_path else "mailer-daemon@client.invalid"
    return f"From: <{author}>\r\nTo: <{forward_path}>\r\nSubject: simulated\r\n\r\nNothing.\r\n".encode()


def _in_lines(octets: bytes) -> bytes:
    """A file as a client sends it: whatever its line ends are, they become CRLF."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _without_brackets(word: str) -> str:
    return word[1:-1] if word.startswith("<") and word.endswith(">") else word


def _notes(config: Config, role: Role, account: Account | None, world: QuietWorld) -> Iterator[str]:
    """What the dialogue leaves out, and what in it could not be."""
    if all(listener.role != role for listener in config.listener):
        yield f"no listener has the role {role}"
    if world.unasked:
        yield f"without --dns these were not asked, as if they had nothing to say: {', '.join(world.unasked)}"
    if account is not None and not account.can_authenticate:
        yield f"{account.address} has no password, so in truth it cannot authenticate"
    if config.limits.sessions or config.limits.sessions_per_client or config.limits.connections_per_client:
        yield "the limits of sessions and connections were not looked at"


# For people.


def _lines(simulated: Simulated) -> Iterator[str]:
    for exchange in simulated.exchanges:
        yield f"C: {exchange.client}"
        yield from (f"S: {line}" for line in exchange.server)
        yield from (f"{_STEP}{line}" for line in _reasons(exchange))
    fate = [*_fates(simulated)]
    if fate:
        yield ""
        yield from fate
    yield from (f"note: {note}" for note in simulated.notes)


def _reasons(exchange: Exchange) -> Iterator[str]:
    if exchange.check:
        words = CHECKS.get(exchange.check)
        yield f"check: {exchange.check} ({words.en}?)" if words else f"check: {exchange.check}"
        if not exchange.server:
            yield "cut off without a word"
        if exchange.detail:
            yield f"seen: {exchange.detail}"
    if exchange.rule is not None:
        yield f"rule: {exchange.rule!s}"
    yield from (f"rule met: {rule!s}" for rule in exchange.rules if rule != exchange.rule)
    yield from (f"fact: {name} = {value}" for name, value in exchange.facts.items() if value != "")


def _fates(simulated: Simulated) -> Iterator[str]:
    for fate in simulated.fates:
        yield f"<{fate.forward_path}>: {_fate(fate)}"
    for copy in simulated.copies:
        yield f"a copy is kept: {_kept(copy)}"
    if simulated.client_refused:
        yield "the client is refused from then on, by a line in effect.dat"


def _fate(fate: Fate) -> str:
    parts = [f"deliver to {fate.destination}" if fate.is_local else f"pass on to {fate.destination}"]
    if fate.tag:
        parts.append(f"subject tagged {fate.tag!r}")
    parts += [f"field added {name}: {body}" for name, body in fate.fields]
    if fate.held is not None:
        parts.append(f"but first held: {_kept(fate.held)}")
    return ", ".join(parts)


def _kept(kept: Kept) -> str:
    where = (
        "in the quarantine"
        if kept.kind == "quarantine"
        else f"for approval by {', '.join(kept.approvers) or 'anybody'}"
    )
    return f"{where} until {moment_text(kept.until)}, then {kept.then}; {kept.reason}; rule {kept.rule!s}"


# For programs.


def _entry(simulated: Simulated) -> dict[str, Any]:
    return {
        "accepted": simulated.accepted,
        "dialogue": [_structure(exchange) for exchange in simulated.exchanges],
        "recipients": [_structure(fate) for fate in simulated.fates],
        "copies": [_structure(copy) for copy in simulated.copies],
        "client_refused": simulated.client_refused,
        "notes": simulated.notes,
    }


def _structure(value: Any) -> Any:  # noqa: ANN401  (whatever a simulation is made of)
    """A value with all its fields: rules are structs, what is kept are named tuples, to any depth."""
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _structure(item) for name, item in value._asdict().items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _structure(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple):
        return [_structure(item) for item in value]
    return plain(value)
