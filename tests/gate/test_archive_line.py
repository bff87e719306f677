"""Real gates, with a real PDF, go into an archive and out of it to somebody with one file."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl

import govprune as package

VERIFIER = Path(package.__file__).parent / "archive" / "verify.py"


def alone(target, *keys):
    ran = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(target), *map(str, keys)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def test_a_gated_model_with_its_signed_pdf_verifies_with_one_file(gated, govprune):
    assert (gated / "bundle" / "card.pdf").is_file()
    shown = govprune("archive", "show", "bundle", "--format", "json")
    assert shown.code == 0, shown
    result = json.loads(shown.out)["result"]
    code, said = alone("bundle", "--key", "keys/gate.pub")
    assert (code, f"VERIFIED {result}  int8.safetensors" in said) == (0, True)

    pdf = bytearray((gated / "bundle" / "card.pdf").read_bytes())
    pdf[len(pdf) // 2] ^= 1
    (gated / "bundle" / "card.pdf").write_bytes(pdf)
    code, said = alone("bundle", "--key", "keys/gate.pub")
    assert (code, "REFUSED  card.pdf" in said) == (4, True)


def test_answers_without_a_model_are_listed_exported_and_verified(job, govprune):
    """What ships is a table of answers; a second candidate is a second attempt."""
    answers = {"y": [0, 1] * 600, "g": ["p", "p", "q", "q"] * 300, "base": [0, 1] * 600}
    worse = [1 - y if i % 9 == 0 else y for i, y in enumerate(answers["y"])]
    pl.DataFrame({**answers, "same": answers["base"], "worse": worse}).write_parquet("a.parquet")
    for number, (column, expected) in enumerate((("worse", 1), ("same", 0)), 1):
        done = govprune(
            "run", "--predictions", "a.parquet", "--label", "y", "--baseline", "base",
            "--candidate", column, "--slices", "g", "--policy", "predictions",
            "--out", f"runs/{number}", "--key", "keys/gate.key",
        )  # fmt: skip
        assert done.code == expected, done

    listed = json.loads(govprune("archive", "list", "runs", "--format", "json").out)
    assert {line["result"]: line["attempt"] for line in listed["bundles"]} == {
        "FAILED": 1,
        "PASSED": 2,
    }
    log = json.loads(govprune("archive", "log", "--format", "json").out)
    (group,) = log["tried"]
    levels = [attempt["levels"][0] for attempt in group["attempts"]]
    evidence = [line["path"] for line in listed["bundles"]]
    assert levels[0] > levels[1]
    done = govprune("archive", "export", *evidence, "--log", ".govprune/log", "-o", "out.zip")
    assert done.code == 0, done
    code, said = alone("out.zip", "--key", "keys/gate.pub")
    assert code == 0
    assert "1: VERIFIED FAILED" in said
    assert "2: VERIFIED PASSED" in said
