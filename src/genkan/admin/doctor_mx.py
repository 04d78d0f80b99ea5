# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on the hosts that take a domain's mail: MX records and where they lead (RFC 5321, 5.1; RFC 7505)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from genkan.admin.doctor_case import MOST_HOSTS
from genkan.admin.doctor_finding import error, fine, note, quoted, warning
from genkan.delivery.mx import SMTP_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.admin.doctor_case import Case, Examination, Home, Host, MxHosts
    from genkan.admin.doctor_finding import Observation

# RFC 6890 and 6598; what is for documentation is left in, for it means no network of somebody's own.
_NOT_PUBLIC: Final = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"),
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether an address can be reached from elsewhere; loopback and private ones cannot."""
    found = ip_address(address)
    return not any(found in network for network in _NOT_PUBLIC)


async def check_mx(exam: Examination) -> Iterable[Observation]:
    """The records are there, and each leads to a host with addresses; for a domain of ours, one of them is this server."""
    case, mx, own = exam.case, await exam.mx(), await exam.own_host()
    found = [*_judge_records(case, mx)]
    if mx.kind != "implicit":
        found.extend(each for host in mx.hosts for each in _judge_host(host, is_ours=is_this_server(case, host, own)))
    if case.home is not None and own is not None and mx.kind == "explicit":
        found.extend(_judge_way_home(case, case.home, mx, own))
    return found


def is_this_server(case: Case, host: Host, own: Host | None) -> bool:
    """Whether an MX host is this installation: by our hostname, its addresses, or those of this machine."""
    home = case.home
    if home is None or own is None:
        return False
    shared = set(host.addresses) & set(own.addresses)
    return bool(shared) or home.own.include(host.name, host.addresses, SMTP_PORT)


def _judge_records(case: Case, mx: MxHosts) -> Iterator[Observation]:
    remedy, line = "publish an MX record", ""
    if case.home is not None:
        line = f"{case.domain}. IN MX 10 {case.home.hostname}."
    if mx.kind == "null" and mx.count > 1:
        yield error("MX", "a null MX stands beside other MX records", "keep the null MX alone, or take it away")
    elif mx.kind == "null" and case.home is None:
        yield note("MX", f"{case.domain} takes no mail (null MX)", "publish MX records if it is to take some")
    elif mx.kind == "null":
        yield error("MX", "a null MX says that the domain takes no mail, yet it is ours", remedy, line)
    elif mx.kind == "implicit" and mx.hosts[0].addresses:
        yield warning("MX", f"there is no MX record: mail goes to the address of {case.domain} itself", remedy, line)
    elif mx.kind == "implicit":
        yield error("MX", "there is neither an MX record nor an address: nobody can send mail there", remedy, line)
    if mx.count > MOST_HOSTS:
        yield note("MX", f"of {mx.count} hosts the first {MOST_HOSTS} are looked at", "name fewer")


def _judge_host(host: Host, *, is_ours: bool) -> Iterator[Observation]:
    if _is_address(host.name):
        yield error("MX", f"{host.name} is an address, and only names may stand there", "name the host")
        return
    if host.alias:
        sentence = f"{host.name} is an alias of {quoted(host.alias)} (CNAME), which RFC 2181, 10.3, forbids"
        yield warning("MX", sentence, "give it an address record of its own, or name the other host")
    if host.trouble:
        yield warning("MX", f"the addresses of {host.name} cannot be had: {host.trouble}", "correct its zone")
    elif not host.addresses:
        yield error(
            "MX", f"{host.name} has no address", "publish its A or AAAA record, or take it out of the MX records"
        )
    for address in host.addresses:
        if not is_public(address):
            yield note(
                "MX",
                f"{host.name} has the address {address}, that only its own network reaches",
                "publish it there only",
            )
    if host.addresses and not host.alias:
        yield fine("MX", f"{host.name} [{', '.join(host.addresses)}]{', this server' if is_ours else ''}")


def _judge_way_home(case: Case, home: Home, mx: MxHosts, own: Host) -> Iterator[Observation]:
    if not any(is_this_server(case, host, own) for host in mx.hosts):
        sentence = f"no MX host is {home.hostname} or has an address of it: the domain's mail does not come here"
        remedy = "publish this, unless another server takes the mail first"
        yield warning("MX", sentence, remedy, f"{case.domain}. IN MX 10 {home.hostname}.")
    is_named = any(host.name == own.name for host in mx.hosts)
    if not own.addresses and not own.trouble and not is_named:
        yield error("MX", f"the hostname {home.hostname} has no address", "publish its A or AAAA record")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
