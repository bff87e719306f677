"""What changed settings of a policy ask less of, more of, or otherwise. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..catalogue import CHECKS_BY_ID
from ..subjects import Task
from .diff_rules import Direction, accusing, decides, listed, shown
from .plan import charged_alpha
from .rules import Policy, Rule

Defaults = Mapping[str, Mapping[str, Any]]
"""Parameters of the checks where a policy gives none, by check and name."""
_Found = Iterator[tuple[Direction, str, str]]

_LESS_IS_WEAKER = {
    ("evasion", "eps"), ("evasion", "steps"), ("evasion", "restarts"), ("evasion", "queries"),
    ("evasion", "rows"), ("gradient-sanity", "rows"), ("gradient-sanity", "steps"),
    ("gradient-sanity", "queries"), ("membership", "rows"), ("inversion", "starts"),
    ("inversion", "steps"), ("explanation-stability", "rows"), ("explanation-stability", "steps"),
    ("fairness", "replicates"), ("artefact-parity", "rows"), ("artefact-parity", "repeats"),
    ("artefact-parity", "alone"), ("slice-discovery", "depth"), ("latency", "pairs"),
    ("latency", "repeat"), ("latency", "seconds"), ("memory", "runs"), ("energy", "turns"),
    ("energy", "seconds"),
}  # fmt: skip
_MORE_IS_WEAKER = {
    ("gradient-sanity", "large_eps"), ("fairness", "minimum_group_rows"),
    ("degenerate-predictor", "fewest"),
}  # fmt: skip
_MORE_IS_STRONGER = _LESS_IS_WEAKER - {
    # At a budget that breaks every model, no candidate loses against its baseline.
    ("evasion", "eps"),
    # The more slices are tested, the less each one is accused.
    ("slice-discovery", "depth"),
}
_LESS_IS_STRONGER = _MORE_IS_WEAKER - {("fairness", "minimum_group_rows")}


def levels(old: Policy, new: Policy) -> _Found:
    """What is demanded of a pass, of an accusation, and for how long a verdict holds."""
    if (old.alpha, old.attempts) != (new.alpha, new.attempts):
        yield from _level_of_passing(old, new)
        yield from _level_of_accusing(old, new)
    if new.valid_days != old.valid_days:
        longer = new.valid_days > old.valid_days
        yield (
            "weaker" if longer else "stronger",
            "valid_days",
            (f"a PASSED verdict may be used for {new.valid_days} days, was {old.valid_days}"),
        )


def _level_of_passing(old: Policy, new: Policy) -> _Found:
    before, after = charged_alpha(old, 1), charged_alpha(new, 1)
    if (old.attempts, new.attempts) == ("charged", "counted"):
        yield (
            "weaker",
            "attempts",
            ("attempts are counted and no longer charged: who tries often passes by luck"),
        )
    elif new.attempts != old.attempts:
        yield "stronger", "attempts", "each further attempt is charged: tested at a smaller level"
    if after > before:
        yield (
            "weaker",
            "alpha",
            (
                f"a pass is tested at {after:.3g} at a first attempt, was {before:.3g}: harm "
                "passes more often"
            ),
        )
    elif after < before:
        yield (
            "stronger",
            "alpha",
            (f"a pass is tested at {after:.3g} at a first attempt, was {before:.3g}"),
        )
        if wider := [rule.id for rule in _kept(old, new) if rule.small_slices is not None]:
            yield (
                "weaker",
                "alpha",
                (
                    "each margin takes more rows at this level; slices with fewer are asked at a "
                    f"wider one in {listed(wider)}"
                ),
            )


def _level_of_accusing(old: Policy, new: Policy) -> _Found:
    rest = [rule.id for rule in _kept(old, new) if accusing(rule, new)]
    if new.alpha < old.alpha and rest:
        yield (
            "weaker",
            "alpha",
            (
                f"harm counts as demonstrated at {new.alpha:g}, was {old.alpha:g}; that alone "
                f"blocks where 'cannot tell' is reported, in {listed(rest)}"
            ),
        )
    elif new.alpha > old.alpha:
        yield (
            "stronger",
            "alpha",
            (f"harm counts as demonstrated at {new.alpha:g}, was {old.alpha:g}"),
        )


def _kept(old: Policy, new: Policy) -> list[Rule]:
    """Rules of the new policy that decide and were there before."""
    ids = {rule.id for rule in old.rules}
    return [rule for rule in new.rules if rule.id in ids and decides(rule, new)]


def tasks(old: Policy, new: Policy) -> _Found:
    """Which kinds of model can be judged at all."""
    before, after = _decidable(old), _decidable(new)
    if gained := sorted(after - before):
        yield "weaker", "tasks", f"can pass models of a task it refused: {', '.join(gained)}"
    if lost := sorted(before - after):
        yield "stronger", "tasks", f"refuses models of a task it judged: {', '.join(lost)}"
    if old.tasks != new.tasks and before == after:
        yield "neutral", "tasks", f"was {shown(old.tasks)}, is {shown(new.tasks)}"


def _decidable(policy: Policy) -> set[Task]:
    """Tasks whose models are not refused, as `make_plan` refuses them."""
    every = {task for entry in CHECKS_BY_ID.values() for task in entry.tasks}
    found = set()
    for task in set(policy.tasks) or every:
        asked = [rule for rule in policy.rules if task in CHECKS_BY_ID[rule.check].tasks]
        blocking = [CHECKS_BY_ID[rule.check].area for rule in asked if rule.severity == "block"]
        complete = len(asked) == len(policy.rules)
        if blocking and (complete or "performance and fairness" in blocking):
            found.add(task)
    return found


def slices(old: Policy, new: Policy) -> _Found:
    """How rows are cut into slices."""
    before, after = old.slices, new.slices
    rest = [rule.id for rule in _kept(old, new) if accusing(rule, new)]
    share = f"; they share one level of accusation with those before in {listed(rest)}"
    more: Direction = "unclear" if rest else "stronger"
    if after.depth < before.depth:
        yield (
            "weaker",
            "slices.depth",
            (f"intersections of {after.depth} attributes at most, was {before.depth}"),
        )
    elif after.depth > before.depth:
        yield (
            more,
            "slices.depth",
            (
                f"intersections of up to {after.depth} attributes, was {before.depth}"
                + share * bool(rest)
            ),
        )
    if after.disclosure_floor > before.disclosure_floor:
        yield (
            "weaker",
            "slices.disclosure_floor",
            (
                f"slices of fewer than {after.disclosure_floor} rows are merged and not judged by "
                f"themselves, was {before.disclosure_floor}"
            ),
        )
    elif after.disclosure_floor < before.disclosure_floor:
        yield (
            "unclear",
            "slices.disclosure_floor",
            (
                f"slices from {after.disclosure_floor} rows on are judged by themselves, was "
                f"{before.disclosure_floor}; their counts are archived, and they are personal data"
            ),
        )
    if after.confidence < before.confidence:
        yield (
            "weaker",
            "slices.confidence",
            (f"{after.confidence} parts by the baseline's confidence, was {before.confidence}"),
        )
    elif after.confidence > before.confidence:
        was_none = "; data without groups, which was refused, can be judged by them"
        yield (
            "unclear",
            "slices.confidence",
            f"{after.confidence} parts by the baseline's confidence, was {before.confidence}"
            + was_none * (before.confidence == 0)
            + share * bool(rest),
        )


def params(old: Policy, new: Policy, defaults: Defaults) -> _Found:
    """What the checks are told; a parameter that nobody here knows is `unclear`."""
    for check in sorted({*old.params, *new.params}):
        usual = defaults.get(check, {})
        before = {**usual, **old.params.get(check, {})}
        after = {**usual, **new.params.get(check, {})}
        for name in sorted({*before, *after}):
            one, other = before.get(name), after.get(name)
            if one == other and isinstance(one, bool) == isinstance(other, bool):
                continue
            yield (
                _budget((check, name), one, other),
                f"params.{check}.{name}",
                f"is {shown(other)}, was {shown(one)}",
            )


def _budget(param: tuple[str, str], before: Any, after: Any) -> Direction:
    """Say what a changed parameter does to its measurement; `unclear` of one nobody knows."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (before, after))
    if not numbers:
        return "unclear"
    less = after < before
    if param in (_LESS_IS_WEAKER if less else _MORE_IS_WEAKER):
        return "weaker"
    return "stronger" if param in (_LESS_IS_STRONGER if less else _MORE_IS_STRONGER) else "unclear"
