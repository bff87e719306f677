"""The command line, run in this process in an empty folder, by an account of its own."""

import sys

import pytest

from govprune.cli import main


@pytest.fixture
def govprune(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["govprune", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return int(stopped.value.code), out, err

    return run
