# SPDX-License-Identifier: Apache-2.0
"""A real Postfix as the next hop of a test: an instance of its own; the installed one is not touched. Needs root.

It listens twice: with STARTTLS, delivering into one Maildir; and without STARTTLS and SMTPUTF8, keeping everything in its queue.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.init import self_signed
from tests.support.clients import cannot_run
from tests.support.server import free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

DOMAIN: Final = "hop.test"
REFUSED: Final = "refused@hop.test"
WORDS: Final = "550 5.1.1 <refused@hop.test>: Recipient address rejected: moved away long ago"

_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
_SERVICES: Final = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One instance in a folder that its account can reach."""

    def __init__(self, folder: Path) -> None:
        """Write its configuration; it does not run yet."""
        self.port: Final = free_port()
        self.keeping_port: Final = free_port()
        self._folder = folder
        self._pid = 0
        for name in ("etc", "spool", "data", "mail"):
            (folder / name).mkdir(mode=0o755)
        for name in ("data", "mail"):
            shutil.chown(folder / name, "postfix", "postfix")
        certificate, key = self_signed("mx.hop.test", datetime.now(UTC))
        (folder / "cert.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(key)
        (folder / "refused").write_text(f"{REFUSED} 550 5.1.1 moved away long ago\n")
        (folder / "etc" / "main.cf").write_text(self._settings())
        (folder / "etc" / "master.cf").write_text(self._listeners() + _SERVICES)

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._run("postfix", "-c", str(self._folder / "etc"), "start")
        self._pid = int((self._folder / "spool" / "pid" / "master.pid").read_text())

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{self._pid}/fd/0").exists(), "the end of Postfix")
            self._pid = 0

    def mail(self) -> list[bytes]:
        """What has been delivered so far, with CRLF as on the wire."""
        new = self._folder / "mail" / "box" / "new"
        paths = sorted(new.iterdir()) if new.is_dir() else []
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in paths]

    def kept(self, text: str) -> str:
        """The one message in the queue in which that text stands, as postcat(1) shows it; waits for it."""
        found: list[str] = []

        def look() -> bool:
            files = sorted((self._folder / "spool" / "hold").iterdir())
            shown = [self._run("postcat", "-c", str(self._folder / "etc"), str(file)) for file in files]
            found[:] = [one for one in shown if text in one]
            return bool(found)

        until(look, f"a message with {text!r} in the queue of Postfix")
        (one,) = found
        return one

    def _settings(self) -> str:
        folder, account = self._folder, (self._folder / "mail").stat()
        return f"""
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
daemon_directory = {self._run("postconf", "-h", "daemon_directory").strip()}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.hop.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_dns_support_level = disabled
message_size_limit = 20971520
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/refused, permit_mynetworks, reject
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{account.st_uid}
virtual_gid_maps = static:{account.st_gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
local_header_rewrite_clients =
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""

    def _listeners(self) -> str:
        keeping = ["smtpd_tls_security_level=none", "smtputf8_enable=no", "smtpd_client_restrictions=static:HOLD"]
        options = "".join(f"\n  -o {option}" for option in keeping)
        return (
            f"127.0.0.1:{self.port} inet n - n - - smtpd\n127.0.0.1:{self.keeping_port} inet n - n - - smtpd{options}\n"
        )

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | {"PATH": _PATH, "LC_ALL": "C"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("utf-8", "replace")


@contextmanager
def postfix(*, start: bool = True) -> Iterator[Postfix]:
    """A Postfix for the block; the test is skipped where there is none, or who runs it is not root."""
    if shutil.which("postfix", path=_PATH) is None:
        cannot_run("Postfix is not installed; on Debian and Ubuntu: apt-get install postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    with tempfile.TemporaryDirectory(prefix="genkan-postfix-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        instance = Postfix(Path(folder))
        try:
            if start:
                instance.start()
            yield instance
        finally:
            instance.stop()
