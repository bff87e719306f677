"""No pickle in a model file is ever opened, however it is packed and whatever the file is called.

The defence: only forms that hold no code are read (models/torch_model.py, models/scikit.py,
models/onnx_graph.py); whatever else is asked for needs --unsafe-load by name.
"""

import pickle
import tempfile
from pathlib import Path

import pytest
from gadgets import HARMLESS_ALONE, containers, gadgets
from onnx import TensorProto, helper

from govprune.errors import GovpruneError
from govprune.job import ModelFiles
from govprune.models import load

NAMES = (
    "m.safetensors", "m.pt", "m.pth", "m.bin", "m.ckpt", "m.npz", "m.npy", "m.onnx", "m.skops",
    "m.pkl", "m.pickle", "m.joblib", "m.pt2", "m.ts", "m.h5", "m",
)  # fmt: skip
with tempfile.TemporaryDirectory() as scratch:
    KINDS = tuple(gadgets(Path(scratch) / "never made"))
CODE = "import torch\n\n\ndef build():\n    return torch.nn.Linear(2, 2)\n"


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "the pickle ran"


def test_there_are_at_least_sixteen_kinds():
    assert len(set(KINDS) - HARMLESS_ALONE) >= 16


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # one opens it, nobody closes
@pytest.mark.parametrize("kind", KINDS)
def test_each_gadget_works_on_whoever_unpickles_it(canary, kind):
    """Else the tests below would prove nothing."""
    data = pickle.dumps(gadgets(canary)[kind])
    pickle.loads(data)
    assert canary.exists() == (kind not in HARMLESS_ALONE)


@pytest.mark.parametrize("kind", KINDS)
def test_no_gadget_runs_in_any_file_of_any_name(tmp_path, canary, kind):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "model.py").write_text(CODE)
    for packed, data in containers(gadgets(canary)[kind]).items():
        for name in NAMES:
            (folder / name).write_bytes(data)
            for code in ("model.py", None):
                with pytest.raises(GovpruneError):
                    load(ModelFiles(weights=name, code=code), role="candidate", root=folder)
                assert not canary.exists(), f"{packed} called {name} was opened"
            (folder / name).unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_no_gadget_runs_beside_a_graph(tmp_path, canary, kind):
    """An ONNX graph may keep its weights in another file; here that file is a pickle."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], bytes(16), raw=True)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights],
    )
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    for data in containers(gadgets(canary)[kind]).values():
        (tmp_path / "weights.bin").write_bytes(data)
        with pytest.raises(GovpruneError):
            load(ModelFiles(weights="m.onnx"), role="candidate", root=tmp_path)
        assert not canary.exists()
