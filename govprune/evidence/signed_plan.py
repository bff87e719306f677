"""A plan that was signed and logged before anything was measured.

It fixes the policy, the data and the baseline by digest. Its place in the log is before that of
the verdict, so thresholds are older than results, whatever anybody's clock says.
"""

from typing import Annotated

from pydantic import Field, StrictStr

from ..errors import EvidenceError
from ..policy import Policy
from ..records import Record, canonical, digest, to_json
from .entry import PlanEntry, tried
from .statement import STATEMENT_TYPE, Evidence, read_predicate
from .vsa import moment

PLAN_TYPE = "urn:govprune:plan:v1"
_HEX = r"^[0-9a-f]{64}$"


class SignedPlan(Record):
    """What was fixed before anything was measured."""

    name: StrictStr
    """Of the job."""
    policy: Policy
    """With every bound in it."""
    baseline: Annotated[StrictStr, Field(pattern=_HEX)]
    evaluation: Annotated[StrictStr, Field(pattern=_HEX)]
    """Both as the log names them."""
    seed: int = Field(ge=0)
    time: StrictStr
    """RFC 3339, UTC."""
    nonce: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{32}$")]

    @property
    def policy_sha256(self) -> str:
        """Digest of the policy."""
        return digest(self.policy)


def to_plan(plan: SignedPlan) -> bytes:
    """Return the in-toto statement as canonical JSON bytes."""
    subjects = {"baseline": plan.baseline, "evaluation": plan.evaluation}
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects.items()
            ],
            "predicateType": PLAN_TYPE,
            "predicate": to_json(plan),
        }
    )


def from_plan(payload: bytes, *, source: str) -> SignedPlan:
    """Read the statement back from bytes whose signature has been verified.

    Raises:
        EvidenceError: It is not written exactly as `to_plan` writes.
    """
    plan = read_predicate(payload, PLAN_TYPE, SignedPlan, to_plan, source=source)
    moment(plan.time, field=f"{source}: time")
    return plan


def plan_entry(plan: SignedPlan, sha256: str) -> PlanEntry:
    """Return what the log must say of a plan whose envelope has this digest."""
    return PlanEntry(
        plan_sha256=sha256,
        baseline=plan.baseline,
        evaluation=plan.evaluation,
        policy=plan.policy_sha256,
        time=plan.time,
    )


def refuse_other_plan(plan: SignedPlan, evidence: Evidence) -> None:
    """Demand that the evidence is what was planned.

    Raises:
        EvidenceError: Names what differs.
    """
    differs = differs_from(
        plan,
        name=evidence.name,
        policy_sha256=evidence.plan.policy_sha256,
        baseline=tried(evidence.subjects, "baseline"),
        evaluation=tried(evidence.subjects, "evaluation"),
        seed=evidence.environment.seed,
    )
    if differs is not None:
        raise EvidenceError(f"the plan was signed for another {differs} than the evidence has")


def differs_from(
    plan: SignedPlan, *, name: str, policy_sha256: str, baseline: str, evaluation: str, seed: int
) -> str | None:
    """Name the first thing that is not as planned; None where all is."""
    pairs = {
        "job": (plan.name, name),
        "policy": (plan.policy_sha256, policy_sha256),
        "baseline": (plan.baseline, baseline),
        "evaluation data": (plan.evaluation, evaluation),
        "seed": (plan.seed, seed),
    }
    return next((what for what, (planned, found) in pairs.items() if planned != found), None)
