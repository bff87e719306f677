"""Tools that take weights, channels or layers away."""

import atexit
import subprocess
import sys
from functools import cache

import torch
from made_by_tools import Made, saved
from tool_worlds import World, learn
from torch import nn
from torch.nn.utils import prune


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


def zeroed(module: nn.Module, share: float) -> dict[str, object]:
    """Claim what zeroing a share of the pruned layers is of all matrices, embeddings included."""
    pruned = sum(getattr(layer, name).numel() for layer, name in layers(module))
    whole = sum(p.numel() for p in module.parameters() if p.ndim >= 2)
    return {"sparsity": share * pruned / whole}


def two_of_four(module: nn.Module, names: list[str]) -> dict[str, object]:
    """Claim the pattern, or zeros where the layers of these names are not nearly all."""
    pruned = sum(module.get_parameter(f"{name}.weight").numel() for name in names)
    share = pruned / sum(p.numel() for p in module.parameters() if p.ndim >= 2)
    return {"pattern": "2:4"} if share > 0.9 else {"sparsity": share / 2}


def global_pruning(world: World) -> Made:
    claim = zeroed(world.module(), 0.5)
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
        learn(baked(globally(module, amount)), x, y, steps=world.steps, rate=world.rate, keep=True)
    return saved(module, world, claim=zeroed(world.module(), 0.7), retrains=True)


def unbaked_masks(world: World) -> Made:
    claim = zeroed(world.module(), 0.5)
    return saved(globally(world.module(), 0.5), world, claim=claim)


def torch_pruning(world: World) -> Made:
    import torch_pruning

    module, (x, _) = world.module(), world.rows()
    # What attention is computed of is left alone: the code says how many heads there are.
    heads = {part.query: part.num_attention_heads for part in module.modules()
             if hasattr(part, "num_attention_heads")}  # fmt: skip
    torch_pruning.pruner.MagnitudePruner(
        module, x[:4], importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=0.25, ignored_layers=[module.out], num_heads=heads,
    ).step()  # fmt: skip
    return saved(module, world)


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
    return saved(module, world, claim=two_of_four(world.module(), names or ["out"]))


def distillation(world: World) -> Made:
    torch.manual_seed(1)
    student, (x, y) = world.module("build_student", None), world.rows()
    if world.few:
        student.load_state_dict(world.module().state_dict(), strict=False)  # the layers it has
    elif "usual" in student.state_dict():
        student.usual.copy_(world.module().usual)
    learn(student, x, y, steps=10 * world.steps, rate=3 * world.rate, teacher=world.module())
    return saved(student, world, "build_student", retrains=True)


MODELOPT = """\
import os
import sys
import warnings

warnings.simplefilter("ignore")
import modelopt.torch.sparsity as mts
import safetensors.torch

words = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for folder in sys.stdin:
    os.chdir(folder.strip())
    namespace = {}
    exec(open("model.py").read(), namespace)
    module = namespace["build"]().eval()
    module.load_state_dict(safetensors.torch.load_file("dense.safetensors"))
    sparse = mts.export(mts.sparsify(module, "sparse_magnitude"))
    safetensors.torch.save_file(sparse.state_dict(), "candidate.safetensors")
    print("made", file=words, flush=True)
"""


@cache
def modelopt_process() -> subprocess.Popen:
    """Start it once: it changes torch where it is loaded, which takes longer than all it does."""
    process = subprocess.Popen([sys.executable, "-c", MODELOPT], text=True, bufsize=1,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    atexit.register(process.communicate)
    return process


def modelopt(world: World) -> Made:
    """2 of 4 by magnitude; in a process of its own."""
    process = modelopt_process()
    process.stdin.write(f"{world.root}\n")
    assert process.stdout.readline() == "made\n"
    files = {"code": "model.py", "weights": "candidate.safetensors"}
    module = world.module()
    inner = [n for n, m in module.named_modules() if isinstance(m, nn.Linear) and n != "out"]
    return Made(files, claim=two_of_four(module, inner))
