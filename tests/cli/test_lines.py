"""The lines of a verdict: they add up, fit the terminal, and no number contradicts its bound."""

import re

import pytest

from govprune.card import words
from govprune.cli import output, terminal
from govprune.policy import Finding, Question, decide

ACCURACY = {"check": "slice-performance", "metric": "accuracy-change"}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def asked(rule="no-slice-loses", *, where="g=a", at_least=-0.02, **given):
    return Question(rule=rule, slice=where, at_least=at_least, **(ACCURACY | given))


def found(status, value=None, low=None, high=None, *, reason="because", rows=None, **given):
    return Finding(
        question=asked(**given), status=status, reason=reason, value=value, low=low, high=high,
        n=0 if status == "not_measured" else 500, rows_to_decide=rows,
    )  # fmt: skip


def shown(*findings, verbose=False):
    return list(output.findings(decide(findings), verbose=verbose))


def tally(text):
    """How many findings a line counts, and how many of them are only reported."""
    numbers = r"(\d+) (?:fail|cannot tell|not measured|pass)"
    reported = re.search(r"reported only: ([^()]*)", text)
    apart = re.findall(numbers, reported[1]) if reported else []
    return sum(map(int, re.findall(numbers, text))), sum(map(int, apart))


def many():
    """14 that fail, 5 that pass, and of rules that decide nothing 3 that pass and 4 open."""
    return (
        *(found("fail", -0.1, -0.2, -0.05, where=f"g={i}") for i in range(14)),
        *(found("pass", 0.0, -0.01, 0.01, where=f"h={i}") for i in range(5)),
        *(found("pass", 0.0, -0.01, 0.01, rule="shown", severity="report") for _ in range(3)),
        *(found("inconclusive", 0.0, -0.1, 0.1, rule="shown", severity="report")
          for _ in range(2)),
        *(found("inconclusive", 0.0, -0.1, 0.1, on_inconclusive="report") for _ in range(2)),
    )  # fmt: skip


def test_the_counts_of_the_lines_add_up_to_those_of_the_verdict():
    *lines, more = shown(*many())
    verdict = output.verdict_line(decide(many()))

    assert "14 more: 2 fail · 5 pass   (reported only: 4 cannot tell, 3 pass)" in more
    assert verdict == "FAILED  14 fail · 5 pass   (reported only: 4 cannot tell, 3 pass)"
    assert tally(verdict) == (26, 7)
    assert (tally(more)[0] + len(lines), tally(more)[1]) == (26, 7)


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_wider_than_the_terminal(monkeypatch, columns, verbose):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = "occupation=Transport and moving,native-country=Dominican Republic"
    findings = (
        found("fail", -0.1, -0.2, -0.05, where=long, label=">50K", rule="no-group-loses-more"),
        found("inconclusive", -0.1, -0.2, 0.05, rows=1_234, where=long),
        found("not_measured", reason="model " * 40, where=long),
        *many()[12:],
    )

    lines = "\n".join([*shown(*findings, verbose=verbose), output.verdict_line(decide(findings))])

    assert max(map(len, lines.splitlines())) <= columns
    assert "needs about 1,234" in lines.replace("\n" + " " * output.MARGIN, " ")


def test_the_columns_stay_in_line_however_long_a_slice_is_called():
    lines = shown(
        found("fail", -0.1, -0.2, -0.05, where="g=a"),
        found("fail", -0.1, -0.2, -0.05, where="occupation=Transport and moving,sex=Female"),
    )

    assert len({line.index("≥") for line in lines}) == 1
    assert all("…" not in line for line in lines)


def test_what_a_rule_could_not_measure_for_one_reason_is_said_once():
    silent = [
        found("not_measured", reason="only predictions were given", where=f"g={i}")
        for i in range(41)
    ]

    lines = shown(*silent, found("not_measured", reason="another", where="g=z"))

    assert lines == [
        "  NOT MEASURED no-slice-loses: not measured in 41 slices: only predictions were given",
        "  NOT MEASURED no-slice-loses: not measured in g=z: another",
    ]
    assert tally(output.verdict_line(decide(tuple(silent)))) == (41, 0)
    assert "g=17;" in " ".join(" ".join(shown(*silent, verbose=True)).split())


@pytest.mark.parametrize(
    ("status", "value", "low", "high", "bound", "said"),
    [
        ("fail", -0.025, -0.032, -0.0204, -0.02, "−2.5 [−3.2, −2.04]   ≥ −2.0"),
        ("inconclusive", 0.0, -0.0503, 0.05, -0.05, "+0.0 [−5.03, +5.0]   ≥ −5.0"),
        ("pass", 0.0, -0.0496, 0.05, -0.05, "+0.0 [−5.0, +5.0]   ≥ −5.0"),
        ("fail", -0.2, -0.3, -0.0052, -0.005, "−20.0 [−30.0, −0.52]   ≥ −0.5"),
        ("pass", 0.0, -0.0024, 0.1, -0.0025, "+0.0 [−0.2, +10.0]   ≥ −0.25"),
    ],
)
def test_a_limit_never_reads_as_if_it_met_a_bound_that_it_breaks(
    status, value, low, high, bound, said
):
    (line,) = shown(found(status, value, low, high, at_least=bound), verbose=True)

    assert said in line


def test_the_card_rounds_no_limit_to_the_bound_that_it_breaks_either():
    assert words.measured(found("fail", -0.025, -0.032, -0.0204), "points") == "−2.5 [−3.2, −2.04]"
    assert words.measured(found("pass", 0.0, -0.0196, 0.01), "points") == "0.0 [−2.0, +1.0]"


def test_more_rows_are_said_to_pass_or_to_fail_it():
    lines = shown(
        found("inconclusive", -0.01, -0.03, 0.01, rows=2_417, where="g=a"),
        found("inconclusive", -0.03, -0.05, 0.01, rows=9_000, where="g=b"),
    )

    assert "(needs about 2,417 to pass it)" in lines[0]
    assert "(needs about 9,000 to fail it)" in lines[1]


def test_a_name_that_is_too_long_loses_its_middle():
    assert terminal.shortened("abcdefghij", 5) == "ab…ij"
    assert terminal.shortened("abcde", 5) == "abcde"
