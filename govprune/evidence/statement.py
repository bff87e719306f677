"""The evidence: one in-toto statement that holds everything the verdict follows from.

Invariant: plan, findings and verdict can be computed again from policy, profile and measurements.
`recompute` does so and refuses evidence that says anything else.
"""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from ..catalogue import metric
from ..errors import EvidenceError, PolicyError
from ..lineage import Link, Step, refuse_broken
from ..measurements import (
    Excess,
    Figure,
    Measurement,
    Normal,
    Paired,
    Undefined,
    Unmeasured,
)
from ..policy import Plan, Policy, Verdict, decide, judge, make_plan
from ..records import Record, canonical, parse_json, refusal, to_json
from ..subjects import Profile, Subject
from .entry import identity

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
EVIDENCE_TYPE = "urn:govprune:evidence:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Environment(Record):
    """Where and with what the measurements were taken."""

    govprune: str
    python: str
    platform: str
    packages: tuple[tuple[str, str], ...]
    """Name and version of every package a measurement depends on."""
    seed: int = Field(ge=0)


class Evidence(Record):
    """Everything the verdict follows from (the predicate of the statement)."""

    schema_version: Literal[1] = 1
    title: str
    name: str
    """Kebab-case name of the job."""

    step: Step
    """The one that made the candidate."""
    chain: tuple[Link, ...] = ()
    """Every step from baseline to candidate, where there were several."""
    subjects: tuple[Subject, ...] = Field(min_length=1)
    profile: Profile
    assumptions: tuple[str, ...] = ()
    """What is taken for granted, e.g. that rows are independent."""

    policy: Policy
    plan: Plan
    measurements: tuple[Measurement, ...]
    unmeasured: tuple[Unmeasured, ...] = ()
    figures: tuple[Figure, ...] = ()
    verdict: Verdict
    environment: Environment
    started: str
    """RFC 3339, UTC."""
    finished: str
    unsafe: tuple[str, ...] = ()
    """Everything done with less safety than the default; printed on page one."""

    def subject(self, role: str) -> Subject:
        """Return the first subject in this role.

        Raises:
            EvidenceError: There is none.
        """
        for s in self.subjects:
            if s.role == role:
                return s
        raise EvidenceError(f"the evidence names no {role}")


def to_statement(evidence: Evidence) -> bytes:
    """Return the in-toto statement as canonical JSON bytes."""
    subjects = [{"name": s.name, "digest": {"sha256": s.sha256}} for s in evidence.subjects]
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": subjects,
            "predicateType": EVIDENCE_TYPE,
            "predicate": to_json(evidence),
        }
    )


def from_statement(payload: bytes, *, source: str) -> Evidence:
    """Read the statement back from bytes whose signature has been verified.

    Raises:
        EvidenceError: It is not an evidence statement, or contradicts itself.
    """
    return read_predicate(payload, EVIDENCE_TYPE, Evidence, to_statement, source=source)


Predicate = TypeVar("Predicate", bound=Record)


def read_predicate(
    payload: bytes,
    kind: str,
    record: type[Predicate],
    write: Callable[[Predicate], bytes],
    *,
    source: str,
) -> Predicate:
    """Read the predicate of a statement, and demand that it is written as `write` writes it.

    Raises:
        EvidenceError: It is of another kind, says what the record does not know, or is in
            another form: nothing is left unread, and nothing says two things.
    """
    statement = statement_of(payload, kind, source=source)
    try:
        made = record.model_validate(statement["predicate"])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise EvidenceError(f"{source}: {field}: {refusal(first)}") from error
    if write(made) != payload:
        raise EvidenceError(f"{source}: the payload is not the canonical form of what it says")
    return made


def statement_of(payload: bytes, predicate_type: str, *, source: str) -> dict[str, Any]:
    """Read an in-toto statement of the given predicate type."""
    statement = parse_json(payload, source=source)
    keys = {"_type", "subject", "predicateType", "predicate"}
    if not isinstance(statement, dict) or set(statement) != keys:
        raise EvidenceError(f"{source}: not an in-toto statement")
    if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != predicate_type:
        raise EvidenceError(
            f"{source}: predicate {statement['predicateType']!r}, expected {predicate_type!r}"
        )
    return statement


def recompute(evidence: Evidence) -> None:
    """Derive plan, findings and verdict again from policy, profile and measurements.

    Raises:
        EvidenceError: The evidence says something its own counts do not.
    """
    _answers_fit(evidence)
    _leads_to_the_candidate(evidence)
    try:
        plan = make_plan(evidence.policy, evidence.profile, attempt=evidence.plan.attempt)
        verdict = decide(judge(plan, evidence.measurements, evidence.unmeasured))
    except (ArithmeticError, LookupError, ValueError, PolicyError) as error:
        raise EvidenceError(f"cannot be computed again from its own counts ({error})") from error
    if plan != evidence.plan:
        raise EvidenceError("the plan does not follow from the policy and the data profile")
    if _rounded(verdict) != _rounded(evidence.verdict):
        raise EvidenceError("the findings do not follow from the measurements")


def _answers_fit(evidence: Evidence) -> None:
    """Refuse an answer of another kind than the question, or about other rows than it."""
    asked = {q.key: q for q in evidence.plan.questions}
    for m in evidence.measurements:
        known, question = metric(m.check, m.metric), asked.get(m.key)
        if isinstance(m.basis, Undefined) or known is None:
            continue
        where = f"{m.metric} of {m.slice}"
        if m.basis.kind not in known.kinds:
            raise EvidenceError(
                f"{where} is answered by '{m.basis.kind}', where only "
                f"{' or '.join(known.kinds)} can answer"
            )
        if isinstance(m.basis, Excess | Normal):
            _hangs_together(m, m.basis, evidence)
        if question is None or question.n is None or isinstance(m.basis, Excess):
            continue
        if m.basis.n != question.n:
            raise EvidenceError(
                f"{where} rests on {m.basis.n} rows, the data profile says {question.n}"
            )


def refuse_other_files(evidence: Evidence) -> None:
    """Refuse a step that was given, or made, other bytes under a name than those judged under it.

    Raises:
        EvidenceError: Names the step and the file.
    """
    judged = {PurePosixPath(s.name): s for s in evidence.subjects if s.kind != "columns"}
    for step in (link.step for link in evidence.chain) if evidence.chain else (evidence.step,):
        for what, files in (("was given", step.materials), ("made", step.products)):
            for name, sha256 in files:
                found = judged.get(PurePosixPath(name))
                if found is not None and found.sha256 != sha256:
                    raise EvidenceError(
                        f"step '{step.name}' {what} {name} with other bytes than those that were "
                        f"judged as {found.role}; something changed it meanwhile"
                    )


def _leads_to_the_candidate(evidence: Evidence) -> None:
    """Refuse a chain that starts, goes or ends anywhere else than the subjects say."""
    refuse_other_files(evidence)
    if not evidence.chain:
        return
    refuse_broken(
        evidence.chain,
        baseline=identity(evidence.subjects, "baseline"),
        candidate=identity(evidence.subjects, "candidate"),
    )
    for i, link in enumerate(evidence.chain[:-1], 1):
        if identity(evidence.subjects, f"link-{i}") != link.product:
            raise EvidenceError(f"link {i} of the chain made another model than the evidence names")
    if evidence.chain[-1].step != evidence.step:
        raise EvidenceError("the last link of the chain is not the step that is judged")


def _hangs_together(m: Measurement, basis: Excess | Normal, evidence: Evidence) -> None:
    """Refuse an excess of other rows than the slice and the rest, and an area that is none."""
    if isinstance(basis, Normal):
        areas = (basis.baseline, basis.candidate)
        if 2 * basis.fewer <= basis.n and all(0.0 <= area <= 1.0 for area in areas):
            return
        raise EvidenceError(f"{m.metric} of {m.slice}: {areas} of {basis.fewer} rows is no area")
    own = m.metric.removeprefix("excess-")
    found = {
        other.slice: other.basis
        for other in evidence.measurements
        if (other.check, other.metric) == (m.check, own) and other.slice in (m.slice, "all")
    }
    whole = found.get("all")
    if own == m.metric or not isinstance(whole, Paired):
        return  # another kind of excess, of which the archive holds no parts
    if basis.inside != found.get(m.slice) or basis.inside.n + basis.outside.n != whole.n:
        raise EvidenceError(f"{m.metric} of {m.slice} contradicts the counts of {own}")


def _rounded(verdict: Verdict) -> Any:
    """What decides, to nine significant digits: fewer than platforms differ by.

    Sentences and advice are left out: a later version may word them otherwise.
    """
    plain = to_json(verdict)
    for finding in plain["findings"]:
        del finding["reason"], finding["rows_to_decide"]
    return _round(plain)


def _round(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_round(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value
