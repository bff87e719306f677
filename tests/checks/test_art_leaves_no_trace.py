"""After an attack the process, the home folder and the models are as they were before."""

import logging
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import asked, blobs, case

from govprune.checks.evasion import EVASION
from govprune.checks.gradient_sanity import GRADIENT_SANITY
from govprune.checks.inversion import INVERSION
from govprune.checks.membership import MEMBERSHIP

QUICK = {"rows": 200, "steps": 3, "restarts": 1, "starts": 10}
CHECKS = (EVASION, INVERSION, MEMBERSHIP, GRADIENT_SANITY)
FIRST_ATTACKS = """
import logging, os, sys, tempfile
from pathlib import Path
sys.path.insert(0, {tests!r})
from worlds import asked, blobs, case, evaluation, mlp
from govprune.checks import CHECKS
import pandas, scipy.stats, sklearn.ensemble, torch._dynamo  # what ART wants, once for all children
folder = Path(tempfile.mkdtemp())
data = evaluation(folder, blobs(200, seed=0), features=("x*",))
given = case(folder, mlp(6, 4, 2), mlp(6, 4, 2), data, trained_on=blobs(200, seed=1))
home, root = os.environ["HOME"], (logging.root.level, logging.root.handlers[:])
for check in CHECKS:
    if check.id not in {checks!r}:
        continue
    if os.fork() == 0:  # each child makes the first attack of its life
        assert "art" not in sys.modules
        asked(given, check, **{quick!r})
        assert "art" in sys.modules
        assert os.environ["HOME"] == home
        assert (logging.root.level, logging.root.handlers[:]) == root
        os._exit(0)
    _, status = os.wait()
    left = sorted(str(path) for path in Path(home).rglob("*"))
    assert status == 0 and not left, (check.id, status, left)
"""


def test_the_first_attack_of_a_process_leaves_home_and_logging_alone(tmp_path):
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    program = FIRST_ATTACKS.format(
        tests=str(Path(__file__).parents[1]), checks=[check.id for check in CHECKS], quick=QUICK
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"HOME": str(home), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_generators_logging_and_models_are_put_back(tmp_path, dense, pruned, people, check):
    given = case(tmp_path, dense, pruned, people, trained_on=blobs(200, seed=1, gap=0.6))
    modules = (given.baseline.module, given.candidate.module)
    weights = [{n: t.clone() for n, t in m.state_dict().items()} for m in modules]

    def state():
        name, keys, *rest = np.random.get_state()
        return (
            random.getstate(), name, keys.tolist(), rest, torch.get_rng_state().tolist(),
            logging.root.level, logging.root.manager.disable, logging.root.handlers[:],
            torch.is_grad_enabled(), [m.training for m in modules],
            [p.requires_grad for m in modules for p in m.parameters()],
            [p.grad for m in modules for p in m.parameters()],
        )  # fmt: skip

    before = state()
    asked(given, check, **QUICK)
    assert state() == before
    for module, held in zip(modules, weights, strict=True):
        assert all(torch.equal(t, held[n]) for n, t in module.state_dict().items())


def test_the_random_state_of_the_caller_does_not_change_what_is_measured(
    tmp_path, dense, pruned, people
):
    given = case(tmp_path, dense, pruned, people, trained_on=blobs(200, seed=1, gap=0.6))
    first = asked(given, *CHECKS, **QUICK)
    for seed in (np.random.seed, torch.manual_seed, random.seed):
        seed(99)
    assert asked(given, *CHECKS, **QUICK).measurements == first.measurements
