"""Trust policies: versions only grow, enough roots sign, and what nobody accepted says nothing."""

import base64
from datetime import timedelta

import pytest
import yaml
from sealed import NOW
from trusted_people import People

from govprune.errors import EvidenceError, InputError
from govprune.evidence import dsse
from govprune.evidence.accepted import accepted, accepted_folder, check_signed, use_trust_policy
from govprune.evidence.key_files import load_signing_keys, load_trusted_keys
from govprune.evidence.keys import new_keys
from govprune.evidence.trust import parse_trust_policy
from govprune.evidence.trust_document import TEMPLATE, compile_trust_policy
from govprune.records import canonical, parse_json


@pytest.fixture(autouse=True)
def own_account(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def payload_of(path):
    return dsse.unverified(path.read_bytes(), source="test")


def test_a_policy_that_enough_roots_signed_is_accepted_and_remembered(people):
    assert people.policy.version == 1
    assert accepted(NOW) == people.policy
    assert [key.owner for key in people.policy.holders("gate")] == ["gate@example.org"]


def test_nobody_is_trusted_at_first_sight(people, monkeypatch, tmp_path):
    """A new account that was told no root key relies on no file that it finds."""
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "another"))
    with pytest.raises(InputError, match="nobody has accepted") as refused:
        use_trust_policy(people.folder / "trust-1.json", now=NOW)
    assert people.policy.holders("root")[0].key_id in str(refused.value)
    assert accepted(NOW) is None


# --- tuf-conformance's cases, for a document that is root and everything else in one


def test_one_root_of_two_is_not_enough(people):
    with pytest.raises(EvidenceError, match="1 of 2 roots"):
        people.follow(people.sign(2, by=("anna",)))


def test_a_root_that_was_told_must_have_signed(people, monkeypatch, tmp_path):
    """Whoever wrote the policy may have lowered the number to the one key he has."""
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "another"))
    path = people.sign(9, by=("anna",), thresholds={"root": 1})
    with pytest.raises(EvidenceError, match="not signed by ben"):
        people.accept(path)


def test_one_root_twice_is_one_root(people):
    path = people.sign(2)
    content = parse_json(path.read_bytes(), source="test")
    first = content["signatures"][0]
    for signatures in ([first, first], [first, {**first, "keyid": "0" * 64}]):
        path.write_bytes(canonical({**content, "signatures": signatures}))
        with pytest.raises(EvidenceError, match=r"signed twice|1 of 2 roots"):
            people.follow(path)


def test_two_keys_of_one_person_are_one_person(people):
    secret, public = new_keys(people.folder / "people", owner="anna", name="anna-again")
    people.secrets["anna-again"] = load_signing_keys(secret)
    people.publics["anna-again"] = public
    roles = {**people.ROLES, "root": ["anna", "anna-again"]}
    with pytest.raises(InputError, match="2 people are needed, but 1 hold"):
        people.sign(2, by=("anna", "anna-again"), roles=roles)


def test_an_older_version_is_a_rollback(people):
    older = (people.folder / "trust-1.json").read_bytes()
    people.follow(people.sign(2))
    (people.folder / "trust-1.json").write_bytes(older)
    with pytest.raises(EvidenceError, match="rolled back"):
        people.follow(people.folder / "trust-1.json")
    assert accepted(NOW).version == 2


def test_the_same_version_with_other_content_is_refused(people):
    path = people.sign(1, thresholds={"approver": 2}, name="other.json")
    with pytest.raises(EvidenceError, match="one of them is forged"):
        people.follow(path)


def test_the_same_version_again_is_fine(people):
    assert people.follow(people.folder / "trust-1.json").version == 1


def test_versions_may_be_skipped_while_the_roots_stay(people):
    assert people.follow(people.sign(7)).version == 7


def test_an_expired_policy_says_nothing(people):
    with pytest.raises(EvidenceError, match="expired"):
        use_trust_policy(people.folder / "trust-1.json", now=NOW + timedelta(days=301))
    with pytest.raises(EvidenceError, match="expired"):
        accepted(NOW + timedelta(days=301))


def test_new_roots_need_the_old_ones(people):
    """Anna and Ben hand over to Ben and Vera; without Anna and Ben nobody could."""
    roles = {**people.ROLES, "root": ["ben", "olga"], "waiver-owner": ["paul"]}
    with pytest.raises(EvidenceError, match="roots of version 1"):
        people.follow(people.sign(2, by=("ben", "olga"), roles=roles))
    with pytest.raises(EvidenceError, match="1 of 2 roots"):
        people.follow(people.sign(2, by=("anna", "ben"), roles=roles))
    assert people.follow(people.sign(2, by=("anna", "ben", "olga"), roles=roles)).version == 2
    with pytest.raises(EvidenceError, match="roots of version 2"):
        people.follow(people.sign(3, by=("anna", "ben")))


def test_roots_that_changed_twice_are_followed_step_by_step(people):
    second = {**people.ROLES, "root": ["ben", "olga"], "waiver-owner": ["paul"]}
    third = {**second, "root": ["olga", "rita"]}
    two = people.sign(2, by=("anna", "ben", "olga"), roles=second)
    three = people.sign(3, by=("ben", "olga", "rita"), roles=third)
    with pytest.raises(EvidenceError, match="one after another"):
        people.follow(three)
    people.follow(two)
    assert people.follow(three).version == 3


def test_a_changed_byte_is_found(people):
    path = people.sign(2)
    payload = payload_of(path).replace(b'"threshold":2', b'"threshold":1')
    content = parse_json(path.read_bytes(), source="test")
    path.write_bytes(canonical({**content, "payload": base64.b64encode(payload).decode()}))
    with pytest.raises(EvidenceError, match="not of this content"):
        people.follow(path)


def test_a_stranger_beside_enough_roots_changes_nothing(people):
    assert people.follow(people.sign(2, by=("anna", "ben", "rita"))).version == 2


def test_a_statement_of_another_kind_is_no_trust_policy(people):
    bundle = people.sealed()
    with pytest.raises(EvidenceError, match="payload type"):
        check_signed((bundle / "verdict.dsse.json").read_bytes(), source="test")


def test_a_damaged_memory_is_refused_and_not_forgotten(people):
    place = accepted_folder() / "our-models.json"
    place.write_bytes(b"{}")
    with pytest.raises(EvidenceError):
        people.follow(people.sign(2))
    assert place.read_bytes() == b"{}"


def test_an_account_that_cannot_remember_says_so(people, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="GOVPRUNE_HOME"):
        people.accept(people.folder / "trust-1.json")


# --- what a document may not say


WRONG = {
    "a root that also decides": (
        lambda d: d["roles"]["gate"]["keys"].append("anna"), "roots sign roots only"),
    "approvers without producers": (lambda d: d["roles"].pop("producer"), "without producers"),
    "no gate": (lambda d: d["roles"].pop("gate"), "gate"),
    "no root": (lambda d: d["roles"].pop("root"), "root"),
    "more people than there are": (
        lambda d: d["roles"]["approver"].update(threshold=9), "9 people are needed"),
    "nobody needed": (lambda d: d["roles"]["approver"].update(threshold=0), "threshold"),
    "two gates for one bundle": (
        lambda d: d["roles"]["gate"].update(keys=["gate", "max"], threshold=2), "threshold is 1"),
    "a key that has no name": (lambda d: d["roles"]["gate"]["keys"].append("eve"), "'eve'"),
    "a role that does not exist": (
        lambda d: d["roles"].update(king={"keys": ["max"]}), "no such field"),
    "expired when issued": (lambda d: d.update(expires="2020-01-01"), "before it is issued"),
    "a version of nothing": (lambda d: d.update(version=0), "version"),
    "a version that is text": (lambda d: d.update(version="1"), "version"),
    "an unknown demand": (lambda d: d.update(demands={"tea": True}), "tea"),
    "a timestamp of nobody": (
        lambda d: d.update(demands={"timestamp": True}), "timestamp-authorities|authorities"),
    "a day that does not exist": (lambda d: d.update(expires="2027-02-30"), "RFC 3339"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_document_that_makes_no_sense_is_refused(people, what):
    change, says = WRONG[what]
    document = people.document(2)
    change(document)
    path = people.folder / "wrong.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises((InputError, EvidenceError), match=says):
        compile_trust_policy(path, now=NOW)


def test_the_template_is_a_document_that_compiles(people):
    for name in ("anna-root", "gate", "paul", "vera", "olga"):
        source = people.publics[name.removesuffix("-root")]
        place = people.folder / "keys" / f"{name}.pub"
        place.write_bytes(source.read_bytes()) if name != "gate" else None
    (people.folder / "trust.yaml").write_text(TEMPLATE)
    payload = compile_trust_policy(people.folder / "trust.yaml", now=NOW)
    policy = parse_trust_policy(payload, source="test")
    assert policy.threshold("approver") == 1
    assert load_trusted_keys(people.publics["anna"]).key_id in policy.roles.root.keys


def test_a_payload_is_read_in_its_canonical_form_only(people):
    payload = payload_of(people.folder / "trust-1.json")
    assert parse_trust_policy(payload, source="test") == people.policy
    for other in (payload + b" ", payload.replace(b"{", b"{ ", 1), b"[]", b"{}", b"null"):
        with pytest.raises(EvidenceError):
            parse_trust_policy(other, source="test")
