"""Numbers and states as a reviewer reads them. Minus is a minus sign; points are of a hundred."""

import unicodedata
from math import inf, isfinite

from .. import stats
from ..catalogue import Metric
from ..measurements import Basis, Grouped, Normal, Paired
from ..policy import Finding, Question, Status
from .parts import Tone

STATE = {
    "pass": "pass",
    "fail": "FAIL",
    "inconclusive": "cannot tell",
    "not_measured": "not measured",
}
TONE: dict[Status, Tone] = {
    "pass": "pass",
    "fail": "fail",
    "inconclusive": "open",
    "not_measured": "open",
}
NOBODY_COLLECTS = 1_000_000
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(name: str) -> str:
    """Write out, by number, characters that draw nothing or reorder their neighbours."""
    return "".join(
        f"\\u{ord(ch):04x}" if unicodedata.category(ch) in _UNSEEN else ch for ch in name
    )


def number(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Round half to even and group thousands: `−4.9`, `+0.1`, `16,281`; never `−0.0`."""
    if not isfinite(value):
        return "unbounded"
    written = f"{abs(value):,.{digits}f}"
    if not any(ch in "123456789" for ch in written):
        return written
    sign = "−" if value < 0 else "+" if signed else ""
    return sign + written


def bound(value: float, digits: int = 6, *, signed: bool = False) -> str:
    """Write a limit from a policy with the digits it was given, no more."""
    plain = f"{abs(value):.{digits}f}".rstrip("0").rstrip(".")
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return sign + plain


def percent(value: float, digits: int = 1) -> str:
    """Write a share as `85.8` (of hundred)."""
    return number(100 * value, digits)


def confidence(alpha: float, *, two_sided: bool = False) -> str:
    """Write `97 %` for a one-sided level of .03; `94 %` for the interval with two such ends."""
    return f"{number(100 * (1 - (2 if two_sided else 1) * alpha), 1).removesuffix('.0')} %"


def one(value: float | None, unit: str, beside: Finding | None = None) -> str:
    """Write one value in the unit of its metric, on its own side of the bounds it is beside."""
    if value is None:
        return "—"
    scale = 100 if unit in ("points", "share") else 1
    digits = {"points": 1, "share": 1, "difference": 3, "ratio": 2 if abs(value) >= 0.1 else 4}
    fewest = digits[unit] if unit in digits else 0 if value == int(value) else 2
    wanted = fewest if beside is None else beside.decimals(value, scale=scale, fewest=fewest)
    if unit == "ratio":
        return f"× {number(value, wanted)}" if abs(value) >= 0.1 else bound(value, wanted)
    written = number(scale * value, wanted, signed=unit in ("points", "difference"))
    return f"{written} %" if unit == "share" else written


def measured(f: Finding, unit: str) -> str:
    """Write `−4.9 [−6.9, −3.2]`; the value alone where nothing is uncertain."""
    if f.status == "not_measured" or (f.value is None and f.low is None and f.high is None):
        return "—"
    if f.value is not None and f.value == f.low == f.high:
        return one(f.value, unit, f)
    low, high = (
        "unbounded" if end is None else one(end, unit, f).removeprefix("× ").removesuffix(" %")
        for end in (f.low, f.high)
    )
    return f"{one(f.value, unit, f)} [{low}, {high}]"


def tolerated(q: Question, unit: str) -> str:
    """Write the bound that applied: `−2`, `+2`, `±5`, `≤ 2 %`, `≥ 0.9`."""
    scale = 100 if unit in ("points", "share") else 1
    tail = " %" if unit == "share" else ""
    signed = unit in ("points", "difference")
    low = None if q.at_least is None else q.at_least * scale
    high = None if q.at_most is None else q.at_most * scale
    if low is not None and high is not None:
        if signed and low == -high:
            return f"±{bound(high)}"
        return f"{bound(low)} to {bound(high)}{tail}"
    if signed:
        return bound(low if low is not None else high or 0.0, signed=True)
    if low is not None:
        return f"≥ {bound(low)}{tail}"
    return f"≤ {bound(high or 0.0)}{tail}"


def slice_name(name: str) -> str:
    """Write `sex=Female,race=Black` as `sex = Female, race = Black`, and `all` as `all rows`."""
    if name == "all":
        return "all rows"
    parts = [part.replace("=", " = ", 1) for part in name.split(",")]
    return visible(", ".join(parts))


def asked_of(q: Question) -> str:
    """Write what a question is about: the slice, and the class where there is one."""
    where = slice_name(q.slice)
    return where if q.label is None else f"{where}, class {visible(q.label)}"


def rates(basis: Basis) -> tuple[float, float] | None:
    """Return what the baseline and the candidate reach; None where only the change is known."""
    if isinstance(basis, Paired) and basis.n:
        hits = basis.both + basis.baseline_only, basis.both + basis.candidate_only
        return hits[0] / basis.n, hits[1] / basis.n
    if isinstance(basis, Normal):
        return basis.baseline, basis.candidate
    if isinstance(basis, Grouped):
        from ..stats.resampled import group_values

        return group_values(basis)
    return None


def arrow(basis: Basis | None) -> str:
    """Write `60.5 → 55.6`, in per cent; a dash where it is not known."""
    pair = None if basis is None else rates(basis)
    if pair is None or not all(isfinite(value) for value in pair):
        return "—"
    return f"{percent(pair[0])} → {percent(pair[1])}"


def interval(basis: Basis, alpha: float, unit: str, design_effect: float = 1.0) -> str:
    """Write value and limits of a measurement that no rule judged."""
    value = stats.estimate(basis)
    ends = tuple(end(basis, alpha, design_effect) for end in (stats.lower, stats.upper))
    if not isfinite(value):
        return "—"
    if ends == (value, value):
        return one(value, unit)
    low, high = (one(e, unit).removeprefix("× ").removesuffix(" %") for e in ends)
    return f"{one(value, unit)} [{low}, {high}]"


def harm(f: Finding) -> float:
    """How far the value lies on the wrong side of its bound, relative to the bound."""
    if f.value is None:
        return -inf
    q = f.question
    gaps = []
    if q.at_least is not None:
        gaps.append((q.at_least - f.value) / (abs(q.at_least) or 1.0))
    if q.at_most is not None:
        gaps.append((f.value - q.at_most) / (abs(q.at_most) or 1.0))
    return max(gaps)


def needed(rows: int) -> str:
    """Write `about 1,300`: two significant digits, more would claim what is not known."""
    if rows > NOBODY_COLLECTS:
        return f"over {NOBODY_COLLECTS:,}"
    scale = 10 ** max(len(str(rows)) - 2, 0)
    return f"about {-(-rows // scale) * scale:,}"


def count(n: int, noun: str, plural: str = "") -> str:
    """Write `1 rule`, `3 rules`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def lower_first(sentence: str) -> str:
    """Continue a sentence with a title, unless it starts with an abbreviation."""
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def title_of(asked: Metric | None, fallback: str) -> str:
    """Return a metric's name as the catalogue spells it."""
    return asked.title if asked else visible(fallback)


def ended(sentence: str) -> str:
    """Close a sentence with a full stop unless it is closed."""
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."
