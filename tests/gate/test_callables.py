"""Any callable goes the line on trust: named by the bytes it was made of, and said so."""

import json

import numpy as np
import pytest

from govprune import run
from govprune.errors import InputError, SubjectError
from govprune.job import ModelFiles
from govprune.models import load

SERVE = """\
import json

import numpy as np


def load(given):
    weights = np.array(json.loads(given))
    return lambda rows: rows @ weights


def of_folder(given):
    weights = np.array(json.loads(given["deep/weights.json"]))
    return lambda rows: rows @ weights


def one_at_a_time(given):
    weights = np.array(json.loads(given))
    return lambda rows: [float(row @ weights) for row in rows]


def spoils_its_rows(given):
    def answer(rows):
        rows[:] = 0
        return rows[:, :2]
    return answer


def leaves(given):
    return lambda rows: exit(3)


def averages(given):
    return lambda rows: rows.mean(axis=0)


def nothing(given):
    return None
"""

JOB = """\
name: callables
title: A pair of callables
baseline: {code: serve.py, factory: load, weights: dense.json, callable: true}
step: {name: prune}
candidate: {code: serve.py, factory: load, weights: CANDIDATE, callable: true}
evaluation: {file: evaluation.csv, label: y, features: [a, b, c], slices: [g]}
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: small
rules:
  - {id: no-slice-loses, check: slice-performance, metric: accuracy-change, at_least: -0.03}
  - {id: robust, check: evasion, metric: robust-accuracy-change, at_least: -0.1}
"""

LOOKS_INSIDE = """\
  - {id: claims-are-true, check: compression-claim, metric: claim-error, at_most: 0.12}
  - {id: explained, check: derivation, metric: unexplained-weights, at_most: 0}
"""

DENSE = [[-1.0, 1.0], [-1.0, 1.0], [0.01, -0.02]]
PRUNED = [[-1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]]
ROWS = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]], dtype=np.float32)


@pytest.fixture
def callables(job):
    (job / "serve.py").write_text(SERVE)
    (job / "dense.json").write_text(json.dumps(DENSE))
    (job / "pruned.json").write_text(json.dumps(PRUNED))
    (job / "govprune.yaml").write_text(JOB.replace("CANDIDATE", "pruned.json"))
    (job / "policy.yaml").write_text(POLICY)
    return job


def read(job, factory="load", weights="dense.json", **more):
    files = ModelFiles(code="serve.py", factory=factory, weights=weights, callable=True, **more)
    return load(files, role="candidate", root=job, unsafe=True)


def test_a_callable_is_gated_on_trust_verified_and_promoted(callables, govprune):
    refused = govprune("run", "--out", "bundle")
    assert refused.code == 2
    assert "what a callable reads and runs is up to its code" in refused.err
    done = govprune("run", "--no-pdf", "--out", "bundle", "--unsafe-load")
    assert done.code == 0, done
    card = (callables / "bundle" / "card.html").read_text()
    for role in ("baseline", "candidate"):
        assert f"The {role} is a callable, whose code decides what it reads and runs" in card
    assert govprune("verify", "bundle").code == 0
    assert govprune("promote", "bundle", "--to", "shop").code == 0
    assert govprune("verify", "shop@champion").code == 0
    (callables / "serve.py").write_text(SERVE.replace("rows @ weights", "rows @ weights * 1"))
    changed = govprune("verify", "bundle")
    assert changed.code == 4
    assert "serve.py" in changed.err


def test_what_looks_into_weights_stays_unmeasured_and_keeps_the_gate_shut(callables):
    (callables / "policy.yaml").write_text(POLICY + LOOKS_INSIDE)
    gated = run(callables, out=callables / "bundle", unsafe_load=True, pdf=False)
    assert gated.verdict.result == "UNDECIDED"
    reasons = {u.check: u.reason for u in gated.evidence.unmeasured}
    assert reasons.keys() == {"compression-claim", "derivation"}
    assert "cannot be looked into" in reasons["compression-claim"]


def test_a_folder_goes_the_line_file_by_file_and_stays_closed(callables, govprune):
    for name, weights in (("dense", DENSE), ("pruned", PRUNED)):
        (callables / name / "deep").mkdir(parents=True)
        (callables / name / "deep" / "weights.json").write_text(json.dumps(weights))
    job = JOB.replace("CANDIDATE", "pruned").replace("dense.json", "dense")
    (callables / "govprune.yaml").write_text(job.replace("factory: load", "factory: of_folder"))
    assert (
        run(callables, out=callables / "bundle", unsafe_load=True, pdf=False).verdict.result
        == "PASSED"
    )
    assert govprune("promote", "bundle", "--to", "shop").code == 0
    assert govprune("verify", "shop@champion").code == 0
    (callables / "pruned" / "added.txt").write_text("more")
    assert "added: added.txt" in govprune("verify", "bundle").err


def test_what_answers_is_made_of_what_was_digested(callables, monkeypatch):
    from govprune.models import callables as module

    once = module.read_subject

    def swapped(path, **more):
        found = once(path, **more)
        if path.name == "dense.json":
            path.write_text(json.dumps(PRUNED))
        return found

    monkeypatch.setattr(module, "read_subject", swapped)
    assert np.allclose(read(callables).outputs(ROWS), ROWS @ DENSE)


def test_rows_are_given_as_copies(callables):
    rows = ROWS.copy()
    read(callables, "spoils_its_rows").outputs(rows)
    assert np.array_equal(rows, ROWS)


def test_single_values_are_one_column(callables):
    (callables / "dense.json").write_text("[1.0, 2.0, 3.0]")
    said = read(callables, "one_at_a_time").outputs(ROWS)
    assert said.tolist() == [[14.0], [2.0]]


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("leaves", "SystemExit: 3"),
        ("averages", r"shape \(3, 1\) for 2 rows"),
        ("nothing", "returned NoneType, which nobody can call"),
        ("missing", "no function 'missing'"),
    ],
)
def test_a_callable_that_misbehaves_is_refused_in_a_sentence(callables, factory, said):
    with pytest.raises(SubjectError, match=said):
        read(callables, factory).outputs(ROWS)


def test_a_callable_without_code_or_of_another_digest_is_refused(callables, govprune):
    with pytest.raises(ValueError, match="needs code that makes it"):
        ModelFiles(weights="dense.json", callable=True)
    with pytest.raises(SubjectError, match="is sha256"):
        read(callables, sha256="0" * 64)


LINKS = """\
chain:
  - step: {name: first, command: mkdir one && cp pruned.json one/w.json}
    model: {code: serve.py, factory: of_folder, weights: one, callable: true}
  - step: {name: second, command: mkdir two && cp one/w.json two/w.json && touch two/b.json}
    model: {code: serve.py, factory: of_folder, weights: two, callable: true}
"""


def chained(job, last):
    (job / "serve.py").write_text(SERVE.replace("deep/weights.json", "w.json"))
    (job / "dense").mkdir()
    (job / "dense" / "w.json").write_text(json.dumps(DENSE))
    text = JOB.replace("CANDIDATE", "three").replace("dense.json", "dense") + LINKS
    text = text.replace("factory: load", "factory: of_folder")
    text = text.replace("{name: prune}", f"{{name: prune, command: {last}}}")
    (job / "govprune.yaml").write_text(text)


def test_folders_that_commands_made_are_judged_as_they_were_written(callables):
    chained(callables, "mkdir three && cp pruned.json three/w.json")
    gated = run(callables, out=callables / "bundle", unsafe_load=True, pdf=False)
    assert gated.verdict.result == "PASSED"
    assert len(gated.evidence.chain) == 3


@pytest.mark.parametrize("later", ["touch one/more.json", "echo >> one/w.json"])
def test_a_folder_that_a_later_command_touches_is_refused(callables, later):
    chained(callables, f"mkdir three && cp pruned.json three/w.json && {later}")
    with pytest.raises(InputError, match="one: changed after step 'first' wrote it"):
        run(callables, out=callables / "bundle", unsafe_load=True, pdf=False)
