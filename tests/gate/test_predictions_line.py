"""A table of answers goes the whole way: gated, signed, verified, promoted if there is a file."""

import json

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def answers(job):
    """Twelve hundred rows of four kinds of answers in the folder of a job with a trusted key."""
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, 4000)
    score = np.clip(0.5 + (truth - 0.5) * 0.7 + 0.15 * random.normal(size=4000), 0.001, 0.999)
    group = np.where(random.random(4000) < 0.5, "p", "q")
    hurt = np.where((group == "q") & (truth == 1) & (random.random(4000) < 0.3), 0.3, score)
    pl.DataFrame({
        "y": truth, "g": group.tolist(), "who": [i // 2 for i in range(4000)],
        "base": (score >= 0.5).astype(int), "same": (score >= 0.5).astype(int),
        "hurt": (hurt >= 0.5).astype(int), "base_p": score, "hurt_p": hurt,
        "number": 10.0 * truth + random.normal(size=4000), "near": 10.0 * truth + 0.5,
        "far": 10.0 * truth + np.where(group == "q", 3.0, 0.5),
    }).write_parquet(job / "answers.parquet")  # fmt: skip
    return job


def arguments(baseline, candidate, *more, policy="predictions", out="bundle", label="y"):
    return (
        "run", "--predictions", "answers.parquet", "--label", label, "--baseline", baseline,
        "--candidate", candidate, "--slices", "g", "--policy", policy, "--out", out,
        "--key", "keys/gate.key", *more,
    )  # fmt: skip


def test_a_candidate_that_answers_alike_passes_and_verifies(answers, govprune):
    done = govprune(*arguments("base", "same"))
    assert done.code == 0, done
    assert "PASSED" in done.out
    verified = govprune("verify", "bundle")
    assert verified.code == 0, verified
    assert "VERIFIED PASSED" in verified.out


def test_a_candidate_that_hurts_one_group_fails_and_names_it(answers, govprune):
    done = govprune(*arguments("base", "hurt"))
    assert done.code == 1, done
    assert any("FAIL" in line and "g=q" in line for line in done.out.splitlines())
    assert not any(" FAIL " in line and "g=p" in line for line in done.out.splitlines())


def test_answers_alone_decide_nothing_that_takes_a_model(answers, govprune):
    """The baseline pack asks for more than answers can show: it stays undecided."""
    done = govprune(*arguments("base_p", "base_p2", "--threshold", "0.5", policy="baseline"))
    assert done.code == 2  # there is no such column
    pl.read_parquet("answers.parquet").with_columns(same_p=pl.col("base_p")).write_parquet(
        "answers.parquet"
    )
    done = govprune(*arguments("base_p", "same_p", "--threshold", "0.5", policy="baseline"))
    assert done.code == 3, done
    assert "only predictions were given" in " ".join(done.out.split())


def test_rewriting_the_file_is_no_fresh_start(answers, govprune):
    """The attempt is counted on what the columns hold, not on the bytes of the file."""
    govprune(*arguments("base", "hurt"))
    frame = pl.read_parquet("answers.parquet").with_columns(note=pl.lit("new"))
    frame.write_parquet("answers.parquet", compression="uncompressed")
    assert govprune(*arguments("base", "same", out="second")).code == 0
    assert "attempt 2" in govprune("explain", "second", "accuracy-holds").out


def test_a_dry_run_foresees_the_attempt_that_the_log_would_count(answers, govprune):
    govprune(*arguments("base", "hurt"))
    shown = govprune(*arguments("base", "same", "--dry-run", "--format", "json"))
    assert json.loads(shown.out)["attempt"] == 2


def test_other_answers_under_the_name_of_a_refused_file_are_not_promoted(answers, govprune):
    (answers / "vendor.onnx").write_bytes(b"weights of somebody else")
    named = ("--candidate-file", "vendor.onnx")
    assert govprune(*arguments("base", "hurt", *named)).code == 1
    assert govprune(*arguments("base", "same", *named, out="again")).code == 0
    refused = govprune("promote", "again", "--to", "vendor")
    assert refused.code == 1, refused
    assert "other answers were gated as those of the same file" in refused.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--threshold", "50"), "gives every row one answer"),
        (("--task", "ranking", "--positive", "0"), "less than chance"),
    ],
)
def test_a_mistyped_threshold_or_direction_passes_nobody(answers, govprune, more, message):
    policy = "ranking" if "ranking" in more else "predictions"
    done = govprune(*arguments("base_p", "hurt_p", *more, policy=policy))
    assert done.code == 2, done
    assert message in done.err


def test_a_baseline_of_one_answer_is_no_yardstick(answers, govprune):
    pl.read_parquet("answers.parquet").with_columns(
        no=pl.lit(0), nearly=(pl.col("y") == 9).cast(int)
    ).write_parquet("answers.parquet")
    done = govprune(*arguments("no", "base"))
    assert done.code == 2
    assert "answers '0' to every row" in done.err


def test_answers_without_a_file_cannot_be_promoted_and_with_one_they_can(answers, govprune):
    govprune(*arguments("base", "same"))
    refused = govprune("promote", "bundle", "--to", "vendor")
    assert refused.code == 2
    assert "there is no model to promote" in refused.err
    (answers / "vendor.onnx").write_bytes(b"weights of somebody else")
    govprune(*arguments("base", "same", "--candidate-file", "vendor.onnx", out="again"))
    promoted = govprune("promote", "again", "--to", "vendor")
    assert promoted.code == 0, promoted


def test_a_changed_row_is_found_by_verify(answers, govprune):
    govprune(*arguments("base", "same"))
    frame = pl.read_parquet("answers.parquet")
    frame.with_columns(y=1 - pl.col("y")).write_parquet("answers.parquet")
    found = govprune("verify", "bundle")
    assert found.code == 4
    assert "answers.parquet" in found.err


@pytest.mark.parametrize(("candidate", "code"), [("near", 0), ("far", 1)])
def test_numbers_are_judged_by_error_and_bias_per_slice(answers, govprune, candidate, code):
    frame = pl.read_parquet("answers.parquet").with_columns(close=pl.col("near") + 0.001)
    frame.write_parquet("answers.parquet")
    shown = "close" if candidate == "near" else candidate
    done = govprune(*arguments("near", shown, "--task", "regression", label="number"))
    assert done.code == code, done


def test_rows_of_one_person_count_once(answers, govprune):
    """Two thousand people with two rows each cannot show what four thousand could."""
    shown = govprune(*arguments("base", "same", "--dry-run", "--format", "json"))
    clustered = govprune(
        *arguments("base", "same", "--cluster", "who", "--dry-run", "--format", "json")
    )
    floors = [
        next(q for q in json.loads(done.out)["questions"] if q["rule"] == "accuracy-holds")["floor"]
        for done in (shown, clustered)
    ]
    assert floors[1] == 2 * floors[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("run", "--label", "y"), "--label: only with --predictions"),
        (("run", "--predictions", "answers.parquet"), "also needs --label"),
        (arguments("base", "base"), "the same column"),
        (arguments("base", "same", "--bins", "g"), "give COLUMN=EDGES"),
        (arguments("base_p", "hurt_p"), "--threshold"),
        (arguments("base", "same", policy="credit-typo"), "credit-typo"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(answers, govprune, given, message):
    done = govprune(*given)
    assert done.code == 2, done
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (answers / "bundle").exists()
