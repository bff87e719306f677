"""`govprune doctor`: what is installed, what lacks, what to do about it."""

import ctypes.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import click

PANGO = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
NEEDED = {
    "torch": "pip install torch==2.13.0",
    "fairlearn": "pip install fairlearn",
    "adversarial-robustness-toolbox": "pip install adversarial-robustness-toolbox",
    "weasyprint": "pip install weasyprint",
    "pyhanko": "pip install pyhanko",
    "polars": "pip install polars",
    "scikit-learn": "pip install scikit-learn",
}


@dataclass(frozen=True)
class Line:
    """One thing that was looked at."""

    what: str
    state: str
    """`ok`, `lacks` (something cannot work) or `note` (something works less well)."""
    said: str


def examine() -> Iterator[Line]:
    """Look at Python, packages, system libraries, keys and tools. Imports none of the packages."""
    ok = sys.version_info >= (3, 11)
    said = platform.python_version() + ("" if ok else ": 3.11 is needed")
    yield Line("Python", "ok" if ok else "lacks", said)
    for name, remedy in NEEDED.items():
        try:
            yield Line(name, "ok", version(name))
        except PackageNotFoundError:
            yield Line(name, "lacks", f"not installed. Next: {remedy}")
    pango = all(ctypes.util.find_library(n) for n in ("pango-1.0", "pangoft2-1.0"))
    yield Line(
        "Pango (PDF card)",
        "ok" if pango else "note",
        "found" if pango else f"not found: the card will be HTML only. Next: {PANGO}",
    )
    from ..evidence.account import account_trust

    folder = account_trust()
    count = len(list(folder.glob("*.pub"))) if folder.is_dir() else 0
    yield Line(
        "trusted keys",
        "ok" if count else "note",
        f"{count} in {folder}" if count else "none: `govprune keys new`, or `keys trust FILE`",
    )
    for tool, why in (("pdfsig", "a second opinion on the card's signature (poppler-utils)"),):
        found = shutil.which(tool)
        yield Line(tool, "ok" if found else "note", found or f"not found; {why}")
    free = shutil.disk_usage(".").free // 2**20
    yield Line("disk", "ok" if free > 200 else "lacks", f"{free:,} MiB free here")
    writable = os.access(".", os.W_OK)
    yield Line("folder", "ok" if writable else "note", "writable" if writable else "read-only")


@click.command(name="doctor")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
def command(kind: str) -> int:
    """Say what is installed, what lacks, what to do. Exit code 2 if something lacks."""
    lines = list(examine())
    if kind == "json":
        click.echo(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        for line in lines:
            click.echo(f"  {line.state:<6} {line.what:<32} {line.said}")
    return 2 if any(line.state == "lacks" for line in lines) else 0
