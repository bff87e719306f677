"""Real compression by real tools: each makes a candidate of a world's baseline, in its own form."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import onnx
import torch
from tool_worlds import World, learn
from torch import nn
from torch.nn.utils import prune

import govprune


@dataclass(frozen=True)
class Made:
    """What a tool made, as the job names it."""

    candidate: dict[str, object]
    baseline: dict[str, object] = field(
        default_factory=lambda: {"code": "model.py", "weights": "dense.safetensors"}
    )
    claim: dict[str, object] = field(default_factory=dict)
    retrains: bool = False
    unsafe: bool = False


@dataclass(frozen=True)
class Tool:
    """A tool, what it does, and what must come of it."""

    name: str
    make: Callable[[World], Made]
    explained: bool
    """Whether every weight of what it makes must come from the baseline."""
    saves: bool = True
    """Whether the file that ships is compressed at all."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Worlds that the tool cannot be used on, and why."""


def saved(module: nn.Module, world: World, factory: str = "build", **more) -> Made:
    govprune.save_weights(module, world.root / "candidate.safetensors")
    files = {"code": "model.py", "factory": factory, "weights": "candidate.safetensors"}
    return Made(files, **more)


def layers(module: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the weight matrices that pruning is about."""
    found = [(m, "weight") for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    for part in module.modules():
        if isinstance(part, nn.GRU):
            found += [(part, "weight_ih_l0"), (part, "weight_hh_l0")]
    return found


def globally(module: nn.Module, amount: float) -> nn.Module:
    prune.global_unstructured(layers(module), pruning_method=prune.L1Unstructured, amount=amount)
    return module


def baked(module: nn.Module) -> nn.Module:
    for layer, name in layers(module):
        prune.remove(layer, name)
    return module


def half_of_the_layers(module: nn.Module) -> dict[str, object]:
    """Claim what zeroing half of the pruned layers is of all matrices, embeddings included."""
    pruned = sum(getattr(layer, name).numel() for layer, name in layers(module))
    whole = sum(p.numel() for p in module.parameters() if p.ndim >= 2)
    return {"sparsity": 0.5 * pruned / whole}


def global_pruning(world: World) -> Made:
    claim = half_of_the_layers(world.module())
    return saved(baked(globally(world.module(), 0.5)), world, claim=claim)


def structured_pruning(world: World) -> Made:
    module = world.module()
    layer, name = layers(module)[0]
    prune.ln_structured(layer, name, amount=0.5, n=2, dim=0)
    prune.remove(layer, name)
    return saved(module, world)


def iterative_pruning(world: World) -> Made:
    module, (x, y) = world.module(), world.rows()
    for amount in (0.3, 0.5, 0.7):
        learn(baked(globally(module, amount)), x, y, steps=15, rate=1e-3, keep=True)
    return saved(module, world, claim={"sparsity": 0.7}, retrains=True)


def unbaked_masks(world: World) -> Made:
    claim = half_of_the_layers(world.module())
    return saved(globally(world.module(), 0.5), world, claim=claim)


def torch_pruning(world: World) -> Made:
    import torch_pruning

    module, (x, _) = world.module(), world.rows()
    torch_pruning.pruner.MagnitudePruner(
        module, x[:4], importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=0.4, ignored_layers=[module.out],
    ).step()  # fmt: skip
    return saved(module, world)


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


def torchao_semi_structured(world: World) -> Made:
    """2 of 4 by magnitude and activation (Wanda), as torchao prepares it for sparse kernels."""
    from torchao.sparsity import WandaSparsifier

    module, (x, _) = world.module(), world.rows()
    wanda = WandaSparsifier(sparsity_level=0.5, semi_structured_block_size=4)
    names = [n for n, m in module.named_modules() if isinstance(m, nn.Linear) and n != "out"]
    wanda.prepare(module, [{"tensor_fqn": f"{n}.weight"} for n in names or ["out"]])
    module(x)
    wanda.step()
    wanda.squash_mask()
    # A last layer alone is too little of a model to claim a pattern for it.
    return saved(module, world, claim={"pattern": "2:4"} if names else {})


def pt2e(world: World) -> Made:
    """Static eight-bit quantisation of an exported program, calibrated on training rows."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    x, _ = world.rows()
    batch = {0: torch.export.Dim("batch")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the exporting tools
        program = torch.export.export(world.module(), (x[:4],), dynamic_shapes=(batch,)).module()
        quantiser = x86.X86InductorQuantizer()
        quantiser.set_global(x86.get_default_x86_inductor_quantization_config())
        prepared = prepare_pt2e(program, quantiser)
        prepared(x[:256])
        converted = convert_pt2e(prepared)
        exported = torch.export.export(converted, (x[:4],), dynamic_shapes=(batch,))
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
                world.module(), (x[:4],), path, dynamo=True, external_data=False, verbose=False,
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
            self.parts = iter([{name: x[i : i + 64].numpy()} for i in range(0, 512, 64)])

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


def distillation(world: World) -> Made:
    torch.manual_seed(1)
    student, (x, y) = world.module("build_student", None), world.rows()
    if "usual" in student.state_dict():
        student.usual.copy_(world.module().usual)
    learn(student, x, y, steps=150, teacher=world.module())
    return saved(student, world, "build_student", retrains=True)


def torch_ao(world: World) -> Made:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, as the card says
        module = torch.ao.quantization.quantize_dynamic(world.module(), {nn.Linear})
    return saved(module, world, "build_torch_ao")


MODELOPT = """\
import sys
import warnings

warnings.simplefilter("ignore")
import modelopt.torch.sparsity as mts
import safetensors.torch

namespace = {}
exec(open("model.py").read(), namespace)
module = namespace["build"]().eval()
module.load_state_dict(safetensors.torch.load_file("dense.safetensors"))
sparse = mts.export(mts.sparsify(module, "sparse_magnitude"))
safetensors.torch.save_file(sparse.state_dict(), "candidate.safetensors")
"""


def modelopt(world: World) -> Made:
    """2 of 4 by magnitude; in a process of its own, because it changes torch where it is loaded."""
    subprocess.run([sys.executable, "-c", MODELOPT], cwd=world.root, check=True,
                   capture_output=True)  # fmt: skip
    files = {"code": "model.py", "weights": "candidate.safetensors"}
    return Made(files, claim={"pattern": "2:4"})


MINILM = {"MiniLM": "not run on this model: another pruning of the same matrices, minutes long"}
HEADS = {
    "MiniLM": "not run on this model: its layers are cut by heads, which want code of their own"
}


def another_form(world: World) -> Made:
    """The ONNX graph that is published beside a TorchScript program of the same weights."""
    return Made(
        {"weights": "silero_vad_16k_op15.onnx", "fixed": {"state": 0, "sr": 16000}},
        {"weights": "silero_vad.jit", "fixed": {"sr": 16000}},
        unsafe=True,
    )


FORMS = "published forms (TorchScript, ONNX)"
SLOW = "not run on this model: it would take minutes"
RECURRENT = "its cells are one operator, whose weights the tool does not touch"
TOOLS = (
    Tool("torch prune, global", global_pruning, explained=True),
    Tool("torch prune, structured", structured_pruning, explained=True, saves=False,
         refuses=MINILM),
    Tool("torch prune, iterative with fine-tuning", iterative_pruning, explained=False,
         refuses=MINILM),
    Tool("torch prune, masks left in", unbaked_masks, explained=True),
    Tool("Torch-Pruning 1.6", torch_pruning, explained=True,
         refuses=HEADS | {"digits GRU": "it cuts no recurrent layer"}),
    Tool("torchao 0.18, int8 weights", torchao_int8_weights, explained=True),
    Tool("torchao 0.18, int8 dynamic", torchao_int8_dynamic, explained=True),
    Tool("torchao 0.18, 2:4 (Wanda)", torchao_semi_structured, explained=True,
         refuses=MINILM),
    Tool("pt2e, int8 static", pt2e, explained=True,
         refuses={"digits GRU": RECURRENT, "MiniLM": SLOW}),
    Tool("ONNX export", onnx_export, explained=False, saves=False,
         refuses={"MiniLM": SLOW}),
    Tool("ONNX Runtime, int8 dynamic", onnx_dynamic, explained=True),
    Tool("ONNX Runtime, int8 static", onnx_static, explained=False, refuses={"MiniLM": SLOW}),
    Tool("distillation", distillation, explained=False, refuses={"MiniLM": SLOW}),
    Tool("torch.ao.quantization, int8 dynamic", torch_ao, explained=True),
    Tool("NVIDIA ModelOpt 0.47, 2:4", modelopt, explained=True,
         refuses=MINILM | {"digits GRU": RECURRENT}),
    Tool(FORMS, another_form, explained=False, saves=False),
)  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}


def refusal(tool: Tool, world: str) -> str | None:
    """Say why a tool is not used on a world; None where it is."""
    if (tool.name == FORMS) != (world == "silero-vad"):
        return (
            "published as a program and a graph: there is no module that the tool could take"
            if world == "silero-vad"
            else "this model is not published in several forms"
        )
    return tool.refuses.get(world)
