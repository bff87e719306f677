"""Taking evidence away never turns FAILED or UNDECIDED into PASSED (the monotonic principle)."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from govprune import policy
from govprune.catalogue import CATALOGUE, metric
from govprune.measurements import (
    Exact,
    Grouped,
    GroupTable,
    LogRatios,
    Measurement,
    Normal,
    Paired,
    Share,
    Undefined,
)
from govprune.policy import Policy, Rule
from govprune.subjects import Profile, SliceProfile

SLICES = ("all", "sex=F", "sex=M", "sex=F,race=B")
PROFILE = Profile(
    labels=("no", "yes"),
    positive="yes",
    slices=tuple(
        SliceProfile(
            name=name,
            attributes=tuple(p.split("=")[0] for p in name.split(",")) if name != "all" else (),
            by_label=(("no", n), ("yes", n)),
        )
        for name, n in zip(SLICES, (2000, 300, 60, 4), strict=True)
    ),
)
PACKS = [policy.load(name, root=Path()).policy for name in ("baseline", "credit")]

good = st.integers(0, 3)
few = st.one_of(good, good, good, st.integers(0, 400))
paired = st.builds(Paired, both=st.integers(0, 2000), baseline_only=few, candidate_only=few,
                   neither=st.integers(0, 50))  # fmt: skip
share = st.integers(0, 1000).flatmap(lambda n: st.builds(Share, hits=st.integers(0, n), trials=st.just(n)))  # fmt: skip  # noqa: E501 one strategy
exact = st.builds(Exact, value=st.sampled_from([0.0, 1.0, 2.0, 0.5, 100.0]))
normal = st.builds(Normal, baseline=st.floats(0.4, 0.6), candidate=st.floats(0.4, 0.6),
                   standard_error=st.floats(0, 0.05), n=st.integers(0, 100))  # fmt: skip
ratios = st.builds(LogRatios, values=st.lists(st.floats(-0.2, 0.2), min_size=0, max_size=30).map(tuple), seed=st.just(0))  # fmt: skip  # noqa: E501 one strategy
table = st.lists(st.integers(0, 60), min_size=8, max_size=8).map(tuple)
grouped = st.builds(
    Grouped,
    statistic=st.sampled_from(["equalized-odds-difference", "demographic-parity-ratio"]),
    groups=st.lists(st.builds(GroupTable, group=st.just("g"), counts=table), min_size=2, max_size=3).map(tuple),  # noqa: E501 one strategy
    seed=st.just(1),
    replicates=st.just(100),
)  # fmt: skip
basis = st.one_of(paired, paired, share, exact, normal, ratios, grouped,
                  st.builds(Undefined, reason=st.just("nothing")))  # fmt: skip
questions = [(c.id, m.id) for c in CATALOGUE for m in c.metrics]


@st.composite
def policies(draw):
    """Small policies with reports, needs, small-slice clauses and both attempts settings."""
    rules = []
    count = draw(st.integers(1, 5))
    for i in range(count):
        check, name = draw(st.sampled_from(questions[:10]))
        # A share has no bound below nought; a change in points has.
        share = metric(check, name).unit == "share"
        small = {
            **({"at_most": 0.3} if share else {"at_least": -0.1}),
            "below": draw(st.sampled_from(["block", "report"])),
            "because": "x",
        }
        needs = ("r0",) if i and draw(st.booleans()) else ()
        lenient = st.just("block") if needs else st.sampled_from(["block", "report"])
        small["below"] = draw(lenient)
        rules.append(
            Rule(
                id=f"r{i}", check=check, metric=name, at_least=None if share else -0.05,
                at_most=0.2 if share else draw(st.sampled_from([None, 0.2])),
                over=draw(st.sampled_from(["whole", "slices"])),
                # The last one blocks; the one that others need may be reported only.
                severity="block" if i == count - 1 else draw(st.sampled_from(["block", "report"])),
                on_inconclusive=draw(lenient),
                small_slices=draw(st.sampled_from([None, small])),
                needs=needs,
            )
        )  # fmt: skip
    return Policy(
        name="p", rules=tuple(rules), attempts=draw(st.sampled_from(["charged", "counted"]))
    )


@st.composite
def answers(draw, asked):
    """Measurements for most of what the policy asks, mostly good ones."""
    plan = policy.make_plan(asked, PROFILE, attempt=draw(st.integers(1, 3)))
    keys = list(dict.fromkeys(q.key for q in plan.questions))
    chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=len(keys)))
    if draw(st.booleans()):
        chosen = keys
    made = [
        Measurement(check=c, metric=m, slice=s, label=label, basis=draw(basis))
        for c, m, s, label in chosen
    ]
    return plan, made


def result(plan, measurements):
    return policy.decide(policy.judge(plan, measurements)).result


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_taking_measurements_away_never_makes_a_pass(data):
    plan, made = data.draw(answers(data.draw(st.one_of(policies(), st.sampled_from(PACKS)))))
    kept = [m for m in made if data.draw(st.booleans())]

    if result(plan, made) != "PASSED":
        assert result(plan, kept) != "PASSED"


@settings(max_examples=100, deadline=None)
@given(policies(), st.integers(1, 3))
def test_a_pass_needs_every_blocking_question_answered(asked, attempt):
    plan = policy.make_plan(asked, PROFILE, attempt=attempt)
    untouched = Paired(both=4000, baseline_only=0, candidate_only=0, neither=0)
    made = [
        Measurement(check=c, metric=m, slice=s, label=label, basis=untouched)
        for c, m, s, label in dict.fromkeys(q.key for q in plan.questions)
    ]
    blocking = [q.key for q in plan.questions if q.severity == "block"]

    assert result(plan, made) == "PASSED"
    for i, m in enumerate(made):
        if m.key in blocking:
            assert result(plan, made[:i] + made[i + 1 :]) != "PASSED"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_order_of_measurements_does_not_matter(data):
    plan, made = data.draw(answers(data.draw(policies())))
    shuffled = data.draw(st.permutations(made))

    assert policy.judge(plan, made) == policy.judge(plan, shuffled)


def test_the_strategies_do_reach_passed():
    """The properties above would hold in a world where nothing ever passes; it is not this one."""
    asked = Policy(
        name="p",
        rules=(
            Rule(
                id="r",
                check="slice-performance",
                metric="accuracy-change",
                at_least=-0.05,
                over="whole",
            ),
        ),
    )
    plan = policy.make_plan(asked, PROFILE)
    untouched = Paired(both=4000, baseline_only=0, candidate_only=0, neither=0)
    m = Measurement(check="slice-performance", metric="accuracy-change", basis=untouched)

    assert metric("slice-performance", "accuracy-change") is not None
    assert result(plan, [m]) == "PASSED"
    assert result(plan, []) == "UNDECIDED"
