"""Print how often the decision rule errs, beside gates that look at the observed drop.

python tests/operating_characteristics/print_characteristics.py [GATES]
"""

import sys
from collections.abc import Callable, Iterable

import numpy as np
from other_gates import (
    drop_accuses,
    drop_promotes,
    one_family_accuses,
    spread,
    spread_lower_ends,
    wald_accuses,
    wald_promotes,
)
from simulated_gates import (
    CHURN,
    HARMLESS,
    MARGIN,
    Truth,
    accusing_bounds_of,
    all_at_bound,
    all_halfway,
    all_harmless,
    bounds_of,
    noise,
    one_harmed,
    plan_for,
    simulate,
)

from govprune.policy import Plan
from govprune.stats.paired import power, rows_for_power

Row = tuple[object, ...]
SHOWN = {
    "counted": "one margin, attempts counted",
    "charged": "one margin, attempts charged",
    "pack": "shipped rule, attempts charged",
}
ASKED = {
    "counted": (100, 400, 2000),
    "charged": (100, 400, 2000),
    "pack": (31, 100, 200, 400, 2000),
}
AMPLE = 5000
"""Rows with which a harmless slice passes nearly always."""


def percent(share: float) -> str:
    return f"{100.0 * float(share):.1f}"


def gates_for(slices: int, gates: int) -> int:
    """Return how many gates to run: fewer of the largest, whose answers vary no more."""
    return gates if slices <= 10 else max(gates // 5, 500)


def show(title: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
    """Print one table, aligned, as its rows arrive in full."""
    table = [tuple(columns), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    print(f"\n{title}\n")
    for row in table:
        first, *rest = (cell.ljust(w) if not i else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        print("  ".join([first, *rest]).rstrip())
    sys.stdout.flush()


def _asked(plan: Plan) -> str:
    """Say what the first slice is asked."""
    question = plan.questions[0]
    points = f"{-100.0 * bounds_of(plan)[0]:g}"
    return f"({points})" if question.tier == "too-small" else points


def _accused(plan: Plan) -> str:
    return f"{-100.0 * accusing_bounds_of(plan)[0]:g}"


# --- the tables


def harm_at_the_margin(gates: int) -> Iterable[Row]:
    for name, sizes in ASKED.items():
        for n in sizes:
            for slices in (1, 10, 50):
                for gains in (0.0, 0.01, 0.05) if slices < 50 else (0.01,):
                    plan = plan_for(name, [n] * slices)
                    run = simulate(
                        plan, one_harmed(plan, gains=gains), gates=gates_for(slices, gates)
                    )
                    yield (
                        SHOWN[name], n, slices, _asked(plan), percent(gains),
                        percent(run.share("PASSED")), percent(drop_promotes(run).mean()),
                        percent(wald_promotes(run).mean()),
                    )  # fmt: skip


def attempts(gates: int, tries: int = 10) -> Iterable[Row]:
    """Gate ten candidates in turn, each with its harm at the margin: does one get through?"""
    for name in ("counted", "charged"):
        passed = np.zeros(gates, dtype=bool)
        for attempt in range(1, tries + 1):
            plan = plan_for(name, [2000], attempt=attempt)
            run = simulate(plan, one_harmed(plan, gains=0.01), gates=gates)
            passed |= np.array(run.results) == "PASSED"
        yield SHOWN[name], tries, percent(passed.mean())


def no_harm(gates: int) -> Iterable[Row]:
    for name in ("counted", "pack"):
        for slices in (1, 10, 50):
            alpha = plan_for(name, [2000]).alpha
            for wanted in (0.8, 0.8 ** (1.0 / slices)):
                n = rows_for_power(MARGIN, alpha, CHURN, wanted)
                plan = plan_for(name, [n] * slices)
                run = simulate(plan, all_harmless(plan), gates=gates_for(slices, gates))
                yield (
                    SHOWN[name], slices, percent(wanted), n,
                    percent(power(n, MARGIN, alpha, CHURN) ** slices),
                    percent(run.share("PASSED")), percent(drop_promotes(run).mean()),
                    percent(wald_promotes(run).mean()),
                )  # fmt: skip
                if slices == 1:
                    break


def accusations(gates: int) -> Iterable[Row]:
    worlds: dict[str, Callable[[Plan], list[Truth]]] = {
        "none": all_harmless,
        "half": all_halfway,
        "all, no gains": lambda plan: all_at_bound(plan, gains=0.0),
        "all, gains 1 %": lambda plan: all_at_bound(plan, gains=0.01),
    }
    data = {
        name: [(str(n), [n] * slices) for n in sizes for slices in (1, 10, 50)]
        # Accusations are not charged: from 344 rows on, the shipped rule is the one above it.
        for name, sizes in (("counted", (100, 400, 2000)), ("pack", (31, 100, 200)))
    }
    data["pack"].append(("31 and 2000", [31, 2000] * 5))
    for name, sizes in data.items():
        for rows, each in sizes:
            for lost, truths in worlds.items():
                plan = plan_for(name, each)
                run = simulate(plan, truths(plan), gates=gates_for(len(each), gates))
                yield (
                    SHOWN[name], rows, len(each), _accused(plan), lost,
                    percent(run.share("FAILED")), percent(drop_accuses(run).mean()),
                    percent(wald_accuses(run).mean()),
                )  # fmt: skip


def nothing_differs(gates: int, slices: int = 20) -> Iterable[Row]:
    gates = gates_for(slices, gates)
    for n in (100, 2000):
        for churn in (0.01, 0.05):
            plan = plan_for("pack", [n] * slices)
            run = simulate(plan, [Truth(churn / 2, churn / 2)] * slices, gates=gates)
            seen = spread(run.counts)
            ends = spread_lower_ends(run.counts[:500])
            yield (
                f"{slices} slices of {n} rows", percent(churn), percent(1.0 - run.share("FAILED")),
                percent(run.share("PASSED")), f"{100.0 * seen.mean():.1f}",
                percent((seen > MARGIN).mean()), percent((ends > 0.0).mean()),
                percent((ends > MARGIN).mean()),
            )  # fmt: skip


def few_rows(gates: int) -> Iterable[Row]:
    small, large = 31, AMPLE
    beside = {
        "1 large": [large],
        "20 large": [large] * 20,
        "1 large, 20 small": [large] + [small] * 20,
    }
    for n, harm in ((small, 0.10), (small, 0.25), (400, 0.06)):
        for others, sizes in beside.items():
            plan = plan_for("pack", [n, *sizes])
            truths = [Truth(harm, 0.0), *(HARMLESS for _ in sizes)]
            run = simulate(plan, truths, gates=gates_for(len(truths), gates))
            yield (
                f"{n} rows lose {100.0 * harm:g} points", others, percent(run.share("PASSED")),
                percent(run.share("FAILED")), percent(one_family_accuses(run).mean()),
            )  # fmt: skip


def main(gates: int) -> None:
    few = gates_for(50, gates)
    print(
        f"Simulated gates per line: {gates:,} with up to 10 slices, {few:,} with more. All figures "
        f"are per cent of gates,\nunless they say otherwise. Three Monte-Carlo standard errors at "
        f"5 %: {100 * noise(gates):.1f} points, and {100 * noise(few):.1f} where slices are many."
    )
    other = ("observed drop", "Wald")
    show(
        "1. One slice is harmed, exactly by the margin it is asked at: how often is the model "
        "promoted?\n   (margin in brackets: too few rows to be asked)",
        ("rule", "rows per slice", "slices", "margin", "gains", "PASSED", *other),
        harm_at_the_margin(gates),
    )
    show(
        "2. Ten candidates in turn on one slice of 2,000 rows, each harmed by the margin: is one "
        "promoted?",
        ("rule", "candidates", "any PASSED"),
        attempts(gates),
    )
    show(
        "3. No slice is harmed and 1 % of answers change: how often is the model promoted?\n"
        "   Adequate rows: every slice passes with a chance of .8^(1/slices), so all do with .8.",
        ("rule", "slices", "power per slice", "rows per slice", "computed", "PASSED", *other),
        no_harm(gates),
    )
    show(
        "4. No slice loses more than the margin beyond which it is accused: how often is the model "
        "accused?",
        ("rule", "rows per slice", "slices", "margin", "lost of it", "FAILED", *other),
        accusations(gates),
    )
    show(
        "5. Nothing differs between slices: what does largest minus smallest change show?\n"
        "   (shipped rule; spread in points; the interval is a percentile bootstrap, lower end "
        "at 5 %, of 500 gates)",
        ("data", "churn", "not FAILED", "PASSED", "mean spread", "spread > 2",
         "interval > 0", "interval > 2"),
        nothing_differs(gates),
    )  # fmt: skip
    show(
        "6. Harm in a slice of few rows under the shipped rule, and how the others dilute it\n"
        f"   (large: {AMPLE:,} rows, small: 31; one family: Holm over all slices of the rule)",
        ("slice", "beside", "PASSED", "FAILED", "accused in one family"),
        few_rows(gates),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
