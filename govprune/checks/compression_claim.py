"""What the step saved, counted in the file that ships, against what it claims."""

from collections.abc import Iterator

from ..lineage import Claim
from ..measurements import Exact, Figure, Measurement
from ..models.contents import Contents, contents
from .base import Case, Check, NoParams

COVERED = 0.9
"""Share of the weights in rows that a pattern fits which must be pruned where it is claimed."""


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Count both files and compare with the claim."""
    before = contents(case.baseline)
    after = contents(case.candidate, before)
    errors = dict(_errors(case.step.claim, before, after)) | dict(_of_earlier_links(case))
    worst = max(errors, key=lambda name: errors[name], default=None)
    notes = [f"{name}: off by {100 * error:.2f} %" for name, error in errors.items()]
    yield _exact(
        "claim-error",
        errors[worst] if worst else 0.0,
        after.weights,
        *(notes or ["the step claims no number for sparsity, bits or size"]),
    )
    saved = (
        after.sparsity > before.sparsity + 0.005
        or after.bits < 0.99 * before.bits
        or after.size < 0.99 * before.size
        or after.weights < 0.99 * before.weights
    )
    remarks = [
        f"the {m.role}: {said}" for m in (case.baseline, case.candidate) for said in m.remarks
    ]
    yield _exact("compressed", float(saved), after.weights, *remarks)
    yield _exact("masks-left", after.masks, after.weights)
    yield _exact("sparsity", after.sparsity, after.weights)
    yield _exact("bits-per-weight", after.bits, after.weights)
    yield Figure(
        check="compression-claim",
        title="What the files hold",
        columns=("", "baseline", "candidate", "claimed"),
        rows=_rows(case, before, after),
    )


def _of_earlier_links(case: Case) -> Iterator[tuple[str, float]]:
    """Compare what each step before the last claims with what it made of the model before it."""
    for link in case.links[:-1]:
        before = contents(link.before[0])
        after = contents(link.after[0], before)
        for name, error in _errors(link.step.claim, before, after):
            yield f"{name} of step {link.step.name}", error


def _errors(claim: Claim, before: Contents, after: Contents) -> Iterator[tuple[str, float]]:
    if claim.sparsity is not None:
        # Relative to what is kept: 90 % claimed and 89 % found is 10 % more weights than claimed.
        kept = max(1.0 - claim.sparsity, 1e-12)
        yield (
            _said("sparsity", claim.sparsity, after.sparsity, ".1%"),
            abs((1.0 - after.sparsity) - kept) / kept,
        )
    if claim.bits is not None:
        yield (
            _said("bits per weight", claim.bits, after.bits, ".1f"),
            abs(after.bits - claim.bits) / claim.bits,
        )
    if claim.size_ratio is not None:
        ratio = after.size / before.size
        # A smaller file than claimed breaks no promise.
        name = _said("file size", claim.size_ratio, ratio, ".2f")
        yield name, max(ratio - claim.size_ratio, 0.0) / claim.size_ratio
    if claim.parameters_ratio is not None:
        ratio = after.parameters / max(before.parameters, 1)
        name = _said("parameters", claim.parameters_ratio, ratio, ".2f")
        yield name, abs(ratio - claim.parameters_ratio) / claim.parameters_ratio
    if claim.pattern is not None:
        (found,) = [g for g in after.groups if g.name == claim.pattern]
        broken = found.broken / found.groups if found.groups else 1.0
        left_alone = 1.0 - found.share if found.share < COVERED else 0.0
        found_in = f"broken by {broken:.1%} of groups, kept in {found.share:.1%} of weights"
        yield f"pattern {claim.pattern} ({found_in})", max(broken, left_alone)


def _said(what: str, claimed: float, found: float, form: str) -> str:
    return f"{what} (claimed {claimed:{form}}, found {found:{form}})"


def _rows(case: Case, before: Contents, after: Contents) -> tuple[tuple[str, ...], ...]:
    claim = case.step.claim

    def claimed(value: float | None, text: str) -> str:
        return "" if value is None else text.format(value)

    return (
        ("parameters", f"{before.parameters:,}", f"{after.parameters:,}",
         claimed(claim.parameters_ratio, "× {:.2f}")),
        ("weights", f"{before.weights:,}", f"{after.weights:,}", ""),
        ("zero weights", f"{before.sparsity:.1%}", f"{after.sparsity:.1%}",
         claimed(claim.sparsity, "{:.1%}")),
        ("zeros beyond the baseline's weights", "", f"{after.padding:,}", ""),
        ("pattern of zeros", _pattern(before), _pattern(after), claim.pattern or ""),
        ("bits per weight", f"{before.bits:.1f}", f"{after.bits:.1f}",
         claimed(claim.bits, "{:.1f}")),
        ("file, bytes", f"{before.size:,}", f"{after.size:,}",
         claimed(claim.size_ratio, "× {:.2f}")),
        ("tensors, bytes after zlib", _bytes(before.packed), _bytes(after.packed), ""),
        ("masks left in place", str(before.masks), str(after.masks), ""),
    )  # fmt: skip


def _pattern(held: Contents) -> str:
    found = held.pattern
    return f"{found.name} in {found.share:.1%} of weights" if found else "none"


def _bytes(size: int | None) -> str:
    return "not tried" if size is None else f"{size:,}"


def _exact(metric: str, value: float, n: int, *notes: str) -> Measurement:
    return Measurement(
        check="compression-claim", metric=metric, basis=Exact(value=value, n=n), notes=notes
    )


COMPRESSION_CLAIM = Check(id="compression-claim", params=NoParams, measure=measure)
