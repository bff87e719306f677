"""`plan` says before a run what can be decided; `explain` says of a rule all that is known."""

import json
import re
import sys

import polars as pl
import pytest

from govprune.cli import main


@pytest.fixture
def govprune(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["govprune", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return int(stopped.value.code), out, err

    return run


def answers(rows, *, few=40, harm=0):
    """Answers of two models that agree but for `harm` rows of the smaller group."""
    truth = ["yes", "no"] * (rows // 2)
    said = ["no" if i % 2 == 0 and i < 2 * harm else t for i, t in enumerate(truth)]
    group = ["small" if i < few else "large" for i in range(rows)]
    return pl.DataFrame({"y": truth, "old": truth, "new": said, "group": group})


@pytest.fixture
def table(tmp_path):
    def write(**made):
        answers(**made).write_parquet(tmp_path / "answers.parquet")
        return ("--predictions", "answers.parquet", "--label", "y", "--baseline", "old",
                "--candidate", "new", "--slices", "group", "--policy", "predictions")  # fmt: skip

    return write


def test_a_plan_lists_what_each_slice_can_decide(govprune, table, tmp_path):
    code, out, err = govprune("plan", *table(rows=3_000))

    assert (code, err) == (0, "")
    assert "nothing was run" in out
    assert re.search(r"^w group=small +40 +32 +−10\.0 +8\d % ", out, re.MULTILINE)
    assert "error-holds" in out.split("not asked: ")[1]
    assert list(tmp_path.glob("runs*")) == []  # and nothing was written
    assert not (tmp_path / ".govprune").exists()


def test_more_changed_answers_make_a_pass_less_likely(govprune, table):
    given = table(rows=3_000)
    calm, wild = (
        json.loads(govprune("plan", *given, "--churn", churn, "--format", "json")[1])
        for churn in ("0.005", "0.05")
    )

    assert wild["passed_at_least"] < calm["passed_at_least"] <= calm["passed_at_most"]
    assert {p["question"]["slice"] for p in calm["prospects"]} >= {"all", "group=small"}


def test_a_later_attempt_is_foreseen_at_its_stricter_level(govprune, table):
    given = table(rows=3_000)
    first, fifth = (
        json.loads(govprune("plan", *given, "--attempt", k, "--format", "json")[1]) for k in (1, 5)
    )

    assert fifth["alpha"] < first["alpha"]
    assert fifth["passed_at_least"] < first["passed_at_least"]


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_a_plan_fits_the_terminal(govprune, table, monkeypatch, columns):
    given = table(rows=3_000)
    monkeypatch.setenv("COLUMNS", columns)

    _, out, _ = govprune("plan", *given, "-v")

    assert max(map(len, out.splitlines())) <= max(int(columns), 80)


def test_a_plan_foresees_what_the_run_then_says(govprune, table):
    """No answer changed on enough rows: the chance was high, and the gate opens."""
    given = table(rows=6_000, few=600)
    chance = json.loads(govprune("plan", *given, "--format", "json")[1])["passed_at_least"]

    code, out, err = govprune("run", *given, "--unsafe-unsigned", "--out", "bundle")

    assert chance > 0.9
    assert (code, "PASSED" in out) == (0, True), out + err


def test_a_plan_needs_data(govprune):
    code, _, err = govprune("plan", "nowhere.yaml")

    assert code == 2
    assert "nowhere.yaml" in err


# --- explain


def test_a_policy_is_explained_without_a_bundle(govprune):
    code, out, _ = govprune("explain", "--policy", "credit", "no-group-loses-true-positives")

    assert code == 0
    said = " ".join(out.split())
    assert "≥ −2.0, over every group of people" in said
    assert "source 12 CFR 1002.4(a)" in said
    assert "why Compression that keeps accuracy" in said
    assert "evidences MEASURE 2.11" in said


def test_a_whole_pack_is_explained_rule_by_rule(govprune):
    _, out, _ = govprune("explain", "--policy", "edge")

    assert "not-slower: A prediction takes no more than 2 % longer" in out
    assert out.count("  source") == out.count("  asks") > 40


def test_a_rule_that_is_not_there_is_named_with_those_that_are(govprune):
    code, _, err = govprune("explain", "--policy", "edge", "ghost")

    assert code == 2
    assert "no rule 'ghost'" in err
    assert "not-slower" in err


def test_explain_wants_a_bundle_or_a_policy_and_not_both(govprune):
    assert govprune("explain")[0] == 2
    assert govprune("explain", "bundle", "rule", "--policy", "edge")[0] == 2


@pytest.fixture
def harmed(govprune, table):
    """A signed bundle in which the small group lost right answers."""
    govprune("keys", "new")
    key = table(rows=3_000, few=400, harm=120)
    code, out, err = govprune("run", *key, "--key", "keys/gate.key", "--out", "bundle")
    assert code == 1, out + err
    return "bundle"


def test_a_finding_is_explained_with_counts_interval_method_and_source(govprune, harmed):
    code, out, err = govprune("explain", harmed, "no-slice-loses-accuracy")

    said = " ".join(out.split())
    assert (code, err) == (0, "")
    assert "only the baseline 120, only the candidate 0" in said
    assert "Tango (1998)" in said
    assert "harm beyond the bound is demonstrated" in said
    assert "at this level from" in said
    assert "source judgement" in said
    assert "a candidate that does not lose this on group=small" in said


def test_the_gap_to_all_others_names_its_method(govprune, harmed):
    said = " ".join(govprune("explain", harmed, "no-slice-falls-behind")[1].split())

    assert "Zou & Donner (2008)" in said
    assert "all others: 2,600 rows" in said


def test_a_rule_that_was_not_asked_says_why(govprune, harmed):
    said = " ".join(govprune("explain", harmed, "error-holds")[1].split())

    assert "not asked the task is classification" in said


def test_without_a_rule_all_that_keep_the_gate_shut_are_explained(govprune, harmed):
    _, out, _ = govprune("explain", harmed)

    assert out.startswith("FAILED: ")
    assert "no-slice-loses-accuracy: " in out
    assert "error-holds" not in out
