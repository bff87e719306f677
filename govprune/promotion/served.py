"""What an alias points at: the bundle that allowed it and its files, verified each time anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import EvidenceError
from ..evidence.entry import identity
from ..evidence.keys import SigningKeys, TrustedKeys
from ..evidence.trust import TrustPolicy
from ..evidence.verify import Verified, verify_files
from ..evidence.vsa import moment
from ..registries.local import LocalRegistry, Move, Moved
from ..subjects import Subject
from .moves import verify_move


@dataclass(frozen=True)
class Whom:
    """Whose word counts, and when."""

    trusted: Sequence[TrustedKeys]
    """Gates, where no trust policy names them."""
    now: datetime
    """With its offset from UTC."""
    under: TrustPolicy | None = None
    keys: SigningKeys | None = None
    """Of the registrar who moves aliases, where a trust policy asks for one."""

    @property
    def gates(self) -> Sequence[TrustedKeys]:
        """Whose verdicts count."""
        return self.trusted if self.under is None else self.under.holders("gate")

    def verified(
        self, files: Mapping[str, bytes], source: str, *, as_of: datetime | None = None
    ) -> Verified:
        """Verify a stored bundle; say what it came to then, or now."""
        return verify_files(
            files, trusted=self.trusted, now=self.now, source=source, under=self.under, as_of=as_of
        )


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


def verify_served(
    registry: Path,
    *,
    name: str,
    alias: str,
    trusted: Sequence[TrustedKeys],
    now: datetime,
    under: TrustPolicy | None = None,
) -> Served:
    """Hash what an alias serves again, and verify the bundle that allowed it.

    An expired verdict or waiver is no error here: expiry ends promoting, not serving.

    Raises:
        InputError: Nothing was ever promoted.
        EvidenceError: The model or its bundle is not what was promoted, or nobody who may moved it.
    """
    place = LocalRegistry(registry)
    moved = place.current(name, alias)
    return verify_stored(place, moved, Whom(trusted, now, under), as_of=moved_at(moved.move))


def moved_at(move: Move) -> datetime:
    """Return when an alias was moved: what a waiver allowed then goes on serving."""
    return moment(move.time, field="time")


def verify_stored(place: LocalRegistry, moved: Moved, whom: Whom, *, as_of: datetime) -> Served:
    """Verify what a move put in place, as it stood then; see `verify_served`."""
    move = moved.move
    source = f"bundle of {move.name}@{move.alias}"
    found = whom.verified(place.bundle(move.bundle), source, as_of=as_of)
    if whom.under is not None:
        verify_move(place, moved, whom.under, source=f"{place.path}: {source}")
        if found.standing is not None and found.standing.lacks:
            raise EvidenceError(
                f"{source}: was promoted without what the trust policy demands: "
                f"{'; '.join(found.standing.lacks)}"
            )
    evidence = found.evidence
    role = "baseline" if move.kind == "restore-baseline" else "candidate"
    if identity(evidence.subjects, role) != move.candidate:
        raise EvidenceError(f"{source}: allows another model than the one that is served")
    if not found.result.startswith("PASSED"):
        raise EvidenceError(
            f"{source}: says {found.result}; it was never allowed"
            + ", or only with waivers that a trust policy must judge" * (whom.under is None)
        )
    if evidence.plan.policy_sha256 != move.policy_sha256:
        raise EvidenceError(f"{source}: was judged under another policy than the registry says")
    files = tuple((s, place.store.check(s)) for s in in_role(found, role))
    checked = tuple(s for s, _ in files)
    absent = tuple(s for s in evidence.subjects if s not in checked)
    verified = Verified(**{**vars(found), "checked": checked, "absent": absent})
    return Served(moved=moved, verified=verified, files=files)


def in_role(found: Verified, role: str) -> tuple[Subject, ...]:
    """Return the subjects of an evidence that have a role."""
    return tuple(s for s in found.evidence.subjects if s.role == role)
