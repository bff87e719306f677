"""Real compression by real tools: each makes a candidate of a world's baseline, in its own form."""

from collections.abc import Callable
from dataclasses import dataclass, field

from made_by_tools import Made
from pruning_tools import (
    distillation,
    global_pruning,
    iterative_pruning,
    modelopt,
    structured_pruning,
    torch_pruning,
    torchao_semi_structured,
    unbaked_masks,
)
from rounding_tools import (
    another_form,
    onnx_dynamic,
    onnx_export,
    onnx_static,
    pt2e,
    torch_ao,
    torchao_int8_dynamic,
    torchao_int8_weights,
)
from tool_worlds import World


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
    writes: dict[str, int] = field(default_factory=dict)
    """Numbers that the code of a world computes with and the tool writes beside the weights."""


FORMS = "published forms (TorchScript, ONNX)"
UNCUT = "it runs and cuts nothing: a recurrent layer is none that it knows"
UNCHANGED = (
    "it runs and changes no weight: a recurrent layer is none that it knows, and the last one is "
    "too small for its pattern"
)
TOOLS = (
    Tool("torch prune, global", global_pruning, explained=True),
    Tool("torch prune, structured", structured_pruning, explained=True, saves=False),
    Tool("torch prune, iterative with fine-tuning", iterative_pruning, explained=False),
    Tool("torch prune, masks left in", unbaked_masks, explained=True),
    Tool("Torch-Pruning 1.6", torch_pruning, explained=True,
         refuses={"digits GRU": UNCUT}),
    Tool("torchao 0.18, int8 weights", torchao_int8_weights, explained=True),
    Tool("torchao 0.18, int8 dynamic", torchao_int8_dynamic, explained=True),
    Tool("torchao 0.18, 2:4 (Wanda)", torchao_semi_structured, explained=True),
    # Of 512 places in a text, the number and the kind; no weights file has them.
    Tool("pt2e, int8 static", pt2e, explained=True,
         writes={"MiniLM": 2 * 512}),
    Tool("ONNX export", onnx_export, explained=False, saves=False),
    Tool("ONNX Runtime, int8 dynamic", onnx_dynamic, explained=True),
    Tool("ONNX Runtime, int8 static", onnx_static, explained=False),
    Tool("distillation", distillation, explained=False),
    Tool("torch.ao.quantization, int8 dynamic", torch_ao, explained=True),
    Tool("NVIDIA ModelOpt 0.47, 2:4", modelopt, explained=True,
         refuses={"digits GRU": UNCHANGED}),
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
