# SPDX-License-Identifier: Apache-2.0
"""Destinations: every way to write one, the text they are stored as, and what is refused with what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.directory.destination import (
    MAX_DESTINATION,
    PLACEHOLDERS,
    ByMx,
    Destination,
    DmarcReports,
    LmtpHop,
    LmtpSocket,
    Maildir,
    Pipe,
    PythonFunction,
    SmtpHop,
    Webhook,
    parse_destination,
)
from genkan.directory.errors import InvalidValue

HOSTS = st.ip_addresses().map(str) | st.sampled_from(["mx.in.test", "localhost", "xn--bcher-kva.test"])
PORTS = st.integers(1, 65535)
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)
WORDS = PRINTABLE.filter(lambda word: "{" not in word) | st.sampled_from([*PLACEHOLDERS, "{", "{}", "{A}"])
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}_", fullmatch=True)
DESTINATIONS = st.one_of(
    st.just(Maildir()),
    st.just(ByMx()),
    st.just(DmarcReports()),
    st.builds(SmtpHop, HOSTS, PORTS),
    st.builds(LmtpHop, HOSTS, PORTS),
    st.builds(LmtpSocket, PRINTABLE.map("/{}".format)),
    st.builds(
        Webhook, st.sampled_from(["https://in.test/", "https://[::1]:8443/a%2Fb?c=d&e=@:/", "http://localhost:1/"])
    ),
    st.builds(PythonFunction, st.lists(NAMES, min_size=1, max_size=3).map(".".join), NAMES),
    st.builds(
        Pipe, WORDS.filter(lambda word: "{" not in word).map("/{}".format), st.lists(WORDS, max_size=4).map(tuple)
    ),
)


@given(DESTINATIONS)
def test_a_destination_is_read_from_its_own_text(destination: Destination) -> None:
    assert parse_destination(str(destination)) == destination


@given(st.text() | st.builds("{}:{}".format, st.sampled_from(["smtp", "lmtp", "https", "pipe", "python"]), st.text()))
def test_any_text_is_a_destination_with_a_text_of_its_own_or_is_refused(text: str) -> None:
    try:
        destination = parse_destination(text)
    except InvalidValue:
        return
    assert parse_destination(str(destination)) == destination
    assert str(parse_destination(str(destination))) == str(destination)


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("maildir", Maildir()),
        ("MX", ByMx()),
        ("DMARC-reports:", DmarcReports()),
        ("smtp:MX.in.test", SmtpHop("mx.in.test", 25)),
        ("SMTP:[2001:db8::1]:587", SmtpHop("2001:db8::1", 587)),
        ("lmtp:127.0.0.1:24", LmtpHop("127.0.0.1", 24)),
        ("lmtp:unix:/run/dovecot/lmtp", LmtpSocket("/run/dovecot/lmtp")),
        ("https://Hooks.In.Test", Webhook("https://hooks.in.test/")),
        ("HTTPS://in.test:443/Mail?Key=%2f", Webhook("https://in.test/Mail?Key=%2f")),
        ("https://in.test?a=@", Webhook("https://in.test/?a=@")),
        ("http://127.0.0.1:8000/mail", Webhook("http://127.0.0.1:8000/mail")),
        ("http://[::1]:80", Webhook("http://[::1]/")),
        ("python:shop.orders:deliver", PythonFunction("shop.orders", "deliver")),
        ("pipe:/usr/bin/program", Pipe("/usr/bin/program")),
        (
            "pipe:/opt/a\\ b -f {reverse_path}  'two words' '' {recipient}",
            Pipe("/opt/a b", ("-f", "{reverse_path}", "two words", "", "{recipient}")),
        ),
    ],
)
def test_destinations_are_written_like_this(text: str, destination: Destination) -> None:
    assert parse_destination(text) == destination


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("smtp:mx.in.test:25", "smtp:mx.in.test"),
        ("lmtp:[0:0::1]:24", "lmtp:[::1]:24"),
        ("http://localhost:80", "http://localhost/"),
        ("pipe:/bin/x '{recipient}' \"a b\" c", "pipe:/bin/x {recipient} 'a b' c"),
    ],
)
def test_a_destination_is_stored_in_one_writing(text: str, canonical: str) -> None:
    assert str(parse_destination(text)) == canonical


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "'' is no destination; write one of maildir, mx, smtp:HOST"),
        ("mx:in.test", "'mx:in.test' is no destination"),
        ("ftp://in.test", "'ftp://in.test' is no destination"),
        ("smtp:", "'' is no host"),
        ("smtp:mx.in.test:99999", "'mx.in.test:99999' is no host with a port"),
        ("lmtp:mx.in.test", "lmtp:mx.in.test has no port, and LMTP has none of its own; write lmtp:mx.in.test:24"),
        ("lmtp:unix:run/lmtp", "lmtp:unix:run/lmtp names no absolute path"),
        ("lmtp:unix:/" + "ü" * 54, "the path of a socket has at most 107 octets"),
        ("http://in.test/mail", "mail would travel to in.test in clear; write https"),
        ("http://localhost.in.test/", "mail would travel to localhost.in.test in clear"),
        (
            "https://ann:secret@in.test/",
            "the URL holds credentials; leave them out and give the secret with: genkan hop",
        ),
        ("https://in.test/#part", "https://in.test/#part is no URL to post mail to"),
        ("https:in.test", "https:in.test is no URL to post mail to"),
        ("https:///mail", "'' is no host"),
        ("https://in.test/a b", "https://in.test/a b is no URL to post mail to"),
        ("https://in.test\\@out.test/", "the URL holds credentials"),
        ("https://in.test/%zz", "https://in.test/%zz is no URL to post mail to"),
        ("python:shop", "python:shop names no function; write it as in python:package.module:function"),
        ("python:shop:f:g", "python:shop:f:g names no function"),
        ("python:..os:system", "python:..os:system names no function"),
        ("python:shop.import:f", "python:shop.import:f names no function"),
        ("dmarc-reports:x", "dmarc-reports:x says too much; write dmarc-reports: alone"),
        ("pipe:", "pipe: names no absolute path of a program"),
        ("pipe:program", "pipe:program names no absolute path of a program"),
        ("pipe:/bin/x 'a", "pipe:/bin/x 'a has a quote or a backslash that nothing follows"),
        ("pipe:/bin/x --to={recipient}", "'--to={recipient}' cannot be a word of the command"),
        ("pipe:/bin/x {sender}", "'{sender}' cannot be a word of the command"),
        ("pipe:/bin/{recipient}", "'/bin/{recipient}' cannot be a word of the command"),
        ("pipe:/bin/x a\nb", "a destination has at most 2000 printable characters on one line"),
        ("smtp:mx.in.test\r\n", "a destination has at most 2000 printable characters on one line"),
    ],
)
def test_what_is_no_destination_says_what_to_write(text: str, error: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        parse_destination(text)
    assert str(raised.value).startswith(error)


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(InvalidValue) as raised:
        parse_destination("https://ann:open-sesame@in.test/")
    assert "sesame" not in str(raised.value)


def test_a_text_is_too_long_also_when_its_quotes_make_it_so() -> None:
    assert len(str(parse_destination("pipe:/" + "x" * (MAX_DESTINATION - 6)))) == MAX_DESTINATION
    with pytest.raises(InvalidValue, match="at most 2000"):
        parse_destination("pipe:/" + "x" * (MAX_DESTINATION - 5))
    with pytest.raises(InvalidValue, match="at most 2000"):
        parse_destination("pipe:/x " + "\\'" * 900)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://in.test/mail", ("in.test", 443)),
        ("https://[2001:db8::1]:8443?a", ("2001:db8::1", 8443)),
        ("http://localhost", ("localhost", 80)),
    ],
)
def test_a_webhook_knows_host_and_port_of_its_url(url: str, place: tuple[str, int]) -> None:
    destination = parse_destination(url)
    assert isinstance(destination, Webhook)
    assert destination.place == place
