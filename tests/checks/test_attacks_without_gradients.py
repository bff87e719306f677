"""A model without gradients meets attacks as strong as one with them, and masks hide nothing."""

import copy
import itertools
import warnings
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from worlds import asked, blobs, case, evaluation, model

from govprune.attacks.art import Box
from govprune.attacks.black_box import query
from govprune.attacks.budget import Budget, noise, project
from govprune.attacks.evasion import right
from govprune.attacks.gradients import differences
from govprune.checks.evasion import EVASION
from govprune.checks.gradient_sanity import GRADIENT_SANITY
from govprune.checks.inversion import INVERSION
from govprune.errors import CheckError
from govprune.models import logits
from govprune.models.onnx_model import load_onnx
from govprune.models.programs import load_program

QUICK = {"rows": 1500, "steps": 10, "restarts": 1}
SANE = ("gradients-usable", "attack-beats-noise", "large-budget-breaks-it",
        "black-box-not-stronger")  # fmt: skip


# --- worlds


def written(folder, role, nodes, weights, *, out="z", features=6, classes=2):
    """Write a graph and load it as a job would."""
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", features])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(made, folder / f"{role}.onnx")
    return load_onnx(folder / f"{role}.onnx", role=role, root=folder)


def graph(folder, role, module, *, after=()):
    """Write linear layers and rectifiers as a graph; `after` follows their output `z`."""
    nodes, weights, here = [], {}, "x"
    layers = list(module) if isinstance(module, nn.Sequential) else [module]
    for i, layer in enumerate(layers):
        there = "z" if i == len(layers) - 1 else f"h{i}"
        if isinstance(layer, nn.ReLU):
            nodes.append(helper.make_node("Relu", [here], [there]))
        else:
            weights[f"w{i}"] = layer.weight.detach().numpy().T.copy()
            weights[f"b{i}"] = layer.bias.detach().numpy()
            nodes += [
                helper.make_node("MatMul", [here, f"w{i}"], [f"m{i}"]),
                helper.make_node("Add", [f"m{i}", f"b{i}"], [there]),
            ]
        here = there
    sizes = {"features": layers[0].in_features, "classes": layers[-1].out_features}
    out = after[-1].output[0] if after else "z"
    return written(folder, role, [*nodes, *after], weights, out=out, **sizes)


def rounded(folder, role, module):
    """Write the graph and let ONNX Runtime round it to 8 bits."""
    graph(folder, "whole", module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the exporting tools
        quantize_dynamic(
            folder / "whole.onnx", folder / f"{role}.onnx", weight_type=QuantType.QInt8,
            reduce_range=True,
        )  # fmt: skip
    return load_onnx(folder / f"{role}.onnx", role=role, root=folder)


class Masked(nn.Module):
    """Answers as the module inside; what reaches its input is no gradient, or a false one."""

    def __init__(self, inner: nn.Module, how: str) -> None:
        super().__init__()
        self.inner, self.how = inner, how

    def forward(self, x):
        if self.how == "rounds its input":
            return self.inner((x / 0.5).round() * 0.5)
        if self.how == "multiplies its scores":
            return self.inner(x) * 1e4
        if self.how == "passes nothing back":
            return self.inner(x.detach())
        # Shattered: a ripple too small to change answers, too steep to see past.
        return self.inner(x) + 1e-3 * torch.sin(x.sum(dim=1, keepdim=True) * 1e5) * torch.eye(2)[0]


def linear(*weights: float) -> nn.Linear:
    """Score the second class by a weighted sum."""
    module = nn.Linear(len(weights), 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.0] * len(weights), weights]))
        module.bias.zero_()
    return module


def labels_only(folder, role, module):
    """A graph that names a class and gives no score: nothing to differ by."""
    first = helper.make_node("ArgMax", ["z"], ["named"], axis=1, keepdims=1)
    return graph(
        folder, role, module, after=(first, helper.make_node("Cast", ["named"], ["said"], to=1))
    )


def under(found):
    """Accuracy of both models under each attack."""
    return {row[0]: [float(cell) for cell in row[1:]] for row in found.figures[0].rows[:-1]}


# --- the line


def test_a_pair_of_graphs_is_decided_by_attacks_that_bite(tmp_path, dense, people):
    given = case(
        tmp_path,
        graph(tmp_path, "baseline", dense),
        rounded(tmp_path, "candidate", dense),
        people,
    )
    found = asked(given, EVASION, GRADIENT_SANITY, **QUICK)
    assert [found.status(rule) for rule in SANE] == ["pass"] * 4
    assert found.status("robustness-holds") == "pass"
    own = under(found)["its own attack (by gradient)"]
    clean = under(found)["no attack"]
    assert max(own) < min(clean) - 5


def test_a_graph_is_attacked_as_hard_as_the_module_it_came_from(tmp_path, dense, people):
    as_module = asked(case(tmp_path, dense, copy.deepcopy(dense), people), EVASION, **QUICK)
    graphs = [graph(tmp_path, role, dense) for role in ("baseline", "candidate")]
    as_graph = asked(case(tmp_path, *graphs, people), EVASION, **QUICK)
    for label in ("its own attack (by gradient)", "all of them: robust accuracy"):
        for module, exported in zip(under(as_module)[label], under(as_graph)[label], strict=True):
            assert abs(module - exported) <= 0.3
    note = as_graph.measured("robust-accuracy-change").notes[2]
    assert note.startswith("baseline: differences of its scores (usable on 100.0 % of rows)")


@pytest.mark.parametrize("how", ["rounds its input", "multiplies its scores", "passes nothing back",
                                 "shatters its gradient"])  # fmt: skip
@pytest.mark.parametrize("masked", ["baseline", "candidate"])
def test_a_mask_makes_no_model_look_robust(tmp_path, dense, people, how, masked):
    mask = model(tmp_path, Masked(copy.deepcopy(dense), how), masked)
    pair = (mask, dense) if masked == "baseline" else (dense, mask)
    found = asked(case(tmp_path, *pair, people), EVASION, GRADIENT_SANITY, **QUICK)
    baseline, candidate = under(found)["all of them: robust accuracy"]
    assert abs(candidate - baseline) < 1
    statuses = [found.status(rule) for rule in SANE]
    if how == "shatters its gradient":
        # Its gradient looks usable, so the model is held to it: other attacks do better.
        assert statuses[0] == "pass"
        assert statuses[3] == "fail"
        assert found.status("robustness-holds") == "inconclusive"
    else:
        assert statuses == ["pass"] * 4
        own = under(found)["its own attack (by gradient)"]
        assert abs(own[0] - own[1]) < 1
        assert found.status("robustness-holds") == "pass"


def test_a_graph_made_brittle_fails_although_it_is_more_accurate(tmp_path):
    """The baseline reads one strong feature; the candidate the tiny gap between two others."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 1500)
    sign, z = 2 * label - 1, random.normal(size=1500)
    columns = {"x0": 2 * sign + random.normal(size=1500), "x1": z, "x2": z + 0.1 * sign}
    data = evaluation(tmp_path, columns | {"label": label}, features=("x*",))
    for form in ("both graphs", "one graph"):
        strong, brittle = linear(1.0, 0.0, 0.0), linear(0.0, -4.0, 4.0)
        before = graph(tmp_path, "baseline", strong) if form == "both graphs" else strong
        given = case(tmp_path, before, graph(tmp_path, "candidate", brittle), data)
        found = asked(given, EVASION, GRADIENT_SANITY, **QUICK)
        assert [found.status(rule) for rule in SANE] == ["pass"] * 4
        assert found.status("robustness-holds") == "fail"


def test_two_graphs_that_name_only_classes_cannot_be_told_to_be_robust(tmp_path, dense, people):
    pair = [labels_only(tmp_path, role, dense) for role in ("baseline", "candidate")]
    found = asked(case(tmp_path, *pair, people), EVASION, GRADIENT_SANITY, **QUICK)
    assert found.status("gradients-usable") == "fail"
    assert found.status("robustness-holds") == "inconclusive"


def test_a_graph_that_names_only_classes_borrows_the_gradient_of_its_baseline(
    tmp_path, dense, people
):
    given = case(tmp_path, dense, labels_only(tmp_path, "candidate", dense), people)
    found = asked(given, EVASION, GRADIENT_SANITY, **QUICK)
    assert found.figures[0].rows[-1][2].endswith("the other model's gradient")
    baseline, candidate = under(found)["all of them: robust accuracy"]
    assert candidate == baseline


def test_a_mask_hides_no_harm(tmp_path):
    """The brittle world again, and the brittle candidate passes no gradient back."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 1500)
    sign, z = 2 * label - 1, random.normal(size=1500)
    columns = {"x0": 2 * sign + random.normal(size=1500), "x1": z, "x2": z + 0.1 * sign}
    data = evaluation(tmp_path, columns | {"label": label}, features=("x*",))
    mask = Masked(linear(0.0, -4.0, 4.0), "passes nothing back")
    mask = model(tmp_path, mask, "candidate")
    found = asked(case(tmp_path, linear(1.0, 0.0, 0.0), mask, data), EVASION, GRADIENT_SANITY,
                  **QUICK)  # fmt: skip
    assert found.status("robustness-holds") == "fail"


def test_a_model_that_cannot_score_what_an_attacker_makes_is_not_measured(tmp_path, dense, people):
    """A division that is finite on every evaluation row and nowhere beside them."""

    class Fragile(nn.Module):
        def __init__(self, inner, seen):
            super().__init__()
            self.inner, self.seen = inner, {row.tobytes() for row in seen}

        def forward(self, x):
            known = torch.tensor([row.numpy().tobytes() in self.seen for row in x.detach()])
            return torch.where(known[:, None], self.inner(x), torch.nan)

    fragile = model(tmp_path, Fragile(copy.deepcopy(dense), people.features), "candidate")
    with pytest.raises(CheckError, match="a row that an attacker made stops the attack"):
        asked(case(tmp_path, dense, fragile, people), EVASION, **QUICK)


# --- programs and 8-bit kernels


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_is_attacked_by_its_own_gradient_and_left_as_it_was(tmp_path, dense, people):
    torch.jit.trace(dense, torch.zeros(2, 6)).save(tmp_path / "candidate.ts")
    program = load_program(tmp_path / "candidate.ts", role="candidate", root=tmp_path, unsafe=True)
    found = asked(case(tmp_path, dense, program, people), EVASION, GRADIENT_SANITY, **QUICK)
    assert found.figures[0].rows[-1][1:] == ("its own gradient", "its own gradient")
    assert found.basis("robust-accuracy-change").candidate_only == 0
    assert found.status("robustness-holds") == "pass"
    assert all(p.grad is None for p in program.program.parameters())


def test_an_exported_program_is_attacked_by_its_own_gradient(tmp_path, dense, people):
    batch = torch.export.Dim("batch")
    exported = torch.export.export(dense, (torch.zeros(2, 6),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, tmp_path / "candidate.pt2")
    program = load_program(tmp_path / "candidate.pt2", role="candidate", root=tmp_path, unsafe=True)
    found = asked(case(tmp_path, dense, program, people), EVASION, **QUICK)
    assert found.figures[0].rows[-1][1:] == ("its own gradient", "its own gradient")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_module_of_8_bit_kernels_is_decided(tmp_path, dense, people):
    given = case(tmp_path, dense, dense, people)
    kernels = torch.ao.quantization.quantize_dynamic(copy.deepcopy(dense), {nn.Linear})
    given = replace(given, models=(given.baseline, replace(given.candidate, module=kernels)))
    found = asked(given, EVASION, GRADIENT_SANITY, **QUICK)
    assert found.figures[0].rows[-1][2] == "differences of its scores, the other model's gradient"
    assert [found.status(rule) for rule in SANE] == ["pass"] * 4
    assert found.status("robustness-holds") == "pass"


# --- the query attack


def test_the_query_attack_finds_every_row_that_some_corner_of_the_budget_fools(
    tmp_path, dense, people
):
    attacked = case(tmp_path, dense, dense, people).candidate
    rows, labels = people.features[:300], people.labels[:300]
    box, budget = Box.of(people.features), Budget(0.4, 1, 1, (0, 1, 2, 4))
    fooled = np.zeros(len(rows), dtype=bool)
    for signs in itertools.product((-1, 1), repeat=4):
        by = np.zeros(6, dtype=np.float32)
        by[[0, 1, 2, 4]] = signs
        corner = np.clip(box.enter(rows) + 0.4 * by, 0, box.high).astype(np.float32)
        corner = project(rows, box.leave(corner), box, budget)
        fooled |= ~right(attacked, corner, labels)
    found = query(attacked, box, rows, labels, budget, 0)
    assert (~right(attacked, found, labels) >= fooled).all()
    assert fooled.sum() > (~right(attacked, rows, labels)).sum() + 10


def test_the_query_attack_keeps_to_the_rules_and_to_the_range_of_the_data(tmp_path, dense):
    columns = blobs(300, seed=8) | {"x1": np.arange(300) % 60}
    data = evaluation(tmp_path, columns, features=("x*",), mutable=("x0", "x1"))
    attacked = case(tmp_path, dense, dense, data).candidate
    box, budget = Box.of(data.features), Budget(0.5, 1, 1, data.mutable)
    found = query(attacked, box, data.features, data.labels, budget, 0)
    assert (found[:, 2:] == data.features[:, 2:]).all()
    assert (found[:, 1] == np.round(found[:, 1])).all()
    assert (found != data.features).any(axis=0)[:2].all()
    assert (found >= data.features.min(axis=0) - 1e-5).all()
    assert (found <= data.features.max(axis=0) + 1e-5).all()
    assert (np.abs(found - data.features) <= 0.5 * box.scale + 1e-3).all()


def test_more_queries_never_fool_fewer_rows(tmp_path, dense, people):
    attacked = case(tmp_path, dense, dense, people).candidate
    rows, labels, box = people.features[:400], people.labels[:400], Box.of(people.features)
    left = []
    for queries in (1, 10, 100):
        budget = Budget(0.25, 1, 1, people.mutable, queries=queries)
        left.append(
            int(right(attacked, query(attacked, box, rows, labels, budget, 0), labels).sum())
        )
    assert left == sorted(left, reverse=True)
    lucky = right(attacked, noise(box, rows, Budget(0.25, 1, 1, people.mutable), 0), labels).sum()
    assert left[-1] < lucky


def test_the_same_seed_asks_the_same(tmp_path, dense, people):
    attacked = case(tmp_path, dense, dense, people).candidate
    box, budget = Box.of(people.features), Budget(0.25, 1, 1, people.mutable)
    first, second = (
        query(attacked, box, people.features[:50], people.labels[:50], budget, 7) for _ in range(2)
    )
    assert (first == second).all()


# --- differences of scores


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_differences_of_a_linear_score_are_its_weights(tmp_path, people, scale):
    weights = [1.0, -2.0, 0.5, 0.0, 3.0, -0.25]
    attacked = case(tmp_path, linear(*weights), linear(*weights), people).candidate
    stands_in = differences(attacked, Box.of(people.features), (0, 1, 4), 0.1, scale)
    x = torch.from_numpy(people.features[:20]).requires_grad_()
    said = stands_in(x)
    assert np.allclose(said.detach().numpy() * scale, logits(attacked.outputs(x.detach().numpy())),
                       rtol=1e-5)  # fmt: skip
    said[:, 1].sum().backward()
    wanted = np.where(np.isin(np.arange(6), (0, 1, 4)), weights, 0.0) / scale
    assert np.allclose(x.grad.numpy(), wanted, rtol=1e-3, atol=1e-3 / scale)


@pytest.mark.parametrize("baseline", ["a graph", "a module"])
def test_with_very_many_features_an_attack_without_gradients_cannot_tell(tmp_path, baseline):
    """Three hundred features with a little to say each: no few hundred questions find the way."""
    data = evaluation(tmp_path, blobs(1500, seed=3, features=300, gap=0.1), features=("x*",))
    module = linear(*[0.2] * 300)
    before = graph(tmp_path, "baseline", module) if baseline == "a graph" else module
    given = case(tmp_path, before, graph(tmp_path, "candidate", module), data)
    found = asked(given, EVASION, GRADIENT_SANITY, queries=60, **QUICK)
    assert "no gradient" in found.figures[0].rows[-1][2]
    if baseline == "a graph":
        assert found.status("gradients-usable") == "fail"
    else:  # what the graph met does far less to the module than the module's own gradient
        assert found.status("gradients-usable") == "pass"
        assert found.status("black-box-not-stronger") != "pass"
    assert found.status("robustness-holds") == "inconclusive"
    with pytest.raises(CheckError, match="300 features are more than the 128"):
        asked(given, INVERSION)


# --- inversion


def test_an_inverted_pair_of_graphs_is_decided(tmp_path, dense, people):
    graphs = [graph(tmp_path, role, dense) for role in ("baseline", "candidate")]
    found = asked(case(tmp_path, *graphs, people), INVERSION, starts=60, steps=30)
    assert found.status("inversion-attack-works") == "pass"
    assert found.status("inversion-not-easier") == "pass"
    assert found.basis("identification-change").baseline_only == 0
    assert found.basis("identification-change").candidate_only == 0
    assert "differences of their scores" in found.measured("identification-change").notes[1]


def test_both_are_inverted_alike_where_one_is_a_graph(tmp_path, dense, people):
    """The same model twice: a gradient for one and differences for the other would tell."""
    given = case(tmp_path, dense, graph(tmp_path, "candidate", dense), people)
    found = asked(given, INVERSION, starts=60, steps=30)
    basis = found.basis("identification-change")
    assert basis.baseline_only + basis.candidate_only <= 1
    assert basis.both > basis.n / 2
