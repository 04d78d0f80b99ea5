# SPDX-License-Identifier: Apache-2.0
"""E-POST installations to import, after the examples of the product's pages: one as on Windows, one as on BSD."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EFFECT = """\
#<> default
#blank false
192.168.*.* default
*.*.*.* norelay,2
"""

MAIL = """\
'------------------------------------------------------
Virus:reject-header
Unique-Header:X-SPAM-mail: X-appliance
Level:110
Warning:
<!>WARNING<!>
添付ファイル
WarningEnd:
VirusEnd:
"""

DESTROYING = """\
Virus:to-nobody
Subject:広告
Level:510
VirusEnd:
"""

SENDER = "'----\n*@rival.test,-1\n*,0\n"
REJECT = "198.51.100.9\t\n203.0.113.*\t\n192.0.2.200\ttrue\n198.51.100.77\t1999999999\tiplock\n"
GATEWAY = "partner.test, 192.0.2.25, 2525\n"

ACCOUNTS = """\
アカウント名\tパスワード\t氏名\tドメイン
ann\tann-secret-1\t山田 花子\tin.test
bob\tshort\tBob Example\tin.test
"""

ALIASES = """\
sales@in.test\tann@in.test
info*@in.test\tann@in.test
news@in.test\tbob@in.test,0
*@partner.test\tann@in.test,0
"""

MESSAGE = b"From: x@out.test\r\nSubject: old mail\r\n\r\ntext\r\n"


def write(path: Path, text: str | bytes, encoding: str = "utf-8", line_end: str = "\n") -> Path:
    """Write a file, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    octets = text if isinstance(text, bytes) else text.replace("\n", line_end).encode(encoding)
    path.write_bytes(octets)
    return path


def windows_installation(root: Path) -> Path:
    """Work folder `mail` beside `EPOST/MS`; CP932 and CRLF, file-based settings, exports in the work folder."""

    def put(name: str, text: str | bytes) -> None:
        write(root / name, text, "cp932", "\r\n")

    for name, text in (("effect", EFFECT), ("mail", MAIL + DESTROYING), ("rejectsmtpip", REJECT), ("gateway", GATEWAY)):
        put(f"EPOST/MS/{name}.dat", text)
    put("EPOST/MS/ordb.dat", "'relays.ordb.org\nbl.example.test\n")
    put("EPOST/MS/in.test.idx", b"\x00\x01\x02")
    put("mail/accounts.txt", ACCOUNTS)
    put("mail/aliases.txt", ALIASES)
    registry = "mail/REG/SOFTWARE/EMWAC/IMS"
    for name, value in (("Received.1", "30"), ("LastMsgId.1", "97403"), ("nMailInBoxSize.1", "104857600")):
        put(f"{registry}/{name}", value)
    for name, value in (("IPLockOut.1", "20"), ("IPLockOutSPTime.1", "60"), ("IPLockOutTime.1", "600")):
        put(f"{registry}/{name}", value)
    put(f"{registry}/MailFilterUp.1", "1")
    put("mail/cluster/msg.id", "97586")
    put("mail/incoming/B0000097590.MSG", MESSAGE)
    put("mail/incoming/B0000097590.RCP", "Message-ID: <B0000097590@in.test>\n")
    put("mail/inbox/in.test/ann/apop.dat", b"\x11\x22")
    put("mail/inbox/in.test/ann/sender.dat", SENDER)
    put("mail/inbox/in.test/ann/size.ctl", "52428800")
    put("mail/inbox/in.test/ann/B0000000012.MSG", MESSAGE)
    put("mail/inbox/in.test/ann/B0000000013.MSG", MESSAGE + b"more\r\n")
    put("mail/inbox/in.test/bob/ims.ctl", "x")
    put("mail/inbox/in.test/bob/Sent/B0000000014.MSG", MESSAGE)
    return root / "mail"


def bsd_installation(root: Path) -> tuple[Path, Path]:
    """Work folder `var/spool/epms` and program folder `usr/local/mta/bin`; one mailbox folder for all domains."""
    work, program = root / "var/spool/epms", root / "usr/local/mta/bin"
    write(program / "effect.dat", "#<> default\n#blank false\n")
    write(work / "reg/epost/ims/DomainNamesAreLocal.1", "in.test in2.test\n")
    write(work / "reg/epost/ims/LastMsgId.1", "319576\n")
    write(work / "reg/epost/ims/nMailInBoxSizeHigh.1", "1\n")
    write(work / "reg/epost/ims/nMailInBoxSize.1", "0\n")
    write(work / "reg/epost/ims/Received.1", "25\n")
    write(work / "reg/epost/ims/EPST5RS/Received.1", "40\n")
    write(work / "reg/epost/ims/EPST5DS/nRetry.1", "5\n")
    write(work / "inbox/ann/effect.dat", "*@friend.test default\n* false\n")
    write(work / "inbox/ann/B0000319570.MSG", MESSAGE)
    write(work / "inbox/bob/apop.dat", "x")
    return work, program
