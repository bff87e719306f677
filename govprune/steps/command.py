"""Run compression commands between digests: materials before, products after."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..errors import JobError
from ..job import Job, ModelFiles, StepSection
from ..lineage import Step
from ..model_folder import digest_model
from ..subjects import describe


def run_steps(job: Job, *, root: Path) -> tuple[Step, ...]:
    """Run the job's steps in order, those that have a command, and say what was done.

    What a command is given is digested before and after: a step that changes it is refused.

    Raises:
        JobError: A command fails, writes no model, or changes what it was given.
    """
    if job.baseline is None or job.candidate is None:
        return (_unwatched(job),)
    models = [job.baseline, *(link.model for link in job.chain), job.candidate]
    sections = [*(link.step for link in job.chain), job.step]
    # The baseline is given to every step of a chain: what it is judged against must not move.
    first = [job.baseline.weights, *([job.baseline.code] if job.baseline.code else [])]
    data = [*first, *(section.file for section in job.fine_tuning)]
    return tuple(
        _run(section, before, after, data, root)
        for section, before, after in zip(sections, models[:-1], models[1:], strict=True)
    )


def _unwatched(job: Job) -> Step:
    if job.step.command is not None:
        raise JobError(
            f"step '{job.step.name}': a command is run where both models are named; with "
            "predictions, leave step.command out"
        )
    return _record(job.step, "predictions")


def _record(section: StepSection, kind: str) -> Step:
    return Step.model_validate(
        {
            "name": section.name,
            "kind": kind,
            "description": section.description,
            "command": section.command,
            "claim": section.claim,
            "retrains": section.retrains,
        }
    )


def _run(
    section: StepSection, before: ModelFiles, after: ModelFiles, data: Sequence[str], root: Path
) -> Step:
    if section.command is None:
        return _record(section, "artefacts")
    given = (before.weights, *((before.code,) if before.code else ()), *data)
    materials = {name: _digest(root / name) for name in dict.fromkeys(given)}
    product = root / after.weights
    started = _now()
    with _moved_aside(product):
        _execute(section, root)
        if not product.exists():
            raise JobError(
                f"step '{section.name}' did not write {after.weights}; the weights named after it "
                "must be what the command makes"
            )
    for name, sha256 in materials.items():
        if _digest(root / name) != sha256:
            what = "the baseline's weights" if name == before.weights else name
            raise JobError(f"step '{section.name}' changed {what}; write a new file")
    return _record(section, "command").model_copy(
        update={
            "started": started,
            "finished": _now(),
            "materials": tuple(materials.items()),
            "products": ((after.weights, _digest(product)),),
        }
    )


@contextmanager
def _moved_aside(product: Path) -> Iterator[None]:
    """Take an older product away while a command runs; bring it back if the command fails."""
    old = product.with_name(f".{product.name}.before")
    if product.is_symlink() or not product.exists():
        yield
        return
    product.rename(old)
    try:
        yield
    except BaseException:
        if not product.exists():
            old.rename(product)
        raise
    shutil.rmtree(old) if old.is_dir() else old.unlink()


def _execute(section: StepSection, root: Path) -> None:
    """Run the command of a step in the job's folder."""
    # `python` in a job means the Python that runs govprune.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S602 the job's author wrote the command, as in a Makefile
        str(section.command),
        shell=True,
        cwd=root,
        env=os.environ | {"PATH": path},
        stdout=2,  # standard error: standard output is for the verdict
        check=False,
    )
    if done.returncode:
        raise JobError(
            f"step '{section.name}' failed (exit {done.returncode}): {section.command}. "
            f"Run it by hand in {root} to see why"
        )


def _digest(path: Path) -> str:
    """Return what a file or a folder is."""
    if path.is_dir():
        return digest_model(path).digest
    return describe(path, role="material", root=path.parent).sha256


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
