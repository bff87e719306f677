"""Under what circumstances a gate's numbers hold: software, assumptions, what was run on trust."""

import platform
from importlib.metadata import PackageNotFoundError, version

from .. import __version__
from ..evidence.statement import Environment
from .inputs import Inputs

PACKAGES = (
    "torch", "numpy", "scipy", "fairlearn", "adversarial-robustness-toolbox", "scikit-learn",
    "polars", "pyarrow", "pandas", "safetensors", "pydantic", "weasyprint", "pyhanko",
    "codecarbon", "onnxruntime", "skops", "tokenizers", "transformers",
)  # fmt: skip


def environment(seed: int) -> Environment:
    """Describe where the measurements are taken."""
    found = []
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return Environment(
        govprune=__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=tuple(found),
        seed=seed,
    )


def assumptions(inputs: Inputs) -> tuple[str, ...]:
    """Say what is taken for granted, in sentences."""
    cluster = inputs.data.profile.cluster
    rows = (
        "Evaluation rows are independent of each other"
        if cluster is None
        else f"Rows of different '{cluster}' are independent of each other (those of one are "
        "counted as one)"
    )
    found = [
        f"{rows} and of the rows the models were trained on; they resemble the people the model "
        "will meet."
    ]
    if inputs.models is None:
        found.append(
            "The predictions are those of the two models they are named after: no model was run, "
            "and nothing is known of its file, its robustness or what it gives away."
        )
    return tuple(found)


def loaded_unsafely(inputs: Inputs) -> list[str]:
    """Name the models that could have run code of their own, those between included."""
    models = (*(inputs.models or ()), *(model for _, model in inputs.between))
    return [f"The {m.role} is {m.kind}, {m.unsafe}: --unsafe-load." for m in models if m.unsafe]
