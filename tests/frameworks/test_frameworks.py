"""The catalogue is complete, and a control is covered by what was measured, never by a promise."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from govprune import resources
from govprune.errors import InputError, PolicyError
from govprune.frameworks import catalogue, check_controls, coverage
from govprune.frameworks.controls import read_catalogue
from govprune.policy import Finding, Policy, Question, Rule, decide, load
from govprune.policy.load import packs

FILE = resources.folder("policies") / "controls" / "nist_ai_rmf_1.0.yaml"


def rule(name, *, evidences=(), supports=()):
    return Rule(
        id=name,
        check="size",
        metric="size-ratio",
        at_most=1.0,
        evidences=evidences,
        supports=supports,
    )


def finding(name, status="pass", slice_name="all"):
    question = Question(rule=name, check="size", metric="size-ratio", slice=slice_name, at_most=1.0)
    return Finding(question=question, status=status, reason="as the world has it")


def covered(rules, findings):
    policy = Policy(name="world", rules=rules)
    framework = coverage(policy, decide(tuple(findings)))
    return {item.id: item for item in framework.coverage}


def test_the_catalogue_has_all_72_subcategories_in_19_categories():
    known = catalogue()
    assert len(known.functions) == 4
    assert len(known.categories) == 19
    assert Counter(control.function for control in known.subcategories) == {
        "GOVERN": 19,
        "MAP": 18,
        "MEASURE": 22,
        "MANAGE": 13,
    }


def test_ids_are_unique_and_count_up_without_a_gap():
    ids = [control.id for control in catalogue().subcategories]
    assert len(set(ids)) == 72
    numbers = {}
    for control in catalogue().subcategories:
        numbers.setdefault(control.category, []).append(int(control.id.rpartition(".")[2]))
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    assert set(numbers) == {category.id for category in catalogue().categories}


def test_gists_are_short_and_differ():
    gists = [control.gist for control in catalogue().subcategories]
    assert len(set(gists)) == 72
    assert max(len(gist.split()) for gist in gists) <= 14


def test_26_subcategories_are_for_people_alone():
    by_people = [control.id for control in catalogue().subcategories if control.by == "people"]
    assert len(by_people) == 26
    assert {"GOVERN 2.2", "MAP 1.2", "MEASURE 3.3", "MANAGE 4.3"} <= set(by_people)


def test_version_document_and_digest_are_stated():
    assert catalogue().version == "1.0"
    assert "NIST AI 100-1" in catalogue().document
    assert "revising" in catalogue().note
    assert catalogue().sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()


@pytest.mark.parametrize("pack", sorted(packs()))
def test_every_control_the_packs_name_exists(pack):
    policy = load(pack, root=Path()).policy
    check_controls(policy)
    assert any(rule.evidences for rule in policy.rules)


def test_a_control_that_does_not_exist_is_refused_with_the_nearest_one():
    policy = Policy(name="world", rules=(rule("size-holds", supports=("MEASURE 2.14",)),))
    with pytest.raises(PolicyError, match=r"'size-holds'.*no control 'MEASURE 2\.14'.*'MEASURE 2"):
        check_controls(policy)


def test_no_rule_may_evidence_what_only_people_can_attest():
    policy = Policy(name="world", rules=(rule("size-holds", evidences=("GOVERN 2.2",)),))
    with pytest.raises(PolicyError, match=r"no check can evidence 'GOVERN 2\.2'"):
        check_controls(policy)


def test_coverage_lists_every_control_once_in_the_order_of_the_catalogue():
    items = covered([rule("a", evidences=("MEASURE 2.11",))], [finding("a")])
    assert list(items) == [control.id for control in catalogue().subcategories]


def test_a_measured_rule_evidences_and_supports_and_leaves_the_rest_open():
    rules = [
        rule("a", supports=("MEASURE 2.11", "MAP 4.1")),
        rule("b", evidences=("MEASURE 2.11",)),
    ]
    items = covered(rules, [finding("a"), finding("b")])
    assert (items["MEASURE 2.11"].state, items["MEASURE 2.11"].rules) == ("evidenced", ("b", "a"))
    assert (items["MAP 4.1"].state, items["MAP 4.1"].rules) == ("supported", ("a",))
    assert (items["GOVERN 1.1"].state, items["GOVERN 1.1"].rules) == ("not-evidenced", ())
    assert sum(item.state == "not-evidenced" for item in items.values()) == 70


def test_a_failure_is_evidence_too():
    rules = [rule("a", evidences=("MEASURE 2.11",))]
    assert covered(rules, [finding("a", "fail")])["MEASURE 2.11"].state == "evidenced"


def test_one_unmeasured_slice_takes_the_evidence_of_its_rule_away():
    rules = [rule("a", evidences=("MEASURE 2.11",)), rule("b", supports=("MEASURE 2.11",))]
    findings = [finding("a"), finding("a", "not_measured", "sex=Female"), finding("b")]
    item = covered(rules, findings)["MEASURE 2.11"]
    assert (item.state, item.rules) == ("supported", ("b",))


def test_a_rule_that_asked_nothing_evidences_nothing():
    rules = [rule("a", evidences=("MEASURE 2.11",)), rule("b")]
    assert covered(rules, [finding("b")])["MEASURE 2.11"].state == "not-evidenced"


def test_the_framework_names_its_version_and_digest_and_counts():
    policy = Policy(name="world", rules=(rule("a", evidences=("MEASURE 2.11",)),))
    framework = coverage(policy, decide((finding("a"),)))
    assert (framework.name, framework.version) == ("NIST AI RMF", "1.0")
    assert framework.sha256 == catalogue().sha256
    counts = [framework.count(s) for s in ("evidenced", "supported", "not-evidenced")]
    assert counts == [1, 0, 71]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  - id: GOVERN 1.2\n", "  - id: GOVERN 1.1\n", "'GOVERN 1.1' is listed twice"),
        ("  - id: GOVERN 1.2\n", "  - id: GOVERN 9.1\n", "'GOVERN 9', which is not listed"),
        ("    by: people", "    by: prayer", ": subcategories.1.by: "),
        ('version: "1.0"\n', "", "version: is required"),
        ("functions:\n", "functions: &x\n", "anchors and aliases are refused"),
    ],
)
def test_a_damaged_catalogue_is_refused(tmp_path, before, after, said):
    text = FILE.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "catalogue.yaml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"catalogue\.yaml") as caught:
        read_catalogue(path)
    assert said in str(caught.value)


def test_a_missing_catalogue_is_an_error_not_an_empty_matrix(tmp_path):
    with pytest.raises(InputError, match="reinstall govprune"):
        read_catalogue(tmp_path / "none.yaml")
