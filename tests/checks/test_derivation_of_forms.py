"""Cut channels, folded norms, turned matrices and every tool's grid come from the baseline."""

import copy

import pytest
import torch
from torch import nn

from govprune.checks.derivation import origins
from govprune.models.grids import grids
from govprune.models.stored import flatten


def network():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 20, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(20 * 16, 30), nn.ReLU(), nn.Linear(30, 5),
    )  # fmt: skip
    with torch.no_grad():
        module[1].running_mean.normal_()
        module[1].running_var.uniform_(0.5, 2)
        module[1].weight.uniform_(0.5, 2)
        module[1].bias.normal_()
    return module.eval()


def state(module):
    return flatten(module.state_dict())


def strange(before, after):
    return {name: o.strange for name, _, o in origins(before, after).tensors if o.strange}


def cut(tensors):
    """Take channels out of the first two layers, as structured pruning does."""
    small = dict(tensors)
    first, second = torch.arange(12)[torch.arange(12) % 3 != 1], torch.arange(20)[::2]
    for name in ("0.weight", "0.bias", *(f"1.{p}" for p in
                 ("weight", "bias", "running_mean", "running_var"))):  # fmt: skip
        small[name] = tensors[name][first]
    small["3.weight"] = tensors["3.weight"][second][:, first]
    small["3.bias"] = tensors["3.bias"][second]
    small["6.weight"] = tensors["6.weight"].reshape(30, 20, 16)[:, second].reshape(30, -1)
    return small


def test_cut_channels_are_explained():
    whole = state(network())
    small = cut(whole)
    assert strange(whole, small) == {}
    how = {name: o.how for name, _, o in origins(whole, small).tensors}
    assert how["3.weight"] == "cut from (20, 12, 3, 3) to (10, 8, 3, 3), kept, bit for bit"


def test_a_norm_of_ones_and_zeros_is_cut_like_the_layer_before_it():
    whole = state(network())
    whole["1.running_mean"], whole["1.weight"] = torch.zeros(12), torch.ones(12)
    assert strange(whole, cut(whole)) == {}


@pytest.mark.parametrize("name", ["0.weight", "1.bias", "3.weight", "6.weight", "8.weight"])
def test_one_tampered_value_of_a_cut_model_is_found(name):
    whole = state(network())
    small = cut(whole)
    small[name] = small[name].clone()
    small[name].reshape(-1)[7] += 0.01
    assert strange(whole, small) == {name: 1}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(40, 30), (24, 20, 3, 3), (200, 7)])
def test_whichever_rows_and_columns_were_kept_they_are_found(shape, dtype):
    random = torch.Generator().manual_seed(3)
    base = torch.randn(*shape, generator=random).to(dtype)
    for rows in (shape[0] // 2, shape[0] - 1):
        for columns in (3, shape[1] - 1):
            places = [torch.randperm(n, generator=random)[:k].sort().values
                      for n, k in zip(shape[:2], (rows, columns), strict=True)]  # fmt: skip
            small = base[places[0]][:, places[1]]
            assert strange({"w": base}, {"w": small}) == {}
            small.view(-1)[1] += 1
            assert strange({"w": base}, {"w": small}) == {"w": 1}


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_first_rows_that_were_mostly_changed_hide_nothing(rows):
    """The first rows say where the columns are; where they lie, every weight is looked up."""
    base = torch.randn(300, 50, generator=torch.Generator().manual_seed(4))
    small = base[torch.arange(100, 300, 2)][:, ::2].clone()
    small[:rows, :20] += 1
    assert strange({"w": base}, {"w": small}) == {"w": 20 * rows}


def test_a_tensor_cut_to_nothing_holds_nothing_that_wants_explaining():
    assert strange({"w": torch.randn(5, 4)}, {"w": torch.empty(0, 4)}) == {}


def test_zeros_among_cut_channels_are_pruned_ones():
    whole = state(network())
    small = cut(whole)
    small["3.weight"] = small["3.weight"] * (small["3.weight"].abs() > 0.05)
    assert strange(whole, small) == {}


def test_a_layer_that_reads_other_channels_than_were_kept_is_not_explained():
    whole = state(network())
    small = cut(whole)
    others = torch.arange(12)[torch.arange(12) % 3 != 2]
    small["3.weight"] = whole["3.weight"][torch.arange(20)[::2]][:, others]
    assert strange(whole, small) == {"3.weight": small["3.weight"].numel()}


def test_channels_in_another_order_are_not_explained():
    whole = state(network())
    small = cut(whole)
    small["8.weight"] = whole["8.weight"][:, torch.randperm(30)]
    assert strange(whole, small)["8.weight"] > 100


# --- folded


def folded(module):
    made = torch.nn.utils.fuse_conv_bn_eval(module[0], module[1])
    small = {n: t for n, t in state(module).items() if not n.startswith("1.")}
    return small | {"0.weight": made.weight.detach(), "0.bias": made.bias.detach()}


def test_a_folded_norm_is_explained():
    module = network()
    assert strange(state(module), folded(module)) == {}


def test_a_tampered_weight_of_a_folded_layer_is_found():
    module = network()
    after = folded(module)
    after["0.weight"] = after["0.weight"].clone()
    after["0.weight"][3, 1, 2, 0] *= 1.001
    assert strange(state(module), after) == {"0.weight": 1}


def test_a_norm_that_was_left_out_and_not_folded_is_missing():
    module = network()
    after = {n: t for n, t in state(module).items() if not n.startswith("1.")}
    assert set(strange(state(module), after)) == {
        "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
    }  # fmt: skip


# --- grids, as the tools name them


def rounded(weight, bits=8):
    scale = weight.abs().amax(1) / (2 ** (bits - 1) - 1)
    return torch.round(weight / scale[:, None]).to(torch.int8), scale


def named(form, weight):
    stored, scale = rounded(weight)
    zero = torch.zeros(len(scale), dtype=torch.int8)
    return {
        "by hand": {"w": stored, "w_scale": scale},
        "torchao": {"w.qdata": stored, "w.scale": scale[:, None], "w.zero_point": zero[:, None]},
        "ONNX Runtime": {"w_quantized": stored, "w_scale": scale, "w_zero_point": zero},
        "ONNX Runtime, turned": {
            "w_quantized": stored.T.contiguous(), "w_scale": scale, "w_zero_point": zero,
        },
        "pt2e": {"_frozen_param3": stored, "_scale_3": scale, "_zero_point_3": zero.long()},
        "NNCF": {
            "compressed_weight_updated_constant1": stored,
            "scale_updated_constant1": scale[:, None],
            "zero_point_updated_constant1": zero[:, None],
        },
    }[form]  # fmt: skip


FORMS = ["by hand", "torchao", "ONNX Runtime", "ONNX Runtime, turned", "pt2e", "NNCF"]


@pytest.mark.parametrize("form", FORMS)
def test_a_grid_is_explained_and_one_value_off_it_is_found(form):
    torch.manual_seed(0)
    weight = torch.randn(40, 30)
    after = named(form, weight)
    assert strange({"w": weight}, after) == {}
    assert next(iter(grids(after)[0].values())).stored.dtype == torch.int8
    name = next(iter(after))
    after[name] = after[name].clone()
    place = after[name].reshape(-1)
    index = int((place.abs() < 60).nonzero()[5])
    place[index] += 2
    assert sum(strange({"w": weight}, after).values()) == 1


def test_values_around_a_zero_point_are_explained():
    torch.manual_seed(0)
    weight = torch.rand(20, 30) * 3 + 1
    low, high = float(weight.min()), float(weight.max())
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    stored = torch.clamp(torch.round(weight / scale) + zero, -128, 127)
    if not -128 <= zero <= 127:  # such weights want a wider zero than eight bits have
        zero = torch.tensor(zero, dtype=torch.int32)
    after = {"w.qdata": stored.to(torch.int8), "w.scale": torch.tensor(scale),
             "w.zero_point": torch.as_tensor(zero)}  # fmt: skip
    assert strange({"w": weight}, after) == {}


def test_blocks_of_a_row_may_have_scales_of_their_own():
    torch.manual_seed(0)
    weight = torch.randn(8, 64)
    parts = weight.reshape(8, 4, 16)
    scale = parts.abs().amax(2) / 7
    stored = torch.round(parts / scale[:, :, None]).reshape(8, 64).to(torch.int8)
    after = {"w.qdata": stored, "w.scale": scale}
    assert strange({"w": weight}, after) == {}
    after["w.qdata"][3, 40] -= 3 * int(torch.sign(stored[3, 40].float()) or 1)
    assert strange({"w": weight}, after) == {"w": 1}


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 1e30])
def test_a_grid_that_is_none_explains_nothing(scale):
    torch.manual_seed(0)
    weight = torch.randn(4, 5)
    after = {"w": torch.ones(4, 5, dtype=torch.int8), "w_scale": torch.full((4,), scale)}
    assert strange({"w": weight}, after) == {"w": 20}


# --- what would leave weights free


def free(weight):
    """Return what must not be explained: each a way to say any number at all."""
    stored, scale = rounded(weight)
    evil = -weight
    fraction = evil / evil.abs().max() * 0.9
    return {
        "a weight beside its grid": {"w": evil, "w_quantized": stored, "w_scale": scale},
        "a weight beside its mask": {
            "w": evil, "w_orig": weight, "w_mask": torch.ones_like(weight),
        },
        "two grids": {
            "w.qdata": stored, "w.scale": scale, "w_quantized": -stored, "w_scale": scale,
        },
        "a zero point that is no whole number": {
            "w.qdata": torch.zeros_like(stored), "w.scale": torch.full((40, 1), 9.0),
            "w.zero_point": fraction,
        },
        "a zero point that wraps": {
            "w.qdata": stored, "w.scale": scale[:, None],
            "w.zero_point": torch.full((40, 1), 65536, dtype=torch.int64),
        },
        "a step for every value": {"w": torch.sign(weight).to(torch.int8), "w_scale": weight * 1.3},
        "a step for every pair": {
            "w": torch.sign(weight).to(torch.int8), "w_scale": weight[:, ::2].abs() * 1.1,
        },
    }  # fmt: skip


@pytest.mark.parametrize("way", list(free(torch.randn(40, 30))))
def test_a_file_that_leaves_weights_free_is_not_explained(way):
    torch.manual_seed(0)
    weight = torch.randn(40, 30)
    assert sum(strange({"w": weight}, free(weight)[way]).values()) > 100


def test_a_bias_on_a_wide_grid_of_its_own_is_not_explained():
    torch.manual_seed(0)
    bias = torch.randn(30)
    wide = {"b": torch.sign(bias).to(torch.int8), "b_scale": bias.abs() * 1.3}
    assert strange({"b": bias}, wide) == {"b": 30}
    fine = {"b": torch.round(bias / 1e-4).int(), "b_scale": torch.full((30,), 1e-4)}
    assert strange({"b": bias}, fine) == {}


def test_a_square_matrix_with_rows_and_columns_exchanged_is_not_explained():
    torch.manual_seed(0)
    weight = torch.randn(30, 30)
    assert strange({"w": weight}, {"w": weight.T.contiguous()})["w"] > 800
    turned = origins({"w": weight}, {"w": weight.T.contiguous()}, same_kind=False)
    assert turned.tensors[0][2].how.endswith("rows and columns exchanged")


def test_statistics_indices_and_flags_are_no_weights_to_be_zeroed():
    whole = state(network()) | {"table": torch.arange(1, 9), "flags": torch.ones(5).bool()}
    after = {n: t.clone() for n, t in whole.items()}
    after["1.running_var"][2], after["table"][3], after["flags"][1] = 0, 0, False
    assert strange(whole, after) == {"1.running_var": 1, "table": 1, "flags": 1}


def test_a_baseline_on_a_grid_is_zeroed_where_its_grid_is_zero():
    stored = torch.randint(90, 200, (20, 30), dtype=torch.uint8)
    grid = {"w": stored, "w_scale": torch.tensor(0.1), "w_zero_point": torch.tensor(128)}
    zeroed, moved = stored.clone(), stored.clone()
    zeroed[3, 4], moved[3, 4] = 128, 0
    assert strange(grid, grid | {"w": zeroed}) == {}
    assert strange(grid, grid | {"w": moved}) == {"w": 1}


def test_a_bias_of_other_channels_than_its_layer_is_not_explained():
    whole = state(network())
    small = cut(whole)
    small["3.bias"] = whole["3.bias"][1::2]
    assert strange(whole, small) == {"3.bias": 10}


# --- twenty million weights


def test_one_changed_weight_among_twenty_million_is_found_and_located():
    random = torch.Generator().manual_seed(0)
    before = {f"l{i}.weight": torch.randn(2000, 1000, generator=random) for i in range(10)}
    after = {n: t * (t.abs() > 1.6) for n, t in before.items()}
    weight = after["l7.weight"]
    weight[1234, 567] = torch.nextafter(before["l7.weight"][1234, 567], torch.tensor(9.0))
    (found,) = [(n, o) for n, _, o in origins(before, after).tensors if o.strange]
    assert found[0] == "l7.weight"
    assert (found[1].strange, found[1].first) == (1, (1234, 567))


def test_the_same_file_is_kept_bit_for_bit():
    whole = state(network())
    assert {o.how for _, _, o in origins(whole, copy.deepcopy(whole)).tensors} == {
        "kept, bit for bit"
    }
