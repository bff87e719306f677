"""Attacks with genuine signatures of the wrong people, at the wrong time, on the wrong evidence.

Each test names the line of code that is its defence.
"""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from sealed import NOW
from trusted_people import WORST, People

from govprune.errors import EvidenceError, InputError, PromotionRefused
from govprune.evidence.consents import LATER_FILE
from govprune.evidence.keys import new_keys
from govprune.evidence.vsa import written
from govprune.policy import Waiver
from govprune.promotion import promote, rollback, verify_served


@pytest.fixture(autouse=True)
def own_account(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def move(people, bundle, **more):
    return promote(
        bundle,
        name="small",
        registry=people.registry,
        trusted=(),
        root=people.root,
        now=more.pop("now", NOW),
        under=people.policy,
        **more,
    )


def counting(found):
    return [s.by.owner for s in found.standing.said if s.idle is None]


def idle(found):
    return {s.by.owner: s.idle for s in found.standing.said if s.idle is not None}


# --- the world in which all is well


def test_a_candidate_that_its_producer_names_and_another_approves_is_promoted(people):
    bundle = people.sealed()
    with pytest.raises(PromotionRefused, match="lacks approvals"):
        move(people, bundle)
    people.approve(bundle)
    found = people.stand(bundle)
    assert (found.result, found.standing.lacks) == ("PASSED", ())
    assert counting(found) == ["paul", "vera"]
    move(people, bundle)
    served = verify_served(
        people.registry, name="small", alias="champion", trusted=(), now=NOW, under=people.policy
    )
    assert served.verified.result == "PASSED"


def test_a_failure_that_somebody_answers_for_is_passed_with_a_waiver(people):
    bundle = people.sealed("FAILED")
    assert people.stand(bundle).result == "FAILED"
    people.waive(bundle)
    people.approve(bundle)
    found = people.stand(bundle)
    assert found.result == "PASSED WITH WAIVER"
    assert found.evidence.verdict.result == "FAILED"
    assert [w.rule for _, w in found.standing.waived] == ["accuracy-holds"]
    move(people, bundle)


# --- approvals


def test_nobody_approves_a_candidate_of_their_own(people):
    """evidence/standing.py: `if by.owner in makers:`"""
    bundle = people.sealed()
    people.approve(bundle, by="paul")
    assert idle(people.stand(bundle)) == {"paul": "paul made the candidate"}
    with pytest.raises(PromotionRefused, match="paul made the candidate"):
        move(people, bundle)


def test_the_producer_of_one_candidate_may_approve_anothers(people):
    """Separation is per candidate: Paul is an approver, too."""
    roles = {**people.ROLES, "producer": ["paul", "rita"]}
    people.follow(people.sign(2, roles=roles))
    bundle = people.sealed(by="rita")
    people.approve(bundle, by="paul")
    assert people.stand(bundle).standing.lacks == ()


def test_an_approval_of_other_evidence_is_refused_with_the_bundle(people):
    """evidence/standing.py: `or consent.verdict_sha256 != bundle.digests[VERDICT_FILE]`"""
    first, second = people.sealed(out="first"), people.sealed(out="second")
    people.approve(first)
    (file,) = [p for p in first.iterdir() if LATER_FILE.fullmatch(p.name)]
    (second / file.name).write_bytes(file.read_bytes())
    with pytest.raises(EvidenceError, match="about other evidence"):
        people.stand(second)


def test_an_approval_by_somebody_without_the_role_is_refused(people):
    """evidence/standing.py: `payload, by = dsse.verify(bundle.files[name], holders, source=at)`"""
    bundle = people.sealed()
    people.approve(bundle, by="rita")
    with pytest.raises(EvidenceError, match="not trusted"):
        people.stand(bundle)


def test_two_approvals_of_one_person_are_one(people):
    """evidence/standing.py: `if len(who) < needed:`, over people, not files"""
    people.follow(people.sign(2, thresholds={"approver": 2}))
    bundle = people.sealed()
    people.approve(bundle)
    people.approve(bundle, because="I looked at it once more.")
    assert people.stand(bundle).standing.lacks == ("approvals (govprune approve): 1 of 2",)
    with pytest.raises(PromotionRefused, match="1 of 2"):
        move(people, bundle)
    people.approve(bundle, by="max")
    move(people, bundle)


def test_an_approval_does_not_turn_a_failure(people):
    bundle = people.sealed("FAILED")
    people.approve(bundle)
    assert people.stand(bundle).result == "FAILED"
    with pytest.raises(PromotionRefused, match="FAILED"):
        move(people, bundle)


def test_a_forged_approval_is_refused(people):
    bundle = people.sealed()
    place = people.approve(bundle)
    data = place.read_bytes()
    place.write_bytes(data.replace(b'"sig":"', b'"sig":"A', 1)[: len(data)])
    with pytest.raises(EvidenceError):
        people.stand(bundle)


def test_a_waiver_renamed_to_an_approval_is_none(people):
    """evidence/statement.py: the predicate type is compared"""
    people.follow(people.sign(2, roles={**people.ROLES, "approver": ["vera", "olga"]}))
    bundle = people.sealed("FAILED")
    place = people.waive(bundle)
    place.rename(place.with_name(place.name.replace("waiver", "approval")))
    with pytest.raises(EvidenceError, match="predicate"):
        people.stand(bundle)


def test_an_approval_from_the_future_does_not_count(people):
    bundle = people.sealed()
    people.approve(bundle, time=written(NOW + timedelta(days=1)))
    assert "in the future" in idle(people.stand(bundle))["vera"]


def test_a_gates_key_is_no_persons(people):
    bundle = people.sealed()
    people.approve(bundle, by="gate")
    with pytest.raises(EvidenceError, match="not trusted"):
        people.stand(bundle)


# --- producers


def test_without_a_producer_nobody_is_known_to_be_somebody_else(people):
    bundle = people.sealed(by=None)
    people.approve(bundle)
    with pytest.raises(PromotionRefused, match="lacks a producer"):
        move(people, bundle)


def test_a_producers_statement_of_another_candidate_is_refused(people):
    """evidence/standing.py: `or consent.candidate != candidate`"""
    said = people.produced()
    people.write("models/pruned.safetensors", b"another candidate altogether")
    bundle = people.seal(extra={"producer.dsse.json": said})
    with pytest.raises(EvidenceError, match="another candidate"):
        people.stand(bundle)


def test_a_producers_statement_cannot_be_exchanged_or_taken_out(people):
    """evidence/verify.py: the verdict names it, by digest"""
    bundle = people.sealed()
    (bundle / "producer.dsse.json").write_bytes(people.produced("max"))
    with pytest.raises(EvidenceError, match="changed since it was signed"):
        people.stand(bundle)
    (bundle / "producer.dsse.json").unlink()
    with pytest.raises(EvidenceError, match=r"no producer\.dsse\.json"):
        people.stand(bundle)


# --- waivers


def test_nobody_waives_for_a_candidate_of_their_own(people):
    bundle = people.sealed("FAILED")
    people.waive(bundle, by="paul")
    assert people.stand(bundle).result == "FAILED"


def test_an_expired_waiver_does_not_count_but_what_serves_goes_on(people):
    """evidence/consents.py: `return now <= moment(waiver.expires, field="expires")`"""
    bundle = people.sealed("FAILED")
    people.waive(bundle, expires=written(NOW + timedelta(days=10)))
    people.approve(bundle)
    later = NOW + timedelta(days=11)
    found = people.stand(bundle, now=later)
    assert found.result == "FAILED"
    assert "expired" in idle(found)["olga"]
    with pytest.raises(PromotionRefused, match="FAILED"):
        move(people, bundle, now=later)
    move(people, bundle)
    served = verify_served(
        people.registry, name="small", alias="champion", trusted=(), now=later, under=people.policy
    )
    assert served.verified.result == "PASSED WITH WAIVER"


def test_nobody_rolls_back_to_an_expired_waiver(people):
    """promotion/line.py: `found = verify_stored(place, earlier, whom, as_of=now).verified`"""
    waived = people.sealed("FAILED", out="waived")
    people.waive(waived, expires=written(NOW + timedelta(days=10)))
    people.approve(waived)
    move(people, waived)
    people.write("models/pruned.safetensors", b"a better candidate")
    better = people.sealed(out="better")
    people.approve(better)
    move(people, better)
    later = NOW + timedelta(days=11)
    given = {"registry": people.registry, "trusted": (), "under": people.policy}
    moved = rollback("small", now=later, **given)
    assert moved.move.kind == "restore-baseline"


def test_a_waiver_that_accepts_less_than_what_was_found_does_not_count(people):
    """policy/waivers.py: `accepted = end >= waiver.worst if downward else end <= waiver.worst`"""
    bundle = people.sealed("FAILED")
    people.waive(bundle, waiver=WORST.model_copy(update={"worst": -0.18}))
    found = people.stand(bundle)
    assert found.result == "FAILED"
    assert "may be as bad as" in idle(found)["olga"]


@pytest.mark.parametrize(
    "scope",
    [{"rule": "another-rule"}, {"slice": "sex=Female"}, {"label": "1"}],
    ids=["rule", "slice", "class"],
)
def test_a_waiver_out_of_scope_does_not_count(people, scope):
    """policy/waivers.py: `return (self.rule, self.slice, self.label) == (...)`"""
    bundle = people.sealed("FAILED")
    people.waive(bundle, waiver=WORST.model_copy(update=scope))
    found = people.stand(bundle)
    assert found.result == "FAILED"
    assert "no such finding" in idle(found)["olga"]


def test_a_waiver_of_another_candidate_is_refused(people):
    bundle = people.sealed("FAILED")
    people.waive(bundle, candidate="0" * 64)
    with pytest.raises(EvidenceError, match="another candidate"):
        people.stand(bundle)


def test_a_waiver_does_not_hold_for_later_evidence_unless_it_says_so(people):
    first = people.sealed("FAILED", out="first")
    place = people.waive(first)
    second = people.sealed("FAILED", out="second")
    (second / place.name).write_bytes(place.read_bytes())
    with pytest.raises(EvidenceError, match="about other evidence"):
        people.stand(second)


def test_a_waiver_for_later_evidence_blocks_again_when_it_worsens(people):
    """evidence/standing.py: `if consent.later:`; then only its worst value holds it back"""
    first = people.sealed("FAILED", out="first")
    place = people.waive(first, later=True)
    second = people.sealed("FAILED", out="second")
    (second / place.name).write_bytes(place.read_bytes())
    assert people.stand(second).result == "PASSED WITH WAIVER"
    worse = people.sealed("FAILED", out="worse", counts=(600, 282, 3, 115))
    (worse / place.name).write_bytes(place.read_bytes())
    found = people.stand(worse)
    assert found.result == "FAILED"
    assert "may be as bad as" in idle(found)["olga"]


def test_two_owners_must_waive_where_two_are_asked_for(people):
    roles = {**people.ROLES, "waiver-owner": ["olga", "max"], "approver": ["vera"]}
    people.follow(people.sign(2, roles=roles, thresholds={"waiver-owner": 2}))
    bundle = people.sealed("FAILED")
    people.waive(bundle)
    people.waive(bundle, waiver=WORST.model_copy(update={"worst": -0.3}))
    found = people.stand(bundle)
    assert found.result == "FAILED"
    assert "1 of 2 owners" in idle(found)["olga"]
    people.waive(bundle, by="max")
    assert people.stand(bundle).result == "PASSED WITH WAIVER"


def test_what_was_not_measured_cannot_be_waived(people):
    bundle = people.sealed("UNDECIDED", counts=())
    people.waive(bundle)
    found = people.stand(bundle)
    assert found.result == "UNDECIDED"
    assert "nothing was measured" in idle(found)["olga"]


# --- keys


def test_a_retired_key_counts_before_its_day_and_not_after(people):
    """evidence/trust.py: `if at is None or at >= since:`"""
    bundle = people.sealed()
    people.approve(bundle)

    def retire(version, since):
        revoked = {
            "key": "gate", "since": written(since), "stolen": False, "because": "A new machine.",
        }  # fmt: skip
        people.follow(people.sign(version, revoked=[revoked]))

    retire(2, NOW + timedelta(days=1))
    assert people.stand(bundle).result == "PASSED"
    retire(3, NOW - timedelta(days=1))
    with pytest.raises(EvidenceError, match="was revoked on"):
        people.stand(bundle)


def test_a_stolen_key_says_nothing_that_no_authority_has_seen(people):
    """evidence/trust.py: `at = shown if revoked.stolen else said`: a thief dates as he likes"""
    bundle = people.sealed(at=NOW - timedelta(days=20))
    people.approve(bundle)
    revoked = {
        "key": "gate", "since": written(NOW - timedelta(days=1)), "stolen": True,
        "because": "The disk was lost.",
    }  # fmt: skip
    people.follow(people.sign(2, revoked=[revoked]))
    with pytest.raises(EvidenceError, match="nothing but a timestamp"):
        people.stand(bundle)


def test_a_revoked_approver_does_not_count(people):
    bundle = people.sealed()
    people.approve(bundle)
    revoked = {
        "key": "vera", "since": written(NOW - timedelta(days=1)), "stolen": True,
        "because": "Her laptop was stolen.",
    }  # fmt: skip
    people.follow(people.sign(2, revoked=[revoked]))
    found = people.stand(bundle)
    assert found.standing.lacks == ("approvals (govprune approve): 0 of 1",)
    assert "stolen" in idle(found)["vera"]


def test_a_gate_that_the_policy_does_not_name_decides_nothing(people):
    people.follow(people.sign(2, roles={**people.ROLES, "gate": ["rita"]}))
    bundle = people.sealed()
    with pytest.raises(EvidenceError, match="not trusted"):
        people.stand(bundle)


# --- registrars


def with_registrar(people):
    people.follow(people.sign(2, roles={**people.ROLES, "registrar": ["rita"]}))
    bundle = people.sealed()
    people.approve(bundle)
    return bundle


def served(people):
    return verify_served(
        people.registry, name="small", alias="champion", trusted=(), now=NOW, under=people.policy
    )


def test_only_a_registrar_moves_an_alias(people):
    """promotion/moves.py: `if keys is None or keys.key_id not in holders:`"""
    bundle = with_registrar(people)
    for keys in (None, people.secrets["vera"], people.keys):
        with pytest.raises(InputError, match="registrars move aliases"):
            move(people, bundle, keys=keys)
    move(people, bundle, keys=people.secrets["rita"])
    assert served(people).verified.result == "PASSED"


def test_a_move_that_nobody_signed_is_refused(people):
    """promotion/moves.py: `if moved.signed is None:`"""
    bundle = with_registrar(people)
    two, people.policy = people.policy, people.policy
    without = two.model_copy(update={"roles": two.roles.model_copy(update={"registrar": None})})
    people.policy = without
    move(people, bundle)
    people.policy = two
    with pytest.raises(EvidenceError, match="no registrar signed"):
        served(people)


def test_a_signed_move_cannot_be_played_again_at_another_place(people):
    """promotion/moves.py: `if _statement(moved, after) != payload or ...`"""
    bundle = with_registrar(people)
    move(people, bundle, keys=people.secrets["rita"])
    people.write("models/pruned.safetensors", b"a second candidate")
    second = people.sealed(out="second")
    people.approve(second)
    move(people, second, keys=people.secrets["rita"])
    assert served(people).moved.position == 2
    with closing(sqlite3.connect(people.registry / "moves.sqlite")) as db, db:
        for table in ("moves", "signed"):
            for trigger in ("no_edit", "no_loss"):
                db.execute(f"DROP TRIGGER {table}_{trigger}")
        columns = "kind, name, alias, candidate, bundle, policy_sha256, restores, who, time"
        db.execute(f"INSERT INTO moves SELECT 3, {columns} FROM moves WHERE position = 1")
        db.execute("INSERT INTO signed SELECT 3, envelope FROM signed WHERE position = 1")
    with pytest.raises(EvidenceError, match="something else than a registrar signed"):
        served(people)


# --- without a trust policy


def test_bare_keys_judge_no_waivers(people):
    bundle = people.sealed("FAILED")
    people.waive(bundle)
    found = people.verify(bundle)
    assert (found.result, found.standing) == ("FAILED", None)


def test_waiver_is_about_the_finding_it_names():
    with pytest.raises(ValueError, match="worst"):
        Waiver(rule="a", slice="all", worst=float("nan"))


# --- what one person, or one machine, could do alone


ALONE = {
    "a gate that approves": ({"approver": ["vera", "gate"]}, {}, "does not speak for people"),
    "a gate that waives": ({"waiver-owner": ["gate"]}, {}, "does not speak for people"),
    "two registrars for one move": (
        {"registrar": ["rita", "max"]}, {"registrar": 2}, "its threshold is 1"),
    "two producers of one candidate": (
        {"producer": ["paul", "max"]}, {"producer": 2}, "its threshold is 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", ALONE)
def test_a_policy_in_which_somebody_answers_to_himself_is_refused(people, what):
    """evidence/trust.py: `self._refuse_people()`"""
    roles, thresholds, says = ALONE[what]
    with pytest.raises(InputError, match=says):
        people.sign(2, roles={**people.ROLES, **roles}, thresholds=thresholds)


def test_waivers_need_producers_too(people):
    roles = {k: v for k, v in people.ROLES.items() if k not in ("producer", "approver")}
    with pytest.raises(InputError, match="without producers"):
        people.sign(2, roles=roles)


@pytest.mark.parametrize("owner", ["Paul", "paul ", "ｐaul"])
def test_one_name_written_two_ways_is_refused(people, owner):
    """evidence/trust.py: `known = spelt.setdefault(alike(keys.owner), keys.owner)`"""
    _, people.publics["other"] = new_keys(people.folder / "other", owner=owner)
    with pytest.raises(InputError, match="look alike"):
        people.sign(2, roles={**people.ROLES, "approver": ["other"]})


def test_a_stolen_root_signs_nothing_more(people):
    """evidence/trust.py: `if revoked.key in self.roles.root.keys:`"""
    revoked = {"key": "anna", "since": written(NOW), "stolen": True, "because": "It was lost."}
    with pytest.raises(InputError, match="still a root"):
        people.sign(2, revoked=[revoked])


def test_whoever_waives_does_not_approve(people):
    """evidence/standing.py: `if one.by.owner in people([s.by for s in waivers]):`"""
    roles = {**people.ROLES, "approver": ["vera", "olga"]}
    people.follow(people.sign(2, roles=roles))
    bundle = people.sealed("FAILED")
    people.waive(bundle)
    people.approve(bundle, by="olga")
    assert "has waived a finding" in idle(people.stand(bundle))["olga"]
    people.approve(bundle)
    assert people.stand(bundle).standing.lacks == ()


def test_an_approval_covers_the_waivers_that_were_there(people):
    """evidence/standing.py: `if any(bundle.digests[s.file] not in one.consent.waivers ...`"""
    bundle = people.sealed("FAILED")
    first = people.waive(bundle)
    people.approve(bundle)
    assert people.stand(bundle).standing.lacks == ()
    first.unlink()
    people.waive(bundle, waiver=WORST.model_copy(update={"worst": -0.9}))
    found = people.stand(bundle)
    assert found.standing.lacks == ("approvals (govprune approve): 0 of 1",)
    assert "before a waiver that counts" in idle(found)["vera"]


def test_a_waiver_counts_only_where_somebody_says_who_made_the_candidate(people):
    bundle = people.sealed("FAILED", by=None)
    people.waive(bundle)
    found = people.stand(bundle)
    assert found.result == "FAILED"
    assert "who made the candidate" in idle(found)["olga"]


def test_a_producer_whose_key_was_retired_still_approves_nothing_of_his(people):
    bundle = people.sealed()
    people.approve(bundle, by="paul")
    revoked = {
        "key": "paul", "since": written(NOW - timedelta(days=1)), "stolen": False,
        "because": "A new machine.",
    }  # fmt: skip
    people.follow(people.sign(2, revoked=[revoked]))
    assert idle(people.stand(bundle))["paul"] == "paul made the candidate"


@pytest.mark.parametrize("what", ["baseline", "evaluation", "policy_sha256"])
def test_a_waiver_carried_to_other_data_is_refused(people, what):
    bundle = people.sealed("FAILED")
    people.waive(bundle, later=True, **{what: "0" * 64})
    with pytest.raises(EvidenceError, match="another candidate, baseline, data or policy"):
        people.stand(bundle)


def test_a_waiver_lasts_a_year_at_most_whoever_wrote_it(people):
    """evidence/consents.py: `if days > LONGEST:`"""
    bundle = people.sealed("FAILED")
    people.waive(bundle, expires=written(NOW + timedelta(days=400)))
    with pytest.raises(EvidenceError, match="at most 366 days"):
        people.stand(bundle)


def test_a_waiver_of_next_year_never_let_anything_serve(people):
    """promotion/line.py: what a move allowed is judged as of the move"""
    bundle = people.sealed("FAILED")
    start = NOW + timedelta(days=200)
    people.waive(bundle, time=written(start), expires=written(start + timedelta(days=30)))
    people.approve(bundle)
    assert people.stand(bundle).result == "FAILED"
    with pytest.raises(PromotionRefused):
        move(people, bundle)


def test_what_serves_without_the_demanded_approval_is_named(people):
    """promotion/served.py: `if found.standing is not None and found.standing.lacks:`"""
    bundle = people.sealed()
    promote(
        bundle, name="small", registry=people.registry, trusted=people.trusted, root=people.root,
        now=NOW,
    )  # fmt: skip
    with pytest.raises(EvidenceError, match="without what the trust policy demands"):
        served(people)


def test_a_model_that_was_promoted_before_is_no_baseline_to_fall_back_to(people):
    """A was let in by a waiver, B replaced it; when the waiver has ended, A is not served again."""
    first = people.sealed("FAILED", out="first")
    people.waive(first, expires=written(NOW + timedelta(days=10)))
    people.approve(first)
    move(people, first)
    (people.root / "models/dense.safetensors").write_bytes(
        (people.root / "models/pruned.safetensors").read_bytes()
    )
    people.write("models/pruned.safetensors", b"a second step")
    second = people.sealed(out="second")
    people.approve(second)
    move(people, second)
    with pytest.raises(PromotionRefused, match="was promoted here itself"):
        rollback(
            "small", registry=people.registry, trusted=(), under=people.policy,
            now=NOW + timedelta(days=11),
        )  # fmt: skip


def test_a_move_of_another_registry_is_refused(people):
    """promotion/moves.py: `expected = _statement(place.id, moved, place.before(moved))`"""
    bundle = with_registrar(people)
    move(people, bundle, keys=people.secrets["rita"])
    shutil.copytree(people.registry, people.folder / "production")
    with closing(sqlite3.connect(people.folder / "production" / "moves.sqlite")) as db, db:
        db.execute("DROP TRIGGER registry_no_edit")
        db.execute("UPDATE registry SET id = ?", ("f" * 32,))
    people.registry = people.folder / "production"
    with pytest.raises(EvidenceError, match="something else than a registrar signed"):
        served(people)


def test_a_revoked_registrar_moves_nothing(people):
    """promotion/moves.py: `under.refuse_revoked(holders[keys.key_id], said=now, shown=None)`"""
    bundle = with_registrar(people)
    revoked = {
        "key": "rita", "since": written(NOW - timedelta(days=1)), "stolen": True,
        "because": "Her bag was stolen.",
    }  # fmt: skip
    roles = {**people.ROLES, "registrar": ["rita"]}
    people.follow(people.sign(3, roles=roles, revoked=[revoked]))
    with pytest.raises(EvidenceError, match="was revoked"):
        move(people, bundle, keys=people.secrets["rita"])
    assert not people.registry.exists() or not list(people.registry.glob("moves.sqlite"))


def test_a_registry_that_computes_for_ever_is_refused(people):
    """evidence/ledger.py: `type = 'view'`"""
    bundle = people.sealed()
    people.approve(bundle)
    move(people, bundle)
    with closing(sqlite3.connect(people.registry / "moves.sqlite")) as db, db:
        db.execute("ALTER TABLE moves RENAME TO kept")
        db.execute(
            "CREATE VIEW moves AS WITH RECURSIVE n(position) AS (SELECT 1 UNION ALL SELECT"
            " position + 1 FROM n) SELECT position, '' kind, 'small' name, 'champion' alias,"
            " '' candidate, '' bundle, '' policy_sha256, 0 restores, '' who, '' time FROM n"
        )
    with pytest.raises(EvidenceError, match="holds a view"):
        served(people)


def test_hundreds_of_approvals_do_not_make_a_model_unverifiable(people):
    bundle = people.sealed()
    for i in range(90):
        people.approve(bundle, because=f"I looked at it for the {i}th time.")
    move(people, bundle)
    assert served(people).verified.result == "PASSED"
