"""The page about one bundle says who signed what, what it counts for, and what lacks."""

import pytest
from sealed import NOW
from trusted_people import People

from govprune.archive.listing import Relied, line_of, listing, verified
from govprune.archive.page import page


@pytest.fixture(autouse=True)
def own_account(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def shown(people, bundle, *, under="theirs"):
    policy = people.policy if under == "theirs" else None
    relied = Relied(trusted=people.trusted, under=policy, now=NOW)
    found = verified(bundle, relied)
    return list(page(found, line_of(bundle, found, relied)))


def test_it_names_the_producer_the_approver_and_what_lacks(people):
    bundle = people.sealed()
    said = shown(people, bundle)
    assert ("producer", "paul") in said
    assert [text for what, text in said if what == "lacks"] == [
        "approvals (govprune approve): 0 of 1"
    ]
    people.approve(bundle)
    said = shown(people, bundle)
    assert ("approval", "vera") in said
    assert not [text for what, text in said if what == "lacks"]


def test_who_approves_a_candidate_of_his_own_does_not_count(people):
    bundle = people.sealed()
    people.approve(bundle, "paul")
    (text,) = [text for what, text in shown(people, bundle) if what == "approval"]
    assert text == "paul: DOES NOT COUNT: paul made the candidate"


def test_a_waiver_is_named_and_changes_the_result_in_page_and_list(people):
    bundle = people.sealed("FAILED")
    assert ("verdict", f"FAILED, of {_date(people, bundle)}") in shown(people, bundle)
    people.waive(bundle)
    said = shown(people, bundle)
    assert ("verdict", f"PASSED WITH WAIVER, of {_date(people, bundle)}") in said
    assert ("waived", "accuracy-holds (all), -0.25 at worst") in said
    relied = Relied(trusted=(), under=people.policy, now=NOW)
    (line,) = listing(people.root, relied)
    assert (line.result, line.lacks) == (
        "PASSED WITH WAIVER",
        ("approvals (govprune approve): 0 of 1",),
    )


def _date(people, bundle):
    return people.stand(bundle).summary.issued


def test_without_a_trust_policy_it_judges_none_of_them(people):
    bundle = people.sealed("FAILED")
    people.waive(bundle)
    said = shown(people, bundle, under=None)
    unjudged = [text.split(":")[0] for what, text in said if what == "not judged"]
    assert unjudged[0] == "producer.dsse.json"
    assert unjudged[1].startswith("waiver-")
    assert next(text for what, text in said if what == "verdict").startswith("FAILED")


def test_every_file_that_was_judged_is_named_with_its_digest(people):
    bundle = people.sealed()
    said = shown(people, bundle)
    for what in ("candidate", "baseline", "evaluation", "policy"):
        (text,) = [text for word, text in said if word == what]
        assert "sha256 " in text
