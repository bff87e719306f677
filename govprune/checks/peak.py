"""Peak memory of models, each time in a fresh process: `python -m govprune.checks.peak`.

One process imports the libraries and warms them up, and does nothing else. It answers requests one
after another, each in a fork, and each run of a model is a fork of that one: it starts with exactly
the libraries and loads one model. A line of JSON is read on standard input, one is written to
standard output. The kernel keeps the peak (VmHWM); a fork starts its own.
"""

import json
import os
import select
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import GovpruneError, SubjectError
from ..job import ModelFiles

STATUS = Path("/proc/self/status")
IDLE = 300
"""Seconds without a request after which the process ends."""


def kibibytes(field: str, status: str) -> int:
    """Read a field of /proc/self/status, e.g. `VmHWM`, in KiB.

    Raises:
        SubjectError: The kernel does not keep it.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise SubjectError(f"/proc/self/status has no {field}")


def observe(request: dict[str, Any], which: int, rows: Any) -> dict[str, Any]:
    """Load a model and let it answer the rows; return what that took, in KiB.

    Raises:
        SubjectError: It cannot be loaded, or is another model than the one that was judged.
    """
    from ..models import load

    given = request["models"][which]
    _touch()
    before = kibibytes("VmRSS", STATUS.read_text())
    model = load(
        ModelFiles.model_validate(given["files"]),
        role=given["role"], root=Path(given["root"]), unsafe=given["unsafe"],
    )  # fmt: skip
    digests = [model.weights.sha256, model.code.sha256 if model.code else None]
    if digests != given["sha256"]:
        raise SubjectError(f"the {given['role']}'s files changed while the gate ran")
    loaded = kibibytes("VmRSS", STATUS.read_text())
    model.outputs(rows)
    peak = kibibytes("VmHWM", STATUS.read_text())
    return {"which": which, "loaded": loaded - before, "peak": peak - before}


def _touch() -> None:
    """Answer with a tiny model from a file's bytes: a fork maps the libraries' pages anew."""
    import safetensors.torch
    import torch

    tiny = safetensors.torch.save({"weight": torch.zeros(64, 64), "bias": torch.zeros(64)})
    module = torch.nn.Linear(64, 64)
    module.load_state_dict(safetensors.torch.load(tiny))
    with torch.inference_mode():
        module(torch.zeros(64, 64)).double().numpy()


def _forked(work: Callable[[], Any], who: str, closed: tuple[int, ...] = ()) -> Any:
    """Do work in a fork of this process and return what comes of it, or `{"error": sentence}`.

    Args:
        who: What the process is called if it ends without a word.
        closed: Files of this process that are none of the fork's business.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for file in (reading, *closed):
            os.close(file)
        try:
            said = work()
        except GovpruneError as error:
            said = {"error": str(error)}
        except BaseException as error:  # the user's module may raise anything, or leave
            said = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        with os.fdopen(writing, "w") as stream:
            json.dump(said, stream)
        os._exit(0)  # a fork must not run what its parent has to clean up
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if not text:
        return {"error": f"the process of the {who} ended with status {status} and no word"}
    return json.loads(text)


def observed(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer one request: the models, the rows, and in which order to run them."""
    import numpy as np

    rows = np.load(request["rows"], allow_pickle=False)
    rows = rows.astype(object) if rows.dtype.kind == "U" else rows
    return [
        _forked(partial(observe, request, which, rows), request["models"][which]["role"])
        for which in request["order"]
    ]


def _warm_up(request: dict[str, Any]) -> None:
    """Import and start what the models need, so that no run pays for it."""
    import torch

    from .. import models  # noqa: F401 loaded once, so that each fork has it already

    torch.set_num_threads(request["threads"])
    _touch()
    for library in request["libraries"]:
        with suppress(ImportError):  # whoever needs it will say so
            import_module(library)


def main() -> None:
    """Say what to have ready, then answer requests until there are none for a while."""
    # Unbuffered: of a line that was read ahead nobody would be told.
    words = os.fdopen(os.dup(0), "rb", buffering=0)
    # Standard output is for the answers; a model's own words go to standard error.
    answers = os.dup(1)
    os.dup2(2, 1)
    _warm_up(json.loads(words.readline()))
    while select.select([words], [], [], IDLE)[0] and (line := words.readline()):
        closed = (0, words.fileno(), answers)
        said = _forked(partial(observed, json.loads(line)), "models", closed)
        with os.fdopen(os.dup(answers), "w") as stream:
            stream.write(f"{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
