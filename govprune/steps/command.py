"""Run a compression command between two digests: materials before, products after."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from ..errors import JobError
from ..job import Job
from ..lineage import Step
from ..subjects import describe


def run_command(job: Job, *, root: Path) -> Step:
    """Run the job's step, if it has a command, and say what was done.

    The baseline's weights are digested before and after: a step that changes them is refused.

    Raises:
        JobError: The command fails, writes no candidate, or changes the baseline.
    """
    section = job.step
    if section.command is None:
        return Step(
            name=section.name,
            kind="artefacts" if job.predictions is None else "predictions",
            description=section.description,
            claim=section.claim,
            retrains=section.retrains,
        )
    if job.baseline is None or job.candidate is None:
        raise JobError(
            f"step '{section.name}': a command is run where both models are named; with "
            "predictions, leave step.command out"
        )
    baseline = describe(root / job.baseline.weights, role="baseline", root=root)
    product = root / job.candidate.weights
    before = product.stat().st_mtime_ns if product.exists() else None
    started = _now()
    # `python` in a job means the Python that runs govprune.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S602 the job's author wrote the command, as in a Makefile
        section.command,
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
    if not product.exists() or product.stat().st_mtime_ns == before:
        raise JobError(
            f"step '{section.name}' did not write {job.candidate.weights}; "
            "candidate.weights must name what the command makes"
        )
    if describe(root / job.baseline.weights, role="baseline", root=root) != baseline:
        raise JobError(f"step '{section.name}' changed the baseline's weights; write a new file")
    return Step(
        name=section.name,
        kind="command",
        description=section.description,
        command=section.command,
        claim=section.claim,
        retrains=section.retrains,
        started=started,
        finished=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
