"""The verdict in two or three sentences that anybody can repeat."""

from collections import Counter

from ..measurements import Paired
from ..policy import Finding
from . import words
from .facts import Facts


def sentences(facts: Facts) -> tuple[str, ...]:
    """Say the verdict and its main reason."""
    result = facts.evidence.verdict.result
    if result == "FAILED":
        return _failed(facts)
    if result == "UNDECIDED":
        return _undecided(facts)
    return _passed(facts)


def _overall(facts: Facts) -> str | None:
    """How accuracy as a whole moved: what most people would have looked at alone."""
    basis = facts.basis("slice-performance", "accuracy-change")
    if not isinstance(basis, Paired) or not basis.n:
        return None
    change = 100 * (basis.candidate_only - basis.baseline_only) / basis.n
    verb = "hardly moves" if abs(change) < 0.5 else "falls" if change < 0 else "rises"
    return f"Overall accuracy {verb} ({words.arrow(basis)} %)"


def _failed(facts: Facts) -> tuple[str, ...]:
    failing = facts.blocking("fail")
    worst = failing[0]
    q = worst.question
    said = []
    overall = _overall(facts)
    is_overall = q.check == "slice-performance" and q.slice == "all"
    turn = "and" if overall and " falls " in overall else "but"
    joiner = f"{overall}, {turn} " if overall and not is_overall else ""
    fall = _paired_sentence(facts, worst)
    if fall is not None:
        said += [joiner + (fall if joiner else fall[:1].upper() + fall[1:]), _shown(facts, worst)]
    else:
        said.append(joiner + _broken(facts, worst, start=not joiner))
    if len(failing) > 1:
        verb = "fails" if len(failing) == 2 else "fail"
        said.append(f"{words.count(len(failing) - 1, 'more finding')} {verb}.")
    said.append("It may not be promoted.")
    return tuple(said)


def _paired_sentence(facts: Facts, f: Finding) -> str | None:
    m = facts.measurement(f)
    if m is None or not isinstance(m.basis, Paired):
        return None
    pair = words.rates(m.basis)
    if pair is None:
        return None
    verb = "falls" if pair[1] < pair[0] else "rises"
    name = words.lower_first(facts.metric_name(f))
    return (
        f"the {name} of {words.asked_of(f.question)} {verb} from {words.percent(pair[0])} "
        f"to {words.percent(pair[1])} %."
    )


def _shown(facts: Facts, f: Finding) -> str:
    """How much of the harm is established, against what is tolerated."""
    low_side = f.question.at_least is not None
    limit = f.question.at_least if low_side else f.question.at_most
    certain = f.high if low_side else f.low
    tolerated = words.bound(abs(100 * (limit or 0.0)))
    beyond = certain is not None and limit is not None and (
        certain < min(limit, 0.0) if low_side else certain > max(limit, 0.0)
    )  # fmt: skip
    if beyond and certain is not None:
        return (
            f"At least {words.number(abs(100 * certain))} of those points are established at "
            f"{words.confidence(facts.alpha)} confidence; the policy tolerates {tolerated}."
        )
    return f"The policy tolerates {tolerated} points, and {f.reason}."


def _broken(facts: Facts, f: Finding, *, start: bool) -> str:
    rule = facts.rule(f)
    unit = facts.unit(f)
    name = facts.metric_name(f)
    name = name if start else words.lower_first(name)
    where = "" if f.question.slice == "all" else f" for {words.asked_of(f.question)}"
    m = facts.measurement(f)
    why = f", {words.visible(m.notes[0])}" if m is not None and m.notes else ""
    return (
        f"{name}{where}: {words.measured(f, unit)} measured, "
        f"{words.tolerated(f.question, unit)} tolerated (rule {rule.id}{why})."
    )


def _undecided(facts: Facts) -> tuple[str, ...]:
    overall = _overall(facts)
    blocking = [f for f in facts.worst_first if f.blocks]
    open_, silent = facts.blocking("inconclusive"), facts.blocking("not_measured")
    open_ = [f for f in open_ if f.blocks]
    said = []
    lead = f"{overall}, and no" if overall else "No"
    said.append(
        f"{lead} harm beyond what the policy tolerates is demonstrated, but "
        f"{words.count(len(blocking), 'question')} that must be answered "
        f"{'stays' if len(blocking) == 1 else 'stay'} open."
    )
    if open_:
        said.append(_cannot_rule_out(facts, max(open_, key=words.harm)))
    if silent:
        first = silent[0]
        said.append(
            f"{words.count(len(silent), 'question')} "
            f"{'was' if len(silent) == 1 else 'were'} not measured; the first is "
            f"{facts.rule(first).id}: {words.ended(words.visible(first.reason))}"
        )
    if not blocking:
        said = ["No question of this policy was able to decide anything."]
    said.append("It may not be promoted until they are settled.")
    return tuple(said)


def _cannot_rule_out(facts: Facts, f: Finding) -> str:
    q, name = f.question, words.lower_first(facts.metric_name(f))
    end = f.low if q.at_least is not None else f.high
    limit = q.at_least if q.at_least is not None else q.at_most
    clears = (
        end is not None
        and limit is not None
        and (end >= limit if q.at_least is not None else end <= limit)
    )  # then something else keeps it open, e.g. a rule it rests on
    if facts.unit(f) != "points" or end is None or limit is None or clears:
        return f"{facts.rule(f).id} is open for {words.asked_of(q)}: {words.ended(f.reason)}"
    verb = "falls" if end < 0 else "rises"
    return (
        f"The data cannot rule out that the {name} of {words.asked_of(q)} {verb} by up to "
        f"{words.number(abs(100 * end))} points; the policy tolerates "
        f"{words.bound(abs(100 * limit))}."
    )


def _passed(facts: Facts) -> tuple[str, ...]:
    overall = _overall(facts)
    findings = facts.evidence.verdict.findings
    deciding = [f for f in findings if f.question.severity == "block" and f.status == "pass"]
    other = [f for f in findings if f.status != "pass"]
    said = [f"{overall}."] if overall else []
    said.append(
        f"Of the questions that decide, {len(deciding):,} passed: for each, more harm than the "
        f"policy tolerates is ruled out at {words.confidence(facts.alpha)} confidence, or the "
        "number is exact and within its bound."
    )
    if other:
        kinds = Counter(words.STATE[f.status] for f in other)
        listed = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        said.append(f"Other questions are reported and do not block: {listed}.")
    days = facts.evidence.policy.valid_days
    said.append(f"It may be promoted under this policy for {words.count(days, 'day')}.")
    return tuple(said)
