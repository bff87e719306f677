"""What a step did is on file: the baseline as it was before, the candidate as it ships."""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune
from worlds import int8, mlp, save, sha256, sparse

import govprune
from govprune.errors import SubjectError

ROWS = np.ones((2, 3), dtype=np.float32)


@pytest.fixture
def dense():
    torch.manual_seed(0)
    return mlp(3, 4, 2)


def halve(module):
    """Zero half of each layer, in place."""
    for i in (0, 2):
        prune.l1_unstructured(module[i], "weight", amount=0.5)
        prune.remove(module[i], "weight")
    return module


def test_the_baseline_keeps_its_digest_although_the_step_prunes_in_place(tmp_path, dense):
    before = sha256(save(dense, tmp_path / "before.safetensors"))
    answers = dense(torch.tensor(ROWS)).detach().double().numpy()
    with govprune.step(dense, name="halve", folder=tmp_path / "step") as step:
        step.candidate = halve(step.model)
    assert step.candidate is dense
    baseline, candidate = step.models()
    assert baseline.weights.sha256 == before
    assert np.allclose(baseline.logits(ROWS), answers)
    assert candidate.weights.sha256 != before
    assert int((candidate.tensors["0.weight"] == 0).sum()) == 6
    assert not np.allclose(candidate.logits(ROWS), answers)


def test_what_is_judged_is_the_file_and_not_the_object_in_memory(tmp_path, dense):
    with govprune.step(dense, name="halve", folder=tmp_path) as step:
        step.candidate = halve(step.model)
    with torch.no_grad():
        step.candidate[0].weight.fill_(9.0)
    _, candidate = step.models()
    assert int((candidate.module[0].weight == 9).sum()) == 0


def test_masks_that_the_step_left_in_ship_and_are_seen_through(tmp_path, dense):
    """Such a module cannot be copied, but its weights fit the old architecture."""
    with govprune.step(dense, name="masked", folder=tmp_path) as step:
        prune.l1_unstructured(step.model[0], "weight", amount=0.5)
        step.candidate = step.model
    _, candidate = step.models()
    assert {"0.weight_orig", "0.weight_mask"} < set(candidate.tensors)
    assert int((candidate.module[0].weight == 0).sum()) == 6


@pytest.mark.parametrize("change", [int8, lambda _: mlp(3, 2, 2)], ids=["int8", "narrower"])
def test_a_candidate_of_another_architecture_is_loaded_into_its_own(tmp_path, dense, change):
    with govprune.step(dense, name="other", folder=tmp_path) as step:
        step.candidate = change(step.model)
    _, candidate = step.models()
    with torch.no_grad():
        assert np.allclose(candidate.logits(ROWS), step.candidate(torch.tensor(ROWS)).numpy())


def test_the_record_says_what_was_claimed_and_when(tmp_path, dense):
    with govprune.step(
        dense, name="halve", claim={"sparsity": 0.5}, retrains=True, folder=tmp_path
    ) as step:
        step.candidate = sparse(step.model, 0.5)
    record = step.record
    assert (record.name, record.kind, record.retrains) == ("halve", "callable", True)
    assert record.claim.sparsity == 0.5
    assert record.started <= record.finished
    assert record.finished.endswith("Z")


def test_a_forgotten_candidate_is_asked_for(tmp_path, dense):
    with (
        pytest.raises(SubjectError, match=r"set `s\.candidate = \.\.\.` inside the with block"),
        govprune.step(dense, name="empty", folder=tmp_path) as step,
    ):
        halve(step.model)
    assert not (tmp_path / "candidate.safetensors").exists()
    with pytest.raises(SubjectError, match="has not finished"):
        step.models()


def test_a_step_that_fails_leaves_nothing_to_gate_even_over_an_earlier_run(tmp_path, dense):
    with govprune.step(dense, name="twice", folder=tmp_path) as step:
        step.candidate = sparse(step.model, 0.5)
    with (
        pytest.raises(ZeroDivisionError),
        govprune.step(dense, name="twice", folder=tmp_path) as second,
    ):
        second.candidate = sparse(second.model, 0.9)
        1 / 0  # noqa: B018 the step dies here
    with pytest.raises(SubjectError, match="gate it after the with block"):
        second.models()


def test_a_step_that_rewrites_the_file_of_its_baseline_is_refused(tmp_path, dense):
    with govprune.step(dense, name="sly", folder=tmp_path) as step:
        step.candidate = sparse(step.model, 0.9)
        save(step.candidate, tmp_path / "baseline.safetensors")
    with pytest.raises(SubjectError, match="changed while step 'sly' ran"):
        step.models()


def test_a_baseline_with_unfinished_masks_is_refused_with_what_to_do(tmp_path, dense):
    prune.l1_unstructured(dense[0], "weight", amount=0.5)
    dense(torch.tensor(ROWS))
    with (
        pytest.raises(SubjectError, match=r"torch\.nn\.utils\.prune\.remove"),
        govprune.step(dense, name="again", folder=tmp_path),
    ):
        pytest.fail("the block must not run")


def test_the_decorator_watches_a_callable_and_takes_its_first_line_as_description(tmp_path, dense):
    @govprune.wrap(name="halve", claim={"sparsity": 0.5}, folder=tmp_path)
    def compress(module):
        """Zero half of the weights.

        In place.
        """
        return halve(module)

    step = compress(dense)
    assert compress.__name__ == "compress"
    assert step.record.description == "Zero half of the weights."
    assert step.record.claim.sparsity == 0.5
    baseline, candidate = step.models()
    assert int((baseline.module[0].weight == 0).sum()) == 0
    assert int((candidate.module[0].weight == 0).sum()) == 6


def test_by_default_the_files_lie_under_the_name_of_the_step(tmp_path, dense, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with govprune.step(dense, name="prune-50") as step:
        step.candidate = sparse(step.model, 0.5)
    folder = tmp_path / ".govprune/steps/prune-50"
    assert sorted(p.name for p in folder.iterdir()) == [
        "baseline.safetensors", "candidate.safetensors",
    ]  # fmt: skip
    assert set(safetensors.torch.load_file(folder / "candidate.safetensors")) == set(
        dense.state_dict()
    )


def test_tied_weights_are_written_once_per_name(tmp_path):
    tied = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    with govprune.step(tied, name="tied", folder=tmp_path) as step:
        step.candidate = step.model
    baseline, candidate = step.models()
    assert torch.equal(baseline.tensors["0.weight"], baseline.tensors["2.weight"])
    assert candidate.weights.sha256 == baseline.weights.sha256
