"""Attacks on promotion: the wrong model, an old verdict, and a registry edited by hand."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from sealed import NOW, World, sha256

from govprune.errors import EvidenceError, PromotionRefused
from govprune.evidence.bundle_folder import read_bundle
from govprune.promotion import line, promote, rollback, verify_served
from govprune.registries.local import LocalRegistry
from govprune.registries.store import Store

MODEL = "models/pruned.safetensors"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def move(world, bundle, **given):
    return promote(
        bundle,
        name="small",
        registry=world.registry,
        trusted=world.trusted,
        root=world.root,
        now=NOW,
        **given,
    )


def served(world):
    return verify_served(
        world.registry, name="small", alias="champion", trusted=world.trusted, now=NOW
    )


def nothing_served(world):
    return LocalRegistry(world.registry).history("small", "champion") == ()


# --- the wrong model


def put_another_file(world):
    world.write(MODEL, b"a backdoored model")


def put_one_of_the_same_length(world):
    world.write(MODEL, b"the model that would replace IT")


def put_a_link(world):
    (world.root / MODEL).rename(world.folder / "real")
    (world.root / MODEL).symlink_to(world.folder / "real")


def put_a_longer_one(world):
    world.write(MODEL, b"the model that would replace it" + b"\0" * 5_000_000)


SWAPS = (put_another_file, put_one_of_the_same_length, put_a_link, put_a_longer_one)


@pytest.mark.parametrize("swap", SWAPS, ids=lambda s: s.__name__.replace("_", " "))
def test_a_model_exchanged_after_the_gate_is_not_promoted(world, swap):
    bundle = world.seal()
    swap(world)
    with pytest.raises(EvidenceError):
        move(world, bundle)
    assert nothing_served(world)


@pytest.mark.parametrize("swap", SWAPS, ids=lambda s: s.__name__.replace("_", " "))
def test_a_model_exchanged_between_hash_and_copy_is_not_promoted(world, swap, monkeypatch):
    """The bundle and the model have just been verified; now, before the copy, the file changes."""
    bundle = world.seal()
    real = line.refuse_expired

    def swap_now(*given):
        swap(world)
        return real(*given)

    monkeypatch.setattr(line, "refuse_expired", swap_now)
    with pytest.raises(EvidenceError):
        move(world, bundle)
    assert nothing_served(world)
    stored = [p for p in world.registry.rglob("*") if p.is_file()]
    assert stored == []


def test_a_bundle_that_does_not_verify_moves_nothing(world):
    bundle = world.seal()
    (bundle / "card.html").write_bytes(b"PASSED")
    with pytest.raises(EvidenceError):
        move(world, bundle)
    assert nothing_served(world)


def test_an_unsigned_pass_moves_nothing(world):
    with pytest.raises(EvidenceError, match="nobody signed"):
        move(world, world.seal(keys=None))
    assert nothing_served(world)


# --- an old verdict


def test_a_pass_from_before_a_failure_is_not_replayed(world):
    old = world.seal("PASSED", out="old")
    world.seal("FAILED", out="new")
    with pytest.raises(PromotionRefused, match="a pass from before does not count"):
        move(world, old, log=world.log.path)
    assert nothing_served(world)


def test_nor_is_a_pass_from_before_cannot_tell(world):
    old = world.seal("PASSED", out="old")
    world.seal("UNDECIDED", out="new")
    with pytest.raises(PromotionRefused) as refused:
        move(world, old, log=world.log.path)
    assert refused.value.exit_code == 3


def test_a_pass_after_a_failure_counts(world):
    world.seal("FAILED", out="old")
    new = world.seal("PASSED", out="new")
    move(world, new, log=world.log.path)
    assert served(world).moved.position == 1


def test_the_failure_of_another_candidate_changes_nothing(world):
    mine = world.seal("PASSED", out="mine")
    genuine = (world.root / MODEL).read_bytes()
    world.write(MODEL, b"another")
    world.seal("FAILED", out="theirs")
    world.write(MODEL, genuine)
    move(world, mine, log=world.log.path)


def test_a_log_set_back_to_before_the_failure_is_found(world):
    """An attacker who can write the log removes the failure; the bundle's own place remains."""
    world.seal("PASSED", out="first")
    shutil.copytree(world.log.path, world.folder / "older")
    old = world.seal("PASSED", out="old")
    world.seal("FAILED", out="new")
    with pytest.raises(EvidenceError, match="truncated"):
        move(world, old, log=world.folder / "older")


def test_the_log_of_another_gate_says_nothing(world, tmp_path):
    bundle = world.seal()
    other = World(tmp_path / "other")
    other.seal()
    both = (*world.trusted, *other.trusted)
    with pytest.raises(EvidenceError, match="but the checkpoint is of"):
        promote(
            bundle,
            name="small",
            registry=world.registry,
            trusted=both,
            root=world.root,
            log=other.log.path,
            now=NOW,
        )


# --- a registry edited by hand


def edit(world, statement, *values):
    with closing(sqlite3.connect(world.registry / "moves.sqlite")) as db, db:
        for table in ("moves", "pins"):
            for what in ("edit", "loss"):
                db.execute(f"DROP TRIGGER {table}_no_{what}")
        db.execute(statement, values)


def overwrite(path, data):
    path.chmod(0o644)
    path.write_bytes(data)


def alter_the_model(world):
    overwrite(served(world).files[0][1], b"a backdoored model")


def remove_the_model(world):
    served(world).files[0][1].unlink()


def link_the_model(world):
    place = served(world).files[0][1]
    place.rename(world.folder / "aside")
    place.symlink_to(world.folder / "aside")


def alter_the_bundle(world):
    store, found = Store(world.registry), served(world)
    listed = store.place(found.moved.move.bundle)
    overwrite(listed, listed.read_bytes().replace(b"a", b"b", 1))


def alter_the_verdict(world):
    verdict = served(world).verified.files["verdict.dsse.json"]
    overwrite(Store(world.registry).place(sha256(verdict)), verdict.replace(b"A", b"B", 1))


def point_at_a_file_nobody_judged(world):
    digest = Store(world.registry).put_bytes(b"a backdoored model")
    edit(world, "UPDATE moves SET candidate = ?", digest)


def point_at_a_failure(world):
    """A genuine bundle, signed by the gate; but it says no."""
    failed = world.seal("FAILED", out="failed")
    digest = LocalRegistry(world.registry).put_bundle(read_bundle(failed))
    edit(world, "UPDATE moves SET bundle = ?", digest)


def point_at_the_pass_of_another_model(world):
    world.write(MODEL, b"another")
    other = LocalRegistry(world.registry).put_bundle(read_bundle(world.seal(out="other")))
    edit(world, "UPDATE moves SET bundle = ?", other)


def name_another_policy(world):
    edit(world, "UPDATE moves SET policy_sha256 = ?", "0" * 64)


def write_garbage(world):
    edit(world, "UPDATE moves SET candidate = ?", "../../etc/passwd")


def garble_the_file(world):
    for path in world.registry.glob("moves.sqlite*"):
        path.write_bytes(b"no database" * 1000)


EDITS = (
    alter_the_model,
    remove_the_model,
    link_the_model,
    alter_the_bundle,
    alter_the_verdict,
    point_at_a_file_nobody_judged,
    point_at_a_failure,
    point_at_the_pass_of_another_model,
    name_another_policy,
    write_garbage,
    garble_the_file,
)


@pytest.mark.parametrize("attack", EDITS, ids=lambda a: a.__name__.replace("_", " "))
def test_what_is_served_is_verified_from_its_bytes(world, attack):
    move(world, world.seal())
    assert served(world).verified.summary.result == "PASSED"
    attack(world)
    with pytest.raises(EvidenceError):
        served(world)


def test_the_policy_that_decides_a_rollback_cannot_be_exchanged(world):
    """A lenient policy's genuine bundle is put in the place of the pinned one."""
    move(world, world.seal(out="first"))
    world.write(MODEL, b"second")
    move(world, world.seal(out="second"))
    world.set_policy("-0.90")
    lenient = LocalRegistry(world.registry).put_bundle(read_bundle(world.seal(out="lenient")))
    edit(world, "UPDATE pins SET bundle = ?", lenient)
    with pytest.raises(EvidenceError, match="holds another policy"):
        rollback("small", registry=world.registry, trusted=world.trusted, now=NOW)


def test_the_registry_refuses_to_forget(world):
    move(world, world.seal())
    for statement in ("DELETE FROM moves", "UPDATE moves SET who = ''", "DELETE FROM pins"):
        with (
            closing(sqlite3.connect(world.registry / "moves.sqlite")) as db,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            db.execute(statement)


def test_an_altered_copy_in_the_store_is_healed_by_promoting_again(world):
    bundle = world.seal()
    move(world, bundle)
    alter_the_model(world)
    move(world, bundle)
    assert served(world).files[0][1].read_bytes() == b"the model that would replace it"


def test_the_log_of_a_promotion_must_be_whole(world):
    bundle = world.seal()
    (world.log.path / "checkpoint").write_text("govprune/log/forged\n")
    with pytest.raises(EvidenceError, match="checkpoint"):
        move(world, bundle, log=world.log.path)
