"""Models that bring their own structure: ONNX graphs, torch.export and TorchScript programs."""

import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from worlds import blobs, case, evaluation, mlp, trained

from govprune.checks.derivation import DERIVATION
from govprune.errors import CheckError, SubjectError
from govprune.job import ModelFiles
from govprune.models import load
from govprune.models.contents import contents

COLUMNS = blobs(600, seed=3)
ROWS = np.stack([COLUMNS[f"x{i}"] for i in range(6)], axis=1)


@pytest.fixture(scope="module")
def module():
    return trained(mlp(6, 16, 2), COLUMNS, steps=60)


def graph_of(module, *, batch="batch"):
    """Write the multi-layer perceptron out as the graph that it is."""
    nodes, tensors, last = [], [], "rows"
    for i, layer in enumerate(module):
        made = f"h{i}"
        if isinstance(layer, torch.nn.Linear):
            weight = layer.weight.detach().numpy().T.copy()
            tensors.append(numpy_helper.from_array(weight, f"w{i}"))
            tensors.append(numpy_helper.from_array(layer.bias.detach().numpy(), f"b{i}"))
            nodes.append(helper.make_node("MatMul", [last, f"w{i}"], [f"m{i}"]))
            nodes.append(helper.make_node("Add", [f"m{i}", f"b{i}"], [made]))
        else:
            nodes.append(helper.make_node("Relu", [last], [made]))
        last = made
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [batch, 6])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, 2])],
        tensors,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def folder(tmp_path, module):
    """The same model in every form."""
    onnx.save(graph_of(module), tmp_path / "float.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the exporting tools
        quantize_dynamic(
            tmp_path / "float.onnx", tmp_path / "int8.onnx", weight_type=QuantType.QInt8
        )
        batch = torch.export.Dim("batch")
        exported = torch.export.export(
            module, (torch.tensor(ROWS[:2]),), dynamic_shapes=({0: batch},)
        )
        torch.export.save(exported, tmp_path / "program.pt2")
        torch.jit.trace(module, torch.tensor(ROWS[:2])).save(tmp_path / "script.ts")
    return tmp_path


def read(folder, name, role="candidate", **more):
    return load(ModelFiles(weights=name), role=role, root=folder, **more)


@pytest.mark.parametrize("name", ["float.onnx", "program.pt2", "script.ts"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_form_says_what_the_module_says(folder, module, name):
    with torch.inference_mode():
        said = module(torch.tensor(ROWS)).numpy()
    assert np.allclose(read(folder, name, unsafe=True).outputs(ROWS), said, atol=1e-4)


@pytest.mark.parametrize("name", ["program.pt2", "script.ts"])
def test_programs_are_refused_unless_asked_for_by_name(folder, name):
    with pytest.raises(SubjectError, match="--unsafe-load"):
        read(folder, name)


def test_weights_of_eight_bits_are_counted_as_such_and_explained(folder):
    models = (read(folder, "float.onnx", "baseline"), read(folder, "int8.onnx"))
    assert contents(models[0]).bits == 32
    assert contents(models[1]).bits == 8
    found = derived(folder, models)
    assert found["unexplained-weights"] == 0


def test_one_changed_weight_of_eight_bits_is_found(folder):
    model = onnx.load(folder / "int8.onnx")
    (tensor,) = [t for t in model.graph.initializer if t.name == "w0_quantized"]
    values = numpy_helper.to_array(tensor).copy()
    values[2, 5] += 3 if values[2, 5] < 100 else -3
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, folder / "tampered.onnx")
    found = derived(folder, (read(folder, "float.onnx", "baseline"), read(folder, "tampered.onnx")))
    assert found["unexplained-weights"] == 1


def derived(folder, models):
    data = evaluation(folder, COLUMNS, features=("x*",))
    given = case(folder, *models, data)
    items = DERIVATION.measure(given, DERIVATION.params())
    return {m.metric: m.basis.value for m in items if hasattr(m, "metric")}


def test_two_forms_cannot_be_compared_weight_by_weight(folder, module):
    with pytest.raises(CheckError, match="Gate the export by itself"):
        derived(folder, (module, read(folder, "float.onnx")))


# --- what is refused


def external(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def foreign(model):
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))


def elsewhere(tensor):
    """Say that a tensor is kept in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "other.bin"
    return tensor


def constant(model, tensor):
    """Let the first layer read a constant in the place of its weights."""
    model.graph.node.insert(0, helper.make_node("Constant", [], ["other"], value=tensor))
    model.graph.node[1].input[1] = "other"


def external_constant(model):
    constant(model, elsewhere(weights(model, "w0")))


def branched(model, tensor):
    """Let the first layer's product come from a graph within the graph."""

    def product(weight, made, *tensors):
        out = helper.make_tensor_value_info(made, TensorProto.FLOAT, None)
        node = helper.make_node("MatMul", ["rows", weight], [made])
        return helper.make_graph([node], made, [], [out], tensors)

    tensor.name = "inner"
    branches = {"then_branch": product("inner", "a", tensor), "else_branch": product("w0", "b")}
    nodes = [
        helper.make_node("ReduceMax", ["rows"], ["most"], keepdims=0),
        helper.make_node("Less", ["most", "b1"], ["less"]),
        helper.make_node("If", ["less"], ["m0"], **branches),
    ]
    nodes[1].input[1] = "limit"
    del model.graph.node[0]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    model.graph.initializer.append(numpy_helper.from_array(np.array(1e30, np.float32), "limit"))


def external_branch(model):
    branched(model, elsewhere(weights(model, "w0")))


def external_sparse(model):
    sparse = model.graph.sparse_initializer.add()
    sparse.dims.extend([1])
    sparse.values.CopyFrom(elsewhere(numpy_helper.from_array(np.ones(1, np.float32), "sparse")))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))


def foreign_function(model):
    model.functions.append(
        helper.make_function("", "Own", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])],
                             [helper.make_opsetid("evil.ops", 1)])
    )  # fmt: skip


def foreign_node(model):
    model.graph.node[0].domain = "evil.ops"


def weights(model, name):
    """Return a copy of a tensor, each value of which has the other sign."""
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    return numpy_helper.from_array(-numpy_helper.to_array(tensor), name)


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 6]))
    model.graph.node.append(helper.make_node("Identity", ["more"], ["unused"]))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (external, "in another file"),
        (external_constant, "in another file"),
        (external_branch, "in another file"),
        (external_sparse, "in another file"),
        (foreign, "run code of their own"),
        (foreign_function, "run code of their own"),
        (foreign_node, "run code of their own"),
        (two_inputs, "2 inputs"),
    ],
)
def test_a_graph_that_reaches_out_is_refused(tmp_path, module, spoil, message):
    model = graph_of(module)
    spoil(model)
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SubjectError, match=message):
        read(tmp_path, "bad.onnx")


def other_constant(model):
    constant(model, weights(model, "w0"))


def other_list(model):
    model.graph.node.insert(0, helper.make_node("Constant", [], ["b"], value_floats=[3.0] * 16))
    model.graph.node[2].input[1] = "b"


def other_branch(model):
    branched(model, weights(model, "w0"))


def decoy(model):
    """Name a copy of the right weights, which nothing reads, as quantised ones are named."""
    (tensor,) = [t for t in model.graph.initializer if t.name == "w0"]
    values = numpy_helper.to_array(tensor)
    scale = np.float32(np.abs(values).max() / 127)
    tensor.CopyFrom(weights(model, "w0"))
    right = (values / scale).round().astype(np.int8)
    model.graph.initializer.append(numpy_helper.from_array(right, "w0_quantized"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(scale), "w0_scale"))


def decoy_on_a_dead_end(model):
    decoy(model)
    model.graph.node.append(helper.make_node("Identity", ["w0_quantized"], ["nothing"]))
    model.graph.node.append(helper.make_node("Identity", ["w0_scale"], ["nothing more"]))


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (other_constant, "other"),
        (other_list, "b"),
        (other_branch, "m0.then_branch/inner"),
        (decoy, "w0"),
        (decoy_on_a_dead_end, "w0"),
    ],
)
def test_weights_that_are_read_are_found_wherever_they_are_kept(tmp_path, module, spoil, name):
    model = graph_of(module)
    onnx.save(model, tmp_path / "float.onnx")
    spoil(model)
    onnx.save(model, tmp_path / "other.onnx")
    other = read(tmp_path, "other.onnx")
    assert name in other.tensors
    found = derived(tmp_path, (read(tmp_path, "float.onnx", "baseline"), other))
    assert found["unexplained-weights"] >= 16


def test_two_tensors_of_one_name_are_refused(tmp_path, module):
    model = graph_of(module)
    model.graph.initializer.insert(0, weights(model, "w0"))
    (tmp_path / "twice.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SubjectError, match=r"two of its tensors are called 'w0'|refuses it"):
        read(tmp_path, "twice.onnx")


def test_a_sparse_tensor_is_read_with_its_zeros(tmp_path, module):
    model = graph_of(module)
    values = np.zeros(16, np.float32)
    values[[2, 7]] = 1.5, -2
    kept = [t for t in model.graph.initializer if t.name != "b0"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(
            numpy_helper.from_array(values[[2, 7]], "b0"),
            numpy_helper.from_array(np.array([2, 7])), [16],
        )
    )  # fmt: skip
    onnx.save(model, tmp_path / "sparse.onnx")
    assert np.array_equal(read(tmp_path, "sparse.onnx").tensors["b0"].numpy(), values)


class Hidden(torch.nn.Linear):
    """A layer beside whose weights, which change nothing, others are used."""

    def forward(self, rows):
        return torch.nn.functional.linear(rows, self.weight * 0 + self.other, self.bias)


@pytest.mark.parametrize("form", ["exported", "traced", "scripted"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_weights_that_a_program_keeps_as_constants_are_found(tmp_path, form):
    hidden = Hidden(6, 2)
    hidden.other = torch.arange(12.0).reshape(2, 6)
    rows = torch.tensor(ROWS[:2])
    path = tmp_path / ("m.pt2" if form == "exported" else "m.ts")
    if form == "exported":
        torch.export.save(torch.export.export(hidden.eval(), (rows,)), path)
    elif form == "traced":
        torch.jit.trace(hidden, rows).save(path)
    else:
        torch.jit.script(hidden).save(path)
    tensors = read(tmp_path, path.name, unsafe=True).tensors
    assert {"weight", "bias"} < tensors.keys()
    assert any(t.equal(hidden.other) for t in tensors.values())


@pytest.mark.filterwarnings("ignore")  # those of torch.ao, which is deprecated
def test_packed_weights_of_a_script_are_read_on_their_grid(tmp_path):
    module = torch.ao.quantization.quantize_dynamic(
        torch.nn.Sequential(torch.nn.Linear(6, 2)), {torch.nn.Linear}
    )
    torch.jit.trace(module, torch.tensor(ROWS[:2])).save(tmp_path / "packed.ts")
    model = read(tmp_path, "packed.ts", unsafe=True)
    assert contents(model).bits == 8
    assert any(t.dtype == torch.int8 for t in model.tensors.values())


@pytest.mark.parametrize("name", ["broken.onnx", "broken.pt2", "broken.ts"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_broken_file_is_refused_without_a_traceback(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(SubjectError, match=r"not an ONNX file|refuses it|cannot be loaded"):
        read(tmp_path, name, unsafe=True)


def test_a_graph_of_a_fixed_batch_is_refused_with_what_to_do(tmp_path, module):
    onnx.save(graph_of(module, batch=4), tmp_path / "fixed.onnx")
    with pytest.raises(SubjectError, match="cannot score 6 features"):
        read(tmp_path, "fixed.onnx").outputs(ROWS)


def test_code_beside_a_graph_is_refused_and_bare_weights_want_code(tmp_path, folder):
    with pytest.raises(SubjectError, match=r"leave candidate\.code out"):
        load(ModelFiles(weights="float.onnx", code="m.py"), role="candidate", root=folder)
    with pytest.raises(SubjectError, match=r"under candidate\.code"):
        read(folder, "some.safetensors")
