"""A policy is read strictly, and every mistake is named by file and line."""

import subprocess
import sys
from pathlib import Path

import pytest

from govprune import policy
from govprune.errors import PolicyError
from govprune.policy.load import packs

RULE = """
  - id: accuracy-holds
    check: slice-performance
    metric: accuracy-change
    at_least: -0.01
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return policy.load(path, root=tmp_path)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(PolicyError) as error:
        load(tmp_path, text)
    return str(error.value)


@pytest.mark.parametrize("name", sorted(packs()))
def test_every_pack_that_ships_is_valid(name):
    assert policy.load(name, root=Path()).policy.rules


def test_a_rule_without_a_bound_is_refused_with_its_line(tmp_path):
    text = "name: p\nrules:\n  - id: loose\n    check: size\n    metric: size-ratio\n"

    assert "p.yaml:3: " in refused(tmp_path, text)
    assert "rule 'loose' has no bound. Add at_least or at_most." in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: p\nrules:" + RULE + "    at_lest: 1\n", "p.yaml:7: rules.0.at_lest: no such field"),
        ("name: p\nname: q\nrules:" + RULE, "p.yaml:2: the key 'name' is given twice"),
        ("name: p\nrules:" + RULE.replace("slice-performance", "slices"), "no check 'slices'"),
        ("name: p\nrules:" + RULE.replace("accuracy-change", "auc"), "has no metric 'auc'"),
        ("name: p\nrules:" + RULE.replace("-0.01", ".inf"), "p.yaml:6: .inf is not a finite"),
        ("name: p\nrules:" + RULE.replace("-0.01", "1e999"), "not a finite number"),
        ("name: p\nrules:" + RULE.replace("-0.01", "no"), "p.yaml:6"),
        ("name: p\nrules:" + RULE.replace("-0.01", "1:30"), "p.yaml:6"),
        ("name: p\nrules:" + RULE.replace("-0.01", "{{ x }}"), "p.yaml:6"),
        ("name: p\nrules: &a" + RULE, "anchors and aliases are refused"),
        ("name: !!python/object:os.system p\nrules:" + RULE, "the tag"),
        ("name: p\nrules: []\n", "rules"),
        ("name: p\nrules:" + RULE + RULE, "two rules are called 'accuracy-holds'"),
        ("name: p\nalpha: 0.7\nrules:" + RULE, "p.yaml:2: alpha"),
        ("name: p\nextends: ../../etc/passwd\nrules:" + RULE, "p.yaml:2: extends: no pack"),
        ("name: p\nextends: p.yaml\nrules:" + RULE, "circle"),
        ("name: p\nparams: {nothing: {}}\nrules:" + RULE, "'nothing', which does not exist"),
        ("name: p\nrules:" + RULE + "    needs: [ghost]\n", "needs 'ghost', which does not exist"),
        ("name: p\nrules:" + RULE + "    needs: [x]\n    on_inconclusive: report\n",
         "what it cannot tell must block"),
        ("name: p\nrules:" + RULE + "    severity: report\n", "could never fail a model"),
        ("name: p\ndrop: [{rule: ghost, because: x}]\nrules:" + RULE, "no rule 'ghost' to drop"),
        ('name: "a\\0b"\nrules:' + RULE, "p.yaml:1: text holds the control character '\\x00'"),
        ('name: "a\\e[2J"\nrules:' + RULE, "text holds the control character '\\x1b'"),
        ('name: p\n"a\\e": 1\nrules:' + RULE, "a key must be plain text"),
        ("- a\n- b\n", "a policy is a mapping"),
        ("name: [\n", "not YAML"),
        ("", "a policy is a mapping"),
        ("a: " * 60, "not YAML"),
        ("[" * 5000, "nested deeper than 40"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_and_named(tmp_path, text, said):
    assert said in refused(tmp_path, text)


def test_a_missing_policy_names_the_packs(tmp_path):
    with pytest.raises(PolicyError, match="Packs that ship: baseline, credit"):
        policy.load(tmp_path / "none.yaml", root=tmp_path)


def test_extending_replaces_drops_and_adds(tmp_path):
    text = (
        "name: ours\nextends: baseline\n"
        "drop: [{rule: file-not-larger, because: storage is free here}]\n"
        "params: {evasion: {rows: 77}}\nrules:" + RULE.replace("-0.01", "-0.005")
    )
    base = policy.load("baseline", root=tmp_path).policy

    ours = load(tmp_path, text)

    rules = {rule.id: rule for rule in ours.policy.rules}
    assert rules["accuracy-holds"].at_least == -0.005
    assert "file-not-larger" not in rules
    assert len(rules) == len(base.rules) - 1
    assert ours.policy.params["evasion"] == base.params["evasion"] | {"rows": 77}
    assert [s.name for s in ours.files] == ["p.yaml", "pack:baseline"]


def test_judging_imports_no_ml_stack():
    """Read a pack, plan and judge in a fresh interpreter; then look at what got imported."""
    code = """
import sys
from pathlib import Path
from govprune import policy
from govprune.subjects import Profile, SliceProfile
p = policy.load("credit", root=Path())
all_ = SliceProfile(name="all", attributes=(), by_label=(("0", 500), ("1", 500)))
part = SliceProfile(name="g=a", attributes=("g",), by_label=(("0", 500), ("1", 500)))
plan = policy.make_plan(p.policy, Profile(labels=("0", "1"), positive="1", slices=(all_, part)))
assert policy.decide(policy.judge(plan, ())).result == "UNDECIDED"
heavy = {"torch", "fairlearn", "art", "weasyprint", "pandas", "sklearn", "polars"}
sys.exit(",".join(heavy & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
