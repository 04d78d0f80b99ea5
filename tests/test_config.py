# SPDX-License-Identifier: Apache-2.0
"""The configuration file: defaults, each kind of fault with its line, and that no fault hides another."""

from __future__ import annotations

from datetime import date, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.config import Config, ConfigError, load_config, parse_config
from genkan.config_errors import key_lines
from genkan.config_values import (
    ListenAddress,
    duration_text,
    parse_duration,
    parse_listen_address,
    parse_size,
    size_text,
)
from genkan.smtp.reply import Profile

FILE = Path("/srv/mail/genkan.toml")
HEAD = 'hostname = "mx.in.test"\n'
LISTENER = '[[listener]]\naddress = "127.0.0.1:2525"\nrole = "smtp"\n'


def config_of(text: str) -> Config:
    return parse_config(HEAD + LISTENER + text, FILE)


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, FILE)
    return [line.removeprefix(f"{FILE}:") for line in str(caught.value).split("\n")]


def faults_behind(text: str) -> list[str]:
    """The faults of a file that starts with the four lines of HEAD and LISTENER."""
    return faults_of(HEAD + LISTENER + text)


def test_name_and_one_listener_are_a_whole_configuration() -> None:
    config = config_of("")
    assert config.hostname == "mx.in.test"
    assert config.replies is Profile.EPSTRS_4A7
    assert config.expires is None
    assert config.limits.message_size == 25 * 1024 * 1024
    assert config.limits.idle == timedelta(minutes=5)
    assert config.auth.mechanisms == ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
    assert config.delivery.retry[-1] == timedelta(hours=4)
    assert config.tls.certificate is None


def test_every_kind_of_value_is_read() -> None:
    text = """
expires = 2030-01-01
replies = "rfc"
hostname = "mx.in.test"
[[listener]]
address = "[::1]:25"
role = "smtp"
proxy_protocol = ["192.0.2.0/24", "::1"]
[[listener]]
address = "127.0.0.1:465"
role = "submissions"
[tls]
certificate = "tls/cert.pem"
key = "/etc/key.pem"
[limits]
message_size = "64kb"
idle = 90
[delivery]
retry = ["1m", 3600]
[directory]
subaddress_delimiter = ""
"""
    config = parse_config(text, FILE)
    assert config.expires == date(2030, 1, 1)
    assert config.replies is Profile.RFC
    assert config.listener[0].address == ListenAddress("::1", 25)
    assert config.listener[0].proxy_protocol == (ip_network("192.0.2.0/24"), ip_network("::1/128"))
    assert config.listener[1].role == "submissions"
    assert config.limits.message_size == 65536
    assert config.limits.idle == timedelta(seconds=90)
    assert config.delivery.retry == (timedelta(minutes=1), timedelta(hours=1))
    assert config.directory.subaddress_delimiter == ""


def test_relative_paths_start_at_the_folder_of_the_file() -> None:
    config = config_of('[storage]\nurl = "sqlite:store"\n')
    assert config.home == Path("/srv/mail")
    assert config.path("tls/cert.pem") == Path("/srv/mail/tls/cert.pem")
    assert config.path("/etc/key.pem") == Path("/etc/key.pem")
    assert config.storage_folder == Path("/srv/mail/store")


def test_an_absolute_storage_folder_stays_where_it_is() -> None:
    assert config_of('[storage]\nurl = "sqlite:/var/lib/genkan"\n').storage_folder == Path("/var/lib/genkan")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[limits]\nsessions = true\n", "6: limits.sessions: expected a whole number, 0 or more, not true"),
        ('[limits]\nsessions = "3"\n', '6: limits.sessions: expected a whole number, 0 or more, not "3"'),
        ("[limits]\nhops = 0\n", "6: limits.hops: expected a whole number, 1 to 1000, not 0"),
        ("[limits]\nhopps = 3\n", '6: limits.hopps: unknown key; did you mean "hops"?'),
        (
            '[limits]\nmessage_size = "25XB"\n',
            '6: limits.message_size: expected a size such as "25MB", "64KB" or a whole number of octets, not "25XB"',
        ),
        (
            '[limits]\nidle = "0s"\n',
            (
                '6: limits.idle: expected a duration such as "90s", "5m", "2h", "5d" or a whole number of seconds, '
                '1s to 1d, not "0s"'
            ),
        ),
        ('[smtp]\nvrfy = "yes"\n', '6: smtp.vrfy: expected true or false, not "yes"'),
        ("[auth]\nsender_trust = true\n", "6: auth.sender_trust: expected 1 or 2 or 3, not true"),
        ("[auth]\nsender_trust = 4\n", "6: auth.sender_trust: expected 1 or 2 or 3, not 4"),
        ('[auth]\nplaintext = "never"\n', '6: auth.plaintext: expected "tls" or "always", not "never"'),
        (
            '[auth]\nmechanisms = ["PLAIN", "NTLM"]\n',
            '6: auth.mechanisms[2]: expected a list of PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, not "NTLM"',
        ),
        (
            "[auth]\nmechanisms = []\n",
            (
                "6: auth.mechanisms: expected a list of at least one of PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, "
                "none twice, not []"
            ),
        ),
        (
            '[storage]\nurl = "mysql:x"\n',
            '6: storage.url: expected a folder such as "sqlite:data"',
        ),
        (
            "[delivery]\nretry = []\n",
            '6: delivery.retry: expected a list of durations such as ["5m", "1h"], each 1s or more, not []',
        ),
        (
            '[delivery]\nretry = ["1m", "0s"]\n',
            '6: delivery.retry[2]: expected a list of durations such as ["5m", "1h"], each 1s or more, not "0s"',
        ),
        (
            '[directory]\nsubaddress_delimiter = "++"\n',
            '6: directory.subaddress_delimiter: expected one of + - _ = # % ~ or "", not "++"',
        ),
        ("[tls]\nkey = 3\n", "6: tls.key: expected a file name, not 3"),
        ('[tls]\nkey = "a"\n', "6: tls.key: stands alone; set tls.certificate as well, or remove both"),
        ("[limits]\nworkers = 1\n", "6: limits.workers: unknown key; workers belongs before the first [table]"),
        ("[smtp]\nhops = 1\n", "6: smtp.hops: unknown key; hops belongs in [limits]"),
        ("[[limits]]\nhops = 1\n", '5: limits: expected a table [limits], not [{"hops": 1}]'),
    ],
)
def test_a_fault_is_named_with_its_line_and_what_was_expected(text: str, fault: str) -> None:
    assert faults_behind(text) == [fault]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("worker = 2", '1: worker: unknown key; did you mean "workers"?'),
        ("workers = 0", "1: workers: expected a whole number, 1 to 256, not 0"),
        ('expires = "2030-01-01"', '1: expires: expected a date without quotes such as 2030-01-31, not "2030-01-01"'),
        (
            "expires = 2030-01-01T00:00:00",
            "1: expires: expected a date without quotes such as 2030-01-31, not 2030-01-01 00:00:00",
        ),
        ('banner = "a\\nb"', '1: banner: expected printable ASCII text, 1 to 200 characters, not "a\\nb"'),
        (
            'replies = "epstrs"',
            '1: replies: expected "epstrs-4.82" or "epstrs-4.83" or "epstrs-4.A7" or "rfc", not "epstrs"',
        ),
        ("limits = 3", "1: limits: expected a table [limits], not 3"),
        ("limits = { hops = 0 }", "1: limits.hops: expected a whole number, 1 to 1000, not 0"),
        ("limits.hops = 0", "1: limits.hops: expected a whole number, 1 to 1000, not 0"),
        (
            'zzz = "x"',
            "1: zzz: unknown key; expected one of hostname, banner, replies, workers, expires, storage, ",
        ),
    ],
)
def test_a_fault_before_the_tables_is_named(line: str, fault: str) -> None:
    (found,) = faults_of(f"{line}\n{HEAD}{LISTENER}")
    assert found[: len(fault)] == fault


@pytest.mark.parametrize(
    "name", ["", "-mx.test", "mx_1.test", "mx.test.", "玄関.test", "a" * 64 + ".test", "[192.0.2.1]"]
)
def test_a_hostname_that_is_no_domain_is_refused(name: str) -> None:
    expected = f'1: hostname: expected a host name such as "mx.example.test", not "{name}"'
    assert faults_of(f'hostname = "{name}"\n{LISTENER}') == [expected]


def test_missing_settings_are_named() -> None:
    assert faults_of("workers = 1\n") == [
        '1: hostname: is missing; expected a host name such as "mx.example.test"',
        "1: listener: is missing; expected one or more tables [[listener]], in two brackets",
    ]


def test_a_missing_setting_of_a_listener_is_named_at_its_header() -> None:
    text = f'{HEAD}{LISTENER}[[listener]]\naddress = "127.0.0.1:2526"\n'
    assert faults_of(text) == ['5: listener[2].role: is missing; expected "smtp" or "submission" or "submissions"']


def test_one_listener_in_single_brackets_is_refused() -> None:
    (fault,) = faults_of(f'{HEAD}[listener]\naddress = "127.0.0.1:25"\n')
    assert fault.startswith("2: listener: expected one or more tables [[listener]], in two brackets, not {")


def test_every_fault_is_reported_in_the_order_of_the_file() -> None:
    text = (
        f'{HEAD}[limits]\nhops = 0\nidle = [\n "x",\n]\n{LISTENER}[[listener]]\naddress = "nowhere"\nrole = "smtps"\n'
    )
    assert [fault.split(": ")[:2] for fault in faults_of(text)] == [
        ["3", "limits.hops"],
        ["4", "limits.idle"],
        ["11", "listener[2].address"],
        ["12", "listener[2].role"],
    ]


def test_a_database_url_is_not_repeated_because_it_may_hold_a_password() -> None:
    (fault,) = faults_behind('[storage]\nurl = "postgresql://genkan:hunter2@db/mail"\n')
    assert fault == '6: storage.url: PostgreSQL is not in this version; expected a folder such as "sqlite:data"'


@pytest.mark.parametrize(
    "template",
    ["mail", "mail/{domain}", "mail/{user}", "{local_part!r}", "{local_part:>9}", "{", "{}", "{local_part.x}"],
)
def test_a_maildir_template_that_could_mix_accounts_is_refused(template: str) -> None:
    (fault,) = faults_behind(f'[delivery]\nmaildir = "{template}"\n')
    assert fault.startswith("6: delivery.maildir: expected a path with {local_part} and perhaps {domain}")


def test_a_submissions_listener_without_a_certificate_is_refused() -> None:
    text = HEAD + '[[listener]]\naddress = "127.0.0.1:465"\nrole = "submissions"\n'
    assert faults_of(text) == [
        '4: listener[1].role: a "submissions" listener needs TLS; set tls.certificate and tls.key'
    ]


def test_two_listeners_on_one_address_are_refused() -> None:
    assert faults_behind(LISTENER) == [
        "6: listener[2].address: 127.0.0.1:2525 is another listener's; give each its own port"
    ]


def test_port_zero_may_stand_twice() -> None:
    listener = LISTENER.replace("2525", "0")
    assert len(parse_config(HEAD + listener + listener, FILE).listener) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("workers =\n", "1: not TOML: Invalid value"),
        ('hostname = "a"\nhostname = "b"\n', "2: not TOML: Cannot overwrite a value"),
        ('workers = 1\nbanner = """\n', "2: not TOML: Unterminated string"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_its_line(text: str, fault: str) -> None:
    assert faults_of(text) == [fault]


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"genkan\.toml: no such file; name one .* or make one with"):
        load_config(tmp_path / "genkan.toml")


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "genkan.toml"
    file.write_bytes(b'hostname = "mx.in.test"\nbanner = "\x8c\xba"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file}:2: not UTF-8; save the file in that encoding"


def test_a_file_saved_by_windows_is_read(tmp_path: Path) -> None:
    file = tmp_path / "genkan.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (HEAD + LISTENER).replace("\n", "\r\n").encode())
    assert load_config(file).hostname == "mx.in.test"


@pytest.mark.parametrize("setting", ["workers", "limits", "unheard"])
def test_the_configuration_cannot_be_changed(setting: str) -> None:
    config = config_of("")
    with pytest.raises(ValueError, match="frozen"):
        setattr(config, setting, 2)


def test_lines_are_found_in_every_form_of_toml() -> None:
    lines = ["a = 1", '"b.c" = """', "x = 1", '"""', "d.e = [", "  1,", "]", "[t]", "k = { m = 1 }", "[[l]]"]
    text = "\n".join([*lines, "x = 1", "[l.sub]", "y = 1", "[[l]]", "x = 2", ""])
    assert key_lines(text) == {
        ("a",): 1,
        ("b.c",): 2,
        ("d",): 5,
        ("d", "e"): 5,
        ("t",): 8,
        ("t", "k"): 9,
        ("t", "k", "m"): 9,
        ("l",): 10,
        ("l", 0): 10,
        ("l", 0, "x"): 11,
        ("l", 0, "sub"): 12,
        ("l", 0, "sub", "y"): 13,
        ("l", 1): 14,
        ("l", 1, "x"): 15,
    }


@given(st.integers(0, 10**15 - 1))
def test_a_size_written_is_the_size_read(octets: int) -> None:
    assert parse_size(size_text(octets)) == octets


@given(st.integers(0, 10**9 - 1))
def test_a_duration_written_is_the_duration_read(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(duration_text(duration)) == duration


@pytest.mark.parametrize("value", [True, -1, 1.5, "", "MB", "1.5MB", "-1", "1TB", "٣", None, []])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(value)


@pytest.mark.parametrize("value", [True, -1, 1.5, "", "5", "5w", "5M", "999999999d", 10**12])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:2525", ListenAddress("127.0.0.1", 2525), True),
        ("[::1]:25", ListenAddress("::1", 25), True),
        ("0.0.0.0:25", ListenAddress("0.0.0.0", 25), False),  # noqa: S104
        ("[::]:0", ListenAddress("::", 0), False),
        ("localhost:25", ListenAddress("localhost", 25), True),
        ("mx.in.test:25", ListenAddress("mx.in.test", 25), False),
    ],
)
def test_a_listen_address_is_read_and_written(text: str, address: ListenAddress, loopback: bool) -> None:
    assert parse_listen_address(text) == address
    assert str(address) == text
    assert address.is_loopback == loopback


@pytest.mark.parametrize(
    "text",
    ["", "25", ":25", "127.0.0.1", "127.0.0.1:", "1.2.3:25", "::1:25", "[x]:25", "[mx]:1", "h:65536", "a b:1", 25],
)
def test_what_is_no_listen_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected an address with a port"):
        parse_listen_address(text)


def test_a_fault_in_a_network_names_the_list() -> None:
    text = HEAD + LISTENER + 'proxy_protocol = ["10.0.0.1/8"]\n'
    assert faults_of(text) == [
        (
            '5: listener[1].proxy_protocol: expected a network such as "192.0.2.0/24", "2001:db8::/32" or one address, '
            'not "10.0.0.1/8"'
        )
    ]
