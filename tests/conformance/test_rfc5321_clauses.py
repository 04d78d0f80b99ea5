# SPDX-License-Identifier: Apache-2.0
"""What the RFCs ask of a receiver, clause by clause, and the transcripts and tests that prove it.

A proof is a transcript under tests/transcripts (`rcpt/relaying`, with its profile where only that one shows it) or a test
(`smtp/test_command.py::test_a_command_is_read`). Where the product's profiles differ from the RFC, the proof is one of `rfc`.
"""

from __future__ import annotations

import ast
import smtplib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from genkan.directory.directory import Directory
from genkan.smtp.address import Mailbox, parse_mailbox
from tests.support.clients import HOST_NAME, running_post
from tests.support.transcript import read_transcript

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS: Final = Path(__file__).resolve().parents[1]


class Clause(NamedTuple):
    """A section of an RFC, what it asks of a receiver in our words, and what proves it."""

    section: str
    asks: str
    proofs: tuple[str, ...]

    @property
    def rfc(self) -> str:
        return self.section.partition(",")[0]


def clause(section: str, asks: str, *proofs: str) -> Clause:
    return Clause(section, asks, proofs)


_COMMAND: Final = "smtp/test_command.py::test_"
_ADDRESS: Final = "smtp/test_address.py::test_"
_REPLIES: Final = "smtp/test_replies.py::test_"
_TRACE: Final = "message/test_trace.py::test_"
_LOCAL: Final = "delivery/test_local.py::test_"
_CLIENT: Final = "clients/test_smtplib.py::test_"
_VECTORS: Final = "conformance/test_mime_vectors.py::test_"
_HERE: Final = "conformance/test_rfc5321_clauses.py::test_"
_HOLDS: Final = "test_transcripts.py::test_transcript_holds"  # each transcript also pipelined and octet by octet

# fmt: off
CLAUSES: Final = (
    # SMTP
    clause("RFC 5321, 2.2.1", "a client that says HELO is served, without extensions",
           "hello/helo", "auth/auth_before_ehlo"),
    clause("RFC 5321, 2.3.8", "only CRLF ends a line; a bare CR or LF is neither sent on nor taken for one",
           "smuggling/bare_newlines",
           "smuggling/command_ended_by_lf", "smuggling/cr_in_a_command", "smuggling/lf_dot_lf"),
    clause("RFC 5321, 2.4", "verbs are the same in any case; the case of a local-part is kept",
           "rcpt/local_recipients", "hello/commands_for_any_time", f"{_ADDRESS}a_mailbox_is_read"),
    clause("RFC 5321, 2.4", "octets beyond ASCII are refused in commands but for SMTPUTF8",
           "mail/octets_that_are_no_text"),
    clause("RFC 5321, 3.1", "the server opens with a greeting, or says that it gives no service",
           "hello/greeting", "limits/sessions", "limits/trial_expired"),
    clause("RFC 5321, 3.3", "MAIL, RCPT and DATA make one mail transaction; recipients fail one by one",
           "data/message", "rcpt/unknown_recipient"),
    clause("RFC 5321, 3.3", "the null reverse-path is accepted", "mail/outside_sender"),
    clause("RFC 5321, 3.3", "a transaction without recipients takes no mail data", "data/data_before_rcpt"),
    clause("RFC 5321, 3.5.3", "VRFY and EXPN say what they know or that they do not tell",
           "hello/vrfy", "hello/vrfy_disabled"),
    clause("RFC 5321, 3.6.1", "nobody has to relay; what is not relayed is refused at RCPT", "rcpt/relaying"),
    clause("RFC 5321, 3.8", "the server closes after QUIT and its reply, or says 421 before it must",
           "hello/greeting", "limits/shutdown", "limits/idle"),
    clause("RFC 5321, 3.8", "a connection that breaks ends its transaction without a message", "data/broken_off"),
    clause("RFC 5321, 4.1.1", "a verb may be followed by blanks; a missing or needless argument is refused",
           "hello/blanks_around_commands", "hello/missing_argument", "hello/unexpected_argument"),
    clause("RFC 5321, 4.1.1.1", "EHLO is answered by the server's name and a line for each extension",
           "hello/ehlo", "hello/ehlo_with_extensions_of_the_source"),
    clause("RFC 5321, 4.1.1.1", "EHLO and HELO need an argument that can be a domain or address literal",
           "hello/ehlo_without_argument.rfc", "hello/hello_with_bad_argument"),
    clause("RFC 5321, 4.1.1.2", "MAIL takes a reverse-path in angle brackets",
           "mail/outside_sender", "mail/bad_reverse_path"),
    clause("RFC 5321, 4.1.1.3", "RCPT takes a forward-path; a source route is read over",
           "rcpt/local_recipients", "rcpt/no_address", "rcpt/bad_forward_path"),
    clause("RFC 5321, 4.1.1.3", "postmaster is a recipient without a domain as well",
           f"{_ADDRESS}postmaster_needs_no_domain", f"{_HERE}mail_for_postmaster_arrives"),
    clause("RFC 5321, 4.1.1.4", "mail data end with CRLF dot CRLF and with nothing else",
           "data/message", "smuggling/lf_dot_crlf", "smuggling/crlf_dot_lf", "smuggling/cr_dot_cr"),
    clause("RFC 5321, 4.1.1.4", "an empty message is a message", "data/empty_message"),
    clause("RFC 5321, 4.1.1.5", "RSET forgets the transaction, and nothing else", "data/reset_forgets"),
    clause("RFC 5321, 4.1.1.9", "NOOP is answered with or without an argument", "hello/commands_for_any_time"),
    clause("RFC 5321, 4.1.1.11", "parameters of extensions that were not offered are refused",
           "mail/parameters", "mail/parameters_without_their_extension"),
    clause("RFC 5321, 4.1.2", "paths follow the grammar: quoted strings, domains, address literals",
           f"{_ADDRESS}a_mailbox_is_read", f"{_ADDRESS}what_is_no_mailbox_is_refused_with_its_reason",
           "conformance/test_address_vectors.py::test_what_rfc_5321_allows_is_accepted_and_all_else_is_refused"),
    clause("RFC 5321, 4.1.2", "control characters do not stand in a path", "smuggling/nul_in_a_command"),
    clause("RFC 5321, 4.1.3", "address literals of IPv4 and IPv6 are understood", f"{_ADDRESS}a_mailbox_is_read"),
    clause("RFC 5321, 4.1.4", "a transaction wants EHLO or HELO first", "hello/mail_without_hello.rfc"),
    clause("RFC 5321, 4.1.4", "a second EHLO resets as RSET does", "hello/second_ehlo.rfc", "hello/second_helo.rfc"),
    clause("RFC 5321, 4.1.4", "RCPT wants MAIL, DATA wants RCPT, and there is one MAIL a transaction",
           "rcpt/rcpt_before_mail", "data/data_before_rcpt", "mail/second_mail"),
    clause("RFC 5321, 4.1.4", "NOOP, HELP, RSET, VRFY, EXPN and QUIT come at any time", "hello/commands_for_any_time"),
    clause("RFC 5321, 4.1.4", "a session carries one transaction after the other", "data/two_messages"),
    clause("RFC 5321, 4.2", "each command has one reply; codes have three digits, lines end in CRLF and are printable",
           _HOLDS, f"{_REPLIES}wording_is_printable_ascii_with_known_fields",
           f"{_REPLIES}number_that_is_no_reply_code_is_refused"),
    clause("RFC 5321, 4.2.4", "an unknown command is 500, one that is not carried out 502",
           "hello/unknown_command", "hello/vrfy_disabled"),
    clause("RFC 5321, 4.2.5", "250 behind mail data takes responsibility: from then on the message is not lost",
           "scenarios/test_crash.py::test_a_killed_server_has_every_acknowledged_message_exactly_once",
           f"{_LOCAL}a_crash_at_any_line_neither_loses_nor_doubles_a_message"),
    clause("RFC 5321, 4.3.1", "commands are answered in their order", _HOLDS,
           "clients/test_swaks.py::test_pipelined_commands_are_answered_in_order"),
    clause("RFC 5321, 4.4", "a Received field stands before the content: from, by, with, id, date in UTC offset form",
           f"{_TRACE}received_names_both_hosts_the_id_the_only_recipient_and_the_time",
           f"{_TRACE}dates_are_those_of_rfc_5322_in_any_zone",
           f"{_CLIENT}mail_under_starttls_says_so_in_its_trace_field"),
    clause("RFC 5321, 4.4", "existing trace fields and the rest of the content stay as they are",
           f"{_VECTORS}every_message_arrives_octet_for_octet_by_data"),
    clause("RFC 5321, 4.4", "final delivery writes the reverse-path into a Return-Path field",
           f"{_TRACE}return_path_holds_the_reverse_path_in_brackets",
           f"{_TRACE}return_path_of_a_null_reverse_path_is_empty_brackets",
           "clients/test_swaks.py::test_the_null_reverse_path_is_accepted"),
    clause("RFC 5321, 4.4", "the for clause tells no recipient of another",
           f"{_CLIENT}several_recipients_do_not_learn_of_each_other"),
    clause("RFC 5321, 4.5.1", "mail for postmaster arrives, in any case and without a domain",
           f"{_HERE}mail_for_postmaster_arrives"),
    clause("RFC 5321, 4.5.2", "a dot that begins a line of mail data is taken away once",
           "data/dots", "smuggling/mail_in_mail", f"{_VECTORS}every_message_arrives_octet_for_octet_by_data"),
    clause("RFC 5321, 4.5.3.1.1", "a local-part of 64 octets is taken", f"{_ADDRESS}a_mailbox_is_read"),
    clause("RFC 5321, 4.5.3.1.3", "a path of 256 octets is taken",
           f"{_ADDRESS}a_path_of_256_octets_is_read_and_one_of_257_is_not"),
    clause("RFC 5321, 4.5.3.1.4", "a command line of 512 octets is taken, a longer one than the limit refused",
           "limits/command_line"),
    clause("RFC 5321, 4.5.3.1.6", "a text line of 1000 octets is taken", "data/long_text_line"),
    clause("RFC 5321, 4.5.3.1.7", "a message of 64K octets is taken",
           f"{_CLIENT}a_message_of_five_megabytes_arrives_whole"),
    clause("RFC 5321, 4.5.3.1.8", "100 recipients are taken", "limits/recipients_held"),
    clause("RFC 5321, 4.5.3.1.10", "too many recipients are 452 in the RFC's words, and those before stay",
           "limits/recipients_held", "rcpt/too_many_recipients.rfc"),
    clause("RFC 5321, 4.5.3.2.7", "a client may be silent for five minutes", "limits/idle"),
    clause("RFC 5321, 6.1", "accepted mail is not lost for trivial reasons: crash, full disk, killed process",
           "scenarios/test_crash.py::test_a_killed_worker_comes_back_by_itself_and_nobody_is_refused",
           "scenarios/test_disk.py::test_mail_for_a_full_maildir_waits_in_the_queue_until_there_is_space"),
    clause("RFC 5321, 6.1", "who cannot store a message defers it",
           "scenarios/test_disk.py::test_a_full_spool_defers_with_an_id_and_takes_mail_again_once_there_is_space"),
    clause("RFC 5321, 6.3", "mail with too many Received fields is in a loop and refused", "data/too_many_hops"),
    clause("RFC 5321, 7.8", "an attack by endless commands ends", "limits/bad_commands"),
    clause("RFC 5321, 7.9", "no open relay", "rcpt/relaying", "auth/outside_sender_of_an_account"),
    # SIZE
    clause("RFC 1870, 3", "EHLO announces the largest message in octets", "hello/ehlo", "hello/ehlo_with_other_limit"),
    clause("RFC 1870, 5", "the size is counted with CRLF and without dots added on the way", "data/just_not_too_big"),
    clause("RFC 1870, 6.1", "a message that is declared too big is refused at MAIL", "mail/declared_size",
           f"{_CLIENT}a_message_above_the_announced_size_is_refused_before_it_is_sent"),
    clause("RFC 1870, 6.3", "a message that turns out too big is read to its end and refused",
           "data/too_big", "chunks/too_big"),
    # Enhanced status codes
    clause("RFC 2034, 4", "the class of an enhanced code is the first digit of its reply code",
           f"{_REPLIES}enhanced_code_of_another_class_is_refused",
           f"{_REPLIES}the_listed_exception_covers_only_its_own_enhanced_code"),
    clause("RFC 2034, 4", "all but greeting, HELO, EHLO and intermediate replies have one",
           f"{_REPLIES}enhanced_code_is_there_but_for_the_listed_rows"),
    # PIPELINING
    clause("RFC 2920, 3.2", "commands sent together are answered as if sent one by one; none is thrown away", _HOLDS,
           "support/test_ways.py::test_pipelined_waits_for_the_greeting_and_sends_the_rest_at_once",
           "clients/test_swaks.py::test_a_pipelined_submission_under_tls_arrives"),
    clause("RFC 2920, 3.2", "DATA without a valid recipient is refused although it came with the others",
           f"{_HERE}pipelined_data_without_a_recipient_is_refused"),
    # CHUNKING
    clause("RFC 3030, 2", "a message may come in chunks of any size, dots and all, the last one marked",
           "chunks/one_chunk", "chunks/several_chunks", "chunks/dots_are_content",
           f"{_VECTORS}every_message_arrives_octet_for_octet_by_chunks"),
    clause("RFC 3030, 2", "a chunk's octets are never commands, not even of a refused chunk",
           "chunks/refused_chunk_is_skipped", "smuggling/chunk_shorter_than_said"),
    clause("RFC 3030, 2", "BDAT and DATA do not mix in one transaction", "chunks/only_chunks_may_follow"),
    clause("RFC 3030, 2", "RSET ends a message that came in part", "chunks/reset"),
    # STARTTLS
    clause("RFC 3207, 4", "STARTTLS is announced where it can be had and not after the handshake",
           "hello/ehlo", "hello/ehlo_without_certificate", "tls/starttls"),
    clause("RFC 3207, 4", "where TLS is not to be had, the reply is 454", "tls/no_certificate"),
    clause("RFC 3207, 4.2", "what was said before the handshake is forgotten", "tls/starttls_forgets", "tls/starttls"),
    clause("RFC 3207, 6", "octets sent in clear behind STARTTLS are not read as if under TLS",
           "smuggling/starttls_injection"),
    clause("RFC 8314, 3.3", "on its own port TLS comes first",
           "tls/submissions", f"{_CLIENT}implicit_tls_carries_a_submission"),
    # AUTH
    clause("RFC 4954, 3", "EHLO announces the mechanisms that may be used now",
           "hello/ehlo", "hello/ehlo_without_auth"),
    clause("RFC 4954, 4", "one success a session; none within a transaction",
           "auth/auth_twice", "auth/within_a_transaction"),
    clause("RFC 4954, 4", "a star takes AUTH back; what is no base64 is refused", "auth/cancelled", "auth/not_base64"),
    clause("RFC 4954, 4", "PLAIN is there under TLS, with and without an initial response, and not in clear",
           "auth/plain", "auth/plaintext_needs_tls", f"{_CLIENT}login_without_initial_response_authenticates"),
    clause("RFC 4954, 4", "an unknown mechanism is 504", "auth/unknown_mechanism", "auth/mechanism_switched_off"),
    clause("RFC 4954, 4", "answers of 12288 octets are read, longer ones refused", "auth/overlong_answer"),
    clause("RFC 4954, 5", "the AUTH parameter of MAIL is read", "mail/parameters"),
    clause("RFC 4954, 6", "a failure does not tell whether the account exists", "auth/wrong_password"),
    clause("RFC 4954, 6", "530 where authentication is needed", "mail/local_sender_must_authenticate.rfc"),
    clause("RFC 6409, 4.3", "submission wants authentication", "auth/submission_wants_auth", "tls/submission"),
    # 8BITMIME
    clause("RFC 6152, 3", "content keeps the high-order bit of all octets", "data/octets_beyond_ascii",
           f"{_CLIENT}octets_beyond_ascii_arrive_unchanged"),
    clause("RFC 6152, 2", "BODY is read and kept",
           "mail/parameters", f"{_CLIENT}the_body_parameter_is_kept_with_the_message"),
    # SMTPUTF8
    clause("RFC 6531, 3.4", "addresses beyond ASCII are taken with the SMTPUTF8 parameter and refused without",
           "mail/address_beyond_ascii", f"{_CLIENT}addresses_and_subject_beyond_ascii_travel_with_smtputf8",
           f"{_CLIENT}an_address_beyond_ascii_without_smtputf8_is_refused"),
    clause("RFC 6531, 3.3", "they are UTF-8, and nothing else is", "mail/octets_that_are_no_text"),
    clause("RFC 6531, 3.7.4", "VRFY and EXPN take SMTPUTF8 too",
           f"{_COMMAND}vrfy_and_expn_ask_for_a_reply_beyond_ascii"),
    clause("RFC 6531, 4.3", "the trace field says UTF8SMTP", f"{_TRACE}protocol_names_are_the_registered_ones",
           f"{_TRACE}a_recipient_beyond_ascii_is_named_only_under_smtputf8"),
    # DSN
    clause("RFC 3461, 4.1", "NOTIFY is NEVER alone or a list",
           "rcpt/parameters", f"{_COMMAND}a_bad_parameter_of_rcpt_is_refused"),
    clause("RFC 3461, 4.2", "ORCPT is a type and an xtext address",
           "rcpt/parameters", f"{_COMMAND}the_parameters_of_rcpt_are_read"),
    clause("RFC 3461, 4.3", "RET is FULL or HDRS", "mail/parameters", f"{_COMMAND}a_bad_parameter_of_mail_is_refused"),
    clause("RFC 3461, 4.4", "ENVID is an xtext", "mail/parameters", f"{_COMMAND}the_parameters_of_mail_are_read"),
    clause("RFC 3461, 5.2", "the parameters are kept with the message",
           f"{_CLIENT}dsn_parameters_are_kept_with_the_message",
           "clients/test_msmtp.py::test_dsn_parameters_are_kept_with_the_message"),
)
# fmt: on

LISTED: Final = {  # what the table is about at least
    *("RFC 5321", "RFC 1870", "RFC 2034", "RFC 2920", "RFC 3030", "RFC 3207"),
    *("RFC 4954", "RFC 6152", "RFC 6531", "RFC 3461"),
}


@cache
def names_of_tests(file: Path) -> frozenset[str]:
    """The names of the tests in a file."""
    functions = (
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


def transcripts_of(proof: str) -> list[Path]:
    """The files of a transcript: that of one profile when the proof names it, else all."""
    folder = TESTS / "transcripts"
    return sorted({*folder.glob(f"{proof}.txt"), *folder.glob(f"{proof}.*.txt")})


def exists(proof: str) -> bool:
    file, colons, name = proof.partition("::")
    if not colons:
        return bool(transcripts_of(proof))
    return (TESTS / file).is_file() and name in names_of_tests(TESTS / file)


def cited_transcripts() -> Iterator[tuple[Clause, str]]:
    return ((clause, proof) for clause in CLAUSES for proof in clause.proofs if "::" not in proof)


def test_every_clause_has_a_proof_that_exists() -> None:
    assert [clause.section for clause in CLAUSES if not clause.proofs] == []
    assert [(clause.section, proof) for clause in CLAUSES for proof in clause.proofs if not exists(proof)] == []


def test_no_clause_stands_twice() -> None:
    asked = [(clause.section, clause.asks) for clause in CLAUSES]
    assert len(asked) == len(set(asked))


def test_every_standard_that_is_announced_has_clauses() -> None:
    assert LISTED - {clause.rfc for clause in CLAUSES} == set()


def test_a_transcript_that_proves_a_clause_names_its_rfc() -> None:
    silent = [
        (clause.section, path.name)
        for clause, proof in cited_transcripts()
        for path in transcripts_of(proof)
        if clause.rfc not in " ".join(read_transcript(path).references)
    ]
    assert silent == []


@pytest.mark.parametrize(
    "path", ["postmaster", "Postmaster", "postmaster@in.test", "POSTMASTER@IN.TEST", "postmaster@second.test"]
)
def test_mail_for_postmaster_arrives(tmp_path: Path, path: str) -> None:
    with running_post(tmp_path) as post:
        with Directory.open(post.server.config.storage_folder) as directory:
            directory.domains.add("second.test")
            directory.aliases.add(Mailbox("postmaster", "in.test"), parse_mailbox("ann@in.test"))
            directory.aliases.add(Mailbox("postmaster", "second.test"), parse_mailbox("ann@in.test"))
        with smtplib.SMTP(HOST_NAME, post.port("smtp"), "client.test", timeout=20) as client:
            assert client.sendmail("x@out.test", path, b"Subject: a\r\n\r\n") == {}
        assert post.contents("ann@in.test") == [b"Subject: a\r\n\r\n"]


def test_pipelined_data_without_a_recipient_is_refused(tmp_path: Path) -> None:
    with (
        running_post(tmp_path) as post,
        smtplib.SMTP(HOST_NAME, post.port("smtp"), "client.test", timeout=20) as client,
    ):
        client.ehlo()
        client.send(b"MAIL FROM:<x@out.test>\r\nRCPT TO:<nobody@in.test>\r\nDATA\r\nNOOP\r\n")
        assert [client.getreply()[0] for _ in range(4)] == [250, 550, 503, 250]
        assert post.nothing_accepted()
