"""Operations are counted from what the modules run, whatever their weights are said to be."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.ao.nn.quantized.dynamic import Linear as Dynamic
from torch.utils.flop_counter import FlopCounterMode
from worlds import asked, blobs, case, evaluation, int8, mlp, model, sparse

from govprune.checks.flops import FLOPS, count
from govprune.errors import CheckError
from govprune.job import ModelFiles
from govprune.measurements import Exact
from govprune.models import load

SIZES = (6, 64, 2)
DENSE = 2 * (6 * 64 + 64 * 2)
HALF = {"flops_ratio": 0.5}


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(40, seed=0), features=("x*",))


def counted(folder, data, before, after, **claim):
    return asked(case(folder, before, after, data, claim=claim), FLOPS, policy_pack="edge")


class Integers(nn.Module):
    """Two layers whose products are done in 8-bit integers."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        for name, shape in (("first", (6, 64)), ("second", (64, 2))):
            weight = torch.randint(1, 100, shape, generator=random, dtype=torch.int8)
            self.register_buffer(name, weight)

    def forward(self, x):
        x = torch._int_mm((x * 10).to(torch.int8), self.first).relu()
        return torch._int_mm((x / 100).to(torch.int8), self.second).float()


class Halves(nn.Sequential):
    def forward(self, x):
        return super().forward(x.to(torch.bfloat16)).float()


def test_a_dense_model_takes_two_operations_per_weight(tmp_path, data):
    found = counted(tmp_path, data, mlp(*SIZES), mlp(*SIZES))
    assert found.basis("flops-ratio") == Exact(value=1.0, n=DENSE)
    assert found.status("no-more-operations") == "pass"
    assert found.basis("flops-claim-error") == Exact(value=0.0)
    assert found.status("operations-as-claimed") == "pass"


def test_zeros_in_dense_weights_save_no_operation_and_break_the_claim(tmp_path, data):
    dense = mlp(*SIZES)
    found = counted(tmp_path, data, dense, sparse(dense, 0.9), flops_ratio=0.1)
    assert found.basis("flops-ratio").value == 1.0
    assert found.basis("flops-claim-error").value == pytest.approx(9.0)
    assert found.status("operations-as-claimed") == "fail"
    rows = {row[0]: row[1:] for row in found.figures[0].rows}
    kept = [int(cell.replace(",", "")) for cell in rows["if zero weights were skipped"]]
    assert kept[0] == DENSE
    assert kept[1] == pytest.approx(0.1 * DENSE, rel=0.02)


@pytest.mark.parametrize(("claim", "status"), [(0.5, "pass"), (0.6, "pass"), (0.4, "fail")])
def test_half_the_width_is_half_the_operations(tmp_path, data, claim, status):
    found = counted(tmp_path, data, mlp(6, 64, 2), mlp(6, 32, 2), flops_ratio=claim)
    assert found.basis("flops-ratio").value == 0.5
    assert found.status("operations-as-claimed") == status


def test_a_larger_model_takes_more_operations(tmp_path, data):
    found = counted(tmp_path, data, mlp(6, 64, 2), mlp(6, 65, 2))
    assert found.status("no-more-operations") == "fail"


def test_products_of_integers_are_counted_although_torch_counts_none(tmp_path, data):
    candidate = Integers()
    with FlopCounterMode(display=False) as torchs:
        candidate(torch.zeros(1, 6))
    assert torchs.get_total_flops() == 0
    found = counted(tmp_path, data, mlp(*SIZES), candidate)
    assert found.basis("flops-ratio").value == 1.0
    assert found.basis("int8-share").value == 1.0
    assert ("8-bit integer", "0", f"{DENSE:,}") in found.figures[0].rows


def test_weights_stored_in_8_bits_and_unpacked_are_multiplied_as_floats(tmp_path, data):
    dense = mlp(*SIZES)
    found = counted(tmp_path, data, dense, int8(dense))
    assert found.basis("flops-ratio").value == 1.0
    assert found.basis("int8-share").value == 0.0


def test_sixteen_bits_are_told_from_thirty_two(tmp_path, data):
    found = counted(tmp_path, data, mlp(*SIZES), Halves(*mlp(*SIZES)).bfloat16())
    assert [row[0] for row in found.figures[0].rows[:2]] == ["32-bit float", "16-bit float"]
    assert ("16-bit float", "0", f"{DENSE:,}") in found.figures[0].rows


class Shaped(nn.Module):
    """Give a layer the shape it takes, and return columns."""

    def __init__(self, layer: nn.Module, *shape: int) -> None:
        super().__init__()
        self.layer, self.shape = layer, shape

    def forward(self, x):
        said = self.layer(x.view(-1, *self.shape))
        return (said[0] if isinstance(said, tuple) else said).flatten(1)


CONVOLUTION = 2 * 4 * (6 * 6) * 9  # 4 channels of 6 x 6 places, each of 3 x 3 weights
RECURRENT = 2 * 8 * 4 * 16 * (8 + 16)  # 8 steps, 4 gates of 16 units
ATTENTION = 2 * 8 * (8 * 24 + 8 * 8 + 2 * 8 * 32) + 2 * 2 * (8 * 8 * 8)  # 8 tokens of 8 numbers


@pytest.mark.parametrize(
    ("module", "operations"),
    [
        (Shaped(nn.Conv2d(1, 4, 3), 1, 8, 8), CONVOLUTION),
        (Shaped(nn.LSTM(8, 16, batch_first=True), 8, 8), RECURRENT),
        (Shaped(nn.TransformerEncoderLayer(8, 2, 32, batch_first=True), 8, 8), ATTENTION),
    ],
)
def test_layers_that_run_as_one_operation_are_counted_by_hand_alike(tmp_path, module, operations):
    loaded = model(tmp_path, module.eval(), "baseline")
    row = torch.zeros(1, 64).numpy()
    assert count(loaded, row).total == operations
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mkldnn.enabled


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
def test_a_packed_8_bit_layer_is_counted(tmp_path):
    loaded = model(tmp_path, mlp(6, 64), "baseline")
    found = count(replace(loaded, module=Dynamic(6, 64)), torch.zeros(1, 6).numpy())
    assert found.by_precision == {"8-bit integer": 2 * 6 * 64}


class Elementwise(nn.Linear):
    """A product that no counter sees as one."""

    def forward(self, x):
        spread = torch.stack([x] * len(self.weight), dim=1)
        return (spread * self.weight).sum(2) + self.bias


def test_a_model_whose_operations_cannot_be_seen_is_not_called_cheap(tmp_path, data):
    given = case(tmp_path, mlp(6, 2), Elementwise(6, 2), data)
    with pytest.raises(CheckError, match="the candidate does no matrix product"):
        list(FLOPS.measure(given, FLOPS.params()))


@pytest.mark.parametrize(("claim", "answered"), [({}, ["flops-claim-error"]), (HALF, [])])
def test_a_graph_keeps_only_the_claim_it_never_made(tmp_path, data, claim, answered):
    """What is no torch module cannot be counted."""
    value = onnx.helper.make_tensor_value_info
    weight = onnx.numpy_helper.from_array(np.ones((6, 2), np.float32), "weight")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["rows", "weight"], ["said"])], "graph",
        [value("rows", onnx.TensorProto.FLOAT, ["n", 6])],
        [value("said", onnx.TensorProto.FLOAT, ["n", 2])], [weight],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 17)]
    made = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.save(made, tmp_path / "candidate.onnx")
    candidate = load(ModelFiles(weights="candidate.onnx"), role="candidate", root=tmp_path)
    given = case(tmp_path, mlp(6, 2), candidate, data, claim=claim)
    measured = []
    with pytest.raises(CheckError, match="the candidate is an ONNX graph"):
        for item in FLOPS.measure(given, FLOPS.params()):
            measured.append(item)  # noqa: PERF402 what came before the error counts
    assert [m.metric for m in measured] == answered


class CheapAlone(nn.Module):
    """Takes a short cut where it is asked for one row."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.short = mlp(*SIZES), nn.Linear(6, 2)

    def forward(self, x):
        return self.short(x) if len(x) == 1 else self.inner(x)


class SpreadOut(nn.Module):
    """A dense model whose first product is written out."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp(*SIZES)

    def forward(self, x):
        first = self.inner[0]
        return self.inner[2](((x[:, None, :] * first.weight).sum(-1) + first.bias).relu())


@pytest.mark.parametrize("build", [CheapAlone, SpreadOut])
def test_operations_hidden_from_a_single_row_or_in_a_sum_are_counted(tmp_path, data, build):
    found = counted(tmp_path, data, mlp(*SIZES), build(), **HALF)
    assert found.basis("flops-ratio") == Exact(value=1.0, n=DENSE)
    assert found.status("operations-as-claimed") == "fail"
