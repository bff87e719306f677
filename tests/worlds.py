"""Models and data with known truth, as real files: safetensors beside Parquet."""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from govprune import policy
from govprune.catalogue import metric
from govprune.checks import Case, Check, Scores
from govprune.data import EvaluationData, read_evaluation, read_features, read_table
from govprune.job import EvaluationSection
from govprune.lineage import Claim, Step
from govprune.measurements import Figure, Measurement
from govprune.models import Model, from_module, logits
from govprune.policy.rules import SlicePolicy

# --- files


def evaluation(
    folder: Path,
    columns: Mapping[str, object],
    *,
    depth: int = 2,
    floor: int = 10,
    file: str = "evaluation.parquet",
    **section: object,
) -> EvaluationData:
    """Write the columns to a file and read them back; `label` is the label by default."""
    frame = pl.DataFrame(columns)
    write = frame.write_csv if file.endswith(".csv") else frame.write_parquet
    write(folder / file)
    given = EvaluationSection.model_validate({"file": file, "label": "label"} | section)
    return read_evaluation(given, SlicePolicy(depth=depth, disclosure_floor=floor), root=folder)


def save(module: nn.Module, path: Path) -> Path:
    """Write a module's weights as they are, masks and all."""
    state = {n: t.detach().contiguous().clone() for n, t in module.state_dict().items()}
    safetensors.torch.save_file(state, path)
    return path


def model(folder: Path, module: nn.Module, role: str, *, shell: nn.Module | None = None):
    """Write a module to its file and load it back; `shell` stands in where it cannot be copied."""
    path = save(module, folder / f"{role}.safetensors")
    return from_module(shell or module, path, role=role, root=folder)


def case(
    folder: Path,
    baseline: nn.Module | Model,
    candidate: nn.Module | Model,
    data: EvaluationData,
    *,
    claim: Mapping[str, float] | None = None,
    retrains: bool = False,
    trained_on: Mapping[str, object] | None = None,
    seed: int = 0,
) -> Case:
    """Put two models and data into a case; `trained_on` is declared as fine-tuning data."""
    before, after = (
        model(folder, given, role) if isinstance(given, nn.Module) else given
        for given, role in ((baseline, "baseline"), (candidate, "candidate"))
    )
    tables, members = (), None
    if trained_on is not None:
        path = folder / "training.parquet"
        pl.DataFrame(trained_on).write_parquet(path)
        table, frame = read_table(path, role="fine-tuning", root=folder)
        labels = np.array([data.classes.index(str(v)) for v in frame["label"]], dtype=np.int64)
        tables, members = (table,), (read_features(frame, data.names, path=path), labels)
    return Case(
        step=Step(
            name="step", kind="artefacts", claim=Claim.model_validate(claim or {}),
            retrains=retrains,
        ),
        models=(before, after),
        data=data,
        fine_tuning=tables,
        members=members,
        baseline_scores=Scores.of_logits(logits(before.outputs(data.features))),
        candidate_scores=Scores.of_logits(logits(after.outputs(data.features))),
        seed=seed,
    )  # fmt: skip


# --- answers


@cache
def pack(name: str) -> policy.Policy:
    """Read a policy pack that ships."""
    return policy.load(name, root=Path.cwd()).policy


def _askable(chosen: policy.Policy, data: EvaluationData) -> policy.Policy:
    """Leave out rules about slices where a world has none, as a job would have to."""
    if data.axes:
        return chosen
    whole = tuple(
        rule
        for rule in chosen.rules
        if rule.over == "whole" or metric(rule.check, rule.metric).scope == "whole"
    )
    return chosen.model_copy(update={"rules": whole})


class Answers:
    """What some checks measured, and what a shipped pack makes of it."""

    def __init__(self, items: Iterable[Measurement | Figure], data: EvaluationData, name: str):
        found = list(items)
        self.measurements = [item for item in found if isinstance(item, Measurement)]
        self.figures = [item for item in found if isinstance(item, Figure)]
        self.findings = policy.judge(
            policy.make_plan(_askable(pack(name), data), data.profile), self.measurements
        )

    def basis(self, metric: str, where: str = "all", label: str | None = None):
        """Return what one metric rests on."""
        return self.measured(metric, where, label).basis

    def measured(self, metric: str, where: str = "all", label: str | None = None) -> Measurement:
        """Return the one measurement of a metric."""
        (found,) = [
            m for m in self.measurements if (m.metric, m.slice, m.label) == (metric, where, label)
        ]
        return found

    def statuses(self, rule: str) -> dict[str, str]:
        """Return the status of a rule's findings, by slice (and class)."""
        return {
            f.question.slice + (f" {f.question.label}" if f.question.label else ""): f.status
            for f in self.findings
            if f.question.rule == rule
        }

    def status(self, rule: str) -> str:
        """Return the status of a rule that has one finding."""
        (found,) = self.statuses(rule).values()
        return found


def asked(given: Case, *checks: Check, policy_pack: str = "credit", **params: object) -> Answers:
    """Run checks with the pack's parameters, or others, and judge them under the pack."""
    items: list[Measurement | Figure] = []
    for check in checks:
        values = pack(policy_pack).params.get(check.id, {}) | params
        known = {k: v for k, v in values.items() if k in check.params.model_fields}
        items += check.measure(given, check.params.model_validate(known))
    return Answers(items, given.data, policy_pack)


# --- models that say what a column says


def reads(column: int, *, columns: int = 2, classes: int = 2, gain: float = 6.0) -> nn.Linear:
    """Return a linear model whose class is the whole number in one of its features."""
    linear = nn.Linear(columns, classes)
    with torch.no_grad():
        linear.weight.zero_()
        # The largest of gain * (j v - j^2 / 2) over j is the j next to v.
        linear.weight[:, column] = gain * torch.arange(classes)
        linear.bias.copy_(-gain * torch.arange(classes) ** 2 / 2)
    return linear


def rows(groups: Mapping[str, Mapping[tuple[int, int, int], int]], *, by: str = "group"):
    """Write counts out as rows: {group: {(label, baseline says, candidate says): count}}."""
    cells = [
        (name, *cell, count) for name, counts in groups.items() for cell, count in counts.items()
    ]
    repeat = [cell[4] for cell in cells]
    return {
        by: np.repeat([cell[0] for cell in cells], repeat).tolist(),
        "label": np.repeat([cell[1] for cell in cells], repeat),
        "before": np.repeat([cell[2] for cell in cells], repeat),
        "after": np.repeat([cell[3] for cell in cells], repeat),
    }


def counted(
    folder: Path,
    groups: Mapping[str, Mapping[tuple[int, int, int], int]],
    *,
    classes: int = 2,
    by: str = "group",
    **section: object,
) -> Case:
    """Make a case in which exactly these answers are given, by two linear models."""
    data = evaluation(
        folder, rows(groups, by=by), features=("before", "after"), slices=(by,), **section
    )
    return case(folder, reads(0, classes=classes), reads(1, classes=classes), data)


# --- models that learn


def blobs(n: int, *, seed: int, features: int = 6, gap: float = 1.0, noise: float = 0.0):
    """Draw two Gaussian classes `2 * gap` apart in each feature; a share `noise` of labels lies."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, n)
    x = random.normal(size=(n, features)) + gap * (2 * truth[:, None] - 1)
    label = np.where(random.random(n) < noise, 1 - truth, truth)
    columns = {f"x{i}": x[:, i].astype(np.float32) for i in range(features)}
    return columns | {"label": label}


def mlp(*sizes: int) -> nn.Sequential:
    """Return a multi-layer perceptron."""
    layers: list[nn.Module] = []
    for i in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def trained(
    module: nn.Module, columns: Mapping[str, object], *, steps: int, seed: int = 0,
    rate: float = 0.01, decay: float = 0.0,
) -> nn.Module:  # fmt: skip
    """Train on the whole table with Adam; every column but `label` and `group` is a feature."""
    names = [name for name in columns if name not in ("label", "group")]
    x = torch.tensor(np.stack([columns[n] for n in names], axis=1), dtype=torch.float32)
    y = torch.tensor(np.asarray(columns["label"]))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for part in module.modules():
            if isinstance(part, nn.Linear):
                part.reset_parameters()
        optimiser = torch.optim.Adam(module.parameters(), lr=rate, weight_decay=decay)
        for _ in range(steps):
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(x), y).backward()
            optimiser.step()
    return module.eval()


# --- models that were compressed


def sparse(module: nn.Sequential, share: float) -> nn.Sequential:
    """Zero exactly this share of the weights, the smallest first."""
    module = copy.deepcopy(module)
    layers = [(layer, "weight") for layer in module if isinstance(layer, nn.Linear)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=share)
    for layer, name in layers:
        prune.remove(layer, name)
    return module


class Int8(nn.Module):
    """A linear layer with 8-bit weights and one scale per output."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.abs().amax(1) / 127
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8))
        self.register_buffer("weight_scale", scale)
        self.register_buffer("bias", linear.bias.detach().clone())

    def forward(self, x):
        weight = self.weight.float() * self.weight_scale[:, None]
        return nn.functional.linear(x, weight, self.bias)


def int8(module: nn.Sequential) -> nn.Sequential:
    """Store every linear layer in 8 bits."""
    return nn.Sequential(*(Int8(m) if isinstance(m, nn.Linear) else m for m in module))


def sha256(path: Path) -> str:
    """Digest a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
