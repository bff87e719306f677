"""Policies from YAML: strict, with the line of every mistake; `extends` resolved and digested."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, StrictInt, StrictStr, ValidationError

from .. import resources, strict_yaml
from ..errors import PolicyError, SubjectError
from ..records import Number, Record, described
from ..subjects import Subject, Task, read_subject
from .rules import Dropped, Policy, Rule, Scalar, Sentence, SlicePolicy

MAX_EXTENDS = 5


class PolicyDocument(Record):
    """A policy as it is written: may extend another and change some of it."""

    name: StrictStr = Field(min_length=1, max_length=100)
    version: StrictStr | None = None
    description: Sentence | None = None
    extends: StrictStr | None = None
    """A pack that ships (`baseline`, `credit`) or a path relative to this file (`./ours.yaml`)."""

    alpha: Number | None = Field(default=None, gt=0, lt=0.5)
    attempts: StrictStr | None = Field(default=None, pattern="^(charged|counted)$")
    valid_days: StrictInt | None = Field(default=None, ge=1, le=3650)
    tasks: tuple[Task, ...] | None = None
    slices: SlicePolicy | None = None
    params: dict[StrictStr, dict[StrictStr, Scalar]] = {}
    """Merged with those of the extended policy, value by value."""

    drop: tuple[Dropped, ...] = ()
    rules: tuple[Rule, ...] = ()
    """A rule with the id of an extended one replaces it as a whole."""


class PolicySource(Record):
    """A resolved policy and the files it came from."""

    policy: Policy
    files: tuple[Subject, ...]
    """The file that was named first, then what it extends."""


def packs() -> dict[str, Path]:
    """Return the policy packs that ship, by name."""
    return {path.stem: path for path in sorted(resources.folder("policies").glob("*.yaml"))}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file, for editors."""
    made = described(PolicyDocument)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "govprune policy"} | made


def load(name: str | Path, *, root: Path) -> PolicySource:
    """Read a policy file, or a pack by its name, and everything it extends.

    Args:
        name: Path of a YAML file, or the name of a pack.
        root: Folder that subject names are relative to.

    Raises:
        PolicyError: A file is missing or breaks a rule; names file and line.
    """
    path = Path(name)
    if not path.suffix and str(name) in packs() and not path.exists():
        path = packs()[str(name)]
    chain: list[tuple[PolicyDocument, strict_yaml.Document]] = []
    files: list[Subject] = []
    seen: set[Path] = set()
    following: Path | None = path
    while following is not None:
        real = Path(os.path.realpath(following))
        if real in seen or len(seen) >= MAX_EXTENDS:
            raise PolicyError(f"{following}: policies extend each other in a circle, or too deeply")
        seen.add(real)
        subject, document, yaml = _read(following, root)
        files.append(subject)
        chain.append((document, yaml))
        following = _next(document, yaml, following)
    return PolicySource(policy=_resolve(chain), files=tuple(files))


def _read(path: Path, root: Path) -> tuple[Subject, PolicyDocument, strict_yaml.Document]:
    shipped = path in packs().values()
    try:
        subject, data = read_subject(path, role="policy", root=root)
    except SubjectError as error:
        raise PolicyError(f"{error}. Packs that ship: {', '.join(packs())}") from error
    if shipped:
        subject = subject.model_copy(update={"name": f"pack:{path.stem}"})
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: not UTF-8 text") from error
    yaml = strict_yaml.load(text, source=str(path), error=PolicyError)
    if not isinstance(yaml.value, dict):
        raise PolicyError(f"{path}: a policy is a mapping with name and rules")
    try:
        return subject, PolicyDocument.model_validate(yaml.value), yaml
    except ValidationError as error:
        raise PolicyError(strict_yaml.explain(error, yaml)) from error


def _next(document: PolicyDocument, yaml: strict_yaml.Document, path: Path) -> Path | None:
    if document.extends is None:
        return None
    if document.extends in packs():
        return packs()[document.extends]
    target = path.parent / document.extends
    if target.suffix in (".yaml", ".yml") and target.is_file():
        return target
    raise PolicyError(
        f"{yaml.where(('extends',))}: extends: no pack and no file '{document.extends}'. "
        f"Packs that ship: {', '.join(packs())}"
    )


def _resolve(chain: list[tuple[PolicyDocument, strict_yaml.Document]]) -> Policy:
    """Lay the documents over one another, the most basic first."""
    rules: dict[str, Rule] = {}
    params: dict[str, dict[str, Any]] = {}
    dropped: dict[str, Dropped] = {}
    fields: dict[str, Any] = {}
    for document, yaml in reversed(chain):
        rules = _lay_over(rules, document, yaml)
        dropped |= {d.rule: d for d in document.drop}
        for check, values in document.params.items():
            params[check] = params.get(check, {}) | values
        for field in ("name", "version", "description", "alpha", "attempts", "valid_days"):
            if (given := getattr(document, field)) is not None:
                fields[field] = given
        for section in ("slices", "tasks"):
            if (given := getattr(document, section)) is not None:
                fields[section] = given
    top = chain[0][1]
    try:
        return Policy(
            **fields,
            params=params,
            rules=tuple(rules.values()),
            dropped=tuple(d for name, d in dropped.items() if name not in rules),
        )
    except ValidationError as error:
        raise PolicyError(strict_yaml.explain(error, top)) from error


def _lay_over(
    rules: dict[str, Rule], document: PolicyDocument, yaml: strict_yaml.Document
) -> dict[str, Rule]:
    """Drop and replace rules of the extended policy."""
    kept = dict(rules)
    for i, dropped in enumerate(document.drop):
        if dropped.rule not in kept:
            at = yaml.where(("drop", i))
            raise PolicyError(f"{at}: drop: there is no rule '{dropped.rule}' to drop")
        del kept[dropped.rule]
    ids = [rule.id for rule in document.rules]
    for i, name in enumerate(ids):
        if name in ids[:i]:
            at = yaml.where(("rules", i))
            raise PolicyError(f"{at}: two rules are called '{name}'; rename one")
    return kept | {rule.id: rule for rule in document.rules}
