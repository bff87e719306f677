"""What is wrong with an input is said in this project's words, with a way on."""

import json

import pytest

from govprune.errors import PolicyError
from govprune.policy import load
from govprune.policy.load import packs

BAD = """\
name: bad
version: 1.0
extends: credit
drop: [size-shown]
attempts: never
rules:
  - {id: One, check: size, metric: x, at_least: 0}
"""
LINTED = """\
name: near
rules:
  - {id: one, check: derivatoin, metric: x, at_least: 0}
  - {id: two, check: slice-performance, metric: accuracy-chang, at_least: 0}
"""
LOSES = """\
name: loses
extends: credit
rules:
  - id: no-slice-loses-accuracy
    check: slice-performance
    metric: accuracy-change
    at_least: -0.01
    because: We tolerate a point.
"""


def test_a_policy_is_refused_without_a_word_of_the_library_that_reads_it(tmp_path):
    (tmp_path / "bad.yaml").write_text(BAD)

    with pytest.raises(PolicyError) as refused:
        load(tmp_path / "bad.yaml", root=tmp_path)

    said = str(refused.value).replace(f"{tmp_path}/", "").splitlines()
    assert 'bad.yaml:2: version: must be text, not 1.0: quote it, "1.0"' in said
    assert "bad.yaml:4: drop.0: must be a mapping, `name: value`" in said
    assert "bad.yaml:7: rules.0.id: 'One' must be small letters, digits and hyphens" in said
    assert not any(word in str(refused.value) for word in ("Input should", "Value error", "valid "))


def test_a_field_that_takes_one_or_several_is_named_once(govprune, tmp_path):
    (tmp_path / "job.yaml").write_text(
        "name: j\ntitle: t\npolicy: credit\nstep: {name: s}\n"
        "evaluation: {file: f.csv, label: 3}\n"
        "predictions: {baseline: a, candidate: b}\n"
    )

    code, _, err = govprune("run", "job.yaml", "--dry-run")

    assert code == 2
    assert err.count("evaluation.label") == 1
    assert "evaluation.label: must be text" in err
    assert "or must be a list" in err


def test_options_are_refused_in_the_same_words_as_a_file(govprune, tmp_path):
    code, _, err = govprune(
        "run", "--predictions", "p.csv", "--label", "y", "--baseline", "a", "--candidate", "a",
        "--policy", "predictions", "--dry-run",
    )  # fmt: skip

    assert code == 2
    assert "baseline and candidate are the same column" in err
    assert "Value error" not in err


def test_a_step_in_python_is_refused_in_the_same_words(tmp_path, monkeypatch):
    import govprune as package
    from govprune.errors import InputError

    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError, match=r"evaluation.slices: must be a list"):
        package.gate_step(
            None, evaluation={"file": "f.csv", "label": "y", "slices": "sex"}, policy="credit",
            out="bundle",
        )  # fmt: skip


# --- lint


def test_lint_suggests_the_check_and_the_metric_that_were_meant(govprune, tmp_path):
    (tmp_path / "near.yaml").write_text(LINTED)

    code, _, err = govprune("policy", "lint", "near.yaml")

    assert code == 2
    assert "'derivatoin': did you mean 'derivation'?" in err
    assert "'accuracy-chang': did you mean 'accuracy-change'?" in err


def test_lint_warns_of_a_rule_that_loses_what_small_slices_were_promised(govprune, tmp_path):
    (tmp_path / "loses.yaml").write_text(LOSES)

    code, out, _ = govprune("policy", "lint", "loses.yaml")
    kept = LOSES + "    small_slices: {at_least: -0.05, because: As before.}\n"
    (tmp_path / "keeps.yaml").write_text(kept)
    _, quiet, _ = govprune("policy", "lint", "keeps.yaml", "credit")

    assert code == 0
    said = " ".join(out.split())
    assert "loses.yaml:4: rule 'no-slice-loses-accuracy' replaces that of credit" in said
    assert "without its small_slices" in said
    assert "small_slices" not in quiet


def test_lint_speaks_json(govprune, tmp_path):
    (tmp_path / "near.yaml").write_text(LINTED)
    (tmp_path / "loses.yaml").write_text(LOSES)

    code, out, _ = govprune("policy", "lint", "near.yaml", "loses.yaml", "--format", "json")

    bad, good = json.loads(out)
    assert code == 2
    assert (bad["file"], any("derivatoin" in line for line in bad["errors"])) == ("near.yaml", True)
    assert (good["name"], good["errors"], len(good["notes"])) == ("loses", [], 1)
    assert good["rules"] >= good["blocking"] > 0


# --- packs, init, help


@pytest.mark.parametrize("columns", [60, 80])
def test_the_list_of_packs_fits_the_terminal(govprune, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))

    _, out, _ = govprune("policy", "packs")

    assert max(map(len, out.splitlines())) <= columns
    starts = [line.split()[0] for line in out.splitlines() if not line.startswith(" ")]
    assert starts == list(packs())


def test_init_offers_every_pack_that_ships_and_refuses_others(govprune, tmp_path):
    _, shown, _ = govprune("init", "--help")
    made = [
        govprune("init", "--yes", "--pack", name, "--dir", name)[0]
        + govprune("policy", "lint", f"{name}/policy.yaml")[0]
        for name in packs()
    ]
    code, _, err = govprune("init", "--yes", "--pack", "nope", "--dir", "x")

    assert all(name in shown for name in packs())
    assert made == [0] * len(packs())
    assert (code, "no pack 'nope'" in err, (tmp_path / "x").exists()) == (2, True, False)


def test_the_help_says_what_the_commands_do(govprune):
    assert "as HTML or PDF" in govprune("--help")[1]
    assert "--policy is then needed" in " ".join(govprune("run", "--help")[1].split())
