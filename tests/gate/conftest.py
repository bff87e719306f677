"""The small job, and the command line that is run on it."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import small_job

from govprune import run
from govprune.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def govprune(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run the command line in this process, through its own entry point."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["govprune", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return Outcome(int(stopped.value.code), out, err)

    return run


@pytest.fixture
def job(tmp_path: Path, monkeypatch) -> Path:
    """The folder of the job, which is the current one."""
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    small_job.write(tmp_path / "job", tmp_path / "account")
    monkeypatch.chdir(tmp_path / "job")
    return tmp_path / "job"


@pytest.fixture(scope="session")
def gated_once(tmp_path_factory) -> Path:
    """A job that has been gated; to be copied, never changed."""
    place = tmp_path_factory.mktemp("gated")
    small_job.write(place / "job", place / "account")
    run(place / "job", out=place / "job" / "bundle")
    return place


@pytest.fixture
def gated(gated_once: Path, tmp_path: Path, monkeypatch) -> Path:
    """A copy of a job with its sealed bundle in `bundle`."""
    shutil.copytree(gated_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    monkeypatch.chdir(tmp_path / "job")
    return tmp_path / "job"
