"""Models that bring their own structure: ONNX graphs, torch.export and TorchScript programs."""

import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from worlds import blobs, case, evaluation, mlp, trained

from govprune.models.contents import contents
from govprune.checks.derivation import DERIVATION
from govprune.errors import CheckError, SubjectError
from govprune.job import ModelFiles
from govprune.models import load

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


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 6]))
    model.graph.node.append(helper.make_node("Identity", ["more"], ["unused"]))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(external, "in another file"), (foreign, "run code of their own"), (two_inputs, "2 inputs")],
)
def test_a_graph_that_reaches_out_is_refused(tmp_path, module, spoil, message):
    model = graph_of(module)
    spoil(model)
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SubjectError, match=message):
        read(tmp_path, "bad.onnx")


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
