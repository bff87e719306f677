"""Several labels per row: a row is right when all are; a label that is forgotten is named. And
the rows that most of several candidates forget."""

import hashlib
import hmac
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from govprune.checks import Case
from govprune.checks.flips import FLIPS
from govprune.checks.slice_performance import SLICE_PERFORMANCE
from govprune.data import read_predictions
from govprune.data.tables import row_key
from govprune.job import EvaluationSection, PredictionsSection
from govprune.lineage import Step
from govprune.measurements import Figure, Measurement, Paired, Share
from govprune.policy import Policy, Rule, judge, make_plan
from govprune.policy.rules import SlicePolicy

LABELS = ("spam", "rude")
RECALL = Rule(id="recall", check="slice-performance", metric="recall-change", at_least=-0.05)
ALL_RIGHT = Rule(id="right", check="slice-performance", metric="accuracy-change", at_least=-0.05)
FLIPPED = Rule(id="flipped", check="flips", metric="harm-flip-rate", at_most=0.05)


def read(folder: Path, columns, said, *, file="posts.parquet", **section) -> Case:
    pl.DataFrame(columns).write_parquet(folder / file)
    given = {"file": file, "slices": ("site",)} | section
    found = read_predictions(
        EvaluationSection.model_validate(given),
        PredictionsSection.model_validate(said),
        SlicePolicy(),
        root=folder,
    )
    return Case(
        step=Step(name="step", kind="artefacts"), models=None, data=found.data, fine_tuning=(),
        members=None, baseline_scores=found.baseline, candidate_scores=found.candidate, seed=0,
        also=found.also,
    )  # fmt: skip


def posts(folder: Path, *, n=2000, forgets=0.0) -> Case:
    """Posts of two sites; on site b the candidate overlooks a share of the rude ones."""
    row = np.arange(n)
    truth = {"spam": row % 2, "rude": (row // 2) % 4 == 0}
    site = np.where((row // 8) % 2, "b", "a")
    lost = (site == "b") & (np.random.default_rng(0).random(n) < forgets)
    columns = {
        "spam": truth["spam"], "rude": truth["rude"].astype(int), "site": site.tolist(),
        "spam0": truth["spam"], "rude0": truth["rude"].astype(int),
        "spam1": truth["spam"], "rude1": (truth["rude"] & ~lost).astype(int),
    }  # fmt: skip
    said = {"baseline": ("spam0", "rude0"), "candidate": ("spam1", "rude1")}
    return read(folder, columns, said, label=LABELS, task="multi-label")


def ruled(given: Case) -> dict[str, str]:
    plan = make_plan(Policy(name="p", rules=(RECALL, ALL_RIGHT, FLIPPED)), given.data.profile)
    measured = [
        item
        for check in (SLICE_PERFORMANCE, FLIPS)
        for item in check.measure(given, check.params())
        if isinstance(item, Measurement)
    ]
    questions = [(f.question, f.status) for f in judge(plan, measured)]
    return {" ".join(filter(None, (q.rule, q.slice, q.label))): status for q, status in questions}


def measurements(given: Case, check, metric: str):
    return {
        (m.slice, m.label): m.basis
        for m in check.measure(given, check.params())
        if isinstance(m, Measurement) and m.metric == metric
    }


# --- three worlds


def test_a_label_forgotten_on_one_site_fails_there_and_nowhere_else(tmp_path):
    """A third of the rude posts of site b: 8 % of its rows, and 34 % of one label's recall."""
    statuses = ruled(posts(tmp_path, n=4000, forgets=0.34))
    assert statuses["recall site=b rude"] == "fail"
    assert statuses["right site=b"] == "fail"
    assert statuses["flipped site=b"] == "fail"
    assert statuses["recall site=b spam"] == "pass"
    assert {s for k, s in statuses.items() if "site=a" in k} == {"pass"}


def test_a_candidate_that_says_the_same_passes(tmp_path):
    assert set(ruled(posts(tmp_path)).values()) == {"pass"}


def test_few_rows_cannot_tell(tmp_path):
    assert set(ruled(posts(tmp_path, n=64)).values()) == {"inconclusive"}


# --- counts


def test_a_row_is_right_only_when_all_its_labels_are(tmp_path):
    columns = {
        "spam": [1, 1, 0, 0] * 10, "rude": [1, 0, 1, 0] * 10, "site": ["a"] * 40,
        "spam0": [1, 1, 0, 1] * 10, "rude0": [1, 0, 1, 0] * 10,
        "spam1": [1, 0, 0, 0] * 10, "rude1": [0, 1, 1, 0] * 10,
    }  # fmt: skip
    said = {"baseline": ("spam0", "rude0"), "candidate": ("spam1", "rude1")}
    given = read(tmp_path, columns, said, label=LABELS, task="multi-label")
    # Per four rows: one label lost, both lost, both right, one gained.
    assert measurements(given, SLICE_PERFORMANCE, "accuracy-change")["all", None] == Paired(
        both=10, baseline_only=20, candidate_only=10, neither=0
    )
    recall = measurements(given, SLICE_PERFORMANCE, "recall-change")
    assert recall["site=a", "spam"] == Paired(
        both=10, baseline_only=10, candidate_only=0, neither=0
    )
    assert recall["site=a", "rude"] == Paired(
        both=10, baseline_only=10, candidate_only=0, neither=0
    )
    flips = measurements(given, FLIPS, "harm-flip-rate")
    assert flips["all", None] == Share(hits=20, trials=40)
    assert measurements(given, FLIPS, "gain-flip-rate")["all", None] == Share(hits=10, trials=40)


def test_a_site_is_set_against_all_others(tmp_path):
    given = posts(tmp_path, forgets=0.5)
    total = measurements(given, SLICE_PERFORMANCE, "accuracy-change")
    excess = measurements(given, SLICE_PERFORMANCE, "excess-accuracy-change")
    assert ("all", None) not in excess
    assert excess["site=b", None].inside == total["site=b", None]
    assert excess["site=b", None].outside == total["site=a", None]


def test_clusters_of_one_label_are_seen(tmp_path):
    """Every row is a writer of its own, but for the rude ones, which are two writers'."""
    n = 400
    rude = np.arange(n) % 10 == 0
    columns = {
        "spam": np.arange(n) % 2, "rude": rude.astype(int), "site": ["a"] * n,
        "writer": np.where(rude, np.arange(n) % 20, 1000 + np.arange(n)),
    }  # fmt: skip
    columns |= {f"{name}{i}": columns[name] for name in LABELS for i in (0, 1)}
    said = {"baseline": ("spam0", "rude0"), "candidate": ("spam1", "rude1")}
    given = read(
        tmp_path, columns, said, label=LABELS, task="multi-label", cluster="writer"
    )  # fmt: skip
    assert given.data.profile.slices[0].design_effect == pytest.approx(20.0)


# --- exemplars of several candidates


def compressed(folder: Path, losses, *, n=50, file="answers.parquet") -> Case:
    """A baseline that is always right, and candidates that miss the rows given, one list each."""
    truth = np.arange(n) % 2
    columns = {"y": truth, "base": truth, "site": ["a"] * n}
    for i, lost in enumerate(losses):
        answers = truth.copy()
        answers[list(lost)] = 1 - answers[list(lost)]
        columns[f"c{i}"] = answers
    also = tuple(f"c{i}" for i in range(1, len(losses)))
    said = {"baseline": "base", "candidate": "c0", "also": also}
    return read(folder, columns, said, file=file, label="y")


def exemplars(given: Case) -> tuple[Share, Figure | None]:
    items = list(FLIPS.measure(given, FLIPS.params()))
    (share,) = [
        m.basis for m in items if isinstance(m, Measurement) and m.metric == "exemplar-rate"
    ]
    figures = [item for item in items if isinstance(item, Figure)]
    return share, figures[0] if figures else None


def test_what_one_of_five_candidates_forgets_is_no_exemplar(tmp_path):
    given = compressed(tmp_path, [{7}, {8}, set(), set(), set()])
    assert exemplars(given) == (Share(hits=0, trials=50), None)
    assert measurements(given, FLIPS, "harm-flip-rate")["all", None].hits == 1


def test_what_three_of_five_candidates_forget_is_one_even_if_the_first_does_not(tmp_path):
    share, figure = exemplars(compressed(tmp_path, [set(), {7, 9}, {7, 9}, {7}, set()]))
    assert share == Share(hits=1, trials=50)
    assert [row[1:4] for row in figure.rows] == [("1", "1", "1")]


def test_half_of_the_candidates_is_not_most_of_them(tmp_path):
    assert exemplars(compressed(tmp_path, [{7}, set()]))[0].hits == 0
    assert exemplars(compressed(tmp_path, [{7}, {7}]))[0].hits == 1


def test_a_row_that_the_baseline_gets_wrong_too_was_not_forgotten(tmp_path):
    given = compressed(tmp_path, [{7, 8}])
    wrong = given.baseline_scores.said.copy()
    wrong[7] = 1 - wrong[7]
    columns = {
        "y": given.data.labels, "base": wrong, "c0": given.candidate_scores.said,
        "site": ["a"] * 50,
    }  # fmt: skip
    said = {"baseline": "base", "candidate": "c0"}
    assert exemplars(read(tmp_path, columns, said, file="other.parquet", label="y"))[0].hits == 1


def test_ids_of_rows_are_found_by_who_holds_the_file_and_by_nobody_else(tmp_path):
    lost = {3, 7, 19}
    _, figure = exemplars(compressed(tmp_path, [lost]))
    key = row_key((tmp_path / "answers.parquet").read_bytes())
    ids = {
        hmac.new(key, str(row).encode(), hashlib.sha256).hexdigest()[:12]: row
        for row in range(1, 51)
    }
    assert {ids[row[0]] for row in figure.rows} == {row + 1 for row in lost}
    assert not {row[0] for row in figure.rows} & {str(row + 1) for row in lost}


def test_the_same_row_has_another_id_in_another_file(tmp_path):
    _, first = exemplars(compressed(tmp_path, [{3}]))
    _, other = exemplars(compressed(tmp_path, [{3}], n=52, file="more.parquet"))
    assert first.rows[0][1:] == other.rows[0][1:]
    assert first.rows[0][0] != other.rows[0][0]


def test_no_more_rows_are_listed_than_asked_for_and_all_are_counted(tmp_path):
    given = compressed(tmp_path, [set(range(30))])
    items = list(FLIPS.measure(given, FLIPS.params(exemplars=5)))
    (figure,) = [item for item in items if isinstance(item, Figure)]
    assert len(figure.rows) == 5
    assert "5 of 30 rows" in figure.title
    assert not [i for i in FLIPS.measure(given, FLIPS.params(exemplars=0)) if isinstance(i, Figure)]


def test_a_candidate_that_says_yes_to_every_label_fails(tmp_path):
    """Every recall rises, and hardly any row was right as a whole before: its false alarms tell."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, (3000, 6))
    wrong = random.random(truth.shape) < 0.2
    columns = {f"y{i}": truth[:, i] for i in range(6)}
    columns |= {f"b{i}": np.where(wrong[:, i], 1 - truth[:, i], truth[:, i]) for i in range(6)}
    columns |= {f"c{i}": np.ones(3000, dtype=int) for i in range(6)}
    pl.DataFrame(columns).write_parquet(tmp_path / "yes.parquet")
    read = read_predictions(
        EvaluationSection(
            file="yes.parquet", label=tuple(f"y{i}" for i in range(6)), task="multi-label"
        ),
        PredictionsSection(
            baseline=tuple(f"b{i}" for i in range(6)), candidate=tuple(f"c{i}" for i in range(6))
        ),
        SlicePolicy(),
        root=tmp_path,
    )
    given = Case(
        step=Step(name="step", kind="artefacts"), models=None, data=read.data, fine_tuning=(),
        members=None, baseline_scores=read.baseline, candidate_scores=read.candidate, seed=0,
    )  # fmt: skip
    spared = Rule(id="spared", check="slice-performance", metric="specificity-change",
                  over="whole", at_least=-0.02)  # fmt: skip
    plan = make_plan(Policy(name="p", rules=(spared,)), given.data.profile)
    found = judge(plan, list(SLICE_PERFORMANCE.measure(given, SLICE_PERFORMANCE.params())))
    assert {f.status for f in found} == {"fail"}
