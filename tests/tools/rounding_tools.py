"""Tools that write weights with fewer bits, or in another form."""

import warnings

import onnx
import torch
from made_by_tools import Made, saved
from tool_worlds import World
from torch import nn


def torchao_int8_weights(world: World) -> Made:
    return _torchao(world, "build_int8_weights")


def torchao_int8_dynamic(world: World) -> Made:
    return _torchao(world, "build_int8_dynamic")


def _torchao(world: World, factory: str) -> Made:
    from torchao.quantization import (
        Int8DynamicActivationInt8WeightConfig,
        Int8WeightOnlyConfig,
        quantize_,
    )

    module = world.module()
    dynamic = factory.endswith("dynamic")
    quantize_(
        module, Int8DynamicActivationInt8WeightConfig() if dynamic else Int8WeightOnlyConfig()
    )
    return saved(module, world, factory)


def pt2e(world: World) -> Made:
    """Static eight-bit quantisation of an exported program, calibrated on training rows."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    x, _ = world.rows()
    batch = {0: torch.export.Dim("batch")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the exporting tools
        program = torch.export.export(
            world.module(), (x[:4].clone(),), dynamic_shapes=(batch,)
        ).module()
        quantiser = x86.X86InductorQuantizer()
        quantiser.set_global(x86.get_default_x86_inductor_quantization_config())
        prepared = prepare_pt2e(program, quantiser)
        prepared(x[:256])
        converted = convert_pt2e(prepared)
        exported = torch.export.export(converted, (x[:4].clone(),), dynamic_shapes=(batch,))
        torch.export.save(exported, world.root / "candidate.pt2")
    return Made({"weights": "candidate.pt2"}, retrains=True, unsafe=True)


def exported(world: World) -> str:
    """Write the baseline as an ONNX graph, once."""
    path = world.root / "dense.onnx"
    if not path.exists():
        x, _ = world.rows()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the exporting tools
            torch.onnx.export(
                world.module(), (x[:4].clone(),), path,
                dynamo=True, external_data=False, verbose=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )  # fmt: skip
    return path.name


def onnx_export(world: World) -> Made:
    return Made({"weights": exported(world)})


def onnx_dynamic(world: World) -> Made:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Seven bits: products of eight saturate on processors without the newer instructions.
    quantize_dynamic(
        _prepared(world), world.root / "candidate.onnx", weight_type=QuantType.QInt8,
        reduce_range=True, op_types_to_quantize=["MatMul", "Gemm"],
    )  # fmt: skip
    return Made({"weights": "candidate.onnx"}, {"weights": "dense.onnx"})


def onnx_static(world: World) -> Made:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    x, _ = world.rows()
    graph = onnx.load(world.root / exported(world))
    name = graph.graph.input[0].name

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.parts = iter(
                [{name: x[i : i + 64].numpy()} for i in range(0, min(len(x), 512), 64)]
            )

        def get_next(self):
            return next(self.parts, None)

    quantize_static(
        _prepared(world), world.root / "candidate.onnx", Rows(), weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8, reduce_range=True, per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm", "Conv"],
    )  # fmt: skip
    return Made({"weights": "candidate.onnx"}, {"weights": "dense.onnx"}, retrains=True)


def _prepared(world: World):
    """Return the graph without the shapes that the exporter noted, which the quantiser rejects."""
    graph = onnx.load(world.root / exported(world))
    del graph.graph.value_info[:]
    path = world.root / "prepared.onnx"
    onnx.save(graph, path)
    return path


def torch_ao(world: World) -> Made:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, as the card says
        module = torch.ao.quantization.quantize_dynamic(world.module(), {nn.Linear})
    return saved(module, world, "build_torch_ao")


def another_form(world: World) -> Made:
    """The ONNX graph that is published beside a TorchScript program of the same weights."""
    return Made(
        {"weights": "silero_vad_16k_op15.onnx", "fixed": {"state": 0, "sr": 16000}},
        {"weights": "silero_vad.jit", "fixed": {"sr": 16000}},
        unsafe=True,
    )
