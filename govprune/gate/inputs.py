"""Everything the gate reads and digests before anything is measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .. import lineage, policy
from ..data import (
    EvaluationData,
    Predictions,
    Table,
    as_text,
    read_evaluation,
    read_predictions,
    read_rows,
    read_table,
    with_confidence,
)
from ..errors import InputError, PolicyError
from ..evidence.entry import identity, tried
from ..evidence.key_files import load_signing_keys
from ..evidence.keys import SigningKeys
from ..evidence.log import Log
from ..frameworks import check_controls
from ..job import FineTuningSection, JobSource
from ..lineage import Link, Step
from ..model_files import describe_model
from ..policy import PolicySource, make_plan
from ..subjects import Subject

if TYPE_CHECKING:
    from ..checks.base import Source
    from ..models import Model


@dataclass(frozen=True)
class Inputs:
    """Everything read and digested before anything is measured."""

    name: str
    title: str
    root: Path
    seed: int
    step: Step
    given: "tuple[Model, Model] | Predictions"
    """Baseline and candidate, or what they said."""
    data: EvaluationData
    fine_tuning: tuple[FineTuningSection, ...]
    policy: PolicySource
    job_file: Subject | None
    between: "tuple[tuple[Step, Model], ...]" = ()
    """Steps before the last, with the models they made."""
    sources: "tuple[Source, Source] | None" = None
    """Files the models can be loaded from again; None where they were made in memory."""

    @property
    def models(self) -> "tuple[Model, Model] | None":
        """Baseline and candidate; None where only predictions were given."""
        return None if isinstance(self.given, Predictions) else self.given

    @property
    def links(self) -> tuple[Subject, ...]:
        """Files of the models between baseline and candidate."""
        code = [m.code for _, m in self.between if m.code is not None]
        return (*(file for _, m in self.between for file in m.files), *code)

    @property
    def chain(self) -> tuple[Link, ...]:
        """How the candidate came from the baseline, where that took several steps."""
        if self.models is None or not self.between:
            return ()
        baseline, candidate = self.models
        made = [baseline, *(m for _, m in self.between), candidate]
        steps = [*(step for step, _ in self.between), self.step]
        return lineage.chain(steps, [identity(m.files, m.role) for m in made])

    @property
    def judged(self) -> tuple[Subject, ...]:
        """What is judged on what: candidate, baseline, evaluation data, and the code they need."""
        table = self.data.table.subject
        if isinstance(self.given, Predictions):
            return (*self.given.subjects, table)
        baseline, candidate = self.given
        code = [m.code for m in (candidate, baseline) if m.code is not None]
        return (*candidate.files, *baseline.files, table, *code)


def signing_keys(
    source: JobSource, key: Path | None, *, unsafe_unsigned: bool
) -> SigningKeys | None:
    """Load the key that will sign, or None where that was asked for by name."""
    if unsafe_unsigned:
        return None
    path = key or (source.root / source.job.key if source.job.key else None)
    keys = load_signing_keys(path) if path is not None else None
    refuse_unsigned(keys, unsafe_unsigned=unsafe_unsigned)
    return keys


def refuse_unsigned(keys: SigningKeys | None, *, unsafe_unsigned: bool) -> None:
    """Refuse to run without a key unless that was asked for by name."""
    if keys is None and not unsafe_unsigned:
        raise InputError(
            "no signing key: `govprune keys new` makes one; name it under `key:` or with --key. "
            "To look at a verdict that nobody can promote: --unsafe-unsigned"
        )


def load_policy(name: str, root: Path) -> PolicySource:
    """Read a policy and check everything it names: controls, and parameters of checks."""
    from ..checks import CHECKS

    path = root / name
    chosen = policy.load(path if path.is_file() else name, root=root)
    check_controls(chosen.policy)
    known = {check.id: check for check in CHECKS}
    for check_id, params in chosen.policy.params.items():
        try:
            known[check_id].params.model_validate(params)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise PolicyError(f"{name}: params.{check_id}.{field}: {first['msg']}") from error
    return chosen


def prepare(
    source: JobSource, policy_name: str | None
) -> tuple[PolicySource, EvaluationData, Predictions | None]:
    """Read policy, data and predictions, and see that the one can be asked of the other."""
    if policy_name is not None and Path(policy_name).is_file():
        policy_name = str(Path(policy_name).resolve())
    chosen = load_policy(policy_name or source.job.policy, source.root)
    section, slices, predictions = source.job.evaluation, chosen.policy.slices, None
    if source.job.predictions is None:
        data = read_evaluation(section, slices, root=source.root)
    else:
        predictions = read_predictions(section, source.job.predictions, slices, root=source.root)
        data = with_confidence(predictions.data, predictions.baseline, slices)
    make_plan(chosen.policy, data.profile)  # a policy that cannot be asked of this data, said early
    return chosen, data, predictions


ROLES = ("baseline", "evaluation", "candidate")
"""What makes an attempt: another candidate for the same baseline on the same data."""
UNKNOWN = "0" * 64
"""Digest of a candidate that its step has yet to make."""


def next_attempt(source: JobSource, data: EvaluationData, answers: Predictions | None) -> int:
    """Ask the job's log the how-manieth candidate this would be."""
    log = Log(source.root / source.job.log)
    if answers is not None:
        return log.attempt(*(tried(answers.subjects, role) for role in ROLES))
    models = {"baseline": source.job.baseline, "candidate": source.job.candidate}
    digests = {"evaluation": data.table.subject.sha256}
    for role, model in models.items():
        path = None if model is None else source.root / model.weights
        made = path is not None and path.exists()
        files = describe_model(path, role=role, root=source.root) if made and path else ()
        digests[role] = identity(files, role) if files else UNKNOWN
    return log.attempt(*(digests[role] for role in ROLES))


def target(source: JobSource, out: Path | None) -> Path:
    """Return the folder to write: the one given, or the next number under the job's `out`."""
    if out is not None:
        refuse_existing(out)
        return out
    return next_folder(source.root / source.job.out, source.job.name)


def next_folder(folder: Path, name: str) -> Path:
    """Return the folder with the next free number: NAME-0001, NAME-0002, ..."""
    taken = [p.name for p in folder.glob(f"{name}-*")] if folder.is_dir() else []
    numbers = [int(found[-4:]) for found in taken if found[-4:].isdigit()]
    return folder / f"{name}-{max(numbers, default=0) + 1:04d}"


def refuse_existing(out: Path) -> None:
    """Refuse a folder that exists, before an hour of work is spent on it."""
    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: exists already; evidence is never overwritten. Choose another")


def fine_tuning(inputs: Inputs) -> tuple[tuple[Table, ...], Any]:
    """Read what is declared; rows with the same columns are members for the privacy attacks."""
    import numpy as np

    tables, features, labels = [], [], []
    index = {name: i for i, name in enumerate(inputs.data.classes)}
    label = inputs.data.label
    for section in inputs.fine_tuning:
        path = inputs.root / section.file
        table, frame = read_table(path, role="fine-tuning", root=inputs.root)
        tables.append(table)
        known = {label, *inputs.data.names} <= set(frame.columns)
        if inputs.models is None or not known:
            continue
        codes = [index.get(as_text(value), -1) for value in frame[label].to_list()]
        if -1 in codes:
            row = codes.index(-1) + 1
            raise InputError(f"{path}: row {row}: label is none of {list(inputs.data.classes)}")
        features.append(read_rows(frame, inputs.data.names, inputs.data.inputs, path=path))
        labels.append(np.array(codes, dtype=np.int64))
    members = (np.concatenate(features), np.concatenate(labels)) if features else None
    return tuple(tables), members
