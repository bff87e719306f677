"""The decision. Pure, and monotonic: taking evidence away never turns anything into PASSED."""

from typing import Literal, Self

from pydantic import model_validator

from ..records import Record
from .judge import Finding

Result = Literal["PASSED", "FAILED", "UNDECIDED"]


class Verdict(Record):
    """What the gate says (SLSA VSA: verificationResult)."""

    result: Result
    findings: tuple[Finding, ...]

    @model_validator(mode="after")
    def _follows_from_its_findings(self) -> Self:
        # Holds for a verdict read from an archive too: nobody can write PASSED above a failure.
        if self.result != _result(self.findings):
            raise ValueError(f"{self.result} does not follow from the findings")
        return self

    def count(self, status: str) -> int:
        """How many findings have this status."""
        return sum(f.status == status for f in self.findings)


def decide(findings: tuple[Finding, ...]) -> Verdict:
    """Sum the findings up."""
    return Verdict(result=_result(findings), findings=findings)


def _result(findings: tuple[Finding, ...]) -> Result:
    blocking = [f for f in findings if f.question.severity == "block"]
    if any(f.status == "fail" for f in blocking):
        return "FAILED"
    # Empty is not fine: a verdict without one blocking answer decides nothing.
    if not blocking or any(f.blocks for f in blocking):
        return "UNDECIDED"
    return "PASSED"
