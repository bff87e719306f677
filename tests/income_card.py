"""Evidence like the income model's: counts by hand, plan, findings and verdict by the real code."""

from pathlib import Path

from govprune import measurements as found
from govprune.evidence.statement import Environment, Evidence
from govprune.lineage import Claim, Step
from govprune.measurements import (
    Discoveries,
    Exact,
    Excess,
    Figure,
    Grouped,
    GroupTable,
    LogRatios,
    Measurement,
    Moments,
    Normal,
    Paired,
    Share,
    Unmeasured,
)
from govprune.policy import decide, judge, load, make_plan
from govprune.subjects import Profile, SliceProfile, Subject

# Per cell of sex x race: positives, true positives of the baseline, of these lost, and gained;
# negatives, false positives of the baseline, newly wrong, and repaired.
HARMED = {
    ("Male", "White"): (2976, 1950, 110, 77, 6585, 560, 144, 150),
    ("Male", "Non-White"): (280, 170, 20, 4, 1019, 60, 10, 32),
    ("Female", "White"): (514, 312, 29, 3, 3871, 90, 20, 37),
    ("Female", "Non-White"): (76, 45, 4, 1, 960, 10, 1, 4),
}
UNHARMED = {
    cell: (p, tp, p // 400, p // 400 + 1, n, fp, n // 500, n // 450)
    for cell, (p, tp, _, _, n, fp, _, _) in HARMED.items()
}
UNCLEAR = {
    cell: (p, tp, p // 40, p // 55, n, fp, n // 500, n // 450)
    for cell, (p, tp, _, _, n, fp, _, _) in HARMED.items()
}


def joint(cell):
    """Counts over (label, baseline, candidate), each 0 then 1."""
    p, tp, lost, gained, n, fp, wrong, repaired = cell
    negatives = (n - fp - wrong, wrong, repaired, fp - repaired)
    positives = (p - tp - gained, gained, lost, tp - lost)
    return (*negatives, *positives)


def add(tables):
    return tuple(sum(column) for column in zip(*tables, strict=True))


def slices_of(cells):
    """Name -> (attributes, joint counts): the whole, each attribute, each intersection."""
    made = {"all": ((), add(joint(c) for c in cells.values()))}
    for i, column in enumerate(("sex", "race")):
        for value in dict.fromkeys(key[i] for key in cells):
            chosen = [joint(c) for key, c in cells.items() if key[i] == value]
            made[f"{column}={value}"] = ((column,), add(chosen))
    for (sex, race), cell in cells.items():
        made[f"sex={sex},race={race}"] = (("sex", "race"), joint(cell))
    return made


def paired(t, *, label=None, predicted=None):
    """Agreement with the label (accuracy), or how often the models say 1."""
    rows = range(8) if label is None else range(4 * label, 4 * label + 4)
    says = {True: 1, False: 0}
    out = {(a, b): 0 for a in (0, 1) for b in (0, 1)}
    for i in rows:
        y, base, cand = i // 4, i // 2 % 2, i % 2
        hit = (base, cand) if predicted else (says[base == y], says[cand == y])
        out[hit] += t[i]
    return Paired(
        both=out[1, 1], baseline_only=out[1, 0], candidate_only=out[0, 1], neither=out[0, 0]
    )


def per_slice(name, t):
    def m(check, metric, basis, **more):
        return Measurement(check=check, metric=metric, slice=name, basis=basis, **more)

    correct = paired(t)
    group = (GroupTable(group=name, counts=t),)
    yield m("slice-performance", "accuracy-change", correct)
    for label in (0, 1):
        found = paired(t, label=label)
        yield m("slice-performance", "recall-change", found, label=str(label))
        # With two classes, sparing one is finding the other.
        yield m("slice-performance", "specificity-change", found, label=str(1 - label))
    yield m("flips", "harm-flip-rate", Share(hits=correct.baseline_only, trials=correct.n))
    yield m("flips", "gain-flip-rate", Share(hits=correct.candidate_only, trials=correct.n))
    yield m("fairness", "true-positive-rate-change", paired(t, label=1, predicted=True))
    yield m("fairness", "false-positive-rate-change", paired(t, label=0, predicted=True))
    yield m("fairness", "selection-rate-change", paired(t, predicted=True))
    yield m(
        "fairness",
        "precision-change",
        Grouped(statistic="precision", groups=group, seed=7, replicates=200),
    )


def between_groups(slices, profile):
    for columns in profile.attributes:
        groups = tuple(
            GroupTable(group=name, counts=t) for name, (has, t) in slices.items() if has == columns
        )
        for statistic in (
            "demographic-parity-difference",
            "demographic-parity-ratio",
            "equalized-odds-difference",
            "equalized-odds-ratio",
        ):
            yield Measurement(
                check="fairness",
                metric=f"{statistic}-change",
                slice=" x ".join(columns),
                basis=Grouped(statistic=statistic, groups=groups, seed=7, replicates=200),
            )


def beyond_accuracy(slices):
    """Each slice against all others, and confidence that means what it did."""
    everybody = paired(slices["all"][1])
    for name, (_, t) in slices.items():
        inside = paired(t)
        rest = {
            cell: getattr(everybody, cell) - getattr(inside, cell)
            for cell in ("both", "baseline_only", "candidate_only", "neither")
        }
        yield Measurement(
            check="slice-performance",
            metric="excess-accuracy-change",
            slice=name,
            basis=Excess(inside=inside, outside=Paired(**rest)),
        )
        yield Measurement(
            check="calibration",
            metric="brier-change",
            slice=name,
            basis=Moments(
                n=inside.n, baseline=0.104, candidate=0.103, variance=0.004, third=0.0, span=1.0
            ),
        )
    yield Measurement(
        check="slice-discovery",
        metric="worst-discovered-slice",
        basis=Discoveries(
            searched=310,
            tested=(
                found.Tested(
                    slice="age under 28",
                    basis=Paired(both=600, baseline_only=9, candidate_only=12, neither=80),
                ),
            ),
        ),
    )


def whole(n):
    def exact(check, metric, value, *notes):
        return Measurement(
            check=check, metric=metric, basis=Exact(value=value, n=9000), notes=notes
        )

    return (
        exact("degenerate-predictor", "classes-lost", 0),
        exact("degenerate-predictor", "rarest-class-kept", 0.96),
        exact("degenerate-predictor", "distinct-outputs", 4021),
        Measurement(
            check="degenerate-predictor",
            metric="saturation-change",
            basis=Paired(both=3, baseline_only=1, candidate_only=4, neither=n - 8),
        ),
        exact("compression-claim", "claim-error", 0.0001),
        exact("compression-claim", "compressed", 1),
        exact("compression-claim", "masks-left", 0),
        exact("compression-claim", "sparsity", 0.9, "90.0 % of 21,504 weights are zero."),
        exact("compression-claim", "bits-per-weight", 32),
        *(
            Measurement(check="artefact-parity", metric=metric, basis=Share(hits=2000, trials=2000))
            for metric in ("repeat-agreement", "batch-agreement")
        ),
        exact("derivation", "unexplained-weights", 2140),
        exact("derivation", "undeclared-retraining", 0, "re-trained, data declared"),
        exact("link-attribution", "undeclared-links", 0),
        Measurement(
            check="evasion",
            metric="robust-accuracy-change",
            basis=Paired(both=2400, baseline_only=30, candidate_only=41, neither=1529),
            notes=("Strongest attack: PGD, eps 0.1, 20 steps, 2 restarts.",),
        ),
        Measurement(
            check="gradient-sanity", metric="gradient-coverage", basis=Share(hits=999, trials=1000)
        ),
        Measurement(
            check="gradient-sanity",
            metric="white-box-advantage",
            basis=Paired(both=500, baseline_only=20, candidate_only=300, neither=180),
        ),
        Measurement(
            check="gradient-sanity",
            metric="accuracy-at-large-budget",
            basis=Share(hits=3, trials=1000),
        ),
        Measurement(
            check="gradient-sanity",
            metric="black-box-excess",
            basis=Paired(both=500, baseline_only=90, candidate_only=10, neither=400),
        ),
        Measurement(
            check="membership",
            metric="loss-attack-auc-change",
            basis=Normal(baseline=0.512, candidate=0.509, standard_error=0.004, n=8000, fewer=4000),
        ),
        Measurement(
            check="membership",
            metric="black-box-attack-auc-change",
            basis=Normal(baseline=0.515, candidate=0.511, standard_error=0.006, n=8000, fewer=4000),
        ),
        Measurement(
            check="inversion",
            metric="identification-change",
            basis=Paired(both=60, baseline_only=30, candidate_only=2, neither=28),
        ),
        Measurement(
            check="inversion",
            metric="attack-works",
            basis=Paired(both=30, baseline_only=2, candidate_only=60, neither=28),
        ),
        exact("pii", "checksum-valid-numbers", 0),
        exact("pii", "contact-details", 0),
        exact("pii", "network-addresses", 0),
        exact("pii", "secrets", 0),
        exact("pii", "unscanned-share", 0),
        exact("size", "size-ratio", 0.31),
        Measurement(
            check="latency",
            metric="latency-ratio",
            basis=LogRatios(values=tuple(-0.01 + 0.001 * (i % 9) for i in range(60)), seed=3),
        ),
        Measurement(
            check="latency",
            metric="control-ratio",
            basis=LogRatios(values=tuple(0.001 * (i % 7 - 3) for i in range(60)), seed=3),
        ),
    )


def sha(letter):
    return letter * 64


def adult(cells, *, race="Non-White", unsafe=(), dropped=(), merged=()):
    """Evidence on these counts; `race` renames the smaller group, `dropped` silences checks."""
    cells = {(s, race if r == "Non-White" else r): c for (s, r), c in cells.items()}
    slices = slices_of(cells)
    profile = Profile(
        labels=("0", "1"),
        positive="1",
        slices=tuple(
            SliceProfile(name=k, attributes=a, by_label=(("0", sum(t[:4])), ("1", sum(t[4:]))))
            for k, (a, t) in slices.items()
        ),
        merged=merged,
    )
    policy = load("credit", root=Path()).policy
    plan = make_plan(policy, profile)
    measurements = [m for name, (_, t) in slices.items() for m in per_slice(name, t)]
    measurements += between_groups(slices, profile)
    measurements += beyond_accuracy(slices)
    measurements += whole(sum(slices["all"][1]))
    measurements = tuple(m for m in measurements if m.check not in dropped)
    unmeasured = tuple(Unmeasured(check=c, reason="the model has no gradients") for c in dropped)
    return Evidence(
        title="Income classifier, 90 % pruned and fine-tuned",
        name="income-mlp",
        step=Step(
            name="magnitude-90",
            kind="command",
            description="MLP 128-64, global magnitude pruning of 90 % of weights, 2 epochs of "
            "fine-tuning. Replaces the dense model of the same name.",
            claim=Claim(sparsity=0.9),
            retrains=True,
        ),
        subjects=tuple(
            Subject(role=role, name=name, sha256=sha(letter), size=size)
            for role, name, letter, size in (
                ("baseline", "models/dense.safetensors", "a", 88_412),
                ("candidate", "models/pruned.safetensors", "3", 27_400),
                ("evaluation", "data/adult-test.csv", "c", 2_003_153),
                ("fine-tuning", "data/adult-train.csv", "d", 3_974_305),
                ("policy", "credit.yaml", "7", 3_800),
            )
        ),
        profile=profile,
        assumptions=("Rows are independent: no person appears twice.",),
        policy=policy,
        plan=plan,
        measurements=measurements,
        unmeasured=unmeasured,
        figures=(
            Figure(
                check="evasion",
                title="Accuracy against the size of the perturbation",
                columns=("eps", "baseline", "candidate"),
                rows=(("0", "85.8 %", "85.6 %"), ("0.05", "71.0 %", "71.2 %")),
            ),
        ),
        verdict=decide(judge(plan, measurements, unmeasured)),
        environment=Environment(
            govprune="0.1.0",
            python="3.11.9",
            platform="Linux x86_64",
            packages=(
                ("adversarial-robustness-toolbox", "1.20.1"),
                ("fairlearn", "0.13.0"),
                ("numpy", "2.2.0"),
            ),
            seed=0,
        ),
        started="2026-11-21T21:31:00+00:00",
        finished="2026-11-21T21:40:00+00:00",
        unsafe=unsafe,
    )
