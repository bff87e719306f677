"""Peak memory is that of processes which load the files that ship, and of nothing else."""

from dataclasses import replace

import pytest
from worlds import asked, blobs, case, evaluation, mlp, model, sparse

from govprune.checks import memory
from govprune.checks.base import Source
from govprune.checks.memory import MEMORY
from govprune.errors import CheckError
from govprune.job import ModelFiles
from govprune.measurements import Exact
from govprune.models import load
from govprune.stats import estimate

FACTORIES = """
import torch
from torch import nn

def mlp(width):
    parts = nn.Linear(6, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
    return nn.Sequential(*parts)

def wide(): return mlp(2048)
def narrow(): return mlp(512)

class Silent(nn.Linear):
    def forward(self, x):
        raise RuntimeError("not today")

class Gone(nn.Linear):
    def forward(self, x):
        import os
        os.kill(os.getpid(), 9)

class Late(nn.Linear):
    def forward(self, x):
        import time
        time.sleep(60)

def silent(): return nn.Sequential(Silent(6, 2))
def gone(): return nn.Sequential(Gone(6, 2))
def late(): return nn.Sequential(Late(6, 2))
def wordy():
    print("a model that talks")
    return nn.Sequential(nn.Linear(6, 2))
"""
WIDE, NARROW = (6, 2048, 2048, 2), (6, 512, 512, 2)


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(300, seed=0), features=("x*",))


def from_files(folder, data, before, after, **claim):
    """A case whose models a job names: (module, factory) of each."""
    (folder / "build.py").write_text(FACTORIES)
    models, sources = [], []
    for role, (module, factory) in (("baseline", before), ("candidate", after)):
        model(folder, module, role)  # writes the file
        files = ModelFiles(code="build.py", factory=factory, weights=f"{role}.safetensors")
        sources.append(Source(files=files, root=folder))
        models.append(load(files, role=role, root=folder))
    return replace(case(folder, *models, data, claim=claim), sources=tuple(sources))


def test_a_quarter_of_the_width_takes_less_than_half_the_memory_and_keeps_its_claim(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(*WIDE), "wide"), (mlp(*NARROW), "narrow"),
                       memory_ratio=0.5)  # fmt: skip
    found = asked(given, MEMORY, policy_pack="edge")
    assert estimate(found.basis("peak-memory-ratio")) < 0.4
    assert found.status("memory-meter-can-be-trusted") == "pass"
    assert found.status("no-more-memory") == "pass"
    assert found.status("memory-as-claimed") == "pass"


def test_weights_of_zero_take_the_memory_of_any_weight_and_break_the_claim(tmp_path, data):
    dense = mlp(*WIDE)
    given = from_files(tmp_path, data, (dense, "wide"), (sparse(dense, 0.9), "wide"),
                       memory_ratio=0.2)  # fmt: skip
    found = asked(given, MEMORY, policy_pack="edge", runs=10)
    assert estimate(found.basis("peak-memory-ratio")) == pytest.approx(1, abs=0.05)
    assert found.status("memory-as-claimed") == "fail"


def test_a_larger_model_takes_more(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(*NARROW), "narrow"), (mlp(*WIDE), "wide"))
    found = asked(given, MEMORY, policy_pack="edge", runs=10)
    assert found.status("no-more-memory") == "fail"


def test_the_figure_holds_at_least_the_weights(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(*WIDE), "wide"), (mlp(*NARROW), "narrow"))
    (figure,) = asked(given, MEMORY, policy_pack="edge", runs=3).figures
    peaks = {row[0]: float(row[2]) for row in figure.rows}
    size = {role: m.weights.size / 2**20 for role, m in zip(peaks, given.models, strict=False)}
    assert 2 * size["baseline"] < peaks["baseline"] < 6 * size["baseline"]
    assert peaks["candidate"] > size["candidate"]


def test_three_runs_cannot_tell(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(*WIDE), "wide"), (mlp(*NARROW), "narrow"),
                       memory_ratio=0.5)  # fmt: skip
    found = asked(given, MEMORY, policy_pack="edge", runs=3)
    assert found.status("memory-as-claimed") == "inconclusive"
    assert found.status("no-more-memory") == "inconclusive"


def test_models_made_in_memory_are_not_measured_and_claim_nothing_trivially(tmp_path, data):
    given = case(tmp_path, mlp(6, 2), mlp(6, 2), data)
    items = MEMORY.measure(given, MEMORY.params())
    first = next(items)
    assert (first.metric, first.basis) == ("memory-claim-kept", Exact(value=1.0))
    with pytest.raises(CheckError, match="made in memory"):
        next(items)


def test_a_claim_about_models_made_in_memory_stays_unproved(tmp_path, data):
    given = case(tmp_path, mlp(6, 2), mlp(6, 2), data, claim={"memory_ratio": 0.5})
    with pytest.raises(CheckError, match="made in memory"):
        next(MEMORY.measure(given, MEMORY.params()))


def taken(given, **params):
    return list(MEMORY.measure(given, MEMORY.params(runs=3, **params)))


def test_a_file_that_changed_meanwhile_is_refused(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(*NARROW), "narrow"), (mlp(*NARROW), "narrow"))
    model(tmp_path, mlp(*NARROW), "candidate")
    with pytest.raises(CheckError, match="candidate's files changed"):
        taken(given)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [("silent", "not today"), ("gone", "status 9 and no word"), ("late", "more than 8 seconds")],
)
def test_a_model_that_does_not_answer_in_its_process_is_named(tmp_path, data, factory, reason):
    given = from_files(tmp_path, data, (mlp(6, 2), "wordy"), (mlp(6, 2), "wordy"))
    broken = given.sources[1].files.model_copy(update={"factory": factory})
    given = replace(given, sources=(given.sources[0], Source(files=broken, root=tmp_path)))
    with pytest.raises(CheckError, match=reason):
        taken(given, seconds=8)


def test_a_model_that_prints_is_measured_all_the_same(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(6, 2), "wordy"), (mlp(6, 2), "wordy"))
    assert taken(given)[1].basis.n == 3


def test_a_process_that_ended_while_it_was_kept_is_replaced(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(6, 2), "wordy"), (mlp(6, 2), "wordy"))
    taken(given)
    (kept,) = memory._KEPT
    kept.running.kill()
    kept.running.wait()
    assert taken(given)[1].basis.n == 3
    assert kept not in memory._KEPT


def test_what_one_model_took_is_not_there_for_the_next_in_the_process_that_is_kept(tmp_path, data):
    given = from_files(tmp_path, data, (mlp(*WIDE), "wide"), (mlp(*WIDE), "wide"))
    first, second = (asked(given, MEMORY, policy_pack="edge", runs=3).figures[0] for _ in range(2))
    peaks = [[float(row[2]) for row in figure.rows] for figure in (first, second)]
    assert peaks[1] == pytest.approx(peaks[0], rel=0.1)
