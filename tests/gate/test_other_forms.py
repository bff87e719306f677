"""Models that are no torch modules go the same line: an ONNX pair, and a program by name only."""

import warnings

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file

from govprune import run

JOB = """\
name: forms
title: A pair of graphs
baseline: {{weights: {baseline}}}
step: {{name: quantise, claim: {{bits: 8}}}}
candidate: {{weights: {candidate}}}
evaluation: {{file: evaluation.csv, label: y, features: [a, b, c], slices: [g]}}
policy: policy.yaml
key: keys/gate.key
"""


@pytest.fixture
def forms(job):
    """The small job's logistic model as ONNX, quantised by ONNX Runtime, and as TorchScript."""
    tensors = load_file(job / "dense.safetensors")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["z"])],
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(tensors["weight"].numpy().T.copy(), "w"),
            numpy_helper.from_array(tensors["bias"].numpy(), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, job / "float.onnx")
    linear = torch.nn.Linear(3, 2)
    linear.load_state_dict(tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the exporting tools
        # Seven bits: products of eight saturate on processors without the newer instructions.
        quantize_dynamic(
            job / "float.onnx", job / "int8.onnx", weight_type=QuantType.QInt8, reduce_range=True
        )
        torch.jit.trace(linear, torch.zeros(2, 3)).save(job / "script.ts")
    return job


def write(job, baseline, candidate):
    (job / "govprune.yaml").write_text(JOB.format(baseline=baseline, candidate=candidate))


def test_an_onnx_pair_is_gated_verified_and_promoted(forms, govprune):
    write(forms, "float.onnx", "int8.onnx")
    done = govprune("run", "--out", "bundle")
    assert done.code == 0, done
    assert govprune("verify", "bundle").code == 0
    assert govprune("promote", "bundle", "--to", "graph").code == 0


def test_an_onnx_candidate_that_answers_nothing_fails(forms, govprune):
    model = onnx.load(forms / "int8.onnx")
    (weight,) = [t for t in model.graph.initializer if t.name == "w_quantized"]
    weight.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(weight), weight.name))
    onnx.save(model, forms / "int8.onnx")
    write(forms, "float.onnx", "int8.onnx")
    done = govprune("run", "--out", "bundle")
    assert done.code == 1, done
    assert "no-slice-loses-accuracy" in done.out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_is_loaded_by_name_only_and_page_one_says_so(forms, govprune):
    write(forms, "float.onnx", "script.ts")
    refused = govprune("run", "--out", "bundle")
    assert refused.code == 2
    assert "--unsafe-load" in refused.err
    gated = run(forms, out=forms / "bundle", unsafe_load=True)
    (said,) = gated.evidence.unsafe
    assert said.startswith("The candidate is a TorchScript program")
    assert said.split(":")[0] in (forms / "bundle" / "card.html").read_text()


def test_a_graph_is_attacked_without_gradients_and_its_robustness_is_decided(forms, govprune):
    write(forms, "float.onnx", "int8.onnx")
    (forms / "policy.yaml").write_text(
        "name: robust\nrules:\n"
        "  - {id: usable, check: gradient-sanity, metric: gradient-coverage, at_least: 0.9}\n"
        "  - {id: robust, check: evasion, metric: robust-accuracy-change, at_least: -0.1,"
        " needs: [usable]}\n"
    )
    done = govprune("run", "--out", "bundle")
    assert done.code == 0, done
    card = (forms / "bundle" / "card.html").read_text()
    assert "query attack (black box)" in card
    assert "differences of its scores" in card
