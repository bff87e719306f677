"""A model is what its weights and its code say, or it is refused; nothing hostile runs."""

import json
import os
import pickle
import struct

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune
from worlds import mlp, save, sha256

from govprune.errors import SubjectError
from govprune.job import ModelFiles
from govprune.models import from_module, load

CODE = """
from torch import nn

def build():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

def narrow():
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))

def nothing():
    return {"no": "module"}

word = "build"
"""
ROWS = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, -0.5]], dtype=np.float32)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return mlp(3, 4, 2)


@pytest.fixture
def folder(tmp_path, module):
    (tmp_path / "model.py").write_text(CODE)
    save(module, tmp_path / "weights.safetensors")
    return tmp_path


def read(folder, *, weights="weights.safetensors", **files):
    given = ModelFiles.model_validate({"code": "model.py", "weights": weights} | files)
    return load(given, role="candidate", root=folder)


def refused(folder, **files) -> str:
    with pytest.raises(SubjectError) as caught:
        read(folder, **files)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- what is loaded


def test_a_model_is_loaded_from_the_bytes_that_were_digested(folder, module):
    model = read(folder)
    assert model.weights.sha256 == sha256(folder / "weights.safetensors")
    assert model.code.sha256 == sha256(folder / "model.py")
    with torch.no_grad():
        assert np.allclose(model.logits(ROWS), module(torch.tensor(ROWS)).numpy())
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())


def test_the_code_that_runs_is_the_code_that_was_digested(folder):
    """A compiled copy that lies beside it, of whatever age, is not what the evidence names."""
    import py_compile

    canary = folder / "ran"
    (folder / "model.py").write_text(f"open({str(canary)!r}, 'w')\n" + CODE)
    py_compile.compile(str(folder / "model.py"))
    stamp = (folder / "model.py").stat()
    text = CODE.ljust(stamp.st_size, "\n")
    (folder / "model.py").write_text(text)
    os.utime(folder / "model.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    read(folder)
    assert not canary.exists()


def test_code_that_uses_dataclasses_and_its_own_place_can_be_loaded(folder):
    head = "from dataclasses import dataclass\n\n@dataclass\nclass Size:\n    n: int = 3\n\n"
    head += "HERE = __file__\n"
    (folder / "model.py").write_text(head + CODE)
    assert read(folder).logits(ROWS).shape == (2, 2)


def test_a_single_logit_is_read_as_two(tmp_path):
    single = nn.Linear(3, 1)
    weights = save(single, tmp_path / "w.safetensors")
    scores = from_module(single, weights, role="baseline", root=tmp_path).logits(ROWS)
    with torch.no_grad():
        z = single(torch.tensor(ROWS)).double().numpy()[:, 0]
    assert scores.tolist() == [[0.0, z[0]], [0.0, z[1]]]


def test_a_flat_output_is_one_logit_per_row(tmp_path):
    flat = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    weights = save(flat, tmp_path / "w.safetensors")
    assert from_module(flat, weights, role="baseline", root=tmp_path).logits(ROWS).shape == (2, 2)


def test_many_rows_are_scored_like_few(tmp_path, module):
    weights = save(module, tmp_path / "w.safetensors")
    model = from_module(module, weights, role="baseline", root=tmp_path)
    many = np.tile(ROWS, (8192, 1))
    assert np.allclose(model.logits(many)[-2:], model.logits(ROWS))


def test_masks_left_in_a_file_are_applied(tmp_path, module):
    masked = mlp(3, 4, 2)
    masked.load_state_dict(module.state_dict())
    prune.l1_unstructured(masked[0], "weight", amount=0.5)
    weights = save(masked, tmp_path / "w.safetensors")
    model = from_module(module, weights, role="candidate", root=tmp_path)
    assert torch.equal(model.module[0].weight, masked[0].weight)
    assert int((model.module[0].weight == 0).sum()) == 6


def test_the_module_that_was_given_is_not_changed(tmp_path, module):
    other = save(mlp(3, 4, 2), tmp_path / "w.safetensors")
    before = module[0].weight.clone()
    from_module(module, other, role="candidate", root=tmp_path)
    assert torch.equal(module[0].weight, before)
    assert module[0].weight.requires_grad


# --- weights that are refused


class Bomb:
    """What a hostile checkpoint looks like: unpickling it runs a command."""

    def __init__(self, canary) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.mkdir, (str(self.canary),))


@pytest.mark.parametrize(
    "name", ["w.pt", "w.pth", "w.bin", "w.CKPT", "w.pkl", "w.safetensors", "w"]
)
def test_a_pickle_is_never_opened_whatever_it_is_called(folder, name):
    canary = folder / "the pickle ran"
    (folder / name).write_bytes(pickle.dumps(Bomb(canary)))
    message = refused(folder, weights=name)
    assert not canary.exists()
    assert name in message
    assert "pickled checkpoint" in message or "not a safetensors file" in message


def test_a_torch_checkpoint_called_safetensors_is_never_opened(folder):
    canary = folder / "the pickle ran"
    torch.save({"w": Bomb(canary)}, folder / "w.safetensors")
    assert "not a safetensors file" in refused(folder, weights="w.safetensors")
    assert not canary.exists()


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(folder, kept):
    data = (folder / "weights.safetensors").read_bytes()
    (folder / "half.safetensors").write_bytes(data[:kept])
    assert "not a safetensors file" in refused(folder, weights="half.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**62]}},
        {"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": 3},
    ],
)
def test_a_header_that_lies_is_refused(folder, header):
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + b"\0" * 4
    (folder / "lie.safetensors").write_bytes(data)
    assert "not a safetensors file" in refused(folder, weights="lie.safetensors")


def test_a_link_a_folder_and_a_missing_file_are_refused(folder):
    (folder / "link.safetensors").symlink_to(folder / "weights.safetensors")
    assert "is a symbolic link" in refused(folder, weights="link.safetensors")
    (folder / "folder.safetensors").mkdir()
    assert "leave candidate.code out" in refused(folder, weights="folder.safetensors")
    assert "no such file" in refused(folder, weights="none.safetensors")


def test_weights_of_another_shape_name_the_tensor(folder):
    save(mlp(3, 5, 2), folder / "other.safetensors")
    message = refused(folder, weights="other.safetensors")
    assert "does not fit the candidate's module: 0.weight is (5, 3) in the file" in message


def test_another_factory_is_suggested_where_names_differ(folder, module):
    state = {k: v for k, v in module.state_dict().items() if k != "2.bias"}
    safetensors.torch.save_file(state, folder / "less.safetensors")
    message = refused(folder, weights="less.safetensors")
    assert "lacks '2.bias'" in message
    assert "(candidate.factory)" in message
    safetensors.torch.save_file(module.state_dict() | {"extra": torch.ones(1)},
                                folder / "more.safetensors")  # fmt: skip
    assert "holds 'extra', unknown to it" in refused(folder, weights="more.safetensors")


def test_a_mask_that_does_not_fit_its_weights_is_refused(folder, module):
    state = module.state_dict()
    state["0.weight_orig"], state["0.weight_mask"] = state.pop("0.weight"), torch.ones(7)
    safetensors.torch.save_file(state, folder / "mask.safetensors")
    assert "does not fit the candidate's module" in refused(folder, weights="mask.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused_with_the_row(tmp_path, module, value):
    with torch.no_grad():
        module[2].weight[0, 0] = value
        module[0].weight[0] = torch.tensor([0.0, 0.0, -1.0])
        module[0].bias[0] = 0.0
    weights = save(module, tmp_path / "w.safetensors")
    model = from_module(module, weights, role="candidate", root=tmp_path)
    with pytest.raises(SubjectError, match=r"the candidate \(w.safetensors\) gives NaN or inf"):
        model.logits(ROWS)


class Answers(nn.Module):
    """Gives whatever it was told to give."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


def fails(x):
    raise IndexError("no such layer\nsecond line")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: {"logits": x}, "the module returns dict, not a tensor of logits"),
        (lambda x: x[None], r"the module returns shape \(1, 2, 3\), not \(rows, classes\)"),
        (lambda x: x @ torch.ones(5), "cannot score 3 features: RuntimeError"),
        (fails, "cannot score 3 features: IndexError: no such layer$"),
    ],
)
def test_a_module_that_cannot_score_is_refused_in_a_sentence(tmp_path, answer, message):
    module = Answers(answer)
    safetensors.torch.save_file({}, tmp_path / "w.safetensors")
    model = from_module(module, tmp_path / "w.safetensors", role="candidate", root=tmp_path)
    with pytest.raises(SubjectError, match=message) as caught:
        model.logits(ROWS)
    assert "\n" not in str(caught.value)


# --- code that is refused


def test_the_factory_the_job_names_is_called(folder):
    assert "does not fit" in refused(folder, factory="narrow")
    assert "no function 'made'; name one under `factory:`" in refused(folder, factory="made")
    assert "no function 'word'" in refused(folder, factory="word")
    assert "nothing() returned dict, not a module" in refused(folder, factory="nothing")


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("def build():\n    return missing\n", 2, "NameError: name 'missing' is not defined"),
        ("def build():\n    return None.layers\n", 2, "AttributeError"),
        ("\ndef build(:\n", 2, "SyntaxError"),
        ("import torch\n\ndef build():\n    return torch.nn.Linear(1, 'a')\n", 4, "TypeError"),
        ("raise ValueError('one\\ntwo')\n", 1, "ValueError: one (while"),
        ("import sys\nsys.exit(0)\n", 2, "SystemExit: 0"),
        ("def build():\n    assert False\n", 2, "AssertionError (while"),
    ],
)
def test_code_that_fails_names_its_own_line(folder, code, line, message):
    """Not the line of torch it died in; and leaving with exit code 0 is no PASSED."""
    (folder / "model.py").write_text(code)
    found = refused(folder)
    assert found.startswith(f"{folder / 'model.py'}:{line}: ")
    assert message in found
    assert "(while building the model)" in found


def test_code_that_is_missing_or_a_link_is_refused_before_it_runs(folder):
    assert "no such file" in refused(folder, code="none.py")
    canary = folder / "ran"
    (folder / "real.py").write_text(f"open({str(canary)!r}, 'w')\n" + CODE)
    (folder / "link.py").symlink_to(folder / "real.py")
    assert "is a symbolic link" in refused(folder, code="link.py")
    assert not canary.exists()


def test_code_that_is_not_text_is_refused(folder):
    (folder / "model.py").write_bytes(b"\xff\xfe\0build")
    assert str(folder / "model.py") in refused(folder)
