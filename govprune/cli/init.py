"""`govprune init`: a commented govprune.yaml and a policy to start from."""

import re
import sys
from pathlib import Path

import click

JOB = """\
# What `govprune run` judges. Paths are relative to this file.
name: {name}
title: {title}

baseline:                     # the model in use today
  code: {code}                # Python file with a function that builds the module
  factory: build
  weights: {baseline}         # .safetensors; pickled checkpoints are refused

candidate:                    # the compressed model that wants its place
  code: {code}
  factory: build
  weights: {candidate}

step:                         # what was done
  name: {name}
  description: ""
  # command: python prune.py  # run by `govprune run`; must write candidate.weights
  claim: {{}}                   # what it says it saves: sparsity, bits, size_ratio, speed_up
  retrains: false             # true if it changes weights with data

evaluation:                   # rows both models are judged on: CSV or Parquet
  file: {data}
  label: {label}
  # classes: ["no", "yes"]    # in the order of the model's outputs; sorted by default
  # positive: "yes"           # the favourable class; the second by default
  features: {features}        # columns in the model's order; "job=*" stands for all that match
  slices: {slices}            # columns whose values are groups
  # bins: {{age: [30, 50]}}     # edges for numeric slice columns
  # groups: {{sex: [F, M]}}     # values that must have rows

# fine_tuning:                # data that touched the weights; scanned, and used by privacy attacks
#   - file: train.parquet
#     source: where it came from
#     licence: under what terms

policy: policy.yaml
key: keys/gate.key            # `govprune keys new` makes it
out: runs
"""

POLICY = """\
# yaml-language-server: $schema=policy.schema.json
# (`govprune policy schema > policy.schema.json` gives editors the schema.)
# `govprune policy lint policy.yaml` checks it; a rule with the id of an extended one replaces it.
name: {name}
version: "1.0"
extends: {pack}
rules: []
# rules:
#   - id: no-slice-loses-accuracy
#     title: Accuracy in every slice falls by at most 1 point
#     check: slice-performance
#     metric: accuracy-change
#     at_least: -0.01
#     because: why this number is right for this use
"""


class Pack(click.ParamType):  # type: ignore[type-arg]  # older click has no type to give
    """The name of a policy pack that ships; the folder is read when somebody asks."""

    name = "pack"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show every pack in --help."""
        return f"[{'|'.join(_packs())}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a name that no pack has."""
        if value not in _packs():
            self.fail(f"no pack '{value}'; choose one of {', '.join(_packs())}", param, ctx)
        return value


def _packs() -> list[str]:
    from ..policy.load import packs

    return list(packs())


@click.command(name="init")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(),
              help="Folder to write to.")  # fmt: skip
@click.option("--name", help="Kebab-case name of the job.")
@click.option("--title", help="Title of the card.")
@click.option("--code", help="Python file that builds the model.")
@click.option("--baseline", help="Weights in use today (.safetensors).")
@click.option("--candidate", help="Compressed weights (.safetensors).")
@click.option("--data", help="Evaluation data (CSV or Parquet).")
@click.option("--label", help="Column with the true class.")
@click.option("--features", help="Feature columns, comma-separated, in the model's order.")
@click.option("--slices", help="Group columns, comma-separated.")
@click.option("--pack", type=Pack(), help="Policy to start from.")
@click.option("--yes", is_flag=True, help="Ask nothing; use defaults for what is not given.")
def command(folder: Path, yes: bool, **given: str | None) -> int:
    """Write govprune.yaml and policy.yaml; asks for what no option says."""
    from ..errors import InputError

    targets = [folder / "govprune.yaml", folder / "policy.yaml"]
    for target in targets:
        if target.exists():
            raise InputError(f"{target}: exists already; remove it or use --dir")
    ask = sys.stdin.isatty() and not yes
    values = {name: _value(name, given.get(name), ask=ask) for name in QUESTIONS}
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", values["name"]):
        raise InputError(f"name '{values['name']}': use small letters, digits and hyphens")
    for name in ("features", "slices"):
        parts = [p.strip() for p in values[name].split(",") if p.strip()]
        values[name] = "[" + ", ".join(_quoted(p) for p in parts) + "]"
    pack = values.pop("pack")
    for name in ("title", "code", "baseline", "candidate", "data", "label"):
        values[name] = _quoted(values[name])
    folder.mkdir(parents=True, exist_ok=True)
    targets[0].write_text(JOB.format(**values))
    targets[1].write_text(POLICY.format(name=values["name"], pack=pack))
    click.echo(f"wrote {targets[0]} and {targets[1]}")
    click.echo("next    govprune keys new   ·   govprune run --dry-run   ·   govprune run")
    return 0


QUESTIONS = {
    "name": ("Name of the job", "my-model"),
    "title": ("Title of the card", "My model, compressed"),
    "code": ("Python file that builds the model", "model.py"),
    "baseline": ("Weights in use today", "baseline.safetensors"),
    "candidate": ("Compressed weights", "candidate.safetensors"),
    "data": ("Evaluation data", "evaluation.parquet"),
    "label": ("Column with the true class", "label"),
    "features": ("Feature columns, comma-separated", "x*"),
    "slices": ("Group columns, comma-separated", ""),
    "pack": ("Policy to start from", "baseline"),
}


def _value(name: str, given: str | None, *, ask: bool) -> str:
    question, default = QUESTIONS[name]
    if given is not None:
        return given
    if not ask:
        return default
    if name == "pack":
        return str(
            click.prompt(f"{question} ({', '.join(_packs())})", default=default, type=Pack())
        )
    return str(click.prompt(question, default=default))


def _quoted(text: str) -> str:
    """Quote text for YAML where it is not plainly a word or a path."""
    if re.fullmatch(r"[A-Za-z_][\w./-]*", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
