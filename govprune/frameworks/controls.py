"""The controls a policy may name, as versioned data with a digest.

Only an id in the catalogue can be named, and a control that people must attest can never be
evidenced by a rule: a policy that says otherwise is refused before anything is measured.
"""

import hashlib
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StrictStr, ValidationError, model_validator

from .. import resources, strict_yaml
from ..errors import InputError, PolicyError
from ..policy import Policy
from ..records import Record

NIST_AI_RMF = "nist_ai_rmf_1.0.yaml"
Gist = Annotated[StrictStr, Field(min_length=1, max_length=200)]


class Group(Record):
    """A function (`MEASURE`) or a category (`MEASURE 2`)."""

    id: StrictStr = Field(pattern=r"^[A-Z]+( [0-9]+)?$")
    gist: Gist


class Control(Record):
    """One subcategory, e.g. `MEASURE 2.11`."""

    id: StrictStr = Field(pattern=r"^[A-Z]+ [0-9]+\.[0-9]+$")
    gist: Gist
    """What it asks for, in a few words of ours; the framework's own text is what counts."""

    by: Literal["checks", "people"] = "checks"
    """Whether a technical check can contribute evidence, or only a person can attest it."""

    @property
    def category(self) -> str:
        """`MEASURE 2` of `MEASURE 2.11`."""
        return self.id.rpartition(".")[0]

    @property
    def function(self) -> str:
        """`MEASURE` of `MEASURE 2.11`."""
        return self.id.partition(" ")[0]


class CatalogueDocument(Record):
    """A catalogue as it is written."""

    framework: StrictStr
    version: StrictStr
    document: StrictStr
    """The publication the ids come from."""
    note: StrictStr | None = None
    functions: tuple[Group, ...] = Field(min_length=1)
    categories: tuple[Group, ...] = Field(min_length=1)
    subcategories: tuple[Control, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        ids = [group.id for group in (*self.functions, *self.categories)]
        ids += [control.id for control in self.subcategories]
        if len(ids) != len(set(ids)):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise ValueError(f"'{twice}' is listed twice; keep one")
        parents = [c.id.partition(" ")[0] for c in self.categories]
        parents += [c.category for c in self.subcategories]
        if lost := [parent for parent in parents if parent not in ids]:
            raise ValueError(f"something belongs to '{lost[0]}', which is not listed")
        return self


class Catalogue(CatalogueDocument):
    """A catalogue and the digest of the file it was read from."""

    sha256: str
    """Of the file's bytes: a card says with which catalogue it was made."""


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file strictly.

    Raises:
        InputError: It is missing or breaks a rule; names file and line.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; reinstall govprune") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; reinstall govprune") from error
    yaml = strict_yaml.load(text, source=str(path), error=InputError)
    if not isinstance(yaml.value, dict):
        raise InputError(f"{path}: a catalogue is a mapping with framework and subcategories")
    try:
        document = CatalogueDocument.model_validate(yaml.value)
    except ValidationError as error:
        raise InputError(strict_yaml.explain(error, yaml)) from error
    return Catalogue(**dict(document), sha256=hashlib.sha256(data).hexdigest())


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Return the NIST AI RMF 1.0 catalogue that ships.

    Raises:
        InputError: The installation lacks it.
    """
    return read_catalogue(resources.folder("policies") / "controls" / NIST_AI_RMF)


def check_controls(policy: Policy) -> None:
    """Refuse a policy that names controls which do not exist, or which no check can evidence.

    Raises:
        PolicyError: Names the rule, the control and the nearest one that exists.
    """
    known = {control.id: control for control in catalogue().subcategories}
    name = f"{catalogue().framework} {catalogue().version}"
    for rule in policy.rules:
        for control in (*rule.evidences, *rule.supports):
            if control not in known:
                near = get_close_matches(control, known, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else "Remove it or correct it."
                raise PolicyError(f"rule '{rule.id}': {name} has no control '{control}'. {hint}")
        for control in rule.evidences:
            if known[control].by == "people":
                raise PolicyError(
                    f"rule '{rule.id}': no check can evidence '{control}', people attest it. "
                    "Remove it from evidences."
                )
