"""Every weight is kept, zeroed or rounded from the baseline; anything else is found and located."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from worlds import asked, blobs, case, evaluation, int8, mlp, model, sparse, trained

from govprune.checks.derivation import DERIVATION


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(40, seed=3), features=("x*",))


@pytest.fixture
def dense():
    torch.manual_seed(0)
    return mlp(6, 20, 2)


def derived(folder, data, dense, candidate, **given):
    return asked(case(folder, dense, candidate, data, **given), DERIVATION)


def changed(dense, name, where, value):
    module = copy.deepcopy(dense)
    with torch.no_grad():
        module.get_parameter(name)[where] = value
    return module


def test_a_pruned_candidate_is_explained(tmp_path, data, dense):
    found = derived(tmp_path, data, dense, sparse(dense, 0.5))
    assert found.basis("unexplained-weights").value == 0
    assert found.status("retraining-is-declared") == "pass"
    assert {row[0]: row[2] for row in found.figures[0].rows}["0.bias"] == "kept, bit for bit"


def test_masks_left_in_the_file_are_explained(tmp_path, data, dense):
    masked = copy.deepcopy(dense)
    prune.l1_unstructured(masked[0], "weight", amount=0.5)
    candidate = model(tmp_path, masked, "candidate", shell=dense)
    assert derived(tmp_path, data, dense, candidate).basis("unexplained-weights").value == 0


def test_weights_rounded_to_8_bits_are_explained(tmp_path, data, dense):
    found = derived(tmp_path, data, dense, int8(dense))
    assert found.basis("unexplained-weights").value == 0


def test_weights_pruned_and_then_rounded_are_explained(tmp_path, data, dense):
    found = derived(tmp_path, data, dense, int8(sparse(dense, 0.5)))
    assert found.basis("unexplained-weights").value == 0


def test_a_copy_of_a_rounded_baseline_is_explained(tmp_path, data, dense):
    found = derived(tmp_path, data, int8(dense), int8(dense))
    assert found.basis("unexplained-weights").value == 0


def test_one_tampered_weight_among_a_million_is_found_and_located(tmp_path):
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Linear(6, 1000), nn.ReLU(), nn.Linear(1000, 1000), nn.ReLU(),
                         nn.Linear(1000, 2))  # fmt: skip
    data = evaluation(tmp_path, blobs(20, seed=3), features=("x*",))
    tampered = copy.deepcopy(wide)
    with torch.no_grad():
        weight = tampered[2].weight
        weight[471, 836] = torch.nextafter(weight[471, 836], torch.tensor(9.0))
    found = derived(tmp_path, data, wide, tampered)
    measured = found.measured("unexplained-weights")
    assert measured.basis.value == 1
    assert measured.basis.n > 1_000_000
    assert "2.weight: 1 of 1,000,000 values, first at [471, 836]" in measured.notes
    assert found.status("retraining-is-declared") == "fail"


def test_a_rounded_weight_moved_by_one_step_is_found(tmp_path, data, dense):
    candidate = int8(dense)
    candidate[0].weight[3, 4] += 1 if candidate[0].weight[3, 4] < 100 else -1
    found = derived(tmp_path, data, dense, candidate)
    assert found.basis("unexplained-weights").value == 1
    assert (
        "0.weight: 1 of 120 values, first at [3, 4]" in found.measured("unexplained-weights").notes
    )


def test_retraining_without_declared_data_fails_and_with_it_passes(tmp_path, data, dense):
    tuned = trained(copy.deepcopy(dense), blobs(100, seed=4), steps=3)
    silent = derived(tmp_path, data, dense, tuned)
    assert silent.basis("undeclared-retraining").value == 1
    assert silent.status("retraining-is-declared") == "fail"
    declared = derived(tmp_path, data, dense, tuned, retrains=True, trained_on=blobs(100, seed=4))
    assert declared.basis("undeclared-retraining").value == 0
    assert declared.basis("unexplained-weights").value > 100
    assert declared.status("retraining-is-declared") == "pass"


def test_minus_zero_is_a_zeroed_weight(tmp_path, data, dense):
    found = derived(tmp_path, data, dense, changed(dense, "0.weight", (1, 2), -0.0))
    assert found.basis("unexplained-weights").value == 0


def test_nan_is_no_rounding_of_anything(tmp_path, data, dense):
    """It lies where no answer comes from: the scores stay finite, and it is found all the same."""
    module = copy.deepcopy(dense)
    module.register_buffer("unused", torch.tensor([1.0, float("nan")]))
    spoilt = copy.deepcopy(module)
    assert derived(tmp_path, data, module, spoilt).basis("unexplained-weights").value == 0
    spoilt.unused[0] = float("nan")
    assert derived(tmp_path, data, module, spoilt).basis("unexplained-weights").value == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_same_values_in_another_float_type_are_a_cast(tmp_path, data, dense, dtype):
    module = copy.deepcopy(dense)
    module[0].to(dtype)
    candidate = model(tmp_path, module, "candidate", shell=dense)
    found = derived(tmp_path, data, dense, candidate)
    assert found.basis("unexplained-weights").value == 0
    assert f"cast to {str(dtype)[6:]}" in {row[2] for row in found.figures[0].rows}


def test_a_cast_value_that_moved_by_one_bit_is_found(tmp_path, data, dense):
    module = copy.deepcopy(dense)
    module[0].half()
    with torch.no_grad():
        weight = module[0].weight
        weight[3, 4] = torch.nextafter(weight[3, 4], torch.tensor(9.0, dtype=torch.float16))
    candidate = model(tmp_path, module, "candidate", shell=dense)
    found = derived(tmp_path, data, dense, candidate)
    assert found.basis("unexplained-weights").value == 1


def test_weights_that_became_integers_without_a_grid_are_not_explained(tmp_path, data, dense):
    module = copy.deepcopy(dense)
    module[0].weight = nn.Parameter(module[0].weight.round().int(), requires_grad=False)
    candidate = model(tmp_path, module, "candidate", shell=dense)
    found = derived(tmp_path, data, dense, candidate)
    assert found.basis("unexplained-weights").value == 6 * 20
    assert "of another type (torch.int32)" in {row[2] for row in found.figures[0].rows}


def test_an_extra_tensor_is_not_explained(tmp_path, data, dense):
    module = copy.deepcopy(dense)
    module.register_buffer("trigger", torch.ones(7))
    found = derived(tmp_path, data, dense, module)
    assert found.basis("unexplained-weights").value == 7
    assert "trigger: not in the baseline" in found.measured("unexplained-weights").notes


def test_a_missing_tensor_is_not_explained(tmp_path, data, dense):
    module = copy.deepcopy(dense)
    module[0] = nn.Linear(6, 20, bias=False)
    with torch.no_grad():
        module[0].weight.copy_(dense[0].weight)
    found = derived(tmp_path, data, dense, module)
    assert found.basis("unexplained-weights").value == 20
    assert ("0.bias", "20", "missing") in found.figures[0].rows


def test_a_tensor_of_another_shape_is_not_explained(tmp_path, data, dense):
    found = derived(tmp_path, data, dense, mlp(6, 10, 2))
    assert found.basis("unexplained-weights").value == 6 * 10 + 10 + 2 * 10 + 2


class Scaled(nn.Module):
    """The baseline's own weights, times a factor that only the candidate's file holds."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = copy.deepcopy(linear.weight), copy.deepcopy(linear.bias)
        self.register_buffer("weight_scale", torch.full((20,), -3.0))

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.weight_scale[:, None], self.bias)


def test_a_factor_smuggled_in_beside_untouched_weights_is_not_explained(tmp_path, data, dense):
    found = derived(tmp_path, data, dense, nn.Sequential(Scaled(dense[0]), *dense[1:]))
    assert found.basis("unexplained-weights").value == 20
    assert found.status("retraining-is-declared") == "fail"


def test_a_grid_of_infinite_step_explains_nothing(tmp_path, data, dense):
    class Clamped(nn.Module):
        """Survives its own infinite scale."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.ones(20, 6, dtype=torch.int8))
            self.register_buffer("weight_scale", torch.full((20,), torch.inf))
            self.register_buffer("bias", dense[0].bias.detach().clone())

        def forward(self, x):
            weight = (self.weight * self.weight_scale[:, None]).clamp(-1, 1)
            return nn.functional.linear(x, weight, self.bias)

    found = derived(tmp_path, data, dense, nn.Sequential(Clamped(), *dense[1:]))
    assert found.basis("unexplained-weights").value == 120


def test_a_scale_of_another_shape_explains_nothing(tmp_path, data, dense):
    candidate = int8(dense)
    candidate[0].register_buffer("weight_scale", torch.ones(5))
    candidate[0].forward = lambda x: nn.functional.linear(x, dense[0].weight, dense[0].bias)
    given = model(tmp_path, candidate, "candidate")
    found = derived(tmp_path, data, dense, given)
    assert found.basis("unexplained-weights").value == 120
