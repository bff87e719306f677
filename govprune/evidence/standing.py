"""How a bundle stands under a trust policy: who made, planned, approved and waived, and what lacks.

Signatures that are forged, or of people without the role, are refused with the whole bundle.
Statements that are genuine but do not count (too late, of one's own candidate, revoked) are named
with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..errors import EvidenceError
from ..policy import Finding, Judged, Outcome, Verdict, Waiver, refusal_of, waive
from . import dsse
from .consents import (
    LATER_FILE,
    PRODUCER_TYPE,
    Approval,
    Consent,
    Producer,
    SignedWaiver,
    from_consent,
    in_force,
    kind_of,
)
from .entry import identity, tried
from .keys import TrustedKeys
from .statement import Evidence
from .trust import Role, TrustPolicy, people
from .vsa import EVIDENCE_FILE, PLAN_FILE, PRODUCER_FILE, VERDICT_FILE, Summary, moment

CLOCKS_DIFFER = timedelta(minutes=10)


@dataclass(frozen=True)
class Said:
    """One statement of one person."""

    file: str
    by: TrustedKeys
    consent: Consent
    idle: str | None = None
    """Why it does not count; None where it does."""


@dataclass(frozen=True)
class Standing:
    """What a bundle comes to under a trust policy."""

    result: Outcome
    said: tuple[Said, ...]
    """Producer, approvals and waivers, those that count and those that do not."""
    waived: tuple[tuple[Finding, Waiver], ...]
    lacks: tuple[str, ...]
    """What must be there before it is promoted, and is not."""


@dataclass(frozen=True)
class Looked:
    """A bundle whose evidence and verdict are verified, and under what it is looked at."""

    files: Mapping[str, bytes]
    digests: Mapping[str, str]
    """SHA-256 of each."""
    evidence: Evidence
    summary: Summary
    policy: TrustPolicy
    shown: datetime | None
    """When an authority saw the verdict; None where none did."""
    now: datetime
    """As of when: what a waiver allows, it allows while it is in force."""
    source: str
    """What the bundle is called in messages."""


def stand(bundle: Looked) -> Standing:
    """Read who said what about a bundle, and say what it comes to.

    Raises:
        EvidenceError: A statement is forged, of other evidence, or of somebody without the role.
    """
    said = [_producer(bundle)] if PRODUCER_FILE in bundle.files else []
    makers = people([s.by for s in said])  # whoever signed it, also with a key revoked since
    later = sorted(name for name in bundle.files if LATER_FILE.fullmatch(name))
    said += [_later(name, bundle, makers) for name in later]
    judged = _waived(bundle.evidence.verdict, said, bundle.policy.threshold("waiver-owner"))
    idle = dict(judged.idle)
    said = [
        replace(s, idle=idle[s.consent.waiver])
        if isinstance(s.consent, SignedWaiver) and s.idle is None and s.consent.waiver in idle
        else s
        for s in said
    ]
    said = [_knowing(s, said, bundle) for s in said]
    return Standing(judged.result, tuple(said), judged.waived, tuple(_lacking(said, bundle)))


def _knowing(one: Said, said: Sequence[Said], bundle: Looked) -> Said:
    """Count an approval only by somebody else than who waived, and who saw every waiver."""
    if not isinstance(one.consent, Approval) or one.idle is not None:
        return one
    waivers = [s for s in said if isinstance(s.consent, SignedWaiver) and s.idle is None]
    if one.by.owner in people([s.by for s in waivers]):
        return replace(one, idle=f"{one.by.owner} has waived a finding; somebody else approves")
    if any(bundle.digests[s.file] not in one.consent.waivers for s in waivers):
        return replace(one, idle="it was given before a waiver that counts; approve again")
    return one


def _producer(bundle: Looked) -> Said:
    consent, by = _signed(PRODUCER_FILE, PRODUCER_TYPE, "producer", bundle)
    candidate = identity(bundle.evidence.subjects, "candidate")
    if not isinstance(consent, Producer) or consent.candidate != candidate:
        raise EvidenceError(f"{bundle.source}/{PRODUCER_FILE}: is about another candidate")
    return Said(PRODUCER_FILE, by, consent, _revoked(by, consent, bundle.policy))


def _later(name: str, bundle: Looked, makers: frozenset[str]) -> Said:
    """Read an approval or a waiver, and say whether it counts."""
    role: Role = "approver" if name.startswith("approval-") else "waiver-owner"
    consent, by = _signed(name, kind_of(name), role, bundle)
    _refuse_other_evidence(consent, bundle, f"{bundle.source}/{name}")
    idle = _revoked(by, consent, bundle.policy)
    if isinstance(consent, SignedWaiver) and not makers and bundle.policy.threshold("producer"):
        idle = "nobody has said who made the candidate"
    elif by.owner in makers:
        idle = f"{by.owner} made the candidate"
    elif isinstance(consent, SignedWaiver) and not in_force(consent, bundle.now):
        idle = f"it expired on {consent.expires}"
    elif moment(consent.time, field="time") > bundle.now + CLOCKS_DIFFER:
        idle = f"it is dated {consent.time}, in the future"
    return Said(name, by, consent, idle)


def _signed(name: str, kind: str, role: Role, bundle: Looked) -> tuple[Consent, TrustedKeys]:
    at = f"{bundle.source}/{name}"
    holders = bundle.policy.holders(role)
    if not holders:
        raise EvidenceError(
            f"{at}: trust policy '{bundle.policy.name}' names no {role}; remove the file"
        )
    payload, by = dsse.verify(bundle.files[name], holders, source=at)
    return from_consent(payload, kind, source=at), by


def _refuse_other_evidence(consent: Consent, bundle: Looked, source: str) -> None:
    """Refuse a statement about other evidence than that beside it."""
    if isinstance(consent, SignedWaiver):
        if what_is_waived(bundle.evidence) != (
            consent.candidate,
            consent.baseline,
            consent.evaluation,
            consent.policy_sha256,
        ):
            raise EvidenceError(f"{source}: waives for another candidate, baseline, data or policy")
        if consent.later:
            return
    if isinstance(consent, Approval | SignedWaiver) and (
        consent.evidence_sha256 != bundle.digests[EVIDENCE_FILE]
        or consent.verdict_sha256 != bundle.digests[VERDICT_FILE]
    ):
        raise EvidenceError(f"{source}: is about other evidence; it says nothing of this")


def what_is_waived(evidence: Evidence) -> tuple[str, str, str, str]:
    """Return candidate, baseline, data and policy by their digests."""
    roles = ("candidate", "baseline", "evaluation")
    candidate, baseline, data = (tried(evidence.subjects, role) for role in roles)
    return candidate, baseline, data, evidence.plan.policy_sha256


def _revoked(by: TrustedKeys, consent: Consent, policy: TrustPolicy) -> str | None:
    """Say why a key counted no more; nothing shows when a person signed but what he says."""
    try:
        policy.refuse_revoked(by, said=moment(consent.time, field="time"), shown=None)
    except EvidenceError as error:
        return str(error)
    return None


def _waived(verdict: Verdict, said: Sequence[Said], needed: int) -> Judged:
    """Count the waivers that enough people signed."""
    counting = [
        (s.consent.waiver, s.by.owner)
        for s in said
        if isinstance(s.consent, SignedWaiver) and s.idle is None
    ]
    enough, few = [], []
    for waiver, _ in counting:
        finding = next((f for f in verdict.findings if waiver.is_about(f)), None)
        owners = {
            owner for other, owner in counting
            if finding is not None and other.is_about(finding) and not refusal_of(other, finding)
        }  # fmt: skip
        alone = finding is not None and not refusal_of(waiver, finding) and len(owners) < needed
        if alone:
            few.append((waiver, f"{len(owners)} of {needed} owners have signed"))
        else:
            enough.append(waiver)
    judged = waive(verdict, enough)
    return replace(judged, idle=(*judged.idle, *few))


def _lacking(said: Sequence[Said], bundle: Looked) -> Iterator[str]:
    kinds: tuple[tuple[Role, type, str], ...] = (
        ("producer", Producer, "a producer's statement (govprune attest)"),
        ("approver", Approval, "approvals (govprune approve)"),
    )
    for role, kind, what in kinds:
        needed = bundle.policy.threshold(role)
        who = people([s.by for s in said if isinstance(s.consent, kind) and s.idle is None])
        if len(who) < needed:
            yield f"{what}: {len(who)} of {needed}"
    if bundle.policy.demands.plan and PLAN_FILE not in bundle.files:
        yield "a plan that was signed before anything was measured (govprune run --plan)"
    if bundle.policy.demands.timestamp and bundle.shown is None:
        yield "the timestamp of an authority (govprune timestamp)"
