"""The verdict statement: what may be promoted until when, and which files carry the proof.

A SLSA Verification Summary (https://slsa.dev/verification_summary/v1), so that tools which know
nothing of govprune can read the result. SLSA knows PASSED and FAILED only: UNDECIDED is written
as FAILED, with our own word beside it. The statement names every file of the bundle but itself
and the log proof, so nothing can be added, exchanged or left out.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field, ValidationError

from ..errors import EvidenceError
from ..policy import Policy, Result
from ..records import Record, canonical
from ..subjects import Subject
from .statement import STATEMENT_TYPE, Evidence, statement_of

VSA_TYPE = "https://slsa.dev/verification_summary/v1"
VERIFIER = "urn:govprune:gate"
EVIDENCE_FILE = "evidence.dsse.json"
PDF_FILE = "card.pdf"
PLAN_FILE, PLAN_PROOF_FILE = "plan.dsse.json", "plan-proof.json"
PRODUCER_FILE = "producer.dsse.json"
OPTIONAL_FILES = (PDF_FILE, PLAN_FILE, PLAN_PROOF_FILE, PRODUCER_FILE)
NAMED_FILES = (
    EVIDENCE_FILE, "card.html", PDF_FILE, "README.txt", PLAN_FILE, PLAN_PROOF_FILE, PRODUCER_FILE
)  # fmt: skip
"""Files of a bundle that the statement names; of these, OPTIONAL_FILES may be missing."""
VERDICT_FILE, PROOF_FILE = "verdict.dsse.json", "proof.json"
TIMESTAMP_FILE = "timestamp.tsr"

_HEX = r"^[0-9a-f]{64}$"
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


class Summary(Record):
    """What the verdict statement says, in our own words."""

    candidate: tuple[tuple[str, str], ...] = Field(min_length=1)
    """Name and SHA-256 of each file of the candidate."""
    files: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each file of the bundle, in the order of NAMED_FILES."""
    job: str
    policy: str
    """Name and version."""
    policy_sha256: str = Field(pattern=_HEX)
    result: Result
    attempt: int = Field(ge=1)
    issued: str
    """RFC 3339, UTC, whole seconds; when the measurements were finished."""
    expires: str
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    version: str
    """Of govprune."""

    @property
    def expires_at(self) -> datetime:
        """Until when a PASSED verdict may be used to promote."""
        return moment(self.expires, field="expires")


def summarise(evidence: Evidence, *, files: tuple[tuple[str, str], ...], nonce: str) -> Summary:
    """Sum an evidence up.

    Args:
        evidence: What was found.
        files: Name and SHA-256 of the bundle's files.
        nonce: 32 hex digits that were never used before.
    """
    issued = moment(evidence.finished, field="finished")
    return Summary(
        candidate=candidate_of(evidence.subjects),
        files=files,
        job=evidence.name,
        policy=f"{evidence.policy.name}:{evidence.policy.version}",
        policy_sha256=evidence.plan.policy_sha256,
        result=evidence.verdict.result,
        attempt=evidence.plan.attempt,
        issued=written(issued),
        expires=written(expiry(issued, evidence.policy)),
        nonce=nonce,
        version=evidence.environment.govprune,
    )


def candidate_of(subjects: tuple[Subject, ...]) -> tuple[tuple[str, str], ...]:
    """Return name and SHA-256 of the candidate's files."""
    return tuple((s.name, s.sha256) for s in subjects if s.role == "candidate")


def expiry(issued: datetime, policy: Policy) -> datetime:
    """Return until when a verdict under this policy may be used to promote."""
    return issued + timedelta(days=policy.valid_days)


def moment(text: str, *, field: str) -> datetime:
    """Read an RFC 3339 time with its offset from UTC; whole seconds.

    Raises:
        EvidenceError: It is none.
    """
    if not _TIME.fullmatch(text):
        raise EvidenceError(f"{field}: {text!r} is no RFC 3339 time")
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise EvidenceError(f"{field}: {text!r} is no RFC 3339 time") from error
    if read.tzinfo is None:
        raise EvidenceError(f"{field}: {text!r} does not say its offset from UTC")
    if not 2000 <= read.year < 9000:
        raise EvidenceError(f"{field}: the year {read.year} cannot be meant")
    return read.astimezone(UTC).replace(microsecond=0)


def written(at: datetime) -> str:
    """Write a time the one way that statements use: 2026-03-01T12:00:00Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_vsa(summary: Summary) -> bytes:
    """Return the in-toto statement as canonical JSON bytes."""
    return canonical(_statement(summary))


def from_vsa(payload: bytes, *, source: str) -> tuple[Summary, dict[str, Any]]:
    """Read the statement back from bytes whose signature has been verified.

    Returns:
        What it says, and the statement as plain JSON values.

    Raises:
        EvidenceError: It is not written exactly as `to_vsa` writes.
    """
    statement = statement_of(payload, VSA_TYPE, source=source)
    try:
        summary = _read(statement)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise EvidenceError(f"{source}: {field}: {first['msg']}") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise EvidenceError(f"{source}: not a verdict of govprune ({error!r})") from error
    names = [name for name, _ in summary.files]
    wanted = [name for name in NAMED_FILES if name in names or name not in OPTIONAL_FILES]
    if names != wanted:
        raise EvidenceError(f"{source}: names the files {names}, expected {wanted}")
    # Written again and compared: no field unread, none in two places that disagree.
    if to_vsa(summary) != payload:
        raise EvidenceError(f"{source}: the verdict contradicts itself or has unknown fields")
    return summary, statement


def _statement(summary: Summary) -> dict[str, Any]:
    passed: Literal["PASSED", "FAILED"] = "PASSED" if summary.result == "PASSED" else "FAILED"
    digests = dict(summary.files)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}}
            for name, sha256 in (*summary.candidate, *summary.files)
        ],
        "predicateType": VSA_TYPE,
        "predicate": {
            "verifier": {"id": VERIFIER, "version": {"govprune": summary.version}},
            "timeVerified": summary.issued,
            "resourceUri": f"urn:govprune:job:{summary.job}",
            "policy": {
                "uri": f"urn:govprune:policy:{summary.policy}",
                "digest": {"sha256": summary.policy_sha256},
            },
            "inputAttestations": [
                {"uri": EVIDENCE_FILE, "digest": {"sha256": digests[EVIDENCE_FILE]}}
            ],
            "verificationResult": passed,
            "verifiedLevels": ["GOVPRUNE_PASSED" if passed == "PASSED" else "FAILED"],
            "govprune": {
                "result": summary.result,
                "attempt": summary.attempt,
                "expires": summary.expires,
                "nonce": summary.nonce,
            },
        },
    }


def _read(statement: dict[str, Any]) -> Summary:
    predicate = statement["predicate"]
    own = predicate["govprune"]
    pairs = [(s["name"], s["digest"]["sha256"]) for s in statement["subject"]]
    return Summary(
        candidate=tuple(pair for pair in pairs if pair[0] not in NAMED_FILES),
        files=tuple(pair for pair in pairs if pair[0] in NAMED_FILES),
        job=predicate["resourceUri"].removeprefix("urn:govprune:job:"),
        policy=predicate["policy"]["uri"].removeprefix("urn:govprune:policy:"),
        policy_sha256=predicate["policy"]["digest"]["sha256"],
        result=own["result"],
        attempt=own["attempt"],
        issued=predicate["timeVerified"],
        expires=own["expires"],
        nonce=own["nonce"],
        version=predicate["verifier"]["version"]["govprune"],
    )
