# SPDX-License-Identifier: Apache-2.0
"""TLS towards a next hop: how sure we must be of it, and the contexts for that (RFC 3207, 7672, 8461, 8689).

The decision is one pure function; whoever speaks to the next hop obeys it and decides nothing.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.delivery.outcome import words_of
from genkan.delivery.sts import matches_mx

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.delivery.dane import Dane
    from genkan.delivery.sts import StsPolicy
    from genkan.directory.hops import TlsPolicy

TlsWish = Literal["usual", "requiretls", "optional"]
"""What the sender wants of a message (RFC 8689): nothing; REQUIRETLS in MAIL; the header field `TLS-Required: No`."""

# RFC 3463 and the registry of enhanced codes.
DNS_FAILED: Final = "4.4.3"
NOT_TRUSTED: Final = "4.7.5"
ENCRYPTION_NEEDED: Final = "5.7.10"


class AuthorityError(Exception):
    """The file of certificate authorities cannot be used; the text says what to do. Raised at start."""


class Requirement(NamedTuple):
    """What must be true of the connection to a host before mail goes over it.

    `kind`: "none" (do not begin TLS), "opportunistic" (TLS if offered, any certificate, clear text if it fails), "required"
    (TLS, any certificate), "verified" (a certificate of a known authority for the host's name), "dane" (see
    `dane.authenticates`); "deferred" and "failed": not this host, and if there is no other, that is the outcome, with
    `status`. `requiretls`: the host must offer REQUIRETLS and be given it in MAIL (RFC 8689, 4.2.1).
    """

    kind: Literal["none", "opportunistic", "required", "verified", "dane", "deferred", "failed"]
    reason: str
    status: str = ""
    requiretls: bool = False


def tls_requirement(
    policy: TlsPolicy,
    sts: StsPolicy | None,
    dane: Dane,
    wish: TlsWish,
    host: str,
    *,
    vouched: bool,
) -> Requirement:
    """How sure we must be of a host: the strictest of what operator, domain and sender want, with two exceptions.

    The operator's "none" holds against domains, since it is for one route, and `TLS-Required: No` makes what the domain
    wants not count (RFC 8689, 5). DANE comes before MTA-STS (RFC 8461, 2). `vouched`: DNSSEC or the operator says that mail
    for the domain goes to this host (`MxTargets.authentic` and the setting dns.trusted, or a host that a route names).
    """
    demanded = _demanded_by_domain(sts, dane, host)
    if wish == "requiretls":
        return _strict(policy, demanded, host, vouched=vouched)
    if policy == "none":
        return Requirement("none", "the route uses no TLS")
    if wish == "optional":
        return Requirement(policy, "the message does not require TLS")
    if demanded is None or (demanded.kind == "required" and policy == "verified"):
        return Requirement(policy, "the route's policy")
    return demanded


def _strict(policy: TlsPolicy, demanded: Requirement | None, host: str, *, vouched: bool) -> Requirement:
    """For a message with REQUIRETLS: a host that is known to be the right one, and its certificate (RFC 8689, 4.2.1)."""
    if policy == "none":
        return Requirement("failed", "the message requires TLS, and the route uses none", ENCRYPTION_NEEDED)
    if demanded is not None and demanded.kind == "deferred":
        return demanded
    if demanded is not None and demanded.kind != "required":
        return demanded._replace(requiretls=True)
    if vouched:
        return Requirement("verified", "the message requires TLS", requiretls=True)
    reason = f"the message requires TLS, and neither DNSSEC nor MTA-STS vouches for {host}"
    return Requirement("failed", reason, ENCRYPTION_NEEDED)


def _demanded_by_domain(sts: StsPolicy | None, dane: Dane, host: str) -> Requirement | None:
    """What the domain wants, if anything."""
    if dane.kind == "unknown":
        return Requirement("deferred", dane.reason, DNS_FAILED)
    if dane.kind == "authenticate":
        return Requirement("dane", f"{host} has TLSA records")
    if sts is not None and sts.mode == "enforce":
        if not matches_mx(sts, host):
            return Requirement("deferred", f"the domain's MTA-STS policy does not name {host}", NOT_TRUSTED)
        return Requirement("verified", "the domain's MTA-STS policy")
    if dane.kind == "encrypt":
        return Requirement("required", f"{host} has TLSA records, none of a usable kind")
    return None


class ClientContexts:
    """The TLS contexts towards next hops, made once: TLS 1.2 or later, since a peer with less is as good as clear text."""

    def __init__(self, authorities: Path | None = None) -> None:
        """`authorities` is a PEM file that counts instead of the system's authorities; raises `AuthorityError`."""
        self._unverified: Final = _context()
        self._unverified.check_hostname = False
        self._unverified.verify_mode = ssl.CERT_NONE
        self._verified: Final = _context()
        self._verified.hostname_checks_common_name = False  # RFC 8461, 4.1; RFC 9525, 2
        if authorities is None:
            self._verified.load_default_certs()
        else:
            _load(self._verified, authorities)

    def __call__(self, kind: Literal["opportunistic", "required", "verified", "dane"]) -> ssl.SSLContext:
        """The context for a requirement of this kind. With "dane" the caller checks the certificates after the handshake."""
        return self._verified if kind == "verified" else self._unverified


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise AuthorityError(f"{authorities}: no PEM file of certificate authorities; put one there") from error
    except OSError as error:
        reason = words_of(error)
        raise AuthorityError(f"{authorities}: {reason}; make the file readable or correct its name") from error
