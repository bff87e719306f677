"""What a person starts: a job file, or a step that was watched in Python."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .. import job
from ..data import Predictions, read_evaluation
from ..errors import InputError
from ..evidence.key_files import load_signing_keys
from ..job import EvaluationSection, FineTuningSection, JobSource
from ..policy import Plan, make_plan
from ..records import refusal
from .inputs import (
    Inputs,
    load_policy,
    next_attempt,
    prepare,
    refuse_existing,
    refuse_unsigned,
    signing_keys,
    target,
)
from .line import Added, Gated, Progress, gate

if TYPE_CHECKING:
    from ..checks.base import Source
    from ..lineage import Step
    from ..models import Model, TorchModel
    from ..steps import Wrapped


def run(
    path: Path | str | JobSource = "govprune.yaml",
    *,
    out: Path | None = None,
    key: Path | None = None,
    unsafe_unsigned: bool = False,
    unsafe_load: bool = False,
    policy_name: str | None = None,
    command: str | None = None,
    pdf: bool = True,
    plan: Path | None = None,
    progress: Progress = lambda *_: None,
) -> Gated:
    """Run the job in a govprune.yaml: step, measure, judge, sign, write the bundle.

    Args:
        path: The job file, the folder it lies in, or a job that is in no file.
        out: Where to write the bundle; by default a new numbered folder under the job's `out`.
        key: Signing key instead of the job's.
        unsafe_unsigned: Write a bundle that nobody signed; it can never be promoted.
        unsafe_load: Load model files that can run code of their own (.pt2, .ts, pickles).
        policy_name: Policy instead of the job's.
        command: Command of the (last) step instead of the job's.
        pdf: Whether to make the card as PDF too; the HTML is always made.
        plan: Folder of a plan that was signed before (`sign_plan`); the bundle will hold it.
        progress: Told what happens.

    Raises:
        InputError: Something given cannot be used; nothing has been written.
    """
    from ..steps import run_steps

    source = path if isinstance(path, JobSource) else job.load(Path(path))
    if command is not None:
        step = source.job.step.model_copy(update={"command": command})
        source = source.model_copy(update={"job": source.job.model_copy(update={"step": step})})
    keys = signing_keys(source, key, unsafe_unsigned=unsafe_unsigned)
    chosen, data, predictions = prepare(source, policy_name)
    bundle = target(source, out)
    _refuse_missing(source)
    progress("running the step", 0, 1)
    *earlier, done = run_steps(source.job, root=source.root)
    given = predictions or _models(source, unsafe=unsafe_load)
    between = _between(source, earlier, unsafe=unsafe_load)
    if not isinstance(given, Predictions):
        for made_by, model in (*between, (done, given[1])):
            _refuse_changed_since(made_by, model)
    inputs = Inputs(
        name=source.job.name,
        title=source.job.title,
        root=source.root,
        seed=source.job.seed,
        step=done,
        given=given,
        between=between,
        sources=None if predictions else _sources(source, unsafe=unsafe_load),
        data=data,
        fine_tuning=source.job.fine_tuning,
        policy=chosen,
        job_file=source.file,
    )
    log = source.root / source.job.log
    producer = source.job.producer
    added = Added(
        plan=plan,
        producer=source.root / producer if producer else None,
        timestamp=source.job.timestamp,
    )
    return gate(inputs, keys=keys, out=bundle, log=log, progress=progress, pdf=pdf, added=added)


def _models(source: JobSource, *, unsafe: bool) -> "tuple[Model, Model]":
    from ..models import load

    baseline, candidate = _sources(source, unsafe=unsafe)
    return (
        load(baseline.files, role="baseline", root=source.root, unsafe=unsafe),
        load(candidate.files, role="candidate", root=source.root, unsafe=unsafe),
    )


def _between(
    source: JobSource, steps: "Sequence[Step]", *, unsafe: bool
) -> "tuple[tuple[Step, Model], ...]":
    """Load what the links of the chain made, but for the last."""
    from ..models import load

    return tuple(
        (step, load(link.model, role=f"link-{i}", root=source.root, unsafe=unsafe))
        for i, (step, link) in enumerate(zip(steps, source.job.chain, strict=True), 1)
    )


def _refuse_missing(source: JobSource) -> None:
    """Refuse a job whose baseline or code is not there, before an hour is spent on its step."""
    made = [source.job.baseline, *(link.model for link in source.job.chain), source.job.candidate]
    codes = [model.code for model in made if model is not None and model.code is not None]
    first = [] if source.job.baseline is None else [source.job.baseline.weights]
    for name in (*first, *codes):
        if not (source.root / name).exists():
            raise InputError(f"{source.root / name}: no such file; nothing was run")


def _refuse_changed_since(step: "Step", model: "Model") -> None:
    """Refuse a model that is no longer what its step wrote: a later command may have touched it."""
    made = {sha256 for _, sha256 in step.products}
    if made and model.weights.sha256 not in made:
        raise InputError(
            f"{model.weights.name}: changed after step '{step.name}' wrote it; have later steps "
            "write new files"
        )


def _sources(source: JobSource, *, unsafe: bool) -> "tuple[Source, Source]":
    from ..checks.base import Source

    baseline, candidate = source.job.baseline, source.job.candidate
    if baseline is None or candidate is None:
        raise InputError("the job names no models and no predictions")
    return (
        Source(files=baseline, root=source.root, unsafe=unsafe),
        Source(files=candidate, root=source.root, unsafe=unsafe),
    )


def plan_only(
    path: Path | str | JobSource = "govprune.yaml", *, policy_name: str | None = None
) -> Plan:
    """Say what would be asked, without running the step or loading a model.

    Slices by the baseline's confidence are left out where that would take the model.
    """
    source = path if isinstance(path, JobSource) else job.load(Path(path))
    chosen, data, answers = prepare(source, policy_name)
    attempt = next_attempt(source, data, answers)
    return make_plan(chosen.policy, data.profile, attempt=attempt)


def gate_step(
    step: "Wrapped",
    *,
    evaluation: EvaluationSection | dict[str, Any],
    policy: str | Path,
    out: Path | str,
    key: Path | str | None = None,
    unsafe_unsigned: bool = False,
    fine_tuning: Sequence[str] = (),
    title: str | None = None,
    log: Path | str = ".govprune/log",
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Gated:
    """Gate a step that was watched with `govprune.step` or `govprune.wrap`.

    Args:
        evaluation: As in the job file: file, label, features, slices, ...
        policy: A policy file, or the name of a pack.
        out: Folder to write the bundle to; must not exist.
        fine_tuning: Files of the data that touched the weights.
    """
    root = Path.cwd()
    refuse_existing(Path(out))
    try:
        section = EvaluationSection.model_validate(evaluation)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"evaluation.{field}: {refusal(first)}") from error
    keys = load_signing_keys(Path(key)) if key is not None else None
    refuse_unsigned(keys, unsafe_unsigned=unsafe_unsigned)
    chosen = load_policy(str(policy), root)
    baseline, candidate = step.models()
    earlier = [_renamed_link(i, link, root) for i, link in enumerate(step.earlier, 1)]
    origin = step.earlier[0] if step.earlier else step
    if step.earlier:
        baseline = origin.models()[0]
    inputs = Inputs(
        name=step.name,
        title=title or step.name,
        root=root,
        seed=seed,
        step=step.record,
        given=(_renamed(baseline, origin.folder, root), _renamed(candidate, step.folder, root)),
        between=tuple(earlier),
        data=read_evaluation(section, chosen.policy.slices, root=root),
        fine_tuning=tuple(FineTuningSection(file=name) for name in fine_tuning),
        policy=chosen,
        job_file=None,
    )
    return gate(inputs, keys=keys, out=Path(out), log=Path(log), progress=progress)


def _renamed_link(i: int, link: "Wrapped", root: Path) -> "tuple[Step, TorchModel]":
    model = _renamed(link.models()[1], link.folder, root)
    role = f"link-{i}"
    weights = model.weights.model_copy(update={"role": role})
    return link.record, replace(model, role=role, weights=weights)


def _renamed(model: "TorchModel", folder: Path, root: Path) -> "TorchModel":
    """Name the weights relative to `root`. The digest stays that of the bytes that were loaded."""
    name = os.path.relpath((folder / model.weights.name).resolve(), root.resolve())
    return replace(model, weights=model.weights.model_copy(update={"name": name}))
