"""`plan` says before a run what can be decided; `explain` says of a rule all that is known."""

import json
import re

import polars as pl
import pytest


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


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


def test_rules_that_fail_are_explained_before_those_that_are_open(govprune, table):
    """30 of 3,000 answers lost leave all rows open; all were lost in a group of 400."""
    given = table(rows=3_000, few=400, harm=30)
    govprune("keys", "new")
    govprune("run", *given, "--key", "keys/gate.key", "--out", "bundle")

    _, out, _ = govprune("explain", "bundle")

    # The policy names them the other way round.
    assert 0 < out.index("\nno-slice-loses-accuracy: ") < out.index("\naccuracy-holds: ")


# --- run and its dry run


def test_a_dry_run_speaks_in_points_and_fits_the_terminal(govprune, table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")

    code, out, _ = govprune("run", *table(rows=3_000), "--dry-run")

    assert code == 0
    assert re.search(r"^  all rows +≥ −1\.0 +n 3,000, floor \d+$", out, re.MULTILINE)
    assert re.search(r"^  group=small .*too small|^  group=small .*wider", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 70


def test_the_json_of_a_run_says_what_it_was_judged_by(govprune, table):
    code, out, _ = govprune(
        "run", *table(rows=3_000, few=400, harm=120), "--unsafe-unsigned", "--out", "bundle",
        "--format", "json",
    )  # fmt: skip

    said = json.loads(out)
    assert (code, said["result"], said["attempt"], said["bundle"]) == (1, "FAILED", 1, "bundle")
    assert 0 < said["alpha"] < 0.05
    assert (said["policy"]["name"], len(said["policy"]["sha256"])) == ("predictions", 64)
    counted = sum(sum(counts.values()) for counts in said["counts"].values())
    assert counted == len(said["findings"])
    assert said["counts"]["deciding"]["fail"] > 0


def test_what_changes_a_verdict_names_the_class_and_all_rows(govprune, table):
    given = table(rows=3_000, few=400, harm=33)
    govprune("keys", "new")
    govprune("run", *given, "--key", "keys/gate.key", "--out", "bundle")

    said = " ".join(govprune("explain", "bundle", "no-class-loses-recall")[1].split())

    changes = said.split(" changes ")[1]
    assert "all rows, class yes" in changes
