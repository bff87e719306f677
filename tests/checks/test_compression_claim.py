"""What a step saved is counted in the file that ships."""

import copy

import pytest
import torch
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
        "sparsity: off by 0.00 %", "bits per weight: off by 300.00 %",
    )  # fmt: skip
    assert found.status("claims-are-true") == "fail"
