"""How much memory loading a model and answering a batch takes at its peak, beside the baseline's.

Each run is a process of its own that has the libraries and nothing else. The peak holds what the
loader holds at once: the file as it was read, its tensors, and the module. A small model vanishes
beside what any answer takes, so its ratio is near 1. The process that has the libraries ready is
kept for some minutes: whoever gates several models need not wait for it each time.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from math import log
from pathlib import Path
from random import Random
from time import monotonic
from typing import IO, Any

import numpy as np
from pydantic import Field

from ..errors import CheckError
from ..measurements import Basis, Exact, Figure, LogRatios, Measurement
from ..models import Model, TorchModel
from ..records import Record
from .base import Case, Check, Source

NAMES = ("baseline", "candidate", "baseline again")
WITH_MODULES = ("torchao", "safetensors")
WITH_OTHERS = ("onnx", "onnxruntime", "sklearn", "tokenizers", "transformers")
"""Libraries of some forms of model: if a model brought one in here, no run there pays for it."""


class MemoryParams(Record):
    """Parameters of the memory check."""

    runs: int = Field(default=15, ge=1, le=400)
    """Processes per model, and as many again for the control; fewer than 10 decide nothing."""
    batch: int = Field(default=256, ge=1)
    """Rows that are answered at once."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads torch may use."""
    seconds: float = Field(default=600, gt=0, le=86_400)
    """After so long the check gives up."""


def measure(case: Case, params: MemoryParams) -> Iterator[Measurement | Figure]:
    """Run baseline, candidate and baseline again in processes of their own, in random order."""
    claimed = case.step.claim.memory_ratio
    if claimed is None:
        yield _measured("memory-claim-kept", Exact(value=1.0), "the step claims no memory")
    runs = _observed(case, params)
    peaks = [[run["peak"] for run in of_one] for of_one in runs]
    ratio = _ratios(case, peaks[0], peaks[1])
    yield _measured(
        "peak-memory-ratio",
        ratio,
        f"median {_middle(peaks[0])} → {_middle(peaks[1])} MiB above the libraries, with "
        f"{min(params.batch, len(case.data.features))} rows answered at once",
    )
    yield _measured("peak-memory-control-ratio", _ratios(case, peaks[0], peaks[2]))
    if claimed is not None:
        kept = tuple(round(log(claimed) - value, 5) for value in ratio.values)
        basis = LogRatios(values=kept, seed=case.seed)
        yield _measured("memory-claim-kept", basis, f"claimed: {claimed:g} of the baseline's")
    yield Figure(
        check="memory",
        title=f"Memory above the libraries, MiB ({params.runs} processes each)",
        columns=("", "loaded", "peak", "smallest peak", "largest peak"),
        rows=tuple(
            (
                name, _middle([run["loaded"] for run in of_one]), _middle(peak),
                _middle([min(peak)]), _middle([max(peak)]),
            )
            for name, of_one, peak in zip(NAMES, runs, peaks, strict=True)
        ),
    )  # fmt: skip


def _observed(case: Case, params: MemoryParams) -> list[list[dict[str, int]]]:
    """What each run of baseline, candidate and baseline again took, in the order of the runs."""
    if case.sources is None:
        raise CheckError(
            "the models were made in memory: memory is measured on models that a job names by "
            "their files"
        )
    if not Path("/proc/self/status").is_file() or not hasattr(os, "fork"):
        raise CheckError("peak memory is read from /proc/self/status, which this system lacks")
    random = Random(case.seed)  # noqa: S311 an order of runs, no secret
    turns = [random.sample(range(3), 3) for _ in range(params.runs)]
    order = list(chain.from_iterable(turns))
    models = [
        _described(model, source)
        for model, source in zip((case.baseline, case.candidate), case.sources, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npy"
        given = case.data.features[: params.batch]
        texts = given.dtype == np.object_
        np.save(rows, given.astype(np.str_) if texts else given, allow_pickle=False)
        request = {
            "models": models, "rows": str(rows), "order": [which % 2 for which in order],
        }  # fmt: skip
        ready = {"libraries": _libraries(case), "threads": params.threads}
        answers = _asked(ready, request, params.seconds)
    if failed := next((answer["error"] for answer in answers if "error" in answer), None):
        raise CheckError(f"in a process of its own: {failed}")
    runs: list[list[dict[str, int]]] = [[], [], []]
    for which, answer in zip(order, answers, strict=True):
        # A page is the least the kernel tells apart.
        runs[which].append({name: max(int(answer[name]), 4) for name in ("loaded", "peak")})
    return runs


def _libraries(case: Case) -> list[str]:
    plain = all(isinstance(m, TorchModel) for m in (case.baseline, case.candidate))
    wanted = WITH_MODULES if plain else WITH_MODULES + WITH_OTHERS
    return [name for name in wanted if name in sys.modules]


def _described(model: Model, source: Source) -> dict[str, Any]:
    return {
        "role": model.role,
        "files": source.files.model_dump(mode="json"),
        "root": str(source.root.resolve()),
        "unsafe": source.unsafe,
        "sha256": [model.weights.sha256, model.code.sha256 if model.code else None],
    }


@dataclass
class _Process:
    """A process that has libraries ready, and where its complaints go."""

    ready: str
    running: "subprocess.Popen[bytes]"
    complaints: IO[bytes]

    def last_words(self) -> str:
        """Return the last line of its complaints."""
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        return (lines or ["no word"])[-1][:300]

    def end(self) -> None:
        """End it with all that it forked: its group bears its number."""
        if self.running.poll() is None:  # afterwards the number may be another's
            os.killpg(self.running.pid, signal.SIGKILL)
        self.running.communicate()
        self.complaints.close()


_KEPT: list[_Process] = []
"""The last process that answered, at most one."""


@atexit.register
def _end_kept() -> None:
    while _KEPT:
        _KEPT.pop().end()


class _BrokenError(CheckError):
    """The process ended without an answer."""


def _asked(ready: dict[str, Any], request: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    """Let a process of its own answer: the one that is kept, or a new one."""
    environment = _environment(ready["threads"])
    wanted = json.dumps([ready, environment["PYTHONPATH"], str(Path.cwd())])
    while _KEPT:
        kept = _KEPT.pop()
        if kept.ready != wanted:
            kept.end()
            continue
        with suppress(_BrokenError):  # it had nothing to do for too long
            return _answered(kept, request, seconds)
    return _answered(_started(wanted, ready, environment), request, seconds)


def _answered(process: _Process, request: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    """Keep the process if it answers; end it, with all it started, if not, or not in time."""
    process.complaints.truncate(0)
    try:
        said = json.loads(_said(process, json.dumps(request), until=monotonic() + seconds))
    except TimeoutError as error:
        process.end()
        raise CheckError(
            f"the models took more than {seconds:g} seconds in processes of their own; raise "
            "params.memory.seconds or lower params.memory.runs"
        ) from error
    except (ValueError, BrokenPipeError) as error:
        last = process.last_words()
        process.end()
        raise _BrokenError(f"the process that measures memory broke: {last}") from error
    except BaseException:
        process.end()
        raise
    _KEPT.append(process)
    answers: list[dict[str, Any]] = said if isinstance(said, list) else [said]
    return answers


def _started(wanted: str, ready: dict[str, Any], environment: dict[str, str]) -> _Process:
    complaints = tempfile.TemporaryFile("a+b")  # noqa: SIM115 open for as long as the process runs
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "govprune.checks.peak"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment,
        start_new_session=True, bufsize=0,
    )  # fmt: skip
    process = _Process(wanted, running, complaints)
    with suppress(BrokenPipeError):  # then it answers nothing, which is told with its last words
        _tell(process, json.dumps(ready))
    return process


def _tell(process: _Process, line: str) -> None:
    if process.running.stdin is None:
        raise BrokenPipeError
    process.running.stdin.write(f"{line}\n".encode())


def _said(process: _Process, request: str, *, until: float) -> bytes:
    """Return the line that answers a request: empty if the process ended.

    Raises:
        TimeoutError: It took too long.
    """
    _tell(process, request)
    if process.running.stdout is None:
        return b""
    said, file = b"", process.running.stdout.fileno()
    while not said.endswith(b"\n"):
        if not select.select([file], [], [], max(0.0, until - monotonic()))[0]:
            raise TimeoutError
        if not (more := os.read(file, 1 << 16)):
            break
        said += more
    return said


def _environment(threads: int) -> dict[str, str]:
    """Say where to import from as this process does, and keep numeric libraries to the threads."""
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    places = os.pathsep.join(place for place in sys.path if place)
    return os.environ | dict.fromkeys(pools, str(threads)) | {"PYTHONPATH": places}


def _ratios(case: Case, first: list[int], second: list[int]) -> LogRatios:
    pairs = zip(first, second, strict=True)
    return LogRatios(values=tuple(round(log(b / a), 5) for a, b in pairs), seed=case.seed)


def _middle(kibibytes: list[int]) -> str:
    return f"{float(np.median(kibibytes)) / 1024:,.1f}"


def _measured(metric: str, basis: Basis, *notes: str) -> Measurement:
    return Measurement(check="memory", metric=metric, basis=basis, notes=notes)


MEMORY = Check(id="memory", params=MemoryParams, measure=measure)
