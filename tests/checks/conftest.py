"""Models that took a second to train, shared by the checks that attack them."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from worlds import blobs, evaluation, mlp, trained

from govprune import policy
from govprune.checks import Case, Check
from govprune.measurements import Figure, Measurement
from govprune.policy import Policy, Rule

FEATURES = ("x*",)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small models are slower on many threads, far slower when two test workers share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dense() -> nn.Module:
    """A model that tells two blobs apart, with room for doubt."""
    return trained(mlp(6, 32, 2), blobs(1200, seed=1, gap=0.6), steps=150)


@pytest.fixture(scope="session")
def pruned(dense) -> nn.Module:
    """The same model with a fifth of its weights at zero."""
    module = mlp(6, 32, 2)
    module.load_state_dict(dense.state_dict())
    for layer in (module[0], module[2]):
        prune.l1_unstructured(layer, "weight", amount=0.2)
        prune.remove(layer, "weight")
    return module.eval()


@pytest.fixture
def people(tmp_path):
    """Rows of the blobs that no model has seen."""
    return evaluation(tmp_path, blobs(1500, seed=2, gap=0.6), features=FEATURES)


@dataclass(frozen=True)
class Ruled:
    """What a check measured, and the status of one rule on it, by slice."""

    measurements: list[Measurement]
    figure: Figure
    statuses: dict[str, str]

    def measured(self, metric: str, where: str = "all") -> Measurement:
        """Return the one measurement of a metric."""
        (found,) = [m for m in self.measurements if (m.metric, m.slice) == (metric, where)]
        return found


@pytest.fixture
def ruled():
    """Measure a case with one check and judge it by one rule, which is the whole policy."""

    def judge(given: Case, check: Check, params: dict[str, object] | None = None, **rule: object):
        asked = Policy(name="one rule", rules=(Rule(id="rule", check=check.id, **rule),))
        items = list(check.measure(given, check.params.model_validate(params or {})))
        measurements = [item for item in items if isinstance(item, Measurement)]
        (figure,) = [item for item in items if isinstance(item, Figure)]
        findings = policy.judge(policy.make_plan(asked, given.data.profile), measurements)
        return Ruled(measurements, figure, {f.question.slice: f.status for f in findings})

    return judge
