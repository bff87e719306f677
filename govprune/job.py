"""The job file, govprune.yaml: which models, which data, which policy, which key. Nothing else."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from . import strict_yaml
from .errors import JobError, SubjectError
from .lineage import Claim
from .records import Record
from .subjects import Subject, Task, read_subject

Text = Annotated[StrictStr, Field(min_length=1, max_length=500)]
Digest = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelFiles(Record):
    """A model: the file that ships, and for bare weights the code that builds the module."""

    code: Text | None = None
    """Python file that builds the module of a .safetensors file. It is run: treat it like any
    program. Not needed for .onnx, .pt2 and .ts."""
    factory: StrictStr = "build"
    """Function in it that takes nothing and returns a torch.nn.Module; of a callable, one that
    takes the weights' bytes (of a folder, a mapping of names to bytes) and returns a function from
    rows, shape (rows, features), to scores, shape (rows, outputs)."""
    callable: StrictBool = False
    """Whether the code makes any callable of any file or folder; only with --unsafe-load."""
    weights: Text
    """A .safetensors, .onnx or .skops file, or a Hugging Face folder; .pt2, .ts and pickled
    estimators only with --unsafe-load. Other pickles are refused."""
    sha256: Digest | None = None
    """What the weights must be, of a folder what `govprune digest` calls its digest; another model
    is refused."""
    fixed: dict[Text, StrictInt | FiniteFloat] = {}
    """Further inputs of an ONNX graph or a program by name, each of one value for every row:
    {state: 0, sr: 16000}."""

    @model_validator(mode="after")
    def _callable_has_no_inputs_of_its_own(self) -> Self:
        if self.callable and (self.code is None or self.fixed):
            raise ValueError("a callable needs code that makes it, and takes no fixed inputs")
        return self


class StepSection(Record):
    """What turned the baseline into the candidate."""

    name: Text
    description: StrictStr = ""
    command: Text | None = None
    """Run by `govprune run` after the baseline has been digested; must write the candidate's
    weights. Without it the candidate is judged as it lies."""
    claim: Claim = Claim()
    retrains: bool = False


class LinkSection(Record):
    """A step before the last, and the model it made."""

    step: StepSection
    model: ModelFiles


class EvaluationSection(Record):
    """The rows both models are judged on."""

    file: Text
    """CSV or Parquet."""
    sha256: Digest | None = None
    """What the file must be; another one is refused."""
    task: Task = "classification"
    """What the model answers: a class, several labels, a number (regression), or an order."""
    label: Text | tuple[Text, ...]
    """Column with the true answer; the columns of 0 and 1 of a multi-label task."""
    classes: tuple[Text, ...] = ()
    """Class names in the order of the model's outputs; sorted by default."""
    positive: Text | None = None
    """The favourable class, against all others; by default the second class of two."""
    features: tuple[Text, ...] = ()
    """Columns the model takes, in order; `workclass=*` stands for all that match, as they lie.
    Not needed where predictions are given."""
    text: Text | None = None
    """Column of texts, instead of features: what the model reads."""
    choices: tuple[Text, ...] = ()
    """Columns of what may follow the text, for a language model: the label names the right one of
    these columns, or its place from 0."""
    slices: tuple[Text, ...] = ()
    """Columns whose values are slices."""
    groups: dict[Text, tuple[Text, ...]] = {}
    """Values that must have rows, e.g. {sex: [Female, Male]}: a group that vanished is an error."""
    bins: dict[Text, tuple[FiniteFloat, ...]] = {}
    """Edges for numeric slice columns, e.g. {age: [30, 50]}."""
    cluster: Text | None = None
    """Column that says which rows belong together (one person, document or session): they are
    counted as one."""
    mutable: tuple[Text, ...] | None = None
    """Features an attacker could change; every feature with more than two values by default."""

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns with the true answer."""
        return (self.label,) if isinstance(self.label, str) else self.label

    @model_validator(mode="after")
    def _inputs_are_of_one_kind(self) -> Self:
        if self.text is None:
            if self.choices:
                raise ValueError("choices follow a text: name its column under text")
            return self
        if self.features:
            raise ValueError("name features, or text: not both")
        if self.mutable is not None:
            raise ValueError("mutable names features; texts have none")
        if self.text in (*self.label_columns, *self.slices):
            raise ValueError(f"text: '{self.text}' is the label or a slice, too")
        return self

    @model_validator(mode="after")
    def _choices_are_several(self) -> Self:
        if not self.choices:
            return self
        if len(self.choices) < 2 or len({*self.choices, self.text}) != len(self.choices) + 1:
            raise ValueError("choices: name two columns or more, each once, none of them the text")
        if self.classes or self.task != "classification":
            raise ValueError("choices are the classes: leave classes and task out")
        if any(name in (*self.label_columns, *self.slices) for name in self.choices):
            raise ValueError("choices: a column is the label or a slice, too")
        return self

    @model_validator(mode="after")
    def _labels_fit_the_task(self) -> Self:
        several = len(self.label_columns) != 1
        if several != (self.task == "multi-label") or not self.label_columns:
            raise ValueError(
                "label names one column; several columns of 0 and 1 want task: multi-label "
                "(--task multi-label)"
            )
        if len(set(self.label_columns)) != len(self.label_columns):
            raise ValueError("label names a column twice")
        return self


class PredictionsSection(Record):
    """What both models said about each row, as columns of the evaluation file."""

    baseline: Text | tuple[Text, ...]
    """Column of the baseline's answers; one column per label of a multi-label task."""
    candidate: Text | tuple[Text, ...]
    threshold: FiniteFloat | None = None
    """From here on a decimal score means the positive class."""
    also: tuple[Text, ...] = ()
    """Answers of further candidates: rows most of them get wrong are counted."""
    baseline_file: Text | None = None
    """The model's file, in any format: digested, never loaded. Without it nothing can be
    promoted."""
    candidate_file: Text | None = None


class FineTuningSection(Record):
    """Data that touched the candidate's weights."""

    file: Text
    source: StrictStr = ""
    """Where it came from, in words."""
    licence: StrictStr = ""


class Job(Record):
    """Everything `govprune run` needs to know."""

    name: Annotated[StrictStr, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    title: Text
    baseline: ModelFiles | None = None
    candidate: ModelFiles | None = None
    predictions: PredictionsSection | None = None
    """Instead of the models: what they said."""
    chain: tuple[LinkSection, ...] = Field(default=(), max_length=20)
    """Steps before the last, in order, each with the model it made: prune, fine-tune, quantise."""
    step: StepSection
    """What made the candidate: of the baseline, or of the last model of the chain."""
    evaluation: EvaluationSection
    fine_tuning: tuple[FineTuningSection, ...] = ()
    policy: Text
    """A policy file, or the name of a pack that ships."""
    key: Text | None = None
    """Signing key, made by `govprune keys new`."""
    producer: Text | None = None
    """Statement of who made the candidate, written by `govprune attest`."""
    timestamp: Text | None = None
    """Address of an authority (RFC 3161) that is asked for its time over the verdict."""
    out: Text = "runs"
    """Folder that bundles are written into."""
    log: Text = ".govprune/log"
    """Folder of the append-only log."""
    seed: StrictInt = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _two_models(self) -> Self:
        if self.predictions is None:
            if self.baseline is None or self.candidate is None:
                raise ValueError("name baseline and candidate, or predictions of both")
            if self.baseline.weights == self.candidate.weights:
                raise ValueError("baseline and candidate are the same weights file")
            self._links_differ(self.baseline.weights, self.candidate.weights)
        elif self.baseline is not None or self.candidate is not None:
            raise ValueError("name predictions, or baseline and candidate: not both")
        elif self.chain:
            raise ValueError("a chain needs models: what happened between is judged by them")
        elif self.predictions.baseline == self.predictions.candidate:
            raise ValueError("baseline and candidate are the same column of predictions")
        elif self.predictions.candidate_file and (
            self.predictions.candidate_file == self.predictions.baseline_file
        ):
            raise ValueError("baseline_file and candidate_file are the same file")
        if stray := sorted(set(self.evaluation.groups) - set(self.evaluation.slices)):
            raise ValueError(f"evaluation.groups names '{stray[0]}', which is not among the slices")
        if len(set(self.evaluation.classes)) != len(self.evaluation.classes):
            raise ValueError("evaluation.classes names a class twice")
        return self

    def _links_differ(self, baseline: str, candidate: str) -> None:
        files = [baseline, *(link.model.weights for link in self.chain), candidate]
        names = [*(link.step.name for link in self.chain), self.step.name]
        for what, given in (("weights file", files), ("name", names)):
            twice = next((x for i, x in enumerate(given) if x in given[:i]), None)
            if twice is not None:
                raise ValueError(f"two links of the chain have the same {what}: '{twice}'")


class JobSource(Record):
    """A job, the file it was read from, and the folder its paths are relative to."""

    job: Job
    file: Subject | None
    root: Path


def load(path: Path) -> JobSource:
    """Read a job file.

    Raises:
        JobError: It is missing or breaks a rule; names file, line and field.
    """
    if path.is_dir():
        path = path / "govprune.yaml"
    root = path.parent.resolve()
    try:
        subject, data = read_subject(path, role="job", root=root)
    except SubjectError as error:
        raise JobError(f"{error}. `govprune init` writes one") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JobError(f"{path}: not UTF-8 text") from error
    document = strict_yaml.load(text, source=str(path), error=JobError)
    if not isinstance(document.value, dict):
        raise JobError(f"{path}: a job is a mapping; `govprune init` writes an example")
    try:
        job = Job.model_validate(document.value)
    except ValidationError as error:
        raise JobError(strict_yaml.explain(error, document)) from error
    return JobSource(job=job, file=subject, root=root)
