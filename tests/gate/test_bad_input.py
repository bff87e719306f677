"""Bad input: one clear sentence that names file, line or field; exit code 2; nothing written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_job import table


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def missing_job(job):
    (job / "govprune.yaml").unlink()
    return "govprune.yaml: no such file. `govprune init` writes one"


def unknown_field(job):
    edit(job / "govprune.yaml", "title: A small job", "titel: A small job")
    return "govprune.yaml:2: titel: no such field"


def missing_weights(job):
    (job / "int8.safetensors").unlink()
    return "int8.safetensors: no such file"


def missing_data(job):
    (job / "evaluation.csv").unlink()
    return "evaluation.csv: no such file"


def missing_column(job):
    edit(job / "govprune.yaml", "features: [a, b, c]", "features: [a, b, d]")
    return "evaluation.csv: no column 'd'. It has: a, b, c, g, y"


def unknown_check(job):
    edit(job / "policy.yaml", "check: derivation", "check: derivatoin")
    return "policy.yaml:12: rules.2: no check 'derivatoin'"


def rule_without_bound(job):
    edit(job / "policy.yaml", "    at_least: -0.03\n", "")
    return "policy.yaml:4: rules.0: rule 'no-slice-loses-accuracy' has no bound"


def unknown_parameter(job):
    edit(job / "policy.yaml", "rules:", "params: {evasion: {epz: 1}}\nrules:")
    return "params.evasion.epz"


def unknown_control(job):
    edit(job / "policy.yaml", "    at_least: -0.03", "    at_least: -0.03\n    evidences: [X 1]")
    return "X 1"


def nan_scores(job):
    weights = load_file(job / "int8.safetensors")
    weights["bias"] = torch.tensor([float("nan"), 0.0])
    save_file(weights, job / "int8.safetensors")
    return "the candidate (int8.safetensors) gives NaN or infinite scores on 1200 rows"


def labels_of_another_type(job):
    edit(job / "govprune.yaml", "label: y", "label: y\n  classes: ['no', 'yes']")
    return "row 1, label 'y' holds a value that is not among the classes ['no', 'yes']"


def decimal_labels(job):
    frame = pl.read_csv(job / "evaluation.csv").with_columns(pl.col("y").cast(pl.Float64) + 0.5)
    frame.write_csv(job / "evaluation.csv")
    return "label 'y' holds decimal numbers"


def three_classes(job):
    frame = table()
    frame = frame.with_columns(y=pl.when(pl.col("a") > 1).then(2).otherwise(pl.col("y")))
    frame.write_csv(job / "evaluation.csv")
    return "gives 2 scores per row, the data has 3 classes"


def no_rows(job):
    (job / "evaluation.csv").write_text("a,b,c,g,y\n")
    return "evaluation.csv: holds no rows"


def empty_class(job):
    edit(job / "govprune.yaml", "label: y", "label: y\n  classes: ['0', '1', '2']")
    return "holds no row of class '2'"


def vanished_group(job):
    edit(job / "govprune.yaml", "slices: [g]", "slices: [g]\n  groups: {g: [p, q, r]}")
    return "no row with g=r, which evaluation.groups names; an empty slice decides nothing"


def wrong_digest(job):
    weights = "weights: int8.safetensors"
    edit(job / "govprune.yaml", weights, f"{weights}, sha256: {'0' * 64}")
    return "int8.safetensors: is sha256 "


def wrong_data_digest(job):
    edit(job / "govprune.yaml", "label: y", f"label: y\n  sha256: {'f' * 64}")
    return "evaluation.csv: is sha256 "


def classes_upside_down(job):
    edit(job / "govprune.yaml", "label: y", "label: y\n  classes: ['1', '0']")
    return "less than chance (49.9 %). Is evaluation.classes ['1', '0'] in the order of"


def bound_beyond_reach(job):
    edit(job / "policy.yaml", "at_least: -0.03", "at_least: -2")
    return "bounds are fractions: -0.02 is 2 points"


def pickled_checkpoint(job):
    torch.save(load_file(job / "int8.safetensors"), job / "int8.pt")
    edit(job / "govprune.yaml", "int8.safetensors", "int8.pt")
    return "int8.pt: a pickled checkpoint can run code when it is loaded; refused"


def truncated_weights(job):
    data = (job / "int8.safetensors").read_bytes()
    (job / "int8.safetensors").write_bytes(data[:-3])
    return "int8.safetensors: not a safetensors file"


def wrong_factory(job):
    edit(job / "govprune.yaml", "factory: build_int8, ", "")
    return "does not fit the candidate's module"


def broken_factory(job):
    edit(job / "model.py", "    return Rounded()", "    return 1 / 0")
    return "model.py:20: ZeroDivisionError"


def linked_weights(job):
    (job / "int8.safetensors").rename(job / "real.safetensors")
    (job / "int8.safetensors").symlink_to("real.safetensors")
    return "is a symbolic link"


def open_key(job):
    (job / "keys" / "gate.key").chmod(0o644)
    return "chmod 600"


def no_key(job):
    edit(job / "govprune.yaml", "key: keys/gate.key\n", "")
    return "no signing key: `govprune keys new` makes one"


def public_key_as_key(job):
    edit(job / "govprune.yaml", "gate.key", "gate.pub")
    (job / "keys" / "gate.pub").chmod(0o600)
    return "gate.pub"


def failing_step(job):
    edit(job / "govprune.yaml", "claim:", "command: exit 7, claim:")
    return "step 'round-to-8-bits' failed (exit 7): exit 7"


def idle_step(job):
    edit(job / "govprune.yaml", "claim:", "command: 'true', claim:")
    return "did not write int8.safetensors"


def meddling_step(job):
    command = "cp govprune.yaml dense.safetensors; touch int8.safetensors"
    edit(job / "govprune.yaml", "claim:", f"command: '{command}', claim:")
    return "changed the baseline's weights"


def no_positive_class(job):
    frame = table()
    frame = frame.with_columns(y=pl.when(pl.col("a") > 1).then(2).otherwise(pl.col("y")))
    frame.write_csv(job / "evaluation.csv")
    edit(job / "policy.yaml", "check: slice-performance", "check: fairness")
    edit(job / "policy.yaml", "metric: accuracy-change", "metric: true-positive-rate-change")
    return "names no positive class"


WORLDS = [value for value in list(globals().values())
          if callable(value) and getattr(value, "__module__", None) == __name__
          and value.__name__ != "edit"]  # fmt: skip


@pytest.mark.parametrize("spoil", WORLDS, ids=lambda f: f.__name__)
def test_bad_input_is_named_in_one_sentence_and_nothing_is_written(job, govprune, spoil):
    said = spoil(job)

    done = govprune("run", "--out", "bundle")

    assert done.code == 2, done
    assert said in done.err
    assert "Traceback" not in done.err
    assert not [p for p in job.iterdir() if "bundle" in p.name]


def test_an_existing_bundle_is_never_overwritten(job, govprune):
    (job / "bundle").mkdir()
    (job / "bundle" / "mine").write_text("precious")

    done = govprune("run", "--out", "bundle")

    assert done.code == 2
    assert "evidence is never overwritten" in done.err
    assert (job / "bundle" / "mine").read_text() == "precious"


def test_a_full_disk_leaves_no_bundle(job):
    """The system refuses files over 40 kB, as a full disk refuses the next block."""

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = subprocess.run(
        [sys.executable, "-m", "govprune", "run", "--out", "bundle"],
        cwd=job, capture_output=True, text=True, check=False, preexec_fn=small_files,
        env=os.environ,
    )  # fmt: skip

    assert done.returncode == 2, done
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not [p for p in job.iterdir() if "bundle" in p.name]


@pytest.mark.parametrize(
    "arguments",
    [["verify", "nowhere"], ["judge", "nowhere", "--policy", "credit"], ["promote", "nowhere"],
     ["explain", "nowhere"], ["run", "--nonsense"], ["nonsense"], ["card", "nowhere"],
     ["policy", "lint", "nowhere.yaml"], ["rollback", "nobody"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_exit_code_2_or_4_and_no_traceback(job, govprune, arguments):
    done = govprune(*arguments)

    assert done.code in (2, 4)
    assert done.err
    assert "Traceback" not in done.err
