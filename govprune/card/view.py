"""The card as one frozen value, computed from the evidence alone.

Both renderings place the same view; nothing on a card comes from anywhere else.
"""

from datetime import datetime

from ..evidence.statement import Evidence
from ..lineage import Step
from ..records import Record
from . import appendix, areas, charts, decision, fairness, slices, summary, words
from .facts import Facts
from .parts import Section, Table


class View(Record):
    """Everything a card says, in reading order."""

    title: str
    heading: str
    """The line above the title: date, policy, attempt."""

    done: str
    """What was done, in a sentence."""

    result: str
    """PASSED, FAILED or UNDECIDED."""

    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    """Whatever was done with less safety than the default; printed above everything."""

    found: Table
    counts: Table
    changed: Table
    remedies: tuple[str, ...]

    signature: tuple[tuple[str, str], ...]
    """Label and text of each line in the signature box."""

    signed: bool
    qr: str
    card_id: str
    """First twelve digits of the evidence digest: printed on every page."""

    verify: str
    """The command that verifies this card."""

    sections: tuple[Section, ...]
    producer: str
    finished: str


def make_view(
    evidence: Evidence,
    *,
    evidence_sha256: str,
    signer: str | None,
    log_note: str | None = None,
) -> View:
    """Compute the card.

    Args:
        evidence: Verified, or about to be signed.
        evidence_sha256: Digest (hex) of the attached file `evidence.dsse.json`.
        signer: Who signs, in words with the key; None where nobody does.
        log_note: The place in the log, in words.
    """
    facts = Facts(evidence)
    warnings = _warnings(evidence, signer)
    verify = "govprune verify BUNDLE"
    return View(
        title=words.visible(evidence.title),
        heading=_heading(evidence),
        done=_done(evidence),
        result=evidence.verdict.result,
        sentences=decision.sentences(facts),
        warnings=warnings,
        found=summary.found(facts, taken=2 * len(warnings)),
        counts=summary.counts(facts),
        changed=summary.changed(facts),
        remedies=summary.remedies(facts),
        signature=_signature(evidence, evidence_sha256, signer, log_note, verify),
        signed=signer is not None,
        qr=charts.qr(evidence_sha256, title=f"QR code of the evidence digest {evidence_sha256}"),
        card_id=evidence_sha256[:12],
        verify=verify,
        sections=_sections(facts),
        producer=f"govprune {evidence.environment.govprune}",
        finished=evidence.finished,
    )


def _sections(facts: Facts) -> tuple[Section, ...]:
    middle = (
        *slices.sections(facts),
        fairness.section(facts),
        *areas.sections(facts),
        areas.figures_elsewhere(facts),
        areas.open_questions(facts),
        areas.all_findings(facts),
    )
    return (*(s for s in middle if s is not None), *appendix.sections(facts))


def _heading(evidence: Evidence) -> str:
    policy, plan = evidence.policy, evidence.plan
    return (
        f"Model card and gate record · {_day(evidence.finished)} · policy "
        f"{words.visible(policy.name)} {words.visible(policy.version)} "
        f"(sha256 {plan.policy_sha256[:12]}) · attempt {plan.attempt} on this data, "
        f"level {plan.alpha:.3g}"
    )


_WATCHED = {
    "callable": "wrapped in Python",
    "command": "run as a command",
    "artefacts": "judged from two artefacts; the step itself was not watched",
    "predictions": "judged from what both models said, without either model",
}


def _done(evidence: Evidence) -> str:
    if evidence.chain:
        links = "; ".join(f"{i}. {_step(link.step)}" for i, link in enumerate(evidence.chain, 1))
        return f"{words.count(len(evidence.chain), 'step')} after one another: {links}."
    step = evidence.step
    what = words.visible(step.description or step.name)
    return f"{words.ended(what)} Step {_step(step)}."


def _step(step: Step) -> str:
    trained = ", and says that it changed weights with data" if step.retrains else ""
    return f"{words.visible(step.name)}, {_WATCHED[step.kind]}{trained}"


def _warnings(evidence: Evidence, signer: str | None) -> tuple[str, ...]:
    unsigned = "UNSIGNED: nobody vouches for this card, and nothing may be promoted on it."
    said = () if signer else (unsigned,)
    return (*said, *(words.visible(note) for note in evidence.unsafe))


def _signature(
    evidence: Evidence, sha256: str, signer: str | None, log_note: str | None, verify: str
) -> tuple[tuple[str, str], ...]:
    rows = [("Signed by", words.visible(signer)) if signer else ("UNSIGNED", "nobody signed this")]
    rows.append(("Evidence", f"sha256 {sha256}"))
    for role in ("candidate", "baseline"):
        files = [s for s in evidence.subjects if s.role == role]
        if files:
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            rows.append((role.capitalize(), f"sha256 {files[0].sha256}{more}"))
    if log_note:
        rows.append(("Log", words.visible(log_note)))
    rows.append(("Verify", verify))
    return tuple(rows)


def _day(moment: str) -> str:
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return words.visible(moment)
    return f"{at.day} {at:%B %Y}"
