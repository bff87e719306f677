"""What a changed policy asks less of, more of, or otherwise than the one before. Pure.

Invariant: where no change is `weaker` or `unclear`, whatever the new policy passes the old one
passes too, on the same data and measurements. What cannot be shown to be no weaker is `unclear`:
a tighter bound may push a slice to a wider one, a smaller alpha accuses less.
"""

from collections.abc import Iterator, Sequence

from ..records import Record, digest
from .diff_rules import Direction, compare_rule, decides, shown
from .diff_settings import Defaults, levels, params, slices, tasks
from .rules import Policy


class Change(Record):
    """One difference between two policies."""

    direction: Direction
    """`unclear` may be weaker; `neutral` cannot change a verdict."""
    where: str
    """`rule NAME`, or the setting."""
    sentence: str


def compare(old: Policy, new: Policy, *, defaults: Defaults | None = None) -> tuple[Change, ...]:
    """List every difference, the weaker first.

    Args:
        old: The policy that was in force.
        new: The one that shall replace it.
        defaults: Parameters of the checks where a policy gives none, by check and name.
    """
    changes = (
        *_names(old, new),
        *levels(old, new),
        *tasks(old, new),
        *slices(old, new),
        *params(old, new, defaults or {}),
        *_rules(old, new),
        *_dropped(old, new),
        *_unknown(old, new),
    )
    order = ("weaker", "unclear", "stronger", "neutral")
    made = (Change(direction=d, where=where, sentence=said) for d, where, said in changes)
    return tuple(sorted(made, key=lambda change: order.index(change.direction)))


def may_be_weaker(changes: Sequence[Change]) -> bool:
    """Say whether the new policy is, or may be, weaker than the old one."""
    return any(change.direction in ("weaker", "unclear") for change in changes)


_Found = Iterator[tuple[Direction, str, str]]


def _names(old: Policy, new: Policy) -> _Found:
    same = (old.name, old.version) == (new.name, new.version)
    if same and digest(old) != digest(new):
        yield (
            "neutral",
            "version",
            (
                f"both are called {old.name} {old.version}, and they are not the same policy: give "
                "the new one another version"
            ),
        )
    for field in ("name", "version"):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield "neutral", field, f"is {shown(after)}, was {shown(before)}"
    if old.description != new.description:
        yield "neutral", "description", "reworded"


def _rules(old: Policy, new: Policy) -> _Found:
    before, after = ({rule.id: rule for rule in policy.rules} for policy in (old, new))
    reasons = {dropped.rule: dropped.because for dropped in new.dropped}
    for name, rule in before.items():
        where = f"rule {name}"
        if name not in after:
            shut = "blocked" if decides(rule, old) else "was reported"
            why = f", because: {reasons[name]}" if name in reasons else ""
            yield "weaker", where, f"removed; it {shut}{why}"
        else:
            for direction, said in compare_rule(rule, after[name], old, new):
                yield direction, where, said
    for name, rule in after.items():
        if name not in before:
            blocks = rule.severity == "block"
            what = f"{rule.check} {rule.metric}"
            yield (
                "stronger" if blocks else "neutral",
                f"rule {name}",
                f"added; it {'blocks on' if blocks else 'reports'} {what}",
            )


def _dropped(old: Policy, new: Policy) -> _Found:
    before, after = ({d.rule: d.because for d in policy.dropped} for policy in (old, new))
    here = {rule.id for rule in new.rules}
    for name, because in before.items():
        if name not in after and name not in here:
            yield "weaker", f"drop {name}", "the card no longer says that this rule is left out"
        elif name in after and after[name] != because:
            yield "neutral", f"drop {name}", f"reason reworded: {after[name]}"
    was = {rule.id for rule in old.rules}
    for name in after:
        if name not in before and name not in was:
            yield "neutral", f"drop {name}", f"says that this rule is left out: {after[name]}"


def _unknown(old: Policy, new: Policy) -> _Found:
    """Whatever this module was not written for is not waved through."""
    known = {"name", "version", "description", "alpha", "attempts", "valid_days", "tasks",
             "slices", "params", "rules", "dropped"}  # fmt: skip
    cut = {"depth", "disclosure_floor", "confidence"}
    pairs = ((old, new, known, ""), (old.slices, new.slices, cut, "slices."))
    for before, after, handled, prefix in pairs:
        for field in sorted(set(type(before).model_fields) - handled):
            if getattr(before, field) != getattr(after, field):
                yield (
                    "unclear",
                    f"{prefix}{field}",
                    (f"is {shown(getattr(after, field))}, was {shown(getattr(before, field))}"),
                )
