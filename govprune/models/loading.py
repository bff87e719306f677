"""Load a model by what its file or folder is."""

from pathlib import Path

from ..errors import InputError, SubjectError
from ..job import ModelFiles
from ..subjects import expect
from .base import Model
from .callables import load_callable
from .hugging_face import architecture_of, open_folder, quiet
from .image_classifier import load_image_classifier
from .multiple_choice import load_multiple_choice
from .onnx_model import load_onnx
from .programs import PROGRAMS, load_program
from .scikit import ESTIMATORS, PICKLED, load_scikit
from .text_classifier import load_text_classifier
from .torch_model import load_torch


def load(files: ModelFiles, *, role: str, root: Path, unsafe: bool = False) -> Model:
    """Load a model: a folder, .safetensors with the code that builds it, .onnx, .pt2, .ts, ...

    Args:
        unsafe: Load also what can run code of its own.

    Raises:
        SubjectError: A file is missing or unsafe, or does not fit; says which and why.
    """
    path, kind = root / files.weights, (root / files.weights).suffix.lower()
    if files.callable:
        return load_callable(files, role=role, root=root, unsafe=unsafe)
    if files.fixed and (path.is_dir() or kind not in (".onnx", *PROGRAMS)):
        raise SubjectError(
            f"{path}: only an ONNX graph or a program takes fixed inputs; leave it out"
        )
    if path.is_dir():
        return load_hugging_face(files, role=role, root=root)
    # With code it is meant as a torch checkpoint, which is refused as one.
    checkpoint = kind in PICKLED and files.code is not None
    if kind in (".onnx", *PROGRAMS, *ESTIMATORS) and not checkpoint:
        if files.code is not None:
            raise SubjectError(
                f"{path}: brings its own structure; leave {role}.code out, nothing would run it"
            )
        model: Model
        if kind == ".onnx":
            model = load_onnx(path, role=role, root=root, fixed=files.fixed)
        elif kind in ESTIMATORS:
            model = load_scikit(path, role=role, root=root, unsafe=unsafe)
        else:
            model = load_program(path, role=role, root=root, unsafe=unsafe, fixed=files.fixed)
        expect(model.weights, files.sha256)
        return model
    return load_torch(files, role=role, root=root)


def load_hugging_face(files: ModelFiles, *, role: str, root: Path) -> Model:
    """Load a folder with config.json, by the kind of model that it names.

    Raises:
        SubjectError: A file is missing or unsafe, or does not fit; says which and why.
        InputError: transformers is not installed.
    """
    folder = open_folder(files, role=role, root=root)
    try:
        import transformers.models.auto.modeling_auto as known
    except ImportError as error:
        raise InputError(
            f"{folder.path}: Hugging Face models need the extra `huggingface`: "
            "pip install 'govprune[huggingface]'"
        ) from error
    config = folder.json("config.json")
    named = architecture_of(folder, config)
    with quiet():
        if named in known.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.values():
            return load_text_classifier(folder, config)
        if named in known.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.values():
            return load_image_classifier(folder, config)
        if named in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
            return load_multiple_choice(folder, config)
    raise SubjectError(
        f"{folder.path}/config.json: {named[:80]!r} is none of the kinds that can be judged: "
        "classifiers of texts or images, and causal language models. Gate its answers as "
        "predictions"
    )
