"""What a step saved is counted in the file that ships."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from worlds import asked, case, evaluation, int8, mlp, model, sparse

from govprune.checks.compression_claim import COMPRESSION_CLAIM
from govprune.checks.size import SIZE


@pytest.fixture
def data(tmp_path):
    columns = {f"x{i}": [0.5 * j for j in range(30)] for i in range(20)}
    return evaluation(tmp_path, columns | {"label": [0, 1, 1] * 10}, features=("x*",))


@pytest.fixture
def dense():
    torch.manual_seed(0)
    return mlp(20, 100, 2)


class Named(nn.Module):
    """Weights of an mlp under names of the writer's choice."""

    def __init__(self, dense, name):
        super().__init__()
        for i, weight in enumerate(p for p in dense.parameters() if p.ndim == 2):
            self.register_buffer(name.format(f"w{i}"), weight.detach().clone())

    def forward(self, x):
        return x[:, :2]


def claimed(folder, data, dense, candidate, **claim):
    return asked(case(folder, dense, candidate, data, claim=claim), COMPRESSION_CLAIM, SIZE)


def test_a_true_claim_passes(tmp_path, data, dense):
    found = claimed(tmp_path, data, dense, sparse(dense, 0.9), sparsity=0.9)
    assert found.basis("sparsity").value == 0.9
    assert found.basis("claim-error").value == pytest.approx(0)
    assert found.status("claims-are-true") == "pass"
    assert found.status("something-was-saved") == "pass"
    assert found.status("no-masks-left") == "pass"


def test_89_percent_is_not_90_percent(tmp_path, data, dense):
    """A tenth more weights are kept than claimed."""
    found = claimed(tmp_path, data, dense, sparse(dense, 0.89), sparsity=0.9)
    assert found.basis("claim-error").value == pytest.approx(0.1)
    assert found.status("claims-are-true") == "fail"


def test_more_than_claimed_is_not_true_either(tmp_path, data, dense):
    found = claimed(tmp_path, data, dense, sparse(dense, 0.92), sparsity=0.9)
    assert found.status("claims-are-true") == "fail"


def test_a_copy_of_the_baseline_is_not_compressed(tmp_path, data, dense):
    found = claimed(tmp_path, data, dense, copy.deepcopy(dense))
    assert found.status("something-was-saved") == "fail"
    assert found.measured("claim-error").notes == (
        "the step claims no number for sparsity, bits or size",
    )


def test_zeros_that_were_there_before_are_no_saving(tmp_path, data, dense):
    found = claimed(tmp_path, data, sparse(dense, 0.9), sparse(dense, 0.9))
    assert found.status("something-was-saved") == "fail"


def test_masks_left_in_the_file_are_counted_and_seen_through(tmp_path, data, dense):
    masked = copy.deepcopy(dense)
    for i in (0, 2):
        prune.l1_unstructured(masked[i], "weight", amount=0.9)
    candidate = model(tmp_path, masked, "candidate", shell=dense)
    assert {"0.weight_orig", "0.weight_mask", "2.weight_orig", "2.weight_mask"} < set(
        candidate.tensors
    )
    found = claimed(tmp_path, data, dense, candidate, sparsity=0.9)
    assert found.basis("sparsity").value == 0.9
    assert found.basis("masks-left").value == 2
    assert found.status("no-masks-left") == "fail"
    assert found.status("file-not-larger") == "fail"


def test_a_buffer_that_happens_to_be_called_mask_is_no_pruning_mask(tmp_path, data, dense):
    module = copy.deepcopy(dense)
    module.register_buffer("causal_mask", torch.ones(20, 20))
    found = claimed(tmp_path, data, module, copy.deepcopy(module))
    assert found.status("no-masks-left") == "pass"


def test_eight_bit_weights_are_eight_bits(tmp_path, data, dense):
    found = claimed(tmp_path, data, dense, int8(dense), bits=8)
    assert found.basis("bits-per-weight").value == 8
    assert found.status("claims-are-true") == "pass"
    assert found.status("something-was-saved") == "pass"
    assert found.basis("size-ratio").value < 0.5
    assert found.status("file-not-larger") == "pass"


def test_four_bits_claimed_and_eight_found_fails(tmp_path, data, dense):
    found = claimed(tmp_path, data, dense, int8(dense), bits=4)
    assert found.basis("claim-error").value == 1.0
    assert found.status("claims-are-true") == "fail"


def test_a_file_larger_than_claimed_fails_and_a_smaller_one_does_not(tmp_path, data, dense):
    candidate = model(tmp_path, int8(dense), "candidate")
    baseline = model(tmp_path, dense, "baseline")
    ratio = candidate.weights.size / baseline.weights.size
    for claim, status in ((ratio * 0.9, "fail"), (ratio * 1.1, "pass")):
        found = claimed(tmp_path, data, baseline, candidate, size_ratio=claim)
        assert found.status("claims-are-true") == status


def test_the_worst_of_several_claims_decides(tmp_path, data, dense):
    found = claimed(tmp_path, data, dense, sparse(dense, 0.9), sparsity=0.9, bits=8)
    assert found.basis("claim-error").value == 3.0
    assert found.measured("claim-error").notes == (
        "sparsity (claimed 90.0%, found 90.0%): off by 0.00 %",
        "bits per weight (claimed 8.0, found 32.0): off by 300.00 %",
    )  # fmt: skip
    assert found.status("claims-are-true") == "fail"


# --- patterns and parameters


def two_of_four(dense):
    """Zero the two smallest of every four weights in a row, in all layers but the last."""
    module = copy.deepcopy(dense)
    with torch.no_grad():
        for i in (0, 2):
            groups = module[i].weight.reshape(-1, 4)
            smallest = groups.abs().argsort(dim=1)[:, :2]
            groups.scatter_(1, smallest, 0.0)
    return module


@pytest.fixture
def wide():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 24), nn.ReLU(),
                         nn.Linear(24, 2))  # fmt: skip


def test_a_pattern_that_is_kept_is_found_and_a_claim_of_it_holds(tmp_path, data, wide):
    found = claimed(tmp_path, data, wide, two_of_four(wide), pattern="2:4")
    assert found.basis("claim-error").value == 0
    assert {row[0]: row[2] for row in found.figures[0].rows}["pattern of zeros"] == (
        "2:4 in 94.8% of weights"
    )


def test_one_group_that_breaks_the_pattern_breaks_the_claim(tmp_path, data, wide):
    candidate = two_of_four(wide)
    with torch.no_grad():
        candidate[2].weight[:4, :4] = 0.1
    found = claimed(tmp_path, data, wide, candidate, pattern="2:4")
    assert found.basis("claim-error").value == 4 / 220
    assert found.status("claims-are-true") == "fail"


def test_a_dense_model_keeps_no_pattern(tmp_path, data, wide):
    assert claimed(tmp_path, data, wide, wide, pattern="2:4").basis("claim-error").value == 1


def test_parameters_that_were_cut_are_counted(tmp_path, data, wide):
    torch.manual_seed(1)
    half = nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 12), nn.ReLU(),
                         nn.Linear(12, 2))  # fmt: skip
    before = sum(p.numel() for p in wide.parameters())
    after = sum(p.numel() for p in half.parameters())
    true = claimed(tmp_path, data, wide, half, parameters_ratio=after / before)
    assert true.basis("claim-error").value < 1e-9
    assert (
        claimed(tmp_path, data, wide, half, parameters_ratio=0.25).status("claims-are-true")
        == "fail"
    )


# --- false claims


def figure(found):
    return {row[0]: row[2] for row in found.figures[0].rows}


def test_a_pattern_in_the_smallest_matrix_alone_is_no_pattern(tmp_path, data, wide):
    candidate = copy.deepcopy(wide)
    with torch.no_grad():
        candidate[4].weight.view(-1, 4)[:, :2] = 0
    found = claimed(tmp_path, data, wide, candidate, pattern="2:4")
    assert found.basis("claim-error").value == pytest.approx(880 / 928)
    assert found.status("claims-are-true") == "fail"
    assert figure(found)["pattern of zeros"] == "2:4 in 5.2% of weights"


def test_a_pattern_in_added_zeros_is_no_pattern(tmp_path, data, wide):
    candidate = copy.deepcopy(wide)
    candidate.register_buffer("pad", torch.zeros(5000, 4))
    found = claimed(tmp_path, data, wide, candidate, pattern="2:4")
    assert found.basis("claim-error").value == 1


def test_weights_called_masks_are_weights(tmp_path, data, dense):
    candidate = Named(dense, "{}_mask")
    candidate.register_buffer("few", torch.eye(8))
    found = claimed(tmp_path, data, dense, candidate, sparsity=1 - 8 / 64)
    assert found.basis("sparsity").value == 0
    assert found.basis("masks-left").value == 0
    assert found.status("claims-are-true") == "fail"


def test_weights_in_the_mask_of_an_empty_tensor_are_weights(tmp_path, data, dense):
    candidate = Named(dense, "{}_mask")
    for name, mask in list(candidate.named_buffers()):
        candidate.register_buffer(name.replace("_mask", "_orig"), torch.zeros_like(mask))
    found = claimed(tmp_path, data, dense, candidate, sparsity=1.0)
    assert found.basis("sparsity").value == 0
    assert found.basis("masks-left").value == 0


@pytest.mark.parametrize("stored", ["sign", "one"])
def test_weights_in_the_scale_of_a_grid_are_weights(tmp_path, data, dense, stored):
    candidate = Named(dense, "{}_scale")
    for name, scale in list(candidate.named_buffers()):
        held = scale.sign() if stored == "sign" else torch.zeros(1, 1)
        candidate.register_buffer(name.removesuffix("_scale"), held.to(torch.int8))
    found = claimed(tmp_path, data, dense, candidate, bits=8)
    assert found.basis("bits-per-weight").value == 32
    assert found.status("claims-are-true") == "fail"


def test_zeros_that_pad_a_file_are_not_counted(tmp_path, data, dense):
    weights = sum(p.numel() for p in dense.parameters() if p.ndim == 2)
    candidate = copy.deepcopy(dense)
    candidate.register_buffer("pad", torch.zeros(9 * weights, 1))
    found = claimed(tmp_path, data, dense, candidate, sparsity=0.9)
    assert found.basis("sparsity").value == 0
    assert found.basis("claim-error").value == pytest.approx(9)
    assert found.status("something-was-saved") == "fail"
    assert figure(found)["zeros beyond the baseline's weights"] == f"{9 * weights:,}"


def test_narrow_integers_that_pad_a_file_do_not_lower_its_bits(tmp_path, data, dense):
    candidate = copy.deepcopy(dense)
    candidate.register_buffer("pad", torch.ones(100_000, 1, dtype=torch.int8))
    found = claimed(tmp_path, data, dense, candidate, bits=8)
    assert found.basis("bits-per-weight").value == 32
    assert found.status("claims-are-true") == "fail"


def test_a_smaller_model_of_other_names_may_be_sparse(tmp_path, data, dense):
    torch.manual_seed(1)
    student = nn.Sequential(nn.Identity(), sparse(mlp(20, 50, 2), 0.5))
    found = claimed(tmp_path, data, dense, student, sparsity=0.5)
    assert found.basis("sparsity").value == 0.5
    assert found.status("claims-are-true") == "pass"
