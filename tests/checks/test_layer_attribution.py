"""The layer that was damaged is the one whose return heals the rows that were hurt."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from worlds import case, evaluation, mlp, trained

from govprune.checks.layer_attribution import LAYER_ATTRIBUTION
from govprune.errors import CheckError
from govprune.measurements import Figure
from govprune.stats import estimate


def world():
    """Group b is told by its own feature, which one hidden unit carries."""
    random = np.random.default_rng(0)
    n = 2000
    group = random.random(n) < 0.4
    y = random.integers(0, 2, n)
    signal = (2 * y - 1) + 0.4 * random.normal(size=n)
    x0 = np.where(group, 0.0, signal).astype(np.float32)
    x1 = np.where(group, signal, 0.0).astype(np.float32)
    return {"x0": x0, "x1": x1, "label": y, "group": np.where(group, "b", "a").tolist()}


@pytest.fixture(scope="module")
def module():
    return trained(mlp(2, 12, 12, 2), world(), steps=150)


def damaged(module, layer):
    """Take from one layer what rests on the second feature, and add dust to the others."""
    hurt = copy.deepcopy(module)
    with torch.no_grad():
        for i in (0, 2, 4):
            hurt[i].weight += 1e-4
        if layer == 0:
            hurt[0].weight[:, 1] = 0.0
        else:
            hurt[layer].weight *= torch.linspace(-1, 1, hurt[layer].weight.shape[1])
    return hurt


def measured(folder, baseline, candidate, **params):
    data = evaluation(folder, world(), features=("x*",), slices=("group",))
    given = case(folder, baseline, candidate, data)
    items = list(LAYER_ATTRIBUTION.measure(given, LAYER_ATTRIBUTION.params(**params)))
    return items[0], next(i for i in items if isinstance(i, Figure))


@pytest.mark.parametrize("layer", [0, 2])
def test_the_damaged_layer_is_named_with_the_rows_it_hurt(tmp_path, module, layer):
    found, figure = measured(tmp_path, module, damaged(module, layer))
    assert found.notes[0].startswith(f"{layer}, put back")
    assert estimate(found.basis) > 0.2
    assert figure.rows[0][0] == str(layer)
    assert [float(row[3].rstrip("%")) < 20 for row in figure.rows[1:]] == [True, True]
    if layer == 0:
        assert "group=b" in found.notes[0]


def test_only_layers_that_changed_are_put_back(tmp_path, module):
    hurt = copy.deepcopy(module)
    with torch.no_grad():
        hurt[0].weight[:, 1] = 0.0
    _, figure = measured(tmp_path, module, hurt)
    assert [row[0] for row in figure.rows] == ["0"]


@pytest.mark.parametrize(
    ("make", "params", "message"),
    [
        (lambda m: m, {}, "no layer changed"),
        (lambda m: mlp(2, 6, 6, 2), {}, "no layer can be put back"),
        (lambda m: damaged(m, 0), {"minimum": 5000}, "no slice and class with 5000 rows"),
        (lambda m: damaged(m, 0), {"layers": 1}, "3 layers changed"),
    ],
)
def test_what_cannot_be_attributed_is_said(tmp_path, module, make, params, message):
    with pytest.raises(CheckError, match=message):
        measured(tmp_path, module, make(module), **params)


def test_the_candidate_itself_is_left_as_it_was(tmp_path, module):
    hurt = damaged(module, 0)
    before = {k: v.clone() for k, v in hurt.state_dict().items()}
    measured(tmp_path, module, hurt)
    assert all(torch.equal(before[k], v) for k, v in hurt.state_dict().items())
    assert isinstance(hurt, nn.Module)
