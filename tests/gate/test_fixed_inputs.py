"""Graphs and programs that take more than rows: a real voice detector, in three of its files."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from voices import sounds
from worlds import case, evaluation

from govprune import run
from govprune.checks.artefact_parity import ARTEFACT_PARITY, ParityParams
from govprune.errors import SubjectError
from govprune.job import ModelFiles
from govprune.models import load
from govprune.models.contents import contents

SOURCE = Path(importlib.util.find_spec("silero_vad").submodule_search_locations[0], "data")
"""Silero's voice activity detector as it lies in its wheel, which is never imported."""
FORMS = {
    "silero_vad_16k_op15.onnx": {"state": 0, "sr": 16000},
    "silero_vad.onnx": {"state": 0, "sr": 16000},
    "silero_vad.jit": {"sr": 16000},
}
JOB = """\
name: voices
title: A voice detector without its part for 8 kHz
baseline: {weights: silero_vad.onnx, fixed: {state: 0, sr: 16000}}
step: {name: keep-16-khz, claim: {size_ratio: 0.56}}
candidate: {weights: silero_vad_16k_op15.onnx, fixed: {state: 0, sr: 16000}}
evaluation:
  file: evaluation.parquet
  task: ranking
  label: voice
  positive: "1"
  features: ["s*"]
  slices: [pitch]
policy: policy.yaml
key: keys/gate.key
"""
RULES = """\
name: voices
rules:
  - {id: ranks-alike, check: ranking, metric: auc-change, at_least: -0.05}
  - {id: smaller, check: size, metric: size-ratio, at_most: 0.56}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("silero")
    for name in FORMS:
        shutil.copy(SOURCE / name, place / name)
    return place


def read(place, name, **fixed):
    given = ModelFiles(weights=name, fixed=fixed or FORMS[name])
    return load(given, role="candidate", root=place, unsafe=True)


def test_graphs_with_a_state_are_asked_with_the_same_state_for_every_row(place):
    rows, voice, _ = sounds(100, 576, seed=0)
    whole, part = (read(place, name).outputs(rows)[:, 0] for name in list(FORMS)[:2])
    assert np.array_equal(whole, part)
    alone = read(place, "silero_vad.onnx").outputs(rows[7:8])
    assert np.allclose(alone[0, 0], whole[7], atol=1e-6)
    assert whole[voice == 1].mean() > 5 * whole[voice == 0].mean()
    assert read(place, "silero_vad.onnx").remarks == (
        "takes the same for every row: state = 0, sr = 16000",
    )


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ({"state": 0}, r"takes 3 inputs \(input, state, sr\), and one of them must be the rows"),
        ({"state": 0, "rate": 16000}, "has no input 'rate'; it takes input, state, sr"),
        ({"state": 0, "sr": 16000.5}, "'sr' takes whole numbers"),
        ({"input": 0, "state": 0, "sr": 1}, "one of them must be the rows"),
    ],
)
def test_inputs_that_do_not_fit_are_named(place, fixed, said):
    with pytest.raises(SubjectError, match=said):
        read(place, "silero_vad_16k_op15.onnx", **fixed)


def test_only_graphs_and_programs_take_them(place):
    with pytest.raises(SubjectError, match="takes fixed inputs; leave it out"):
        load(ModelFiles(weights="x.safetensors", fixed={"a": 1}), role="baseline", root=place)


def test_weights_that_lie_in_branches_of_a_graph_are_counted(place):
    held = contents(read(place, "silero_vad.onnx"))
    assert held.weights > 100_000
    assert held.bits == 32


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_that_remembers_is_noticed_when_it_is_asked_again(place, tmp_path):
    rows, voice, _ = sounds(100, 512, seed=0)
    columns = {f"s{i}": rows[:, i] for i in range(512)} | {"label": voice}
    data = evaluation(tmp_path, columns, features=("s*",))
    model = read(place, "silero_vad.jit")
    figure = list(
        ARTEFACT_PARITY.measure(case(tmp_path, model, model, data), ParityParams(rows=100))
    )[-1]
    assert float(figure.rows[0][figure.columns.index("largest change of a score")]) > 0.01
    sound = read(place, "silero_vad.onnx")
    wide = evaluation(
        tmp_path,
        {f"s{i}": column for i, column in enumerate(sounds(100, 576, seed=0)[0].T)}
        | {"label": voice},
        features=("s*",),
    )
    figure = list(
        ARTEFACT_PARITY.measure(case(tmp_path, sound, sound, wide), ParityParams(rows=100))
    )[-1]
    assert float(figure.rows[0][figure.columns.index("largest change of a score")]) == 0.0


def test_a_real_pair_of_graphs_goes_the_whole_line(job, govprune):
    for name in FORMS:
        shutil.copy(SOURCE / name, job / name)
    rows, voice, pitch = sounds(400, 576, seed=0)
    columns = {f"s{i}": rows[:, i] for i in range(rows.shape[1])}
    columns |= {"voice": voice, "pitch": np.where(pitch > 170, "high", "low")}
    pl.DataFrame(columns).write_parquet(job / "evaluation.parquet")
    (job / "govprune.yaml").write_text(JOB)
    (job / "policy.yaml").write_text(RULES)
    gated = run(job, out=job / "bundle")
    assert gated.verdict.result == "PASSED", gated.verdict
    assert govprune("verify", "bundle").code == 0
    assert govprune("promote", "bundle", "--to", "voices").code == 0
    assert govprune("verify", "voices@champion").code == 0
