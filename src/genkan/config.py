# SPDX-License-Identifier: Apache-2.0
"""The configuration file as frozen models: every setting with its type, range, default and one line of explanation.

`genkan init` writes the file from these models. An unknown key, a wrong type or a value out of
range is a `ConfigError`.
"""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from genkan import config_values as values
from genkan.config_authenticity import Dkim, Dmarc, Spf
from genkan.config_delivery import Admin, Brake, Delivery, Lists
from genkan.config_errors import ConfigError, Location, errors_at, faults_of, syntax_error
from genkan.config_types import (
    GB,
    KB,
    MB,
    MECHANISMS,
    SECOND,
    Count,
    Duration,
    Mechanism,
    Networks,
    OptionalPath,
    Role,
    Size,
    Switch,
    Table,
    distinct,
    level,
    list_of,
)
from genkan.config_values import Expect, ListenAddress
from genkan.smtp.reply import Profile

__all__ = ["Config", "ConfigError", "ListenAddress", "Listener", "Role", "Tls", "load_config", "parse_config"]


class Storage(Table):
    """Where accounts, spool and queue lie."""

    url: Annotated[str, BeforeValidator(values.parse_storage_url), Expect(values.STORAGE_URL)] = Field(
        default="sqlite:data", description='"sqlite:FOLDER": databases and spool in this folder'
    )


class Listener(Table):
    """One address to accept connections on, and what is spoken there."""

    address: Annotated[ListenAddress, BeforeValidator(values.parse_listen_address), Expect(values.LISTEN_ADDRESS)] = (
        Field(description="IP:port")
    )
    role: Role = Field(
        description="smtp: from other servers; submission: from accounts; submissions: the same, TLS from the start"
    )
    proxy_protocol: Networks = Field(
        default=(), description="networks of proxies that send a PROXY header in front of each connection"
    )


class Tls(Table):
    """The certificate for STARTTLS and for `submissions` listeners; without one, neither is offered."""

    certificate: OptionalPath = Field(default=None, description="PEM file: the certificate and those that signed it")
    key: OptionalPath = Field(default=None, description="PEM file: the private key, readable by this server only")


class Limits(Table):
    """What one client, one session or one message may take."""

    sessions: Count = Field(default=0, ge=0, description="simultaneous sessions of all workers; 0 = no limit")
    sessions_per_client: Count = Field(
        default=0, ge=0, description="simultaneous sessions of one client address; 0 = no limit"
    )
    message_size: Size = Field(
        default=25 * MB, ge=1, le=16 * GB, description="largest message; KB, MB and GB count in steps of 1024"
    )
    recipients: Count = Field(
        default=0, ge=0, description="N: a message with N or more recipients is refused; 0 = no limit"
    )
    hops: Count = Field(
        default=20, ge=1, le=1000, description="Received fields a message may carry; more is taken for a mail loop"
    )
    idle: Duration = Field(
        default=timedelta(minutes=5),
        ge=SECOND,
        le=timedelta(days=1),
        description="a silent client is sent away after this time",
    )
    command_line: Size = Field(default=4096, ge=512, le=MB, description="octets of one command line")
    text_line: Size = Field(default=65536, ge=1000, le=64 * MB, description="octets of one line of mail data")
    header_size: Size = Field(default=256 * KB, ge=1000, le=64 * MB, description="octets of a message's header section")
    header_lines: Count = Field(default=10_000, ge=100, description="lines of a message's header section")
    commands: Count = Field(default=20, ge=1, description="refused commands in a row after which the connection ends")
    shutdown: Duration = Field(
        default=timedelta(seconds=10),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="how long open transactions may go on when the server stops",
    )
    unknown_recipients: Count = Field(
        default=100,
        ge=0,
        description="unknown addresses in RCPT, VRFY and EXPN of one session, then it ends; 0 = no limit",
    )
    recipients_held: Count = Field(
        default=10000, ge=100, le=100000, description="most recipients of one transaction; more are to come in another"
    )
    connections_per_client: Count = Field(
        default=0, ge=0, description="connections of one client address within connection_window; more lock it; 0 = off"
    )
    connection_window: Duration = Field(
        default=timedelta(minutes=1), ge=SECOND, description="see connections_per_client"
    )
    connection_lockout: Duration = Field(
        default=timedelta(minutes=15), ge=SECOND, description="how long a client that connects too often stays locked"
    )
    transaction_time: Duration = Field(
        default=timedelta(hours=1),
        ge=SECOND,
        le=timedelta(days=7),
        description="longest time from MAIL to the end of the mail data",
    )


class Auth(Table):
    """Who must authenticate, and how."""

    mode: Literal["on", "off"] = Field(default="on", description='"on" or "off"; off: AUTH is not offered')
    mechanisms: Annotated[
        tuple[Mechanism, ...], BeforeValidator(distinct), Expect("a list of " + ", ".join(MECHANISMS))
    ] = Field(default=MECHANISMS, description="mechanisms offered, in this order")
    plaintext: Literal["tls", "always"] = Field(
        default="tls", description='PLAIN and LOGIN only under TLS ("tls") or also in clear ("always")'
    )
    sender_trust: Annotated[Literal[1, 2, 3], BeforeValidator(level)] = Field(
        default=1, description="1: any account may send; 2: its reverse-path must be its own; 3: its From field as well"
    )
    unauthenticated_accounts: Literal["nowhere", "trusted", "anywhere"] = Field(
        default="nowhere",
        description='where local senders without a password may send to; "trusted": from clients with a rule in effect.dat',
    )
    lockout_failures: Count = Field(
        default=10, ge=0, description="failed AUTH commands of one client address before it is locked out; 0 = never"
    )
    lockout_time: Duration = Field(default=timedelta(minutes=15), ge=SECOND, description="how long it stays locked out")


class Smtp(Table):
    """How the protocol is spoken."""

    vrfy: Switch = Field(default=False, description="answer VRFY and EXPN")
    bare_newline: Literal["auto", "refuse", "normalise"] = Field(
        default="auto",
        description='CR or LF alone in mail data: "refuse", "normalise", or "auto": refuse on smtp listeners only',
    )
    extensions: Literal["all", "source"] = Field(
        default="all", description='what EHLO announces; "source": only SIZE, AUTH and STARTTLS'
    )


class Directory(Table):
    """How addresses are looked up."""

    subaddress_delimiter: Annotated[str, Field(pattern=r"^[-+_=#%~]?$"), Expect('one of + - _ = # % ~ or ""')] = Field(
        default="+", description='ann+news@ reaches ann@; "" = off'
    )


class Spool(Table):
    """How accepted mail is kept until it is delivered."""

    inline_size: Size = Field(
        default=4 * KB, le=MB, description="content up to this size lies in the database, larger in segment files"
    )
    segment_size: Size = Field(default=64 * MB, ge=MB, le=16 * GB, description="size of one segment file")
    buffer: Size = Field(
        default=64 * MB,
        ge=MB,
        le=64 * GB,
        description="octets of mail data that may wait for the disk, for each worker",
    )


class Filter(Table):
    """The content filter: the rule document mail.dat, and a virus scanner."""

    enabled: Switch = Field(default=True, description="obey mail.dat, the server's and those of accounts")
    exempt: Networks = Field(
        default=("127.0.0.0/8",), validate_default=True, description="clients whose mail is not filtered"
    )
    text_size: Size = Field(
        default=256 * KB,
        ge=4 * KB,
        le=64 * MB,
        description="octets of text, transfer encodings undone, that are looked at, for each message; "
        "a message under way holds so many in memory, and 1MB of junk may keep a worker busy for half a second",
    )
    account_refusal: Literal["recipient", "message"] = Field(
        default="recipient",
        description='an account\'s mail.dat refuses for that "recipient", or, as the product does, the whole "message"',
    )
    scanner: Annotated[str, BeforeValidator(values.parse_scanner), Expect(values.SCANNER)] = Field(
        default="", description='clamd: "127.0.0.1:3310" or "unix:/run/clamav/clamd.ctl"; "" = none'
    )
    scanner_timeout: Duration = Field(
        default=timedelta(seconds=60), ge=SECOND, le=timedelta(minutes=10), description="longest wait for the scanner"
    )
    scanner_failure: Literal["defer", "accept"] = Field(
        default="defer", description="what becomes of mail when the scanner cannot be asked"
    )


class Approval(Table):
    """Mail that waits for a person, and copies in the quarantine."""

    deadline: Duration = Field(
        default=timedelta(hours=24), ge=timedelta(minutes=1), description="how long mail waits for its approver"
    )
    verdict: Literal["approve", "reject"] = Field(
        default="reject", description="what becomes of it then, unless its rule says otherwise"
    )
    notify: Switch = Field(default=True, description="tell approvers by mail what waits for them")
    quarantine: Duration = Field(
        default=timedelta(days=30), ge=timedelta(hours=1), description="how long quarantined mail is kept"
    )
    url: Annotated[str, Field(pattern=r"^(https?://[!-~]{1,200})?$"), Expect('a URL such as "https://mx.in.test"')] = (
        Field(
            default="",
            description='where the links in those mails lead, such as "https://mx.in.test/approval"; "" = no links',
        )
    )


class Dns(Table):
    """Whom to ask about names."""

    servers: Annotated[
        tuple[ListenAddress, ...],
        BeforeValidator(list_of(values.parse_server_address, "servers")),
        Expect('a list of servers such as ["192.0.2.53:53"]'),
    ] = Field(default=(), description="IP:port of the servers to ask; empty: the system's")
    timeout: Duration = Field(
        default=timedelta(seconds=4),
        ge=SECOND,
        le=timedelta(minutes=1),
        description="longest wait of a session for one check, whatever it asks the DNS; and for one answer",
    )
    reverse: Switch = Field(
        default=True, description="look up the name of each client that is not in spf.exempt, for Received and the logs"
    )
    trusted: Switch = Field(
        default=False,
        description="the servers check DNSSEC and are reached safely: TLSA records then decide (DANE, RFC 7672)",
    )


class Record(Table):
    """The record of verdicts that `genkan explain` and `genkan whatif` read."""

    enabled: Switch = Field(default=True, description="keep it")
    age: Duration = Field(default=timedelta(days=14), ge=timedelta(hours=1), description="older entries are deleted")
    size: Size = Field(default=GB, ge=MB, le=1024 * GB, description="most octets on the disk; the oldest go first")
    header_size: Size = Field(
        default=4 * KB, le=MB, description="octets of each header section that are kept, to try mail.dat on; 0 = none"
    )


class Log(Table):
    """Logs beside the mail log, in the product's formats."""

    acceptlog: OptionalPath = Field(default=None, description="folder for a file a day with each connection")
    inlog: OptionalPath = Field(default=None, description="folder for a file a day with each accepted recipient")


class Config(Table):
    """The whole configuration; relative paths in it are relative to `home`, the folder of its file."""

    hostname: Annotated[str, BeforeValidator(values.parse_host_name), Expect(values.HOST_NAME)] = Field(
        description="name of this server: in the greeting and in Received fields"
    )
    banner: Annotated[str, BeforeValidator(values.parse_text), Expect(values.TEXT)] = Field(
        default="Genkan ESMTP receiver", description="text after the name in the greeting"
    )
    replies: Annotated[Profile, Expect(" or ".join(f'"{profile}"' for profile in Profile))] = Field(
        default=Profile.EPSTRS_4A7, description=f"wording of the replies: {', '.join(Profile)}"
    )
    workers: Count = Field(default=1, ge=1, le=256, description="processes that share the ports")
    expires: Annotated[date | None, BeforeValidator(values.parse_date), Expect(values.DATE)] = Field(
        default=None, description="trial or contract end: from this day on every client is sent away"
    )
    storage: Storage = Storage()
    listener: Annotated[tuple[Listener, ...], Expect("one or more tables [[listener]], in two brackets")] = Field(
        min_length=1
    )
    tls: Tls = Tls()
    limits: Limits = Limits()
    auth: Auth = Auth()
    smtp: Smtp = Smtp()
    filter: Filter = Filter()
    approval: Approval = Approval()
    spf: Spf = Spf()
    dkim: Dkim = Dkim()
    dmarc: Dmarc = Dmarc()
    dns: Dns = Dns()
    record: Record = Record()
    log: Log = Log()
    directory: Directory = Directory()
    spool: Spool = Spool()
    delivery: Delivery = Delivery()
    brake: Brake = Brake()
    lists: Lists = Lists()
    admin: Admin = Admin()

    _file: Path = PrivateAttr(default=Path("genkan.toml"))

    @property
    def file(self) -> Path:
        """The file this was read from."""
        return self._file

    @property
    def home(self) -> Path:
        """The folder of the configuration file, absolute."""
        return self._file.absolute().parent

    def path(self, relative: str | Path) -> Path:
        """A path of the configuration, absolute: relative ones start at `home`."""
        return self.home / relative

    @property
    def storage_folder(self) -> Path:
        """The folder of the databases and the spool, absolute."""
        return self.path(self.storage.url.removeprefix("sqlite:"))


def load_config(path: Path) -> Config:
    """Read a configuration file; raises `ConfigError` with one line for each fault, caught by the command line."""
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f'{path}: no such file; name one with "genkan -c FILE" or make one with "genkan init DIR"'
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its name and mode") from error
    try:
        return parse_config(octets.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8; save the file in that encoding") from error


def parse_config(text: str, file: Path) -> Config:
    """As `load_config`, from the text of the file; `file` gives the home folder and the name in errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise syntax_error(file, text, error) from error
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        raise errors_at(file, text, faults_of(Config, document, error.errors())) from None
    config._file = file  # noqa: SLF001  (not a setting: a key "file" must stay unknown)
    faults = [*_listener_faults(config), *_tls_faults(config)]
    if faults:
        raise errors_at(file, text, faults)
    return config


def _listener_faults(config: Config) -> list[tuple[Location, str]]:
    faults: list[tuple[Location, str]] = []
    seen: set[ListenAddress] = set()
    for index, listener in enumerate(config.listener):
        if listener.address in seen and listener.address.port:
            faults.append(
                (("listener", index, "address"), f"{listener.address} is another listener's; give each its own port")
            )
        seen.add(listener.address)
        if listener.role == "submissions" and config.tls.certificate is None:
            faults.append(
                (("listener", index, "role"), 'a "submissions" listener needs TLS; set tls.certificate and tls.key')
            )
    return faults


def _tls_faults(config: Config) -> list[tuple[Location, str]]:
    if (config.tls.certificate is None) == (config.tls.key is None):
        return []
    present, absent = ("key", "certificate") if config.tls.certificate is None else ("certificate", "key")
    return [(("tls", present), f"stands alone; set tls.{absent} as well, or remove both")]
