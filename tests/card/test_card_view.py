"""What a card says is computed from the evidence, and nothing of it is left out."""

import re
from collections import Counter

import pytest
from income_card import HARMED, UNHARMED, adult

from govprune.card import words
from govprune.card.slices import sections as slice_sections
from govprune.policy import Finding, Question


def said(view):
    return " ".join(view.sentences)


def section(view, name):
    return next(s for s in view.sections if s.id == name)


def tables(view):
    parts = [part for s in view.sections for part in s.parts]
    return [part for part in parts if part.kind == "table"]


def texts(view):
    """Every word on the card below page one."""
    for s in view.sections:
        yield s.title
        for part in s.parts:
            if part.kind == "prose":
                yield part.text
            elif part.kind == "points":
                yield from part.items
            else:
                yield from (cell.text for row in part.rows for cell in row)


def test_a_failed_card_says_who_is_hurt_and_by_how_much(failed, view_of):
    view = view_of(failed)
    assert view.result == "FAILED"
    assert said(view).startswith("Overall accuracy hardly moves (87.2 → 87.0 %), but the true ")
    assert "of sex = Female, race = White falls from 60.7 to 55.6 %." in said(view)
    assert "At least 3.2 of those points are established at 97 % confidence" in said(view)
    assert "the policy tolerates 2. 1 more finding fails. It may not be promoted." in said(view)


def test_a_passed_card_says_what_was_ruled_out_and_for_how_long_it_holds(passed, view_of):
    view = view_of(passed)
    assert view.result == "PASSED"
    deciding = [
        f for f in passed.verdict.findings if f.question.severity == "block" and f.status == "pass"
    ]
    assert f"{len(deciding)} passed" in said(view)
    assert said(view).endswith("It may be promoted under this policy for 90 days.")
    assert view.remedies == ()


def test_an_undecided_card_says_what_cannot_be_ruled_out(undecided, view_of):
    view = view_of(undecided)
    blocking = sum(f.blocks for f in undecided.verdict.findings)
    assert view.result == "UNDECIDED"
    assert f"but {blocking} questions that must be answered stay open" in said(view)
    assert "The data cannot rule out that the true positive rate of" in said(view)
    assert said(view).endswith("It may not be promoted until they are settled.")
    assert any("needs the most rows" in remedy for remedy in view.remedies)


def test_what_was_not_measured_is_named_on_page_one_with_its_reason(view_of):
    view = view_of(adult(UNHARMED, dropped=("evasion",)))
    assert view.result == "UNDECIDED"
    assert "robustness-holds: the model has no gradients." in said(view)
    assert "evasion: 1 question not measured; the model has no gradients." in view.remedies


def test_a_broken_count_is_said_without_a_rate(view_of):
    evidence = adult(UNHARMED)
    found = [
        m.model_copy(update={"basis": m.basis.model_copy(update={"value": 12.0})})
        if m.metric == "secrets"
        else m
        for m in evidence.measurements
    ]
    from govprune.policy import decide, judge

    verdict = decide(judge(evidence.plan, found))
    view = view_of(evidence.model_copy(update={"measurements": found, "verdict": verdict}))
    assert "keys and tokens: 12 measured, ≤ 0 tolerated (rule no-secrets)." in said(view)


def test_unsafe_notes_and_a_missing_signature_stand_above_the_verdict(view_of):
    evidence = adult(UNHARMED, unsafe=("Ran with --unsafe-unsigned.",))
    view = view_of(evidence, signer=None)
    assert view.warnings[0].startswith("UNSIGNED: nobody vouches for this card")
    assert "Ran with --unsafe-unsigned." in view.warnings
    assert not view.signed
    assert view.signature[0] == ("UNSIGNED", "nobody signed this")


def test_the_signature_box_names_the_evidence_both_models_and_the_log(failed, view_of):
    lines = dict(view_of(failed, log_note="entry 48").signature)
    assert lines["Evidence"] == "sha256 " + "b" * 64
    assert lines["Candidate"] == "sha256 " + "3" * 64
    assert lines["Baseline"] == "sha256 " + "a" * 64
    assert lines["Log"] == "entry 48"
    assert lines["Verify"] == "govprune verify BUNDLE"


def test_every_question_of_the_plan_is_on_the_card(failed, view_of):
    """One by one where it blocks; where it passes or is only reported, perhaps summed up."""
    (table,) = (t for t in tables(view_of(failed)) if t.caption == "All findings")
    listed = [(row[0].text, row[1].text) for row in table.rows]
    counted = Counter()
    for rule, where in listed:
        summed = re.fullmatch(r"(\d+) other slices", where)
        counted[rule] += int(summed[1]) if summed else 1
    assert counted == Counter(q.rule for q in failed.plan.questions)
    blocking = [f.question for f in failed.verdict.findings if f.blocks]
    assert {(q.rule, words.asked_of(q)) for q in blocking} <= set(listed)


def test_the_counts_by_area_add_up_to_the_findings(failed, view_of):
    rows = [[cell.text for cell in row] for row in view_of(failed).counts.rows]
    *areas, total = rows
    assert [sum(int(row[i]) for row in areas) for i in range(1, 5)] == [int(n) for n in total[1:]]
    assert sum(int(n) for n in total[1:]) == len(failed.verdict.findings)


def test_failures_come_first_and_the_overall_accuracy_is_always_shown(failed, view_of):
    rows = view_of(failed).found.rows
    assert [row[-1].text for row in rows[:2]] == ["FAIL", "FAIL"]
    assert ("Accuracy", "all rows") in [(row[0].text, row[1].text) for row in rows]


def test_the_interval_of_a_slice_is_printed_as_the_finding_has_it(failed, view_of):
    female = next(
        f
        for f in failed.verdict.findings
        if f.question.slice == "sex=Female" and f.question.metric == "true-positive-rate-change"
    )
    low, high = words.number(100 * female.low), words.number(100 * female.high)
    cells = [cell.text for table in tables(view_of(failed)) for row in table.rows for cell in row]
    assert f"−4.9 [{low}, {high}]" in cells


def test_flips_are_counted_in_both_directions(failed, view_of):
    (table,) = section(view_of(failed), "flips").parts
    assert [cell.text for cell in table.rows[0]] == [
        "all rows", "338", "308", "−30", "2.08 %", "16,281"
    ]  # fmt: skip


def test_a_small_slice_is_never_treated_silently(failed, view_of):
    parts = section(view_of(failed), "small-slices").parts
    rows = [[cell.text for cell in row] for row in parts[0].rows]
    small = [q for q in failed.plan.questions if q.tier != "stated"]
    assert small
    words_for = {"wider": "wider margin", "too-small": "too small; blocks only on shown harm"}
    for q in small:
        margin = words.tolerated(q, "points")
        expected = [words.asked_of(q), str(q.n), str(q.floor), margin, words_for[q.tier]]
        assert expected in [row[1:6] for row in rows]
    assert "103 at 5" in " ".join(parts[2].items)


def test_merged_slices_are_said(view_of):
    note = "7 rows of race=Other are part of all rows only."
    parts = section(view_of(adult(HARMED, merged=(note,))), "small-slices").parts
    assert parts[0].items == (note,)


def test_disparities_show_both_models_and_the_change(failed, view_of):
    rows = [[c.text for c in row] for row in section(view_of(failed), "fairness").parts[1].rows]
    found = next(r for r in rows if r[:2] == ["equalized odds difference", "race"])
    assert found[2:4] == ["4.4", "8.1"]
    assert found[4].startswith("+3.6 [")


def test_all_72_controls_are_listed_with_their_state(failed, view_of):
    rows = section(view_of(failed), "frameworks").parts[1].rows
    assert len(rows) == 72
    assert {row[2].text for row in rows} == {"evidenced", "supported", "not evidenced"}
    by_id = {row[0].text: row for row in rows}
    assert "no-group-loses-true-positives" in by_id["MEASURE 2.11"][3].text


def test_limits_methods_versions_and_every_digest_are_printed(failed, view_of):
    printed = "\n".join(texts(view_of(failed)))
    for expected in (
        "PASSED is not a certificate",
        "Tango, Statistics in Medicine 17 (1998)",
        "Clopper and Pearson, Biometrika 26 (1934)",
        "Holm, Scandinavian Journal of Statistics 6 (1979)",
        "Berger, Technometrics 24 (1982)",
        "DeLong and Clarke-Pearson",
        "Fairlearn 0.13.0",
        "Adversarial Robustness Toolbox (ART) 1.20.1",
        "Rows are independent: no person appears twice.",
        *(s.sha256 for s in failed.subjects),
    ):
        assert expected in printed


def test_sections_without_evidence_are_left_out(view_of):
    bare = adult(UNHARMED, dropped=("fairness", "slice-performance"))
    names = [s.id for s in view_of(bare).sections]
    assert "fairness" not in names
    assert "flips" not in names
    assert "robustness" in names


def test_a_name_that_reorders_its_line_is_written_out(view_of):
    view = view_of(adult(UNHARMED, race="\u202etihW-noN"))
    printed = "\n".join(texts(view))
    assert "\u202e" not in printed
    assert "race = \\u202etihW-noN" in printed


def test_the_most_accused_rule_is_drawn_first(failed):
    from govprune.card.facts import Facts

    drawn = [p for p in slice_sections(Facts(failed))[0].parts if p.kind == "table"]
    assert drawn[0].caption.startswith("True positive rate")
    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (-0.0492, "points", "−4.9"),
        (0.001, "points", "+0.1"),
        (-0.0004, "points", "0.0"),
        (0.021, "share", "2.1 %"),
        (0.98, "ratio", "× 0.98"),
        (0.0001, "ratio", "0.0001"),
        (-0.0032, "difference", "−0.003"),
        (4021.0, "count", "4,021"),
        (None, "points", "—"),
    ],
)
def test_numbers_are_written_in_the_unit_of_their_metric(value, unit, written):
    assert words.one(value, unit) == written


@pytest.mark.parametrize(
    ("low", "high", "unit", "written"),
    [
        (-0.02, None, "points", "−2"),
        (None, 0.02, "points", "+2"),
        (-0.05, 0.05, "points", "±5"),
        (None, 0.02, "share", "≤ 2 %"),
        (0.95, 1.05, "ratio", "0.95 to 1.05"),
        (None, 0.0, "count", "≤ 0"),
    ],
)
def test_bounds_are_written_as_the_policy_gives_them(low, high, unit, written):
    q = Question(rule="r", check="c", metric="m", slice="all", at_least=low, at_most=high)
    assert words.tolerated(q, unit) == written


def test_a_missing_limit_is_called_unbounded():
    q = Question(rule="r", check="c", metric="m", slice="all", at_least=-0.02)
    f = Finding(question=q, status="inconclusive", reason="x", value=-0.01, high=0.03)
    assert words.measured(f, "points") == "−1.0 [unbounded, +3.0]"
