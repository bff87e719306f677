"""Personal data in the rows reaches nothing that a gate writes or says.

The defences: outputs are made of counts (measurements.py); what the scan finds is masked
(data/pii/piles.py); values held by fewer rows than the policy's floor are merged (data/slices.py).
"""

import base64
import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress

import numpy as np
import polars as pl
import pytest
import small_job

from govprune.cli import main

PEOPLE = {
    "surname": "Quisling-Ostrowska",
    "mail": "zebedee.quist@canary-mail.example.org",
    "card": "4539578763621486",
    "iban": "DE89370400440532013000",
    "phone": "+49 30 901820 7731",
    "note": "patient tested positive on 3 May",
    "token": "ghp_a8Fj29dKq0Zr7XwPl3mNs5Tv1YbC6eGhUoIk",
}
"""One value per column, in one row of the evaluation data and in the data for fine-tuning."""
LONE = "Tristan da Cunha"
"""A group of one row."""
NUMBER = 0.7351934268513
"""A measured value of one person, written in full."""


COMMANDS = (
    ("run", "--dry-run"),
    ("run", "--out", "bundle", "--verbose"),
    ("explain", "bundle"),
    ("verify", "bundle", "--format", "json"),
    ("plan", "govprune.yaml"),
)


def plant(folder):
    """Add columns of personal data to the rows; the job names none of them."""
    frame = small_job.table()
    rows = len(frame)
    frame = frame.with_columns(
        pl.Series("c", np.where(np.arange(rows) == 7, NUMBER, frame["c"].to_numpy())),
        pl.Series("g", np.where(np.arange(rows) == 7, LONE, frame["g"].to_numpy())),
        *(
            pl.Series(name, [value if i == 7 else "" for i in range(rows)])
            for name, value in PEOPLE.items()
        ),
    )
    frame.write_csv(folder / "evaluation.csv")
    frame.head(300).write_csv(folder / "training.csv")
    job = small_job.JOB.replace(
        "policy: policy.yaml",
        "fine_tuning: [{file: training.csv, source: made up}]\npolicy: p.yaml",
    )
    (folder / "govprune.yaml").write_text(job)
    scans = "".join(
        f"  - {{id: no-{metric}, check: pii, metric: {metric}, at_most: 0}}\n"
        for metric in ("contact-details", "checksum-valid-numbers", "secrets")
    )
    (folder / "p.yaml").write_text(small_job.POLICY + scans)


def everything_in(path):
    """Yield the bytes of a file, and of what is packed into it."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".pdf":
        done = [
            subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
            for command in (
                ["pdftotext", "-layout", str(path), "-"],
                ["qpdf", "--qdf", "--object-streams=disable", str(path), "-"],
            )
        ]
        yield from done
    if path.name.endswith(".dsse.json"):
        yield base64.b64decode(json.loads(data)["payload"])


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """All that a gate leaves behind and says: (where, bytes)."""
    place = tmp_path_factory.mktemp("people")
    folder = place / "job"
    small_job.write(folder, place / "account")
    plant(folder)
    given = {path for path in folder.rglob("*") if path.is_file()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOVPRUNE_HOME", str(place / "account"))
        patch.chdir(folder)
        found = [(" ".join(command), spoken(patch, command)) for command in COMMANDS]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in given:
            found += [(str(path.relative_to(folder)), data) for data in everything_in(path)]
    shutil.rmtree(folder)
    return found


def spoken(patch, command):
    """Return what a command writes to the terminal."""
    out = io.StringIO()
    patch.setattr(sys, "argv", ["govprune", *command])
    with redirect_stdout(out), redirect_stderr(out), suppress(SystemExit):
        main()
    return out.getvalue().encode()


def test_the_gate_looked_at_the_rows_and_wrote_of_them(said):
    """Else silence would prove nothing: the scan found what was planted, and the card says so."""
    for command in COMMANDS:
        (text,) = (data for name, data in said if name == " ".join(command))
        assert len(text) > 200
        assert b"Usage" not in text
        assert b"Traceback" not in text
    where = {name for name, _ in said}
    assert {"bundle/card.pdf", "bundle/card.html", "bundle/evidence.dsse.json"} <= where
    evidence = next(
        data for name, data in said if name == "bundle/evidence.dsse.json" and b"_type" in data
    )
    statement = json.loads(evidence)["predicate"]
    values = {m["metric"]: m["basis"].get("value") for m in statement["measurements"]}
    assert values["contact-details"] >= 2
    assert values["checksum-valid-numbers"] >= 2
    assert values["secrets"] >= 1


@pytest.mark.parametrize("kind", [*PEOPLE, "a group of one", "a measured value"])
def test_no_output_holds_it(said, kind):
    canary = {"a group of one": LONE, "a measured value": str(NUMBER)}.get(kind) or PEOPLE[kind]
    spellings = {canary, canary.replace(" ", ""), canary.lower(), canary[2:]}
    for where, data in said:
        for spelling in spellings:
            assert spelling.encode() not in data, f"{where} holds {spelling!r}"
