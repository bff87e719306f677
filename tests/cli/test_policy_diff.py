"""`govprune policy diff`: exit codes a pipeline can rely on, sentences a person can."""

import json

import pytest

POLICY = """\
name: ours
version: "{version}"
rules:
  - id: accuracy-holds
    check: slice-performance
    metric: accuracy-change
    over: whole
    at_least: {bound}
"""


@pytest.fixture
def policies(tmp_path):
    def write(name, bound, version="1.0"):
        (tmp_path / name).write_text(POLICY.format(bound=bound, version=version))
        return name

    return write


def test_a_looser_bound_ends_in_1_and_is_named(govprune, policies):
    code, out, _ = govprune("policy", "diff", policies("a.yaml", -0.02), policies("b.yaml", -0.05))
    assert code == 1
    assert "WEAKER    rule accuracy-holds: at_least is -0.05, was -0.02" in out
    assert "both are called ours 1.0, and they are not the same policy" in " ".join(out.split())


def test_a_tighter_bound_ends_in_0(govprune, policies):
    old, new = policies("a.yaml", -0.05), policies("b.yaml", -0.02, "1.1")
    code, out, _ = govprune("policy", "diff", old, new)
    assert code == 0
    assert "stronger  rule accuracy-holds: at_least is -0.02, was -0.05" in out
    assert "what the new policy passes, the old one passes" in out


def test_nothing_changed_is_said(govprune):
    assert govprune("policy", "diff", "credit", "credit") == (0, "The same policy.\n", "")


def test_a_policy_that_cannot_be_read_ends_in_2(govprune, policies):
    code, out, err = govprune("policy", "diff", policies("a.yaml", -0.02), "nowhere.yaml")
    assert (code, out) == (2, "")
    assert "nowhere.yaml: no such file" in err
    bad = policies("bad.yaml", "no")
    code, _, err = govprune("policy", "diff", bad, bad)
    assert code == 2
    assert "bad.yaml:8" in err


def test_json_names_both_policies_by_digest(govprune, policies):
    old, new = policies("a.yaml", -0.02), policies("b.yaml", -0.05)
    code, out, _ = govprune("policy", "diff", old, new, "--format", "json")
    said = json.loads(out)
    assert (code, said["may_be_weaker"]) == (1, True)
    assert said["old"]["sha256"] != said["new"]["sha256"]
    assert said["changes"][0] == {
        "direction": "weaker",
        "where": "rule accuracy-holds",
        "sentence": "at_least is -0.05, was -0.02",
    }


def test_a_default_written_out_changes_nothing_a_verdict_could_tell(govprune, tmp_path):
    (tmp_path / "a.yaml").write_text(POLICY.format(bound=-0.02, version="1.0"))
    (tmp_path / "b.yaml").write_text(
        POLICY.format(bound=-0.02, version="1.1") + "params: {evasion: {steps: 20}}\n"
    )
    code, out, _ = govprune("policy", "diff", "a.yaml", "b.yaml")
    assert (code, "evasion" in out) == (0, False)
