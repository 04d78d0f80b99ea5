# SPDX-License-Identifier: Apache-2.0
"""The client's side of challenge-and-answer mechanisms, for the `ANSWER` step of transcripts (RFC 2195, RFC 5802).

Written from the RFCs with the standard library only, so that it shares no code with the server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.transcript import Answer

CLIENT_NONCE = "transcript"
"""The nonce that every SCRAM transcript sends in its first message: `n,,n=ACCOUNT,r=transcript`."""


def answer_line(step: Answer, reply_line: str) -> bytes:
    """The line, with CRLF, that answers `reply_line` ("334 " and the challenge in base64)."""
    challenge = base64.b64decode(reply_line.removeprefix("334 "), validate=True)
    if step.mechanism == "CRAM-MD5":
        message = cram_md5(challenge, step.account, step.password)
    else:
        message = scram_sha_256(challenge, f"n={step.account},r={CLIENT_NONCE}", step.password)
    return base64.b64encode(message) + b"\r\n"


def cram_md5(challenge: bytes, account: str, password: str) -> bytes:
    """RFC 2195, 2: the name, a blank, and the keyed digest of the challenge in hexadecimal."""
    return f"{account} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}".encode()


def scram_sha_256(server_first: bytes, client_first_bare: str, password: str) -> bytes:
    """RFC 5802, 3: the client's final message, without channel binding."""
    attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(attributes["s"], validate=True), int(attributes["i"])
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c=biws,r={attributes['r']}"
    signed = f"{client_first_bare},{server_first.decode()},{without_proof}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()
