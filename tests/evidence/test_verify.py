"""A bundle as the gate writes it: what verification finds, and what it does not believe."""

import time
from datetime import timedelta

import pytest
from sealed import NOW, World

from govprune.errors import EvidenceError, InputError


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("result", ["PASSED", "FAILED", "UNDECIDED"])
def test_a_sealed_bundle_verifies_whatever_it_says(world, result):
    found = world.verify(world.seal(result))
    assert found.summary.result == result == found.evidence.verdict.result
    assert found.signer.owner == "gate@example.org"
    assert found.index == 0
    predicate = found.vsa["predicate"]
    assert predicate["verificationResult"] == ("PASSED" if result == "PASSED" else "FAILED")
    assert predicate["govprune"]["result"] == result


def test_models_data_and_policy_are_hashed_again(world):
    found = world.verify(world.seal())
    roles = {subject.role for subject in found.checked}
    assert roles == {"candidate", "baseline", "evaluation", "policy"}
    assert found.absent == ()


def test_what_is_not_here_is_named(world):
    bundle = world.seal()
    (world.root / "data/eval.csv").unlink()
    found = world.verify(bundle)
    assert [subject.role for subject in found.absent] == ["evaluation"]


def test_a_bundle_alone_verifies_but_vouches_for_no_file(world, tmp_path):
    alone = tmp_path / "far" / "away" / "from" / "the" / "job" / "bundle"
    alone.parent.mkdir(parents=True)
    world.seal().rename(alone)
    empty = tmp_path / "empty"
    empty.mkdir()
    found = world.verify(alone, root=empty)
    assert found.checked == ()
    assert len(found.absent) == 4


def test_without_a_root_the_job_is_found_above_the_bundle(world, tmp_path, monkeypatch):
    from govprune.evidence.verify import verify_bundle

    bundle = world.seal(out="out/bundle")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = verify_bundle(bundle, trusted=world.trusted, root=None, now=NOW)
    assert found.root == world.root.resolve()
    assert len(found.checked) == 4


def test_a_pack_that_ships_is_no_file_of_the_job(world):
    (world.root / "policy.yaml").write_text("name: ours\nextends: baseline\n")
    from govprune.evidence.verify import check_subjects
    from govprune.policy import load

    files = load(world.root / "policy.yaml", root=world.root).files
    checked, absent = check_subjects(files, world.root)
    assert [s.name for s in checked] == ["policy.yaml"]
    assert [s.name for s in absent] == ["pack:baseline"]


def test_an_expired_verdict_still_verifies_and_says_until_when(world):
    bundle = world.seal()
    found = world.verify(bundle, now=NOW + timedelta(days=400))
    assert found.summary.expires_at == NOW - timedelta(hours=1) + timedelta(days=30)


def test_a_folder_that_does_not_exist_is_a_wrong_input(world):
    with pytest.raises(InputError, match="no such bundle"):
        world.verify(world.root / "nowhere")


def test_a_file_is_no_bundle(world):
    with pytest.raises(EvidenceError, match="give its folder"):
        world.verify(world.root / "policy.yaml")


def test_any_other_folder_is_no_bundle(world):
    with pytest.raises(EvidenceError, match="no part of a bundle"):
        world.verify(world.root)
    (world.root / "empty").mkdir()
    with pytest.raises(EvidenceError, match="not a bundle"):
        world.verify(world.root / "empty")


def test_verification_takes_well_under_a_second(world):
    bundle = world.seal()
    world.verify(bundle)
    start = time.perf_counter()
    world.verify(bundle)
    assert time.perf_counter() - start < 0.5
