"""A model that answers otherwise when asked again, or in other company, was not measured once."""

import pytest
import torch
from torch import nn
from worlds import asked, blobs, case, evaluation, mlp, trained

from govprune.checks.artefact_parity import ARTEFACT_PARITY


class Drawing(nn.Module):
    """Adds noise to its logits at every call."""

    def __init__(self, inner, size):
        super().__init__()
        self.inner, self.size = inner, size

    def forward(self, x):
        out = self.inner(x)
        return out + self.size * torch.randn(out.shape)


class Centred(nn.Module):
    """Takes the mean of the batch off, as batch statistics that were left in do."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x - x.mean(dim=0))


class Tiring(nn.Module):
    """Turns its answers round once it has been called twice."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, x):
        self.calls += 1
        return self.inner(x) * (1 if self.calls <= 2 else -1)


@pytest.fixture
def given(tmp_path):
    """A trained classifier, and its rows."""
    columns = blobs(1500, seed=1)
    data = evaluation(tmp_path, columns, features=("x*",))
    return trained(mlp(6, 8, 2), columns, steps=60), data, tmp_path


def answers(given, wrap, **params):
    model, data, folder = given
    return asked(
        case(folder, model, wrap(model), data), ARTEFACT_PARITY, policy_pack="baseline", **params
    )


def test_a_model_that_repeats_itself_passes(given):
    found = answers(given, lambda m: m)
    assert found.status("answers-repeat") == "pass"
    assert found.status("company-does-not-matter") == "pass"


def test_answers_that_are_drawn_fail(given):
    found = answers(given, lambda m: Drawing(m, 5.0))
    assert found.status("answers-repeat") == "fail"


def test_answers_that_depend_on_the_batch_fail_although_they_repeat(given):
    found = answers(given, Centred)
    assert found.status("company-does-not-matter") == "fail"
    assert found.status("answers-repeat") == "pass"


def test_a_model_that_changes_its_mind_after_some_calls_fails(given):
    assert answers(given, Tiring).status("answers-repeat") == "fail"


def test_a_hundred_rows_cannot_show_ninety_nine_per_cent(given):
    found = answers(given, lambda m: m, rows=100, alone=100)
    assert found.status("answers-repeat") == "inconclusive"


def test_an_unsteady_baseline_is_no_yardstick(given):
    model, data, folder = given
    shaky = case(folder, Drawing(model, 5.0), model, data)
    assert asked(shaky, ARTEFACT_PARITY, policy_pack="baseline").status("answers-repeat") == "fail"
