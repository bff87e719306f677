"""Run tests against a copy of the package from which one defence was taken away, each in turn.

Reads a list of [name, module, line, without, test] as JSON; writes [name, exit code of pytest,
seconds, last lines] for each. What all of them import is imported once; each then has a process
of its own, which sees the copy. Called by test_every_defence_is_needed.py.
"""

import contextlib
import gc
import io
import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import asn1crypto.cms  # noqa: F401 these take the time, and none of them is govprune's
import cryptography.x509  # noqa: F401
import numpy as np  # noqa: F401
import polars  # noqa: F401
import pydantic  # noqa: F401
import pyhanko.sign.signers  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import skops.io  # noqa: F401
import torch  # noqa: F401
import weasyprint  # noqa: F401
import yaml  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
ABROAD = 70
"""Exit code where the defence was not found, or another package than the copy was tested."""


def copied(place: Path) -> Path:
    """Copy the package; what lies beside it is linked."""
    shutil.copytree(ROOT / "govprune", place / "govprune")  # with what was compiled of it
    for name in ("policies", "report_templates", "examples"):
        (place / name).symlink_to(ROOT / name)
    return place


def run(place: Path, test: str) -> int:
    """Run one test with govprune from `place`."""
    sys.path.insert(0, str(place))
    sys.dont_write_bytecode = True
    os.environ["PYTHONPATH"] = str(place)  # for processes that a test starts
    # A defence may be what keeps a test from running for ever.
    resource.setrlimit(resource.RLIMIT_CPU, (90, 90))
    options = ["-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"]
    code = pytest.main([*options, f"--rootdir={ROOT}", f"{ROOT}/tests/{test}"])
    import govprune

    assert Path(govprune.__file__).is_relative_to(place), "the copy was not tested"
    return int(code)


def ended(place: Path, test: str) -> tuple[int, str]:
    """Run one test in a process that imports govprune from `place`; say how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        said, code = io.StringIO(), ABROAD
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = run(place, test)
            except BaseException as error:  # nothing may come back into the parent
                print(repr(error))
        os.write(writing, said.getvalue()[-2000:].encode())
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said


def main() -> None:
    """Take away each defence of the list, and put it back."""
    asked = json.load(sys.stdin)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none is needed, and each costs time
    gc.collect()
    gc.freeze()  # what is shared need not be looked through again in every child
    with tempfile.TemporaryDirectory(prefix="govprune-without-") as scratch:
        place = copied(Path(scratch))
        for name, module, line, without, test in asked:
            path = place / "govprune" / module
            whole = path.read_text(encoding="utf-8")
            if whole.count(line) != 1:
                print(json.dumps([name, ABROAD, 0, f"{module}: the line moved: {line}"]))
                continue
            path.write_text(whole.replace(line, without), encoding="utf-8")
            start = perf_counter()
            code, said = ended(place, test)
            path.write_text(whole, encoding="utf-8")
            print(json.dumps([name, code, perf_counter() - start, said]), flush=True)


if __name__ == "__main__":
    main()
