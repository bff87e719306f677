"""Promotion: verify again, then copy while hashing, then move the alias. Fails closed.

Nothing is believed because it was believed before: a promotion, a rollback and a look at what is
served each verify the whole bundle from its bytes and hash the model again.
"""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .errors import EvidenceError, GovpruneError, InputError, PromotionRefused
from .evidence.entry import Entry, identity, tried
from .evidence.keys import TrustedKeys
from .evidence.log import Log
from .evidence.verify import Verified, verify_bundle, verify_files
from .evidence.vsa import written
from .model_files import manifest_of
from .policy import Finding, Policy, Verdict, decide, judge, make_plan, refuse_finer_slices
from .records import digest
from .registries.local import LocalRegistry, Move, Moved
from .subjects import Subject

_WORST = 3


@dataclass(frozen=True)
class Served:
    """What an alias points at, verified just now."""

    moved: Moved
    verified: Verified
    files: tuple[tuple[Subject, Path], ...]
    """Its files and where they lie in the registry."""

    @property
    def baseline(self) -> bool:
        """Whether the alias was moved back to the model before any promotion."""
        return self.moved.move.kind == "restore-baseline"


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

    Raises:
        EvidenceError: The bundle does not verify, or the candidate is not the one judged.
        PromotionRefused: Not PASSED, expired, judged worse since, or under another policy.
        InputError: The candidate is not here, or the registry cannot be written.
    """
    found = verify_bundle(bundle, trusted=trusted, root=root, now=now)
    _refuse_unpassed(found.evidence.verdict, str(bundle))
    _refuse_expired(found, now, str(bundle))
    if log is not None:
        _refuse_judged_worse_since(found, log, trusted)
    place = LocalRegistry(registry)
    before = place.history(name, alias)
    try:
        kept = _in_role(found, "candidate")
        if not _standing(before):  # nothing to go back to yet but what this model replaces
            kept += tuple(s for s in _in_role(found, "baseline") if s in found.checked)
        for subject in kept:
            at = _where(subject, found)
            if subject.kind == "folder":  # its listing: what is closed stays closed
                place.store.put_bytes(manifest_of(subject, kept).listing)
            else:
                place.store.put_file(at, subject)
        stored = place.put_bundle(found.files)
        move = _move("promote", found, stored, name=name, alias=alias, now=now)
        last = before[-1] if before else None
        return place.move(move, after=last, policy_sha256=policy_sha256)
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
) -> Moved:
    """Move an alias back to the last model before whose verdict still holds.

    It holds if its bundle and its files still verify, it has not expired, and its counts pass
    the policy that is pinned today. Rolling back twice goes back twice; what was rolled back
    from stays withdrawn until it is promoted again. Where no earlier promotion holds, the
    baseline that the model replaced is served again, bit for bit.

    Raises:
        InputError: Nothing was ever promoted, or the registry cannot be written.
        PromotionRefused: There is nothing to go back to; says why for each.
    """
    place = LocalRegistry(registry)
    now_served = place.current(name, alias)
    policy = _pinned_policy(place, name, trusted, now)
    skipped: list[str] = []
    for earlier in reversed(_standing(place.history(name, alias))[:-1]):
        move = earlier.move
        if move.candidate == now_served.move.candidate:
            continue
        try:
            found = _verify_stored(place, move, trusted, now).verified
            _refuse_expired(found, now, "its bundle")
            _refuse_unpassed(_verdict_under(policy, found), "its bundle")
        except (GovpruneError, OSError) as error:
            skipped.append(f"{move.candidate[:16]}… of {move.time}: {error}")
            continue
        back = _move("rollback", found, move.bundle, name=name, alias=alias, now=now)
        return place.move(back.model_copy(update={"restores": earlier.position}), after=now_served)
    try:
        return _restore_baseline(place, now_served, trusted, now)
    except EvidenceError as error:
        skipped.append(str(error))
    reasons = "; ".join(skipped)
    raise PromotionRefused(f"{name}@{alias}: no earlier model to go back to ({reasons})")


def _restore_baseline(
    place: LocalRegistry, served: Moved, trusted: Sequence[TrustedKeys], now: datetime
) -> Moved:
    """Serve the model that the promoted one replaced. It needs no verdict: it was there before."""
    if served.move.kind == "restore-baseline":
        raise EvidenceError("the baseline is served already")
    move = served.move.model_copy(
        update={"kind": "restore-baseline", "restores": 0, "who": _account(), "time": written(now)}
    )
    source = f"bundle of {move.name}@{move.alias}"
    found = verify_files(place.bundle(move.bundle), trusted=trusted, now=now, source=source)
    try:
        for subject in _in_role(found, "baseline"):
            place.store.check(subject)
    except EvidenceError as error:
        raise EvidenceError(f"it is the first, and its baseline is not stored: {error}") from error
    baseline = identity(found.evidence.subjects, "baseline")
    return place.move(move.model_copy(update={"candidate": baseline}), after=served)


def verify_served(
    registry: Path, *, name: str, alias: str, trusted: Sequence[TrustedKeys], now: datetime
) -> Served:
    """Hash what an alias serves again, and verify the bundle that allowed it.

    An expired verdict is no error here: expiry ends promoting, not serving.

    Raises:
        InputError: Nothing was ever promoted.
        EvidenceError: The model or its bundle is not what was promoted.
    """
    place = LocalRegistry(registry)
    moved = place.current(name, alias)
    return _verify_stored(place, moved.move, trusted, now, moved=moved)


def _verify_stored(
    place: LocalRegistry,
    move: Move,
    trusted: Sequence[TrustedKeys],
    now: datetime,
    moved: Moved | None = None,
) -> Served:
    source = f"bundle of {move.name}@{move.alias}"
    found = verify_files(place.bundle(move.bundle), trusted=trusted, now=now, source=source)
    evidence = found.evidence
    role = "baseline" if move.kind == "restore-baseline" else "candidate"
    if identity(evidence.subjects, role) != move.candidate:
        raise EvidenceError(f"{source}: allows another model than the one that is served")
    if evidence.verdict.result != "PASSED":
        raise EvidenceError(f"{source}: says {evidence.verdict.result}; it was never allowed")
    if evidence.plan.policy_sha256 != move.policy_sha256:
        raise EvidenceError(f"{source}: was judged under another policy than the registry says")
    files = tuple((s, place.store.check(s)) for s in _in_role(found, role))
    checked = tuple(s for s, _ in files)
    absent = tuple(s for s in evidence.subjects if s not in checked)
    verified = Verified(**{**vars(found), "checked": checked, "absent": absent})
    return Served(moved=moved or Moved(position=0, move=move), verified=verified, files=files)


# --- what refuses


def _refuse_unpassed(verdict: Verdict, source: str) -> None:
    if verdict.result == "PASSED":
        return
    blocking = [f for f in verdict.findings if f.blocks]
    worst = sorted(blocking, key=lambda f: f.status != "fail")[:_WORST]
    more = f" (and {len(blocking) - len(worst)} more)" if len(blocking) > len(worst) else ""
    said = "; ".join(_sentence(f) for f in worst) or "no finding blocks or clears it"
    raise PromotionRefused(
        f"{source}: the verdict is {verdict.result}: {said}{more}",
        undecided=verdict.result == "UNDECIDED",
    )


def _sentence(finding: Finding) -> str:
    asked = finding.question
    label = f", class {asked.label}" if asked.label is not None else ""
    status = finding.status.replace("_", " ")
    return f"{asked.rule} ({asked.slice}{label}): {status}, {finding.reason}"


def _refuse_expired(found: Verified, now: datetime, source: str) -> None:
    if now > found.summary.expires_at:
        raise PromotionRefused(
            f"{source}: the verdict expired on {found.summary.expires}; run the gate again"
        )


def _refuse_judged_worse_since(found: Verified, log: Path, trusted: Sequence[TrustedKeys]) -> None:
    """Find a newer verdict against the same candidate; the log must hold this one as well."""
    state = Log(log).check(trusted, remembered=[found.note])
    candidate = tried(found.evidence.subjects, "candidate")
    artefact = identity(found.evidence.subjects, "candidate")
    policy = found.summary.policy_sha256
    verdicts = [(i, e) for i, e in enumerate(state.entries) if isinstance(e, Entry)]
    if any(e.artefact == artefact and e.candidate != candidate for _, e in verdicts):
        raise PromotionRefused(
            f"{log}: other answers were gated as those of the same file; nothing here shows which "
            "are its own. Gate the model itself, or name another file"
        )
    for index, entry in verdicts:
        if index <= found.index or entry.candidate != candidate or entry.result == "PASSED":
            continue
        # Another policy may ask for what this data cannot answer; harm is harm under any.
        if entry.result == "FAILED" or entry.policy == policy:
            same = "the same policy" if entry.policy == policy else f"policy {entry.policy[:12]}"
            raise PromotionRefused(
                f"{log}: the same candidate was judged again on {entry.time} under {same} and "
                f"{entry.result}; a pass from before does not count. Gate it again, or another",
                undecided=entry.result == "UNDECIDED",
            )
    # A step on top of a refused model is measured against that model: its harm would not show.
    baseline = tried(found.evidence.subjects, "baseline")
    before = [entry for _, entry in verdicts if entry.candidate == baseline]
    if before and before[-1].result != "PASSED":
        raise PromotionRefused(
            f"{log}: the baseline of this candidate was itself judged on {before[-1].time} and "
            f"{before[-1].result}; gate the candidate against the model that is in use",
            undecided=before[-1].result == "UNDECIDED",
        )


def _verdict_under(policy: Policy, found: Verified) -> Verdict:
    """Judge the archived counts under today's policy."""
    evidence = found.evidence
    if digest(policy) == evidence.plan.policy_sha256:
        return evidence.verdict
    refuse_finer_slices(policy, evidence.policy)
    plan = make_plan(policy, evidence.profile, attempt=evidence.plan.attempt)
    return decide(judge(plan, evidence.measurements, evidence.unmeasured))


def _pinned_policy(
    place: LocalRegistry, name: str, trusted: Sequence[TrustedKeys], now: datetime
) -> Policy:
    pin = place.pin(name)
    if pin is None:
        raise EvidenceError(
            f"{place.path}: {name} has lost its pinned policy; restore the registry"
        )
    source = f"bundle that pins the policy of {name}"
    files = place.bundle(pin.bundle)
    policy = verify_files(files, trusted=trusted, now=now, source=source).evidence.policy
    if digest(policy) != pin.policy_sha256:
        raise EvidenceError(f"{source}: holds another policy; the registry was edited")
    return policy


# --- what is moved


def _in_role(found: Verified, role: str) -> tuple[Subject, ...]:
    return tuple(s for s in found.evidence.subjects if s.role == role)


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
