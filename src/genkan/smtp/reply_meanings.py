# SPDX-License-Identifier: Apache-2.0
"""Why each reply of the catalogue is given and what to do then, in English, by the reply's name.

The words on the wire are in `replies.py`, the same sentences in Japanese in `reply_meanings_ja.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Meaning(NamedTuple):
    """What causes a reply, and what the sender or the operator does about it; one sentence each."""

    cause: str
    remedy: str


MEANINGS: Final[dict[str, Meaning]] = {
    "GREETING": Meaning(
        "The client has connected and may speak.",
        "Nothing is to be done; the client goes on with EHLO.",
    ),
    "TRIAL_EXPIRED": Meaning(
        "The trial or contract period set as `expires` is over.",
        "The operator extends the contract and sets a later date.",
    ),
    "TOO_MANY_SESSIONS": Meaning(
        "More sessions are open than `limits.sessions` or `limits.sessions_per_client` allows.",
        "The client connects again later; the operator raises the limit when the load is wanted.",
    ),
    "CLOSING": Meaning(
        "The client said QUIT.",
        "Nothing is to be done; the server closes the connection.",
    ),
    "IDLE_TIMEOUT": Meaning(
        "Nothing came from the client for the time set as `limits.idle`.",
        "The client connects again; a client that is always slow needs a longer `limits.idle`.",
    ),
    "TRANSACTION_TOO_LONG": Meaning(
        "One mail transaction lasted longer than `limits.transaction_time`.",
        "The client sends the message again over a faster line; the operator looks for a client that only "
        "feeds single octets.",
    ),
    "TOO_MANY_BAD_COMMANDS": Meaning(
        "The client sent `limits.commands` commands in a row that could not be accepted, or named as many unknown addresses "
        "as `limits.unknown_recipients` allows in a session.",
        "The client is repaired; whoever guesses addresses or passwords is meant to meet this.",
    ),
    "CLIENT_LISTED": Meaning(
        "A DNS block list named in `ordb.dat` lists the client address.",
        "The client's operator has the address taken off that list; the receiving operator exempts it by a line in `effect.dat`.",
    ),
    "SHUTTING_DOWN": Meaning(
        "The server is being stopped or restarted.",
        "The client tries again in a few minutes; nothing that was acknowledged is lost.",
    ),
    "NOOP_OK": Meaning(
        "The client said NOOP.",
        "Nothing is to be done.",
    ),
    "RESET_OK": Meaning(
        "The client said RSET, and the mail transaction is forgotten.",
        "Nothing is to be done; the client may begin with MAIL again.",
    ),
    "HELP_TEXT": Meaning(
        "The client said HELP.",
        "Nothing is to be done.",
    ),
    "COMMAND_UNRECOGNIZED": Meaning(
        "The line does not begin with a command of this server.",
        "The client's software is corrected; a person at the keyboard looks for a slip of typing.",
    ),
    "COMMAND_NOT_ASCII": Meaning(
        "A command line holds a control character, or an octet beyond ASCII where none is allowed.",
        "The client sends plain ASCII commands, or asks for SMTPUTF8 when the address needs it.",
    ),
    "COMMAND_BARE_NEWLINE": Meaning(
        "A command line ended in LF without CR, which is how hidden commands are smuggled.",
        "The client ends every line in CRLF; the server has closed the connection.",
    ),
    "LINE_TOO_LONG": Meaning(
        "A command line, or a line of an AUTH dialogue, is longer than the limit.",
        "The client shortens the line or leaves parameters away.",
    ),
    "ARGUMENT_REQUIRED": Meaning(
        "The command came without the argument it needs.",
        "The client sends the argument, for example `MAIL FROM:<ann@in.test>`.",
    ),
    "ARGUMENT_UNEXPECTED": Meaning(
        "A command that takes no argument came with one.",
        "The client sends the command alone on its line.",
    ),
    "PARAMETER_SYNTAX": Meaning(
        "A parameter of MAIL, RCPT or BDAT has a bad value or came twice.",
        "The client corrects the parameter that the reply names.",
    ),
    "PARAMETER_UNKNOWN": Meaning(
        "MAIL or RCPT came with a parameter of an extension that EHLO did not announce.",
        "The client uses only announced extensions.",
    ),
    "TRANSACTION_OPEN": Meaning(
        "AUTH or STARTTLS came after MAIL.",
        "The client ends the mail transaction or says RSET first.",
    ),
    "HELO_HELLO": Meaning(
        "The client said HELO.",
        "Nothing is to be done.",
    ),
    "EHLO_HELLO": Meaning(
        "The client said EHLO; the lines that follow name the extensions.",
        "Nothing is to be done.",
    ),
    "EHLO_KEYWORD": Meaning(
        "EHLO announces an extension that EPSTRS does not have.",
        'The operator sets `smtp.extensions = "source"` where an old client is confused by it.',
    ),
    "EHLO_STARTTLS": Meaning(
        "EHLO announces STARTTLS: a certificate is there and the connection is still in clear.",
        "The client says STARTTLS before it authenticates.",
    ),
    "EHLO_AUTH": Meaning(
        "EHLO announces the authentication mechanisms that may be used now.",
        "The operator changes the list with `auth.mechanisms`; PLAIN and LOGIN appear under TLS.",
    ),
    "EHLO_SIZE": Meaning(
        "EHLO announces the largest message in octets; 0 means no limit.",
        "The operator changes it with `limits.message_size`.",
    ),
    "HELLO_SYNTAX": Meaning(
        "The argument of HELO or EHLO is missing, or holds characters that no domain has.",
        "The client names itself by its domain or by an address literal.",
    ),
    "DUPLICATE_HELO": Meaning(
        "HELO came although the session has been greeted already.",
        "The client goes on with MAIL; after STARTTLS it may greet once more.",
    ),
    "DUPLICATE_EHLO": Meaning(
        "EHLO came although the session has been greeted already.",
        "The client goes on with MAIL; after STARTTLS it may greet once more.",
    ),
    "NEED_HELLO": Meaning(
        "MAIL came before HELO or EHLO.",
        "The client says EHLO first.",
    ),
    "READY_FOR_TLS": Meaning(
        "The client said STARTTLS, and the handshake may begin.",
        "Nothing is to be done; after the handshake the client says EHLO again.",
    ),
    "TLS_NOT_AVAILABLE": Meaning(
        "STARTTLS came, but the server has no certificate to offer.",
        "The operator sets `tls.certificate` and `tls.key`; the client goes on in clear or elsewhere.",
    ),
    "TLS_ALREADY_ACTIVE": Meaning(
        "STARTTLS came on a connection that is under TLS already.",
        "The client goes on without it.",
    ),
    "AUTH_CHALLENGE": Meaning(
        "The authentication mechanism asks the client for its next answer.",
        "Nothing is to be done; the client answers in base64, or with `*` to give up.",
    ),
    "AUTH_OK": Meaning(
        "Name and password are right.",
        "Nothing is to be done; the client goes on with MAIL.",
    ),
    "AUTH_FAILED": Meaning(
        "The account name or the password is wrong, or the account may not authenticate.",
        "The sender corrects name and password; the operator gives the account a password with `genkan "
        "account passwd`.",
    ),
    "AUTH_NOT_BASE64": Meaning(
        "An answer in the AUTH dialogue is not base64.",
        "The client's software is corrected.",
    ),
    "AUTH_CANCELLED": Meaning(
        "The client sent `*` instead of an answer.",
        "Nothing is to be done; the client may say AUTH again.",
    ),
    "AUTH_MECHANISM_UNKNOWN": Meaning(
        "AUTH names a mechanism that this server does not offer.",
        "The client takes one that EHLO announced; the operator adds it to `auth.mechanisms`.",
    ),
    "AUTH_NEEDS_TLS": Meaning(
        "The mechanism would send the password in clear, and the connection is not under TLS.",
        'The client says STARTTLS first; `auth.plaintext = "always"` allows it in clear.',
    ),
    "AUTH_NOT_ENABLED": Meaning(
        "AUTH came, but authentication is switched off with `auth.mode`.",
        'The sender takes the password out of the settings of the client, or the operator sets `auth.mode = "on"`.',
    ),
    "NEED_EHLO_BEFORE_AUTH": Meaning(
        "AUTH came before EHLO, or MAIL names an internal account and the session has not tried to authenticate.",
        "The sender switches SMTP authentication on in the client; a server that forwards mail keeps the "
        "outside reverse-path.",
    ),
    "DUPLICATE_AUTH": Meaning(
        "AUTH came although the session has authenticated already.",
        "The client goes on with MAIL; another account needs a new connection.",
    ),
    "AUTH_UNAVAILABLE": Meaning(
        "The password could not be checked because of a fault of the server.",
        "The client tries again later; the operator finds the id of the reply in the log.",
    ),
    "SENDER_OK": Meaning(
        "The reverse-path is accepted, and a mail transaction has begun.",
        "Nothing is to be done.",
    ),
    "NEED_AUTH_BEFORE_MAIL": Meaning(
        "MAIL names an internal account, and the session has not authenticated or failed to.",
        "The sender switches SMTP authentication on and corrects name and password.",
    ),
    "SENDER_ALREADY_SPECIFIED": Meaning(
        "MAIL came a second time in one mail transaction.",
        "The client says RSET first, or ends the mail transaction with DATA.",
    ),
    "REVERSE_PATH_SYNTAX": Meaning(
        "The path after `MAIL FROM:` is not an address of RFC 5321.",
        "The sender corrects the address for the reason that the reply names.",
    ),
    "SMTPUTF8_REQUIRED": Meaning(
        "An address has characters beyond ASCII, but MAIL did not ask for SMTPUTF8.",
        "The client adds the SMTPUTF8 parameter to MAIL, or writes the address in ASCII.",
    ),
    "SENDER_UNKNOWN": Meaning(
        "The reverse-path has a local domain, but no such account or alias exists, or it is not the "
        "authenticated account's.",
        "The sender corrects the own address in the client; the operator adds the account or alias.",
    ),
    "SENDER_FORBIDDEN": Meaning(
        "A rule of `effect.dat` refuses the reverse-path or the client address, or `MAIL FROM:` was empty.",
        "Where the sender is welcome, the operator changes the rule: `genkan rules edit effect.dat`.",
    ),
    "SPF_DEFERRED": Meaning(
        "The SPF record of the sender's domain does not allow this client address.",
        "The sender's operator corrects the SPF record or sends from a permitted server; with `spf.grey` a client gets in "
        "that comes again.",
    ),
    "SPF_UNAVAILABLE": Meaning(
        "The DNS does not give the SPF record of the sender's domain now (setting `spf.dns_failure`).",
        "The client tries again; if it stays so, the sender's operator mends the domain's name servers, or ours `dns.servers`.",
    ),
    "RECIPIENT_OK": Meaning(
        "The forward-path is accepted.",
        "Nothing is to be done.",
    ),
    "NEED_MAIL_BEFORE_RCPT": Meaning(
        "RCPT came before MAIL was accepted.",
        "The client says MAIL first; when MAIL was refused, its reply tells the cause.",
    ),
    "FORWARD_PATH_SYNTAX": Meaning(
        "The path after `RCPT TO:` is not an address of RFC 5321.",
        "The sender corrects the address for the reason that the reply names.",
    ),
    "NO_VALID_RECIPIENT": Meaning(
        "The forward-path is empty or has no domain, so it names nobody.",
        "The sender writes the whole address, for example `bob@in.test`.",
    ),
    "USER_UNKNOWN": Meaning(
        "The forward-path has a local domain, but no such account, alias or list exists, or the list leads to no mailbox.",
        "The sender corrects the address; the operator adds the account or alias.",
    ),
    "MAILBOX_FULL": Meaning(
        "The recipient's mailbox has reached its quota, or would with this message.",
        "The recipient deletes mail, or the operator raises the quota; the client tries again by itself.",
    ),
    "RELAY_DENIED": Meaning(
        "Reverse-path and forward-path are both outside, or the sender may not send mail to the outside.",
        "The sender authenticates and uses an internal address; the operator checks `genkan domain list` when "
        "the domain should be local.",
    ),
    "TOO_MANY_RECIPIENTS": Meaning(
        "The message has as many recipients as `limits.recipients`, or more.",
        "The sender splits the recipients over several messages; the operator raises the limit.",
    ),
    "RECIPIENTS_HELD": Meaning(
        "The mail transaction has as many recipients as the server can hold at once.",
        "Nothing is to be done; the client sends the message to the rest in another mail transaction.",
    ),
    "RECIPIENT_FORBIDDEN": Meaning(
        "The `sender.dat` of the sending account forbids this recipient; the other recipients are not affected.",
        "The operator changes the account's `sender.dat` when the recipient is permitted.",
    ),
    "SENDER_BLACKLISTED": Meaning(
        "The reverse-path is refused by a line of `approval-addresses.dat`.",
        "The operator changes the line when the sender is welcome.",
    ),
    "LIST_NEEDS_AUTH": Meaning(
        "The recipient is a list that takes mail only from authenticated senders.",
        "The sender switches SMTP authentication on in the client.",
    ),
    "LIST_POST_DENIED": Meaning(
        "The recipient is a mailing list that takes mail only from its members, or only from its owners.",
        "The sender writes from the address that is on the list; else the operator adds it, or changes who may write with "
        "`genkan list set LIST --posting`.",
    ),
    "START_MAIL_INPUT": Meaning(
        "The client said DATA and may send the content.",
        "Nothing is to be done; the content ends in a line with a single dot.",
    ),
    "MESSAGE_RECEIVED": Meaning(
        "The message is stored and would survive a crash of the server.",
        "Nothing is to be done; from now on the server is responsible for the message.",
    ),
    "NEED_RCPT": Meaning(
        "DATA or BDAT came before a recipient was accepted.",
        "The client says RCPT first; when every RCPT was refused, their replies tell the cause.",
    ),
    "CHUNK_RECEIVED": Meaning(
        "A chunk of the content has come, and more are to follow.",
        "Nothing is to be done.",
    ),
    "CHUNKING_UNDER_WAY": Meaning(
        "MAIL, RCPT or DATA came between the chunks of a message.",
        "The client sends the last chunk with BDAT LAST, or says RSET.",
    ),
    "CHUNK_SIZE_SYNTAX": Meaning(
        "The size after BDAT cannot be read, so the end of the chunk is unknown.",
        "The client's software is corrected; the server has closed the connection.",
    ),
    "MESSAGE_TOO_BIG": Meaning(
        "The message, or the SIZE that MAIL declared, is larger than `limits.message_size`.",
        "The sender makes the message smaller or shares the files in another way; the operator raises the limit.",
    ),
    "TOO_MANY_HOPS": Meaning(
        "The message has more Received fields than `limits.hops`, most likely because it goes in a circle.",
        "The operator looks for two servers or aliases that send the message to each other.",
    ),
    "BARE_NEWLINE": Meaning(
        "The mail data holds a CR or LF that is not part of a CRLF, which is how messages are smuggled.",
        'The client sends CRLF line ends; `smtp.bare_newline = "normalise"` repairs such mail instead.',
    ),
    "TEXT_LINE_TOO_LONG": Meaning(
        "A line of the mail data is longer than `limits.text_line`.",
        "The client encodes the content with quoted-printable or base64.",
    ),
    "HEADER_TOO_BIG": Meaning(
        "The header section of the message is larger than `limits.header_size`, or has more lines than `limits.header_lines`.",
        "The sender leaves out header fields; many recipients belong into the envelope or a list.",
    ),
    "CAUGHT_BY_FILTER": Meaning(
        "A rule of `mail.dat` or the virus check refuses the content.",
        "The operator looks up the rule with `genkan explain`; the sender leaves out what the filter names.",
    ),
    "SUBJECT_BLACKLISTED": Meaning(
        "The Subject field is in the list of refused subjects.",
        "The sender chooses another subject; the operator changes the list.",
    ),
    "SCANNER_UNAVAILABLE": Meaning(
        "The virus scanner could not be asked, and `filter.scanner_failure` is `defer`.",
        "The client tries again later; the operator looks at the scanner named by `filter.scanner`.",
    ),
    "DMARC_REFUSED": Meaning(
        "Neither SPF nor a DKIM signature proves that the message is from the domain in its From field, and that domain "
        "wants such mail rejected; obeyed with `dmarc.mode` = `refuse`.",
        "The operator of the sender's domain signs its mail, or permits the server that sent it; mail that a forwarder has "
        "changed gets in where `dmarc.trusted_sealers` names the forwarder.",
    ),
    "AUTHOR_UNCLEAR": Meaning(
        "With `dmarc.mode` = `refuse`: DMARC cannot judge the message, since its From fields name too many domains, or one that "
        "cannot be made out.",
        "Whoever runs the sending program lets it write one From field with an address of one domain.",
    ),
    "DMARC_UNAVAILABLE": Meaning(
        "The DNS does not say at present whether the message is from the domain in its From field (`dmarc.dns_failure` = "
        "`defer`).",
        "The client tries again by itself; if it stays so, the operator looks after the servers in `dns.servers`.",
    ),
    "STORAGE_FULL": Meaning(
        "The disk or the buffer for mail data is full.",
        "The client tries again later; the operator frees space and finds the id of the reply in the log.",
    ),
    "LOCAL_ERROR": Meaning(
        "The server had a fault of its own and did not take the message.",
        "The client tries again later; the operator finds the id of the reply in the log.",
    ),
    "VRFY_OK": Meaning(
        "VRFY names an account, and `smtp.vrfy` is on.",
        "Nothing is to be done.",
    ),
    "EXPN_OK": Meaning(
        "EXPN names an account, and `smtp.vrfy` is on.",
        "Nothing is to be done.",
    ),
    "VRFY_DISABLED": Meaning(
        "VRFY or EXPN came, but answering them is switched off.",
        "Nothing is to be done; the operator sets `smtp.vrfy = true` where answering is wanted.",
    ),
}
