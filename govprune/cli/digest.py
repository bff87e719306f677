"""`govprune digest`: what a model consists of, and which of its files are no longer the same."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from ..errors import EvidenceError, InputError, SubjectError
from ..manifest import ALONE, Difference, Manifest, compare, dumps, read
from ..model_folder import Progress, digest_model

_MIB = 1 << 20
_ON_TERMINAL = 0.5
"""Seconds between two words on progress, and before the first."""
_ELSEWHERE = 5.0
"""The same where each word is a line of its own."""
_NAMED = 20
"""Missing files that an error names."""


@click.command(name="digest", epilog="Exit code 0: digested, or the same. 4: not the same.")
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--check", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              metavar="MANIFEST",
              help="Name each file that changed, is missing or is extra.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the manifest (JSON) to a new file outside MODEL.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 256),
              help="Files hashed at once.  [default: one per core]")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def command(
    model: Path, check: Path | None, out: Path | None, threads: int | None, form: str
) -> int:
    """Name MODEL, a folder or a file, by the content of every file in it.

    \b
    govprune digest llama/ -o llama.manifest.json
    govprune digest llama/ --check llama.manifest.json

    No file is ignored, hidden ones included; symbolic links are refused. The manifest is the
    statement that OpenSSF model signing v1.0 signs; by itself it is signed by nobody.
    """  # noqa: D301 the \b is click's, which keeps lines as they are
    if check is not None and out is not None:
        raise InputError("--check and --out: give one of them")
    if check is not None:
        return _check(model, check, threads, form)
    _refuse_place(model, out)
    with _said() as progress:
        manifest = digest_model(model, threads=threads, progress=progress)
    if out is not None:
        _write(out, dumps(manifest))
    if form == "json" and out is None:
        click.echo(dumps(manifest), nl=False)
    elif form == "text":
        click.echo("\n".join(_lines(manifest, out)))
    return 0


def _check(model: Path, check: Path, threads: int | None, form: str) -> int:
    expected = read(check)
    try:
        with _said() as progress:
            found = digest_model(model, threads=threads, progress=progress)
    except SubjectError as error:
        # A link or device in the place of a file is no model that the manifest could name, nor is
        # a folder that somebody emptied.
        raise EvidenceError(f"{error}{_gone(model, expected)}") from error
    if (expected.files[0].name == ALONE) != (found.files[0].name == ALONE):
        kind = "one file" if expected.files[0].name == ALONE else "a folder"
        raise EvidenceError(f"{model}: {check} is the manifest of {kind}; give what it names")
    difference = compare(expected, found)
    if form == "json":
        values = {"same": not difference.names, "digest": found.digest, "root": found.root}
        click.echo(json.dumps(values | difference.model_dump(mode="json"), indent=2))
    else:
        click.echo("\n".join(_differences(difference, found)))
    return 4 if difference.names else 0


def _gone(model: Path, expected: Manifest) -> str:
    """Name files of a folder that are not there, where it cannot be digested."""
    names = [f.name for f in expected.files if not os.path.lexists(model / f.name)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f". Missing: {', '.join(names[:_NAMED])}{more}" if names else ""


def _lines(manifest: Manifest, out: Path | None) -> Iterator[str]:
    if out is None:
        for file in manifest.files:
            yield f"{file.sha256}  {file.name}"
    yield f"model   {_counted(manifest)}"
    yield f"digest  {manifest.digest}  names and contents"
    yield f"root    {manifest.root}  contents in the order of names (OpenSSF model signing)"
    if out is not None:
        yield f"wrote   {out}"


def _differences(difference: Difference, found: Manifest) -> Iterator[str]:
    kinds = ("changed", "missing", "extra")
    for kind in kinds:
        for name in getattr(difference, kind):
            yield f"{kind:<8} {name}"
    if not difference.names:
        yield f"SAME  {_counted(found)}, digest {found.digest}"
        return
    counts = ", ".join(f"{len(getattr(difference, kind)):,} {kind}" for kind in kinds)
    same = len(found.files) - len(difference.changed) - len(difference.extra)
    yield f"DIFFERS  {counts}; {same:,} the same: this is not the model of the manifest"


def _counted(manifest: Manifest) -> str:
    number = len(manifest.files)
    return f"{manifest.model}: {number:,} file{'s' * (number != 1)}, {manifest.size:,} bytes"


def _refuse_place(model: Path, out: Path | None) -> None:
    """Refuse to write where the manifest would itself be a file of the model, or replace one."""
    if out is None:
        return
    if os.path.lexists(out):
        raise InputError(f"{out}: exists already; choose another file")
    if out.resolve().is_relative_to(model.resolve()):
        raise InputError(f"{out}: lies inside the model, which it would change; choose another")


def _write(out: Path, text: str) -> None:
    """Write a new file, whole or not at all."""
    with out.open("x", encoding="ascii") as stream:
        try:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        except BaseException:
            out.unlink()
            raise


@contextmanager
def _said() -> Iterator[Progress]:
    """Yield what tells of progress once it takes long: a bar on a terminal, else some lines."""
    with ExitStack() as stack:
        last, bar = time.monotonic(), None

        def progress(done: int, total: int) -> None:
            nonlocal last, bar
            now = time.monotonic()
            if now - last < (_ON_TERMINAL if sys.stderr.isatty() else _ELSEWHERE):
                return
            if bar is None:
                from .output import progress_bar  # loads more than most digests take

                bar = stack.enter_context(progress_bar())
            last = now
            bar("MiB hashed", done // _MIB, max(total // _MIB, 1))

        yield progress
