# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on DKIM (RFC 6376): the keys of this installation against the DNS, and keys of others by their selectors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.admin.dkim_operations import publishes
from genkan.admin.doctor_finding import error, fine, note, warning
from genkan.dkim.key_record import NoKey, parse_key
from genkan.dkim.taglist import TagListError, parse_tags
from genkan.dns.answer import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.admin.dkim_operations import KeyEntry
    from genkan.admin.doctor_case import Case, Examination, Home
    from genkan.admin.doctor_finding import Observation
    from genkan.dns.answer import Answer

ADVISED_BITS: Final = 2048  # of an RSA key; RFC 8301, 3.2
KEPT_AFTER_USE: Final = timedelta(days=7)  # mail signed with a key is on its way for some days


async def check_dkim(exam: Examination) -> Iterable[Observation]:
    """Each key of ours has its record; each selector that was named has a key that can be used."""
    case = exam.case
    found = [*_judge_signing(case.domain, case.home)] if case.home is not None else []
    entries = () if case.home is None else case.home.keys
    for entry in entries:
        answer = await case.resolver.query(entry.name, "TXT")
        found.extend(_judge_own(case, entry, answer))
    known = {entry.selector for entry in entries}
    for selector in case.selectors:
        if selector not in known:
            answer = await case.resolver.query(f"{selector}._domainkey.{case.domain}", "TXT")
            found.extend(_judge_named(selector, answer))
    if case.home is None and not case.selectors:
        remedy = "give --selector with the s= of its DKIM-Signature fields"
        found.append(note("DKIM", "the keys of others are known by their selectors only", remedy))
    return found


def _judge_signing(domain: str, home: Home) -> Iterator[Observation]:
    if not home.signs:
        yield warning("DKIM", "dkim.sign is false: no mail is signed", "set it to true")
    signing = [entry for entry in home.keys if entry.state == "signing"]
    if not signing:
        yield warning("DKIM", "no key signs the domain's mail", f"make keys: genkan dkim add {domain}")
    elif all(entry.algorithm != "rsa" for entry in signing):
        sentence = "no key that signs is an RSA one, and not every receiver knows others"
        yield warning("DKIM", sentence, f"add one beside them: genkan dkim add {domain} --algorithm rsa")


def _judge_own(case: Case, entry: KeyEntry, answer: Answer) -> Iterator[Observation]:
    """One key of the directory."""
    name = f"the {entry.state} key {entry.selector} ({entry.algorithm})"
    is_there = any(publishes(entry.record, text) for text in answer.texts)
    if answer.status is Status.FAILED:
        yield warning("DKIM", f"{name} cannot be compared: {answer.detail}", "look again later")
    elif entry.state == "retired":
        yield from _judge_retired(case, entry, is_there=is_there)
    elif is_there:
        yield fine("DKIM", f"{name} is published")
        yield from _judge_published(entry.selector, answer)
        if entry.state == "waiting":
            yield note("DKIM", f"{name} may be used now", f"run: genkan dkim rotate {entry.domain}")
    else:
        found = "has another record in the DNS" if answer.texts else "is not published"
        judge = error if entry.state == "signing" else note
        yield judge("DKIM", f"{name} {found}", "publish this and nothing else there", entry.zone)


def _judge_retired(case: Case, entry: KeyEntry, *, is_there: bool) -> Iterator[Observation]:
    """When it was retired is not known, but not before it was made."""
    if case.visitor.clock.now() - entry.made_at < KEPT_AFTER_USE:
        if not is_there:
            sentence = f"the retired key {entry.selector} is not published, and mail signed with it may be on its way"
            yield warning("DKIM", sentence, "publish this for a week", entry.zone)
        return
    remedy = (
        f"a week after the last rotation, remove its record and run: genkan dkim remove {entry.domain} {entry.selector}"
    )
    yield note("DKIM", f"the retired key {entry.selector} is kept", remedy)


def _judge_named(selector: str, answer: Answer) -> Iterator[Observation]:
    """The key of a selector that was named on the command line."""
    if answer.status is Status.FAILED:
        yield warning("DKIM", f"the key {selector} cannot be had: {answer.detail}", "look again later")
    elif not answer.texts:
        yield error("DKIM", f"there is no key {selector}", "publish its record, or correct the selector")
    else:
        yield from _judge_published(selector, answer)


def _judge_published(selector: str, answer: Answer) -> Iterator[Observation]:
    """What stands in the DNS for a selector (RFC 6376, 3.6.1)."""
    if len(answer.texts) > 1:
        sentence = f"{selector} has {len(answer.texts)} TXT records, and which one counts is nobody's to say"
        yield warning("DKIM", sentence, "keep one")
    for text in answer.texts[:1]:
        if _is_revoked(text):
            yield warning(
                "DKIM", f"the key {selector} is revoked (p= is empty)", "sign with another, or remove the record"
            )
            continue
        try:
            key = parse_key(text)
        except NoKey as flaw:
            yield error("DKIM", f"{selector}: {flaw}", "publish a record that `genkan dkim list --records` would make")
            continue
        kind = key.algorithm.partition("-")[0]
        if kind == "rsa" and key.bits < ADVISED_BITS:
            yield warning("DKIM", f"the key {selector} has {key.bits} bits", f"make one of {ADVISED_BITS}")
        else:
            yield fine("DKIM", f"the key {selector} can be used ({kind}, {key.bits} bits)")
        if key.testing:
            yield warning("DKIM", f"{selector} says t=y: receivers may ignore its signatures", "take t=y out")


def _is_revoked(text: str) -> bool:
    try:
        return parse_tags(text).get("p") == ""
    except TagListError:
        return False
