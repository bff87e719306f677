"""`govprune run --predictions`: a job from options, for answers that were written to a file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

OPTIONS = (
    click.option("--predictions", type=click.Path(path_type=Path),
                 help="Gate answers in this CSV or Parquet file, not models; needs --policy."),
    click.option("--label", help="Its column with the true answer (several: a,b,c)."),
    click.option("--baseline", help="Its column with the baseline's answers."),
    click.option("--candidate", help="Its column with the candidate's answers."),
    click.option("--also", help="Columns of further candidates: a,b."),
    click.option("--slices", help="Columns whose values are slices: sex,race."),
    click.option("--bins", multiple=True, metavar="COLUMN=EDGES",
                 help="Edges of a numeric slice column, e.g. age=30,50."),
    click.option("--cluster", help="Column of rows that belong together, e.g. a person's."),
    click.option("--task", type=click.Choice(
        ["classification", "multi-label", "regression", "ranking"]), default=None,
        help="What the answers are (default: classification)."),
    click.option("--positive", help="The favourable class, against all others."),
    click.option("--threshold", type=float,
                 help="From here on a decimal score means the positive class."),
    click.option("--baseline-file", help="The baseline's model file: digested, never loaded."),
    click.option("--candidate-file", help="The candidate's, so that it can be promoted."),
    click.option("--name", help="Name of the job (default: the file's)."),
)  # fmt: skip


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as keyword arguments."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def job_of(given: dict[str, Any], *, policy: str | None, out: Path | None) -> Any:
    """Make a job of the options; None where no predictions are given.

    Returns:
        A JobSource relative to the current folder.

    Raises:
        InputError: Options are missing, or given without --predictions.
    """
    from pydantic import ValidationError

    from ..errors import InputError
    from ..job import Job, JobSource
    from ..records import refusal

    file = given.pop("predictions")
    stray = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if file is None:
        if stray:
            raise InputError(f"{stray[0]}: only with --predictions FILE; a job file says it itself")
        return None
    for name in ("label", "baseline", "candidate"):
        if not given[name]:
            raise InputError(f"--predictions also needs --{name} COLUMN")
    if policy is None:
        raise InputError(
            "--predictions also needs --policy FILE or pack, e.g. --policy predictions"
        )
    try:
        job = Job.model_validate(_document(file, given, policy, out))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where + ': ' if where else ''}{refusal(first)}") from error
    return JobSource(job=job, file=None, root=Path.cwd())


def _document(file: Path, given: dict[str, Any], policy: str, out: Path | None) -> dict[str, Any]:
    from ..errors import InputError

    name = (
        given["name"] or re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-") or "predictions"
    )
    several = {key: _list(given[key]) for key in ("label", "baseline", "candidate")}
    bins = dict(_bin(text) for text in given["bins"])
    slices = dict.fromkeys((*_list(given["slices"]), *bins))  # a binned column is a slice column
    if empty := next((key for key, value in several.items() if not value), None):
        raise InputError(f"--{empty}: names no column")
    columns = {key: value if len(value) > 1 else value[0] for key, value in several.items()}
    evaluation = {
        "file": str(file),
        "label": columns["label"],
        "task": given["task"] or "classification",
        "positive": given["positive"],
        "slices": tuple(slices),
        "bins": bins,
        "cluster": given["cluster"],
    }
    predictions = {
        "baseline": columns["baseline"],
        "candidate": columns["candidate"],
        "also": _list(given["also"]),
        "threshold": given["threshold"],
        "baseline_file": given["baseline_file"],
        "candidate_file": given["candidate_file"],
    }
    return {
        "name": name,
        "title": f"{given['candidate']} against {given['baseline']} in {file.name}",
        "step": {"name": "predictions"},
        "evaluation": evaluation,
        "predictions": predictions,
        "policy": policy,
        **({"out": str(out.parent)} if out else {}),
    }


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _bin(text: str) -> tuple[str, tuple[float, ...]]:
    from ..errors import InputError

    column, _, edges = text.rpartition("=")
    try:
        return column, tuple(float(edge) for edge in edges.split(","))
    except ValueError:
        raise InputError(f"--bins {text}: give COLUMN=EDGES, e.g. age=30,50") from None
