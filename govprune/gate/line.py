"""The line itself: score, plan, measure, judge, seal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import policy
from ..catalogue import CHECKS_BY_ID
from ..data import EvaluationData, Predictions, Scores, with_confidence
from ..errors import CheckError, GovpruneError, InputError, SubjectError
from ..evidence.account import account_keys
from ..evidence.entry import tried
from ..evidence.keys import SigningKeys
from ..evidence.log import Log
from ..evidence.statement import Evidence, refuse_other_files
from ..measurements import Figure, Measurement, Unmeasured
from ..policy import Plan, PolicySource, Verdict, make_plan
from .card import render_card
from .circumstances import assumptions, environment, loaded_unsafely
from .inputs import ROLES, Inputs, fine_tuning
from .planned import planned_files, producer_file, timestamps

if TYPE_CHECKING:
    from ..checks import Case
    from ..models import Model

Progress = Callable[[str, int, int], None]
"""Called with what happens now, how many stages are done, and how many there are."""

NO_MODEL = "only predictions were given; this can be measured on models only"
TEXTS = "inputs are texts; this changes numbers a little at a time"
EXIT_CODES = {"PASSED": 0, "FAILED": 1, "UNDECIDED": 3}


@dataclass(frozen=True)
class Gated:
    """What came of one run of the gate."""

    evidence: Evidence
    bundle: Path | None
    """The folder that was written; None for a dry run."""
    notes: tuple[str, ...] = ()
    """What a person should know beside the verdict, e.g. why there is no PDF."""

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.evidence.verdict

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 undecided."""
        return EXIT_CODES[self.verdict.result]


@dataclass(frozen=True)
class Added:
    """What a bundle shall hold beside evidence and card."""

    plan: Path | None = None
    """Folder of a plan that was signed before."""
    producer: Path | None = None
    """Statement of who made the candidate."""
    timestamp: str | None = None
    """Address of an authority that is asked for its time."""


def gate(
    inputs: Inputs,
    *,
    keys: SigningKeys | None,
    out: Path,
    log: Path,
    progress: Progress,
    pdf: bool = True,
    added: Added = Added(),
) -> Gated:
    """Score, plan, measure, judge, seal."""
    from ..checks import CHECKS
    from ..evidence.bundle import seal

    started = _now()
    rules = inputs.policy.policy.rules
    task = inputs.data.profile.task
    asked = {rule.check for rule in rules if task in CHECKS_BY_ID[rule.check].tasks}
    wanted = [check for check in CHECKS if check.id in asked]
    total = len(wanted) + 3
    archive = Log(log)
    notes: list[str] = []
    extra = _extra(inputs, keys, archive, added)
    progress("scoring both models", 0, total)
    case = _case(inputs)
    _refuse_upside_down(case)
    attempt = archive.attempt(*(tried(inputs.judged, role) for role in ROLES))
    plan = make_plan(inputs.policy.policy, case.data.profile, attempt=attempt)
    measurements, figures, unmeasured = _measure(case, wanted, inputs.policy, progress, total)
    progress("judging", total - 2, total)
    verdict = policy.decide(policy.judge(plan, measurements, unmeasured))
    evidence = _evidence(
        inputs, case, plan, measurements, figures, unmeasured, verdict, started,
        unsigned=keys is None,
    )  # fmt: skip
    refuse_other_files(evidence)
    progress("writing the card and the bundle", total - 1, total)
    bundle = seal(
        evidence, keys=keys, out=out, log=archive, trusted=account_keys(), extra=extra,
        timestamp=timestamps(added.timestamp, notes) if added.timestamp else None,
        render=lambda envelope: render_card(
            evidence, envelope, keys, notes, pdf=pdf, timestamp=added.timestamp
        ),
    )  # fmt: skip
    progress("done", total, total)
    return Gated(evidence=evidence, bundle=bundle, notes=tuple(notes))


def _extra(inputs: Inputs, keys: SigningKeys | None, log: Log, added: Added) -> dict[str, bytes]:
    """Read what the bundle shall hold beside evidence and card, before an hour is spent."""
    plan = {} if added.plan is None else planned_files(added.plan, inputs, keys, log)
    producer = {} if added.producer is None else producer_file(added.producer, inputs)
    return plan | producer


def _case(inputs: Inputs) -> "Case":
    """Score both models, or take what they said, and cut by the baseline's confidence."""
    from ..checks import Case

    tables, members = fine_tuning(inputs)
    data = inputs.data
    also: tuple[Scores, ...] = ()
    if isinstance(inputs.given, Predictions):
        scores, also = (inputs.given.baseline, inputs.given.candidate), inputs.given.also
    else:
        baseline, candidate = (_scores(m, data) for m in inputs.given)
        scores = baseline, candidate
        data = with_confidence(data, baseline, inputs.policy.policy.slices)
    return Case(
        step=inputs.step,
        models=inputs.models,
        data=data,
        fine_tuning=tables,
        members=members,
        baseline_scores=scores[0],
        candidate_scores=scores[1],
        also=also,
        seed=inputs.seed,
        sources=inputs.sources,
        between=tuple((step, model, _scores(model, data)) for step, model in inputs.between),
    )


def _scores(model: "Model", data: EvaluationData) -> Scores:
    """Score the rows and read the outputs as the task says."""
    from ..models import logits

    task = data.profile.task
    if data.inputs not in model.takes:
        field = {"numbers": "features", "texts": "text"}[model.takes[0]]
        raise InputError(
            f"the {model.role} is {model.kind}, which takes {model.takes[0]}: name its columns "
            f"under evaluation.{field}"
        )
    if model.classes and model.classes != data.classes:
        raise InputError(
            f"the {model.role} scores the classes {list(model.classes[:8])} in this order, the "
            f"data has {list(data.classes[:8])}: say evaluation.classes in the model's order"
        )
    classes = task in ("classification", "ranking")
    outputs = model.outputs(data.features)
    outputs = logits(outputs) if classes else outputs
    wanted = 1 if task == "regression" else len(data.classes)
    if outputs.shape[1] != wanted:
        has = f"{len(data.classes)} classes {list(data.classes[:8])}" if data.classes else "numbers"
        raise InputError(
            f"the {model.role} gives {outputs.shape[1]} scores per row, the data has {has}: name "
            "evaluation.classes in the order of the model's outputs, or fix the factory"
        )
    if task == "regression":
        return Scores(said=outputs[:, 0])
    return Scores(said=outputs > 0.0) if task == "multi-label" else Scores.of_logits(outputs)


def _refuse_upside_down(case: "Case") -> None:
    """Refuse a baseline that agrees with the labels less than chance would (Cohen's kappa < 0).

    Classes in another order than the outputs turn every harm into an improvement.
    """
    if case.data.profile.task == "ranking":
        _refuse_reversed(case)
    if case.data.profile.task != "classification":
        return
    whole = case.tables["all"]
    if int((whole.predicted()[0] > 0).sum()) < 2:
        only = case.data.classes[int(whole.predicted()[0].argmax())]
        raise InputError(
            f"the baseline answers '{only}' to every row: against it no candidate could lose "
            "anything. Is it the right column, file or threshold?"
        )
    n, before = whole.n, whole.predicted()[0]
    right = float(whole.per_class()[:, :2].sum()) / n
    by_chance = float((whole.labelled() / n) @ (before / n))
    if right < by_chance:
        raise InputError(
            f"the baseline is right on {100 * right:.1f} % of rows, less than chance "
            f"({100 * by_chance:.1f} %). Is evaluation.classes {list(case.data.classes[:8])} in "
            "the order of the model's outputs?"
        )


def _refuse_reversed(case: "Case") -> None:
    """Refuse scores that rank the wrong way round: then every harm is an improvement."""
    from ..stats.auc import paired_auc

    ranks, positive = case.baseline_scores.ranks, case.data.labels == 1
    if ranks is None:
        return
    area = paired_auc((ranks[positive],) * 2, (ranks[~positive],) * 2).first
    if area < 0.5:
        raise InputError(
            f"the baseline's area under the ROC curve is {area:.3f}, less than chance. Do high "
            f"scores mean '{case.data.profile.positive}'? Name the other class as positive"
        )


def _measure(
    case: "Case", wanted: Sequence[Any], source: PolicySource, progress: Progress, total: int
) -> tuple[list[Measurement], list[Figure], list[Unmeasured]]:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    unmeasured: list[Unmeasured] = []
    for i, check in enumerate(wanted):
        progress(check.id, i + 1, total)
        params = check.params.model_validate(source.policy.params.get(check.id, {}))
        if case.models is None and CHECKS_BY_ID[check.id].needs == "model":
            unmeasured.append(Unmeasured(check=check.id, reason=NO_MODEL))
            continue
        if case.data.inputs not in CHECKS_BY_ID[check.id].inputs:
            unmeasured.append(Unmeasured(check=check.id, reason=TEXTS))
            continue
        try:
            for item in check.measure(case, params):
                if isinstance(item, Figure):
                    figures.append(item)
                else:
                    measurements.append(item)
        except (CheckError, SubjectError) as error:
            unmeasured.append(Unmeasured(check=check.id, reason=str(error)))
        except GovpruneError:
            raise
        except Exception as error:  # whatever a check dies of, its questions stay unanswered
            reason = f"the check broke: {type(error).__name__}: {str(error)[:300]}"
            unmeasured.append(Unmeasured(check=check.id, reason=reason))
    return measurements, figures, unmeasured


def _evidence(
    inputs: Inputs,
    case: "Case",
    plan: Plan,
    measurements: list[Measurement],
    figures: list[Figure],
    unmeasured: list[Unmeasured],
    verdict: Verdict,
    started: str,
    *,
    unsigned: bool,
) -> Evidence:
    subjects = [*inputs.judged, *inputs.links, *(table.subject for table in case.fine_tuning)]
    subjects += inputs.policy.files
    subjects += [inputs.job_file] if inputs.job_file else []
    unsafe = ["Nobody signed this: --unsafe-unsigned. It proves nothing."] if unsigned else []
    unsafe += loaded_unsafely(inputs)
    return Evidence(
        title=inputs.title,
        name=inputs.name,
        step=inputs.step,
        chain=inputs.chain,
        subjects=tuple(subjects),
        profile=case.data.profile,
        assumptions=assumptions(inputs),
        policy=inputs.policy.policy,
        plan=plan,
        measurements=tuple(measurements),
        unmeasured=tuple(unmeasured),
        figures=tuple(figures),
        verdict=verdict,
        environment=environment(inputs.seed),
        started=started,
        finished=_now(),
        unsafe=tuple(unsafe),
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
