"""What a changed rule asks less of, more of, or otherwise. Pure.

A rule with `small_slices` is compared at every number of rows at which either version of it asks
another bound, because a tighter bound takes more rows and sends slices to a wider one.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ..catalogue import metric
from ..stats.paired import rows_for_power
from .plan import Levels, bounds_for, charged_alpha, margins
from .rules import Policy, Rule, SmallSlices

Direction = Literal["weaker", "unclear", "stronger", "neutral"]
_Found = Iterator[tuple[Direction, str]]
_NARROWER = {("slices", "groups"), ("slices", "whole"), ("groups", "whole")}
_PLENTY = 10**9
"""Rows that suffice for any margin."""


def shown(value: Any) -> str:
    """Write a value of a policy the way its file writes it."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def listed(names: Sequence[str]) -> str:
    """Write some names and the number of the others."""
    return ", ".join(names[:3]) + f" and {len(names) - 3} more" * (len(names) > 3)


def _needed(rule: Rule, policy: Policy) -> bool:
    return any(rule.id in other.needs and other.severity == "block" for other in policy.rules)


def decides(rule: Rule, policy: Policy) -> bool:
    """Say whether a rule can keep a verdict from being PASSED, by itself or by who needs it."""
    return rule.severity == "block" or _needed(rule, policy)


def _lenient(rule: Rule, policy: Policy, *, too_small: bool) -> bool:
    """Say whether "cannot tell" lets this rule through."""
    if _needed(rule, policy):
        return False
    if too_small and rule.small_slices is not None:
        return rule.small_slices.below == "report"
    return rule.on_inconclusive == "report"


def _sized(rule: Rule) -> bool:
    """Say whether its slices have rows that `small_slices` could look at."""
    asked = metric(rule.check, rule.metric)
    if asked is None or asked.scope == "attribute":
        return False
    return asked.rows == "all" if asked.scope == "whole" else asked.rows != "none"


def accusing(rule: Rule, policy: Policy) -> bool:
    """Say whether some question of a rule blocks only when harm is demonstrated."""
    small = _sized(rule) and rule.small_slices is not None
    return _lenient(rule, policy, too_small=False) or small


def compare_rule(old: Rule, new: Rule, before: Policy, after: Policy) -> _Found:
    """List what changed between two rules of one name.

    Args:
        old: The rule as it was.
        new: The rule as it is.
        before: The policy that `old` is of.
        after: The policy that `new` is of.
    """
    if (old.check, old.metric) != (new.check, new.metric):
        yield (
            "weaker",
            (
                f"asks {new.check} {new.metric}; nobody asks {old.check} {old.metric} under this "
                "name any more"
            ),
        )
        return
    yield from _over(old, new)
    yield from _severity(old, new)
    yield from _bars(old, new, before, after)
    if missing := sorted(set(old.needs) - set(new.needs)):
        yield "weaker", f"may pass without {', '.join(missing)}"
    if further := sorted(set(new.needs) - set(old.needs)):
        yield "stronger", f"needs {', '.join(further)} to pass first"
    yield from _words(old, new)


def _over(old: Rule, new: Rule) -> _Found:
    if old.over == new.over:
        return
    asked = metric(old.check, old.metric)
    change = f"asks over {new.over}, was {old.over}"
    if asked is None or asked.scope not in ("slice", "slice-label"):
        yield "neutral", f"{change}; this metric does not look at it"
    elif (old.over, new.over) in _NARROWER:
        yield "weaker", change
    elif old.over == "whole":
        yield "unclear", f"{change}; the whole is no longer asked by this rule"
    else:
        yield "unclear", f"{change}; more slices share one level of accusation"


def _severity(old: Rule, new: Rule) -> _Found:
    if old.severity != new.severity:
        weaker = new.severity == "report"
        said = "is reported and no longer blocks" if weaker else "blocks, was reported only"
        yield "weaker" if weaker else "stronger", said
    if old.on_inconclusive != new.on_inconclusive:
        weaker = new.on_inconclusive == "report"
        said = "is reported and no longer blocks" if weaker else "blocks, was reported only"
        yield "weaker" if weaker else "stronger", f"'cannot tell' {said}"


def _words(old: Rule, new: Rule) -> _Found:
    for field in ("title", "because", "source"):
        if getattr(old, field) != getattr(new, field):
            said = f": {shown(new.title)}" if field == "title" else ""
            yield "neutral", f"{field} reworded{said}"
    for field in ("evidences", "supports"):
        before, after = set(getattr(old, field)), set(getattr(new, field))
        if claimed := sorted(after - before):
            yield "unclear", f"claims that it {field} {', '.join(claimed)}, and did not before"
        if given_up := sorted(before - after):
            yield "neutral", f"no longer claims that it {field} {', '.join(given_up)}"
    known = {"id", "title", "check", "metric", "over", "at_least", "at_most", "severity",
             "on_inconclusive", "small_slices", "needs", "because", "source", "evidences",
             "supports"}  # fmt: skip
    for field in sorted(set(Rule.model_fields) - known):
        if getattr(old, field) != getattr(new, field):
            yield "unclear", f"{field} is {shown(getattr(new, field))}"


# --- bounds, and what becomes of slices too small for them


def _bars(old: Rule, new: Rule, before: Policy, after: Policy) -> _Found:
    """Compare the bounds field by field, then what they make of every number of rows."""
    fields = ("at_least", "at_most", "small_slices", "on_inconclusive")
    if all(getattr(old, f) == getattr(new, f) for f in fields) and (
        _needed(old, before) == _needed(new, after)
    ):
        return
    looser = _looser_somewhere(old, new, before, after)
    sound = looser is None and _provably_no_weaker(old, new, before, after)
    found = [*_bound(old, new, "at_least"), *_bound(old, new, "at_most"), *_small(old, new)]
    known = any(direction == "weaker" for direction, _ in found)
    for direction, said in found:
        if direction == "stronger" and looser is None and not sound:
            yield "unclear", f"{said}; harm it demonstrated before may go undemonstrated"
        else:
            yield direction, said
    for said in _ladder(old, new):
        yield "weaker" if looser else "stronger" if sound else "unclear", said
    if looser is not None and not known:
        yield "weaker", looser


def _bound(old: Rule, new: Rule, field: Literal["at_least", "at_most"]) -> _Found:
    before, after = getattr(old, field), getattr(new, field)
    if before == after:
        return
    if after is None:
        yield "weaker", f"{field} {shown(before)} is gone"
    elif before is None:
        yield "stronger", f"{field} {shown(after)} is added"
    else:
        weaker = after < before if field == "at_least" else after > before
        direction: Direction = "weaker" if weaker else "stronger"
        yield direction, f"{field} is {shown(after)}, was {shown(before)}"


def _small(old: Rule, new: Rule) -> _Found:
    before, after = old.small_slices, new.small_slices
    if before == after:
        return
    if before is None or after is None:
        added = before is None
        yield "weaker" if added else "stronger", (
            "small_slices is added: slices too small for the bound are asked at a wider one or "
            "none" if added else "small_slices is gone: every slice is asked at the rule's bound"
        )  # fmt: skip
        return
    if before.below != after.below:
        weaker = after.below == "report"
        said = "are reported and no longer block" if weaker else "block, were reported only"
        yield "weaker" if weaker else "stronger", f"slices too small for any bound {said}"
    if before.because != after.because:
        yield "neutral", "small_slices.because reworded"
    for field in sorted(
        set(SmallSlices.model_fields) - {"below", "at_least", "at_most", "churn", "because"}
    ):
        if getattr(before, field) != getattr(after, field):
            yield "unclear", f"small_slices.{field} is {shown(getattr(after, field))}"


def _ladder(old: Rule, new: Rule) -> Iterator[str]:
    """Name what changed of the wider bounds; what that does depends on the rows."""
    before, after = old.small_slices, new.small_slices
    if before is None or after is None:
        return
    for field in ("at_least", "at_most", "churn"):
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            yield f"small_slices.{field} is {shown(other)}, was {shown(one)}"


def _sizes(rules: Sequence[Rule], levels: Levels) -> list[int | None]:
    """Numbers of rows around each at which one of the rules asks another bound."""
    if not _sized(rules[0]):
        return [None]
    sizes: set[int] = {0, _PLENTY}
    for rule in rules:
        small = rule.small_slices
        if small is None:
            continue
        for pair in small.widen(rule.id, rule.at_least, rule.at_most):
            rows = [rows_for_power(m, levels.first, small.churn) for m in margins(*pair)]
            sizes |= {max(rows, default=1), max(rows, default=1) - 1}
    return [*sorted(sizes)]


def _levels(policy: Policy) -> Levels:
    return Levels(charged=charged_alpha(policy, 1), first=charged_alpha(policy, 1))


def _looser_somewhere(old: Rule, new: Rule, before: Policy, after: Policy) -> str | None:
    """Say for how many rows the new rule asks less, if for any; both at the old level."""
    levels = _levels(before)
    for n in reversed(_sizes((old, new), levels)):
        one, other = bounds_for(old, n, levels), bounds_for(new, n, levels)
        where = "" if n is None else f"with {n} rows, " if n < _PLENTY else "with many rows, "
        if (loose := _looser(one[0], other[0], field="at_least")) is not None:
            return f"{where}a slice is asked for {loose}"
        if (loose := _looser(one[1], other[1], field="at_most")) is not None:
            return f"{where}a slice is asked for {loose}"
        lenient = [
            _lenient(rule, policy, too_small=bar[2] == "too-small")
            for rule, policy, bar in ((old, before, one), (new, after, other))
        ]
        if lenient == [False, True]:
            return f"{where}a slice of which it cannot tell no longer blocks"
    return None


def _looser(was: float | None, now: float | None, *, field: str) -> str | None:
    """Say that a bound is looser, if it is."""
    if was is None:
        return None
    if now is None or (now < was if field == "at_least" else now > was):
        return f"{field} {shown(now)}, was {shown(was)}"
    return None


def _provably_no_weaker(old: Rule, new: Rule, before: Policy, after: Policy) -> bool:
    """Show that what the new bounds let through, the old ones did; given none is looser.

    Who clears a bound is not accused of breaking it. So it suffices that the new rule lets only
    those through that clear. Otherwise accusations must be the same ones, under tighter bounds:
    a further bound halves, and another family divides, the level of each.
    """
    levels = _levels(before)
    tiers = [
        tuple(bounds_for(rule, n, levels)[2] == "too-small" for rule in (old, new))
        for n in _sizes((old, new), levels)
    ]
    if not any(_lenient(new, after, too_small=small) for _, small in tiers):
        # Too small a slice is accused beyond the rule's own bound, though it clears a wider one.
        return not any(was for was, _ in tiers) or new.small_slices is None or _same(tiers)
    sides = [(r.at_least is None, r.at_most is None) for r in (old, new)]
    return sides[0] == sides[1] and _same(tiers)


def _same(tiers: Sequence[tuple[bool, ...]]) -> bool:
    return all(was == now for was, now in tiers)
