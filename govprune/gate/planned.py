"""A plan that is signed before anything is measured, and what a run adds to its bundle."""

import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from .. import job
from ..errors import EvidenceError, InputError, SubjectError
from ..evidence import dsse
from ..evidence.account import account_keys
from ..evidence.bundle import write_folder
from ..evidence.consents import PRODUCER_TYPE, Producer, from_consent
from ..evidence.entry import PlanEntry, identity
from ..evidence.keys import SigningKeys, TrustedKeys
from ..evidence.log import Log
from ..evidence.proof import verify_proof
from ..evidence.signed_plan import SignedPlan, differs_from, from_plan, plan_entry, to_plan
from ..evidence.timestamp import request_timestamp
from ..evidence.vsa import PLAN_FILE, PLAN_PROOF_FILE, PRODUCER_FILE, written
from ..job import JobSource
from ..model_files import describe_model
from ..records import canonical, digest
from ..subjects import open_regular
from .inputs import Inputs, next_folder, prepare, refuse_existing, signing_keys

_LIMIT = 4_000_000


def sign_plan(
    path: Path | str | JobSource = "govprune.yaml",
    *,
    out: Path | None = None,
    key: Path | None = None,
    policy_name: str | None = None,
) -> tuple[SignedPlan, Path]:
    """Sign and log what a run will ask, before it; return the plan and its folder.

    Args:
        path: The job file, or the folder it lies in.
        out: Folder to write; must not exist. By default the next number under `plans`.
        key: Signing key instead of the job's.
        policy_name: Policy instead of the job's.

    Raises:
        InputError: The job has its answers already, or something given cannot be used.
    """
    source = path if isinstance(path, JobSource) else job.load(Path(path))
    keys = signing_keys(source, key, unsafe_unsigned=False)
    chosen, data, answers = prepare(source, policy_name)
    if answers is not None or source.job.baseline is None:
        raise InputError(
            "the answers are there already: a plan that is signed now would prove nothing"
        )
    place = out or next_folder(source.root / "plans", source.job.name)
    refuse_existing(place)
    baseline = source.root / source.job.baseline.weights
    plan = SignedPlan(
        name=source.job.name,
        policy=chosen.policy,
        baseline=identity(describe_model(baseline, role="baseline", root=source.root), "baseline"),
        evaluation=data.table.subject.sha256,
        seed=source.job.seed,
        time=written(datetime.now(UTC)),
        nonce=secrets.token_hex(16),
    )
    envelope = dsse.sign(to_plan(plan), keys)
    entry = plan_entry(plan, sha256(envelope).hexdigest())
    log = Log(source.root / source.job.log)
    _refuse_late(entry, log)
    proof = log.append(entry, keys, trusted=account_keys())
    write_folder(place, {PLAN_FILE: envelope, PLAN_PROOF_FILE: canonical(proof)})
    return plan, place


def _refuse_late(entry: PlanEntry, log: Log) -> None:
    """Refuse a plan of other bounds than were tried, or planned, on the same data before."""
    for earlier in log.entries():
        same = (earlier.baseline, earlier.evaluation) == (entry.baseline, entry.evaluation)
        if same and earlier.policy != entry.policy:
            what = "planned" if isinstance(earlier, PlanEntry) else "judged"
            raise InputError(
                f"{log.path}: on {earlier.time} this baseline was {what} on this data under "
                "another policy: bounds that are signed now are not older than every result. "
                "Plan on data that nobody has judged on"
            )


def planned_files(
    folder: Path, inputs: Inputs, keys: SigningKeys | None, log: Log
) -> dict[str, bytes]:
    """Read a signed plan, and demand that it is of this run, before anything is measured.

    Raises:
        InputError: It is of something else, or of another log.
        EvidenceError: It is forged or altered.
    """
    files = {name: _read(folder / name) for name in (PLAN_FILE, PLAN_PROOF_FILE)}
    known: Sequence[TrustedKeys] = account_keys()
    if keys is not None:
        known = (*known, TrustedKeys(keys.gate.public_key(), keys.certificate, "the signing key"))
    payload, _ = dsse.verify(files[PLAN_FILE], known, source=str(folder / PLAN_FILE))
    plan = from_plan(payload, source=str(folder / PLAN_FILE))
    entry = plan_entry(plan, sha256(files[PLAN_FILE]).hexdigest())
    _, checkpoint = verify_proof(
        files[PLAN_PROOF_FILE], entry, known, source=str(folder / PLAN_PROOF_FILE)
    )
    if checkpoint.origin != log.origin:
        raise InputError(f"{folder}: the plan is in another log than {log.path}; sign a new one")
    differs = differs_from(
        plan,
        name=inputs.name,
        policy_sha256=digest(inputs.policy.policy),
        baseline=identity(inputs.judged, "baseline"),
        evaluation=identity(inputs.judged, "evaluation"),
        seed=inputs.seed,
    )
    if differs is not None:
        raise InputError(
            f"{folder}: the plan was signed for another {differs}; nothing was measured. Restore "
            "it, or sign a new plan: govprune run --plan-only"
        )
    return files


def producer_file(path: Path, inputs: Inputs) -> dict[str, bytes]:
    """Read a producer's statement, and demand that it is of this candidate.

    Its signature is judged by whoever verifies: the gate knows no producers.

    Raises:
        InputError: It is missing, or of another candidate.
    """
    envelope = _read(path)
    candidate = identity(inputs.judged, "candidate")
    said = from_consent(
        dsse.payload_of(envelope, source=str(path)), PRODUCER_TYPE, source=str(path)
    )
    if not isinstance(said, Producer) or said.candidate != candidate:
        raise InputError(
            f"{path}: is not about this candidate (sha256 {candidate}); its producer must run "
            "`govprune attest` on the file that is gated"
        )
    return {PRODUCER_FILE: envelope}


def timestamps(url: str, notes: list[str]) -> Callable[[bytes], bytes | None]:
    """Return what asks an authority; where it cannot be reached, a note says what to do."""

    def ask(verdict: bytes) -> bytes | None:
        try:
            return request_timestamp(url, verdict)
        except InputError as error:
            notes.append(f"no timestamp: {error}. Later: govprune timestamp BUNDLE --url {url}")
            return None

    return ask


def _read(path: Path) -> bytes:
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            data = stream.read(_LIMIT + 1)
    except SubjectError as error:
        raise InputError(str(error)) from error
    if len(data) > _LIMIT:
        raise EvidenceError(f"{path}: longer than {_LIMIT} bytes; refused")
    return data
