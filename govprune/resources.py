"""Where the policy packs, templates and examples are: in the wheel, or in the checkout.

`policies/` and `report_templates/` live beside the package so that people find them. A wheel
carries them inside the package; an editable install reads them from the checkout.
"""

from importlib.resources import files
from pathlib import Path

from .errors import InputError


def folder(name: str) -> Path:
    """Return the folder `policies`, `report_templates` or `examples/...` that ships with govprune.

    Raises:
        InputError: The installation lacks it.
    """
    package = Path(str(files("govprune")))
    for place in (package / "_data" / name, package.parent / name):
        if place.is_dir():
            return place
    raise InputError(f"this installation lacks {name}/: reinstall govprune")
