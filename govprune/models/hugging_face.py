"""A Hugging Face folder, built from the very bytes that were digested.

Only JSON and safetensors are read. What could run code, reach another place
or hold weights that nobody judged is refused: Python files, `auto_map`, pickles, adapters, weights
in other forms. Nothing is asked of the network, and nothing is written.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EvidenceError, SubjectError
from ..job import ModelFiles
from ..manifest import Manifest
from ..model_files import folder_subjects
from ..model_folder import digest_model
from ..records import parse_json
from ..subjects import Subject, expect, read_subject
from .torch_model import PICKLES

if TYPE_CHECKING:
    import torch

OTHER_WEIGHTS = (
    ".h5", ".keras", ".msgpack", ".gguf", ".onnx", ".tflite", ".ot", ".npz", ".npy", ".pte",
    ".pt2", ".ts", ".torchscript", ".jit", ".skops",
)  # fmt: skip
CODE = (".py", ".pyc", ".pyd", ".so", ".dylib", ".dll")
UNREAD = {
    "auto_map": "names Python code that comes with the folder",
    "quantization_config": "keeps its weights in a form that only another package's code can read",
    "transformers_weights": "names another weights file",
    "fusion_config": "has its structure rewritten while it is loaded",
    "custom_pipelines": "names Python code that comes with the folder",
}
"""Fields of config.json with which something else would run than what is judged here."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder's files by name and content, of which none is read but as it was digested."""

    path: Path
    role: str
    manifest: Manifest
    subjects: tuple[Subject, ...]
    """The folder, and each file."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            SubjectError: It is not there, or is no longer what it was.
        """
        listed = next((f for f in self.manifest.files if f.name == name), None)
        if listed is None:
            raise SubjectError(f"{self.path}: no {name}")
        found, data = read_subject(self.path / name, role=self.role, root=self.path)
        if found.sha256 != listed.sha256:
            raise SubjectError(f"{self.path / name}: changed while the model was loaded")
        return data

    def json(self, name: str) -> Json:
        """Return a file's JSON object; empty where there is no such file."""
        if name not in (f.name for f in self.manifest.files):
            return {}
        try:
            value = parse_json(self.read(name), source=str(self.path / name))
        except EvidenceError as error:
            raise SubjectError(str(error)) from error
        if not isinstance(value, dict):
            raise SubjectError(f"{self.path / name}: not a JSON object")
        # A vocabulary may have a token of that name.
        if name != "tokenizer.json" and "auto_map" in _fields(value):
            raise SubjectError(f"{self.path / name}: 'auto_map' {UNREAD['auto_map']}; refused")
        return value


def open_folder(files: ModelFiles, *, role: str, root: Path) -> Folder:
    """Hash a folder and refuse what could run code, or would ship without being judged.

    Raises:
        SubjectError: Says which file, and what to do.
    """
    path = root / files.weights
    if files.code is not None:
        raise SubjectError(f"{path}: brings its own structure; leave {role}.code out")
    manifest = digest_model(path)
    subjects = folder_subjects(manifest, path, role=role, root=root)
    expect(subjects[0], files.sha256)
    for file in manifest.files:
        _refuse_file(path / file.name)
    folder = Folder(path=path, role=role, manifest=manifest, subjects=subjects)
    for file in manifest.files:
        # Other than these, none is read by transformers, and some are lists or very long.
        if file.name.endswith("config.json"):
            folder.json(file.name)
    return folder


def _refuse_file(path: Path) -> None:
    kind = path.suffix.lower()
    if kind in (*PICKLES, ".joblib"):
        raise SubjectError(
            f"{path}: a pickle runs code when somebody loads it, and ships with the folder; remove "
            "it (weights: save_pretrained(..., safe_serialization=True))"
        )
    if kind in CODE:
        raise SubjectError(
            f"{path}: code that ships with the folder, and that is never run here; remove it"
        )
    if kind in OTHER_WEIGHTS:
        raise SubjectError(
            f"{path}: weights in another form, which nobody would judge; give them a folder of "
            "their own"
        )
    if path.name == "adapter_config.json":
        raise SubjectError(f"{path}: an adapter changes the model it lies beside; merge it first")


def read_tensors(folder: Folder) -> "dict[str, torch.Tensor]":
    """Read every safetensors file of the folder.

    Raises:
        SubjectError: There is none, one is broken, or one is no part of the model.
    """
    import safetensors
    import safetensors.torch

    index = folder.json("model.safetensors.index.json")
    shards = index.get("weight_map", {"": "model.safetensors"})
    if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
        raise SubjectError(f"{folder.path}/model.safetensors.index.json: weight_map is no mapping")
    wanted = sorted(set(shards.values()))
    there = {f.name for f in folder.manifest.files if f.name.endswith(".safetensors")}
    if stray := sorted(there - set(wanted)):
        raise SubjectError(
            f"{folder.path / stray[0]}: no part of the model, and would ship without being judged; "
            "remove it"
        )
    tensors: dict[str, torch.Tensor] = {}
    for name in wanted:
        try:
            part = safetensors.torch.load(folder.read(name))
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise SubjectError(f"{folder.path / name}: not a safetensors file ({error})") from error
        if twice := sorted(part.keys() & tensors.keys()):
            raise SubjectError(f"{folder.path / name}: holds '{twice[0]}' a second time")
        tensors |= part
    return tensors


def build(folder: Folder, config: Json, tensors: "Mapping[str, torch.Tensor]") -> Any:
    """Build the module that config.json names and fill it, strictly.

    Returns:
        A transformers model in evaluation mode.

    Raises:
        SubjectError: The configuration is unknown or would run something else, or the weights do
            not fit.
    """
    import transformers

    at = folder.path / "config.json"
    for field in sorted(_fields(config) & UNREAD.keys()):
        raise SubjectError(f"{at}: '{field}' {UNREAD[field]}; refused")
    architecture = architecture_of(folder, config)
    try:
        known = transformers.CONFIG_MAPPING[str(config.get("model_type"))]
    except KeyError as error:
        raise SubjectError(
            f"{at}: transformers {transformers.__version__} knows no model_type "
            f"{str(config.get('model_type'))[:60]!r}"
        ) from error
    try:
        settings = known.from_dict(_plain(config))
        module, told = getattr(transformers, architecture).from_pretrained(
            None, config=settings, state_dict=dict(tensors), output_loading_info=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # to be told which, and to refuse them below
        )  # fmt: skip
    except Exception as error:  # a configuration may break its model in any way
        line = (str(error).strip().splitlines() or [""])[0]
        raise SubjectError(
            f"{folder.path}: cannot be loaded: {type(error).__name__}: {line[:300]}"
        ) from error
    for what, names in told.items():
        if names:
            first = sorted(map(str, names))[0]
            raise SubjectError(
                f"{folder.path}: the weights do not fit {architecture}: "
                f"{what.replace('_', ' ')}: {first[:200]}"
            )
    return module.eval().requires_grad_(requires_grad=False)


def architecture_of(folder: Folder, config: Json) -> str:
    """Return the name of the one model class that config.json names; raises as `build` does."""
    named = config.get("architectures")
    if not isinstance(named, list) or len(named) != 1 or not isinstance(named[0], str):
        raise SubjectError(f"{folder.path}/config.json: architectures names no one model class")
    return named[0]


def named_classes(folder: Folder, config: Json) -> tuple[str, ...]:
    """Return the classes in the order of the outputs; empty where config.json only numbers them.

    Raises:
        SubjectError: id2label is no mapping from 0, 1 and so on to names, or label2id contradicts.
    """
    named = config.get("id2label")
    if named is None:
        return ()
    at = f"{folder.path}/config.json"
    order = [str(i) for i in range(len(named))] if isinstance(named, dict) else []
    if not isinstance(named, dict) or set(named) != set(order):
        raise SubjectError(f"{at}: id2label does not name outputs 0, 1 and so on")
    classes = tuple(str(named[i]) for i in order)
    if len(set(classes)) != len(classes):
        raise SubjectError(f"{at}: id2label gives two outputs one name")
    if all(re.fullmatch(r"(LABEL_)?\d+", name) for name in classes):
        return ()
    numbers = config.get("label2id")
    if numbers and numbers != {name: i for i, name in enumerate(classes)}:
        raise SubjectError(f"{at}: label2id contradicts id2label")
    return classes


def _fields(config: object) -> set[str]:
    """Return the names of all fields, of parts of the configuration as well."""
    if isinstance(config, dict):
        return set(config).union(*map(_fields, config.values()))
    return set().union(*map(_fields, config)) if isinstance(config, list) else set()


def _plain(config: Json) -> Json:
    """Leave out what would choose how the model is run: that is chosen here."""
    return {
        name: _plain(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if not name.startswith("_") and not name.endswith("_implementation")
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers off the network and the terminal, and leave its settings as they were."""
    import huggingface_hub.constants as hub
    from transformers.utils import logging as said

    logging: Any = said  # half of it has no types
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    offline = hub.HF_HUB_OFFLINE
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    hub.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = offline
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
