"""Every command starts, explains itself, and does what its help says."""

import json
import re
from pathlib import Path

import pytest
import yaml

from govprune import policy
from govprune.catalogue import CATALOGUE
from govprune.checks import CHECKS
from govprune.cli import COMMANDS
from govprune.job import load

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(govprune, name):
    code, out, err = govprune(name, "--help")

    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: govprune {name}")


def test_the_catalogue_and_the_checks_are_the_same_list():
    assert [entry.id for entry in CATALOGUE] == [check.id for check in CHECKS]


def test_checks_list_names_every_metric(govprune):
    code, out, _ = govprune("checks", "list", "--format", "json")

    listed = {(c["id"], m["id"]) for c in json.loads(out) for m in c["metrics"]}
    assert code == 0
    assert listed == {(c.id, m.id) for c in CATALOGUE for m in c.metrics}
    _, text, _ = govprune("checks", "list")
    assert all(metric in text for _, metric in listed)


def test_init_writes_a_job_and_a_policy_that_can_be_read(govprune, tmp_path):
    code, out, _ = govprune(
        "init", "--yes", "--name", "loans", "--title", "Loans: 50 % off", "--features", "a, x=*",
        "--slices", "sex", "--pack", "credit", "--label", "who said 'yes'?",
    )  # fmt: skip

    assert code == 0
    assert "next    govprune keys new" in out
    job = load(tmp_path / "govprune.yaml").job
    assert (job.title, job.evaluation.label) == ("Loans: 50 % off", "who said 'yes'?")
    assert (job.evaluation.features, job.evaluation.slices) == (("a", "x=*"), ("sex",))
    made = policy.load(tmp_path / "policy.yaml", root=tmp_path).policy
    assert (made.name, len(made.rules)) == (
        "loans", len(policy.load("credit", root=tmp_path).policy.rules),
    )  # fmt: skip
    assert govprune("init", "--yes")[0] == 2  # never overwrites
    assert govprune("policy", "lint", "policy.yaml")[0] == 0


def test_init_refuses_a_name_it_could_not_use(govprune, tmp_path):
    code, _, err = govprune("init", "--yes", "--name", "../etc")

    assert (code, "use small letters, digits and hyphens" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_is_there(govprune):
    code, out, _ = govprune("doctor", "--format", "json")

    lines = {line["what"]: line for line in json.loads(out)}
    assert code == 0
    assert lines["torch"]["state"] == "ok"
    assert lines["trusted keys"]["state"] == "note"
    govprune("keys", "new")
    after = {line["what"]: line for line in json.loads(govprune("doctor", "--format", "json")[1])}
    assert after["trusted keys"]["state"] == "ok"


def test_lint_says_file_and_line_and_goes_on(govprune, tmp_path):
    (tmp_path / "bad.yaml").write_text("name: b\nrules:\n  - {id: r, check: size}\n")

    code, out, err = govprune("policy", "lint", "bad.yaml", "baseline")

    assert code == 2
    assert "bad.yaml:3: rules.0.metric: is required" in err
    assert "baseline 1.0" in out


def test_the_schema_describes_the_packs(govprune):
    code, out, _ = govprune("policy", "schema")
    schema = json.loads(out)

    assert code == 0
    for path in sorted((ROOT / "policies").glob("*.yaml")):
        keys = set(yaml.safe_load(path.read_text()))
        assert keys <= set(schema["properties"])


def test_the_readme_speaks_of_commands_that_exist():
    said = set(re.findall(r"govprune ([a-z]+)", (ROOT / "README.md").read_text()))
    prose = {"decides", "gates", "promote", "writes", "says"}

    assert said - prose <= set(COMMANDS)
