# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on DMARC (RFC 9989): the record that the domain's mail is judged by, and who gets the reports (RFC 9990, 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.admin.doctor_finding import error, fine, note, quoted, txt_line, warning
from genkan.dmarc.author import plain_domain
from genkan.dmarc.destinations import find_destinations, parse_mailto
from genkan.dmarc.discovery import TreeWalks
from genkan.dmarc.record import parse_record
from genkan.dns.dmarc_texts import found_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.admin.doctor_case import Examination
    from genkan.admin.doctor_finding import Observation
    from genkan.dmarc.destinations import Refused
    from genkan.dmarc.discovery import Discovery, Found
    from genkan.dmarc.record import DmarcRecord

MOST_STRANGERS: Final = 5  # texts at the record's name that are shown


async def check_dmarc(exam: Examination) -> Iterable[Observation]:
    """There is a record, it can be read, asks for something, and its reports arrive."""
    domain, resolver = exam.case.domain, exam.case.resolver

    async def find(name: str) -> Found:
        return found_texts(await resolver.query(name, "TXT"))

    walks = TreeWalks(find)
    name = f"_dmarc.{domain}"
    texts = (await walks.find_texts(name)).texts
    if sum(parse_record(text) is not None for text in texts) > 1:
        return [error("DMARC", f"{name} has several records, and so none counts", "keep one")]
    found = [*_judge_strangers(name, texts)]
    walk = await walks.discover(domain)
    if walk.record is None:
        return [*found, _judge_absence(walk)]
    found.extend(_judge_record(walk, walk.record))
    found.extend(await _judge_reports(walk, walk.record, walks))
    return found


def _judge_strangers(name: str, texts: Iterable[str]) -> Iterator[Observation]:
    for text in [text for text in texts if parse_record(text) is None][:MOST_STRANGERS]:
        yield warning("DMARC", f"{name} has a text that is no record: {quoted(text)}", "correct it or take it out")


def _judge_absence(walk: Discovery) -> Observation:
    if walk.failed:
        return error("DMARC", f"the DNS does not answer for {walk.failed}", "correct the zone or its name servers")
    line = txt_line(f"_dmarc.{walk.domain}", f"v=DMARC1; p=none; rua=mailto:postmaster@{walk.domain}")
    remedy = "begin with this, read the reports, then ask for p=quarantine or p=reject"
    return warning(
        "DMARC", "there is no record: mail that only pretends to be the domain's is not told apart", remedy, line
    )


def _judge_record(walk: Discovery, record: DmarcRecord) -> Iterator[Observation]:
    name = f"_dmarc.{walk.policy_domain}"
    for fault in dict.fromkeys(record.faults):
        yield warning("DMARC", f"the record at {name} is not as it should be: {fault}", "correct it")
    if not record.usable:
        yield error("DMARC", f"the record at {name} is of no use", "correct p, sp and np")
        return
    wanted = record.requested("domain" if walk.policy_domain == walk.domain else "subdomain")
    organization = f", organizational domain {walk.organizational_domain}" if walk.organizational_domain else ""
    yield fine("DMARC", f"policy {wanted}, by {name}{organization}")
    if wanted == "none":
        yield note(
            "DMARC", "the policy none changes nothing for mail that fails", "ask for quarantine or reject in time"
        )
    elif record.testing:
        yield note("DMARC", "t=y: receivers do less than the policy says", "take t=y out when the reports are good")


async def _judge_reports(walk: Discovery, record: DmarcRecord, walks: TreeWalks) -> list[Observation]:
    if not record.rua:
        return [note("DMARC", "nobody is sent reports", "add rua=mailto:ADDRESS to the record")]
    places = await find_destinations(walk.policy_domain, record.rua, walks)
    found = [_judge_refused(walk.policy_domain, each) for each in places.refused]
    found += [
        warning("DMARC", f"the DNS does not say whether {quoted(uri)} takes reports", "look again later")
        for uri in places.undecided
    ]
    if places.mailboxes:
        found.append(fine("DMARC", f"reports go to {', '.join(map(str, places.mailboxes))}"))
    return found


def _judge_refused(policy_domain: str, refused: Refused) -> Observation:
    """A destination that gets nothing; where only its consent is missing, the record that gives it."""
    sentence = f"{quoted(refused.uri)} gets no reports: {refused.reason}"
    mailbox = parse_mailto(refused.uri)
    host = None if mailbox is None else plain_domain(mailbox.domain)
    name = f"{policy_domain}._report._dmarc.{host}"
    if host is not None and f" {name} " in refused.reason:
        return warning("DMARC", sentence, f"let {host} publish this", txt_line(name, "v=DMARC1;"))
    return warning("DMARC", sentence, "correct rua")
