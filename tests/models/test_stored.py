"""Weights of every tool go into a file and come back out of it, or are refused by name."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import prune

from govprune import save_weights
from govprune.errors import SubjectError
from govprune.models import from_module
from govprune.models.contents import contents
from govprune.models.resize import resize
from govprune.models.stored import flatten, masks_applied, restore

ROWS = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).eval()


@pytest.fixture
def quantised():
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    module = network()
    quantize_(module, Int8WeightOnlyConfig())
    return module


def same(first, second):
    with torch.inference_mode():
        return torch.equal(first(ROWS), second(ROWS))


def test_a_quantised_module_comes_back_bit_for_bit(tmp_path, quantised):
    path = save_weights(quantised, tmp_path / "q.safetensors")
    stored = load_file(path)
    assert stored["0.weight.qdata"].dtype == torch.int8
    assert contents(from_module(quantised, path, role="candidate", root=tmp_path)).bits == 8
    shell = copy.deepcopy(quantised)
    with torch.no_grad():
        for part in (shell[0].weight.qdata, shell[0].weight.scale, shell[2].bias):
            part.zero_()
    assert not same(shell, quantised)
    assert restore(shell, stored) == ([], [])
    assert same(shell, quantised)


def test_a_file_that_lacks_a_scale_names_it(quantised):
    stored = flatten(quantised.state_dict())
    del stored["0.weight.scale"]
    assert restore(copy.deepcopy(quantised), stored) == (["0.weight.scale"], [])


def test_a_part_of_another_type_is_refused(quantised):
    stored = flatten(quantised.state_dict())
    stored["0.weight.qdata"] = stored["0.weight.qdata"].float()
    with pytest.raises(RuntimeError, match=r"0\.weight\.qdata is torch\.float32 \(16, 6\)"):
        restore(copy.deepcopy(quantised), stored)


@pytest.mark.filterwarnings("ignore")  # torch.ao is deprecated, which is what is tested
def test_what_torch_ao_packs_comes_back_and_is_called_deprecated(tmp_path):
    packed = torch.ao.quantization.quantize_dynamic(network(), {nn.Linear})
    path = save_weights(packed, tmp_path / "p.safetensors")
    shell = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).eval(), {nn.Linear}
    )
    assert not same(shell, packed)
    model = from_module(shell, path, role="candidate", root=tmp_path)
    assert same(model.module, packed)
    assert "deprecated" in model.remarks[0]
    assert contents(model).bits == 8


@pytest.mark.filterwarnings("ignore")  # as above
def test_what_no_file_can_hold_is_refused_by_name(tmp_path):
    packed = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(4, 4)), {nn.LSTM})
    with pytest.raises(SubjectError, match="which no file can hold"):
        save_weights(packed, tmp_path / "l.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_masks_are_resolved_by_name():
    module = network()
    prune.l1_unstructured(module[0], "weight", amount=0.5)
    state = masks_applied(flatten(module.state_dict()))
    assert torch.equal(state["0.weight"], module[0].weight)
    assert set(state) == {"0.weight", "0.bias", "2.weight", "2.bias"}


# --- cut


def smaller():
    whole = network().state_dict()
    return {"0.weight": whole["0.weight"][:5], "0.bias": whole["0.bias"][:5],
            "2.weight": whole["2.weight"][:, :5], "2.bias": whole["2.bias"]}  # fmt: skip


def test_layers_are_cut_to_the_shapes_of_the_file():
    module = network()
    assert resize(module, smaller()) == ("0.weight", "0.bias", "2.weight")
    restore(module, smaller())
    assert (module[0].out_features, module[2].in_features) == (5, 5)
    assert module(ROWS).shape == (7, 3)


def test_a_larger_layer_is_refused():
    state = smaller() | {"2.bias": torch.zeros(4)}
    with pytest.raises(RuntimeError, match=r"2\.bias is \(4,\) in the file, \(3,\) in the code"):
        resize(network(), state)


@pytest.mark.parametrize("layer", [nn.LSTM(4, 4), nn.Conv2d(4, 4, 3, groups=2)])
def test_a_layer_that_cannot_be_cut_says_so(layer):
    module = nn.Sequential(layer)
    state = {n: t[:2].clone() for n, t in module.state_dict().items()}
    with pytest.raises(RuntimeError, match="which cannot be cut"):
        resize(module, state)


def test_a_depthwise_convolution_is_cut_by_channel():
    module = nn.Sequential(nn.Conv2d(6, 6, 3, groups=6))
    state = {n: t[:4].clone() for n, t in module.state_dict().items()}
    resize(module, state)
    restore(module, state)
    assert module(torch.randn(2, 4, 8, 8)).shape == (2, 4, 6, 6)


def test_a_module_of_half_the_bits_takes_the_rows_it_is_given(tmp_path):
    half = network().to(torch.bfloat16)
    path = save_weights(half, tmp_path / "h.safetensors")
    model = from_module(half, path, role="candidate", root=tmp_path)
    with torch.inference_mode():
        said = half(ROWS.to(torch.bfloat16)).double().numpy()
    assert (model.outputs(ROWS.numpy()) == said).all()
