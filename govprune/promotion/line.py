"""Promotion: verify again, then copy while hashing, then move the alias. Fails closed.

Nothing is believed because it was believed before: a promotion, a rollback and a look at what is
served each verify the whole bundle from its bytes and hash the model again.
"""

import getpass
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..errors import EvidenceError, GovpruneError, InputError, PromotionRefused
from ..evidence.entry import identity
from ..evidence.keys import SigningKeys, TrustedKeys
from ..evidence.trust import TrustPolicy
from ..evidence.verify import Verified, verify_bundle
from ..evidence.vsa import written
from ..model_files import manifest_of
from ..policy import Policy, decide, judge, make_plan, refuse_finer_slices
from ..records import digest
from ..registries.local import LocalRegistry, Move, Moved
from ..subjects import Subject
from .moves import registrar
from .refusals import refuse_expired, refuse_judged_worse_since, refuse_lacking, refuse_unpassed
from .served import Whom, in_role, moved_at, verify_stored


def promote(
    bundle: Path,
    *,
    name: str,
    alias: str = "champion",
    registry: Path,
    trusted: Sequence[TrustedKeys],
    root: Path | None = None,
    policy_sha256: str | None = None,
    log: Path | None = None,
    now: datetime,
    under: TrustPolicy | None = None,
    keys: SigningKeys | None = None,
) -> Moved:
    """Verify a bundle, copy its candidate into the registry, and move the alias to it.

    Args:
        bundle: The folder that the gate wrote.
        name: What the model is called in the registry.
        alias: Which of its aliases to move.
        registry: Folder of the registry; made if need be.
        trusted: Whose signature counts.
        root: Folder that the subjects' names are relative to; guessed if None.
        policy_sha256: The policy to pin from now on; only needed when it changes.
        log: The gate's log. Given, a newer verdict against the same candidate is found.
        now: The time, with its offset from UTC.
        under: The trust policy: its gates are trusted, and what it demands must be there.
        keys: Of a registrar, where the trust policy names any.

    Raises:
        EvidenceError: The bundle does not verify, or the candidate is not the one judged.
        PromotionRefused: Not PASSED, expired, judged worse since, under another policy, or
            without what the trust policy demands.
        InputError: The candidate is not here, or the registry cannot be written.
    """
    whom = Whom(trusted, now, under, keys)
    sign = registrar(under, keys, now)
    found = verify_bundle(bundle, trusted=trusted, root=root, now=now, under=under)
    refuse_unpassed(found.evidence.verdict, found.result, str(bundle))
    refuse_lacking(found, str(bundle))
    refuse_expired(found, now, str(bundle))
    place = LocalRegistry(registry)
    before = place.history(name, alias)
    if log is not None:
        in_use = before[-1].move.candidate if before else None
        refuse_judged_worse_since(found, log, whom.gates, in_use=in_use)
    elif under is not None and under.demands.plan:
        raise InputError(
            f"trust policy '{under.name}' demands a plan, and only the log shows that it is older "
            "than every verdict: give --log"
        )
    try:
        kept = in_role(found, "candidate")
        if not _standing(before):  # nothing to go back to yet but what this model replaces
            kept += tuple(s for s in in_role(found, "baseline") if s in found.checked)
        for subject in kept:
            at = _where(subject, found)
            if subject.kind == "folder":  # its listing: what is closed stays closed
                place.store.put_bytes(manifest_of(subject, kept).listing)
            else:
                place.store.put_file(at, subject)
        stored = place.put_bundle(found.files)
        move = _move("promote", found, stored, name=name, alias=alias, now=now)
        last = before[-1] if before else None
        return place.move(move, after=last, policy_sha256=policy_sha256, sign=sign)
    except OSError as error:
        raise InputError(
            f"{registry}: cannot be written ({error.strerror or error}); {name}@{alias} was not "
            "moved. Make room, then promote again."
        ) from error


def rollback(
    name: str,
    *,
    alias: str = "champion",
    registry: Path,
    trusted: Sequence[TrustedKeys],
    now: datetime,
    under: TrustPolicy | None = None,
    keys: SigningKeys | None = None,
) -> Moved:
    """Move an alias back to the last model before whose verdict still holds.

    It holds if its bundle and its files still verify, neither it nor a waiver that it needs has
    expired, and its counts pass the policy that is pinned today. Rolling back twice goes back
    twice; what was rolled back from stays withdrawn until it is promoted again. Where no earlier
    promotion holds, the baseline that the model replaced is served again, bit for bit.

    Raises:
        InputError: Nothing was ever promoted, or the registry cannot be written.
        PromotionRefused: There is nothing to go back to; says why for each.
    """
    whom = Whom(trusted, now, under, keys)
    sign = registrar(under, keys, now)
    place = LocalRegistry(registry)
    now_served = place.current(name, alias)
    policy = _pinned_policy(place, name, whom)
    skipped: list[str] = []
    for earlier in reversed(_standing(place.history(name, alias))[:-1]):
        move = earlier.move
        if move.candidate == now_served.move.candidate:
            continue
        try:
            found = verify_stored(place, earlier, whom, as_of=now).verified
            refuse_expired(found, now, "its bundle")
            _refuse_under(policy, found)
        except (GovpruneError, OSError) as error:
            skipped.append(f"{move.candidate[:16]}… of {move.time}: {error}")
            continue
        back = _move("rollback", found, move.bundle, name=name, alias=alias, now=now)
        back = back.model_copy(update={"restores": earlier.position})
        return place.move(back, after=now_served, sign=sign)
    try:
        return _restore_baseline(place, now_served, whom)
    except EvidenceError as error:
        skipped.append(str(error))
    reasons = "; ".join(skipped)
    raise PromotionRefused(f"{name}@{alias}: no earlier model to go back to ({reasons})")


def _restore_baseline(place: LocalRegistry, served: Moved, whom: Whom) -> Moved:
    """Serve the model that the promoted one replaced. It needs no verdict: it was there before."""
    if served.move.kind == "restore-baseline":
        raise EvidenceError("the baseline is served already")
    update = {
        "kind": "restore-baseline", "restores": 0, "who": _account(), "time": written(whom.now)
    }  # fmt: skip
    move = served.move.model_copy(update=update)
    source = f"bundle of {move.name}@{move.alias}"
    found = whom.verified(place.bundle(move.bundle), source, as_of=moved_at(served.move))
    baseline = identity(found.evidence.subjects, "baseline")
    history = place.history(move.name, move.alias)
    if any(m.move.kind == "promote" and m.move.candidate == baseline for m in history):
        raise EvidenceError("its baseline was promoted here itself, and its verdict does not hold")
    try:
        for subject in in_role(found, "baseline"):
            place.store.check(subject)
    except EvidenceError as error:
        raise EvidenceError(f"it is the first, and its baseline is not stored: {error}") from error
    move = move.model_copy(update={"candidate": baseline})
    return place.move(move, after=served, sign=registrar(whom.under, whom.keys, whom.now))


def _refuse_under(policy: Policy, found: Verified) -> None:
    """Refuse what the archived counts do not pass under today's policy."""
    evidence = found.evidence
    if digest(policy) == evidence.plan.policy_sha256:
        refuse_unpassed(evidence.verdict, found.result, "its bundle")
        return
    # A waiver accepts a finding of one policy, and of no other.
    refuse_finer_slices(policy, evidence.policy)
    plan = make_plan(policy, evidence.profile, attempt=evidence.plan.attempt)
    verdict = decide(judge(plan, evidence.measurements, evidence.unmeasured))
    refuse_unpassed(verdict, verdict.result, "its bundle")


def _pinned_policy(place: LocalRegistry, name: str, whom: Whom) -> Policy:
    pin = place.pin(name)
    if pin is None:
        raise EvidenceError(
            f"{place.path}: {name} has lost its pinned policy; restore the registry"
        )
    source = f"bundle that pins the policy of {name}"
    policy = whom.verified(place.bundle(pin.bundle), source).evidence.policy
    if digest(policy) != pin.policy_sha256:
        raise EvidenceError(f"{source}: holds another policy; the registry was edited")
    return policy


# --- what is moved


def _standing(history: Sequence[Moved]) -> list[Moved]:
    """Return the promotions that no rollback has withdrawn, the one that is served last."""
    standing: list[Moved] = []
    for moved in history:
        if moved.move.kind == "promote":
            standing.append(moved)
        while standing and standing[-1].position != moved.origin:
            standing.pop()
    return standing


def _where(subject: Subject, found: Verified) -> Path:
    if subject.kind == "columns":
        raise InputError(
            "judged from predictions alone: there is no model to promote. Name its file under "
            "predictions.candidate_file (--candidate-file), and run the gate again"
        )
    if found.root is None or subject not in found.checked:
        raise InputError(
            f"the candidate {subject.name} is not here; name the folder of the job with --files"
        )
    return found.root / subject.name


def _move(kind: str, found: Verified, bundle: str, *, name: str, alias: str, now: datetime) -> Move:
    return Move.model_validate(
        {
            "kind": kind,
            "name": name,
            "alias": alias,
            "candidate": identity(found.evidence.subjects, "candidate"),
            "bundle": bundle,
            "policy_sha256": found.summary.policy_sha256,
            "who": _account(),
            "time": written(now),
        }
    )


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # an account without a name, as containers have
