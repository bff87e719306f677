"""The log as an auditor reads it: every attempt, its level, and that nothing is missing."""

from math import pi

import pytest
from sealed import World

from govprune import policy
from govprune.archive.attempts import consistency, read_checkpoint, read_ledger, tried
from govprune.errors import EvidenceError, InputError
from govprune.evidence.entry import PlanEntry
from govprune.records import digest


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def gate(world, number, result="FAILED"):
    world.write("models/pruned.safetensors", b"candidate %d" % number)
    return world.seal(result, out=f"bundle-{len(list(world.root.glob('bundle-*')))}")


def test_every_candidate_on_the_same_data_is_an_attempt_with_its_level(world):
    for number in (1, 2, 1, 3):
        gate(world, number)
    known = policy.load(world.root / "policy.yaml", root=world.root).policy
    (group,) = tried(read_ledger(world.log.path, world.trusted), {digest(known): known})
    assert [attempt.number for attempt in group.attempts] == [1, 2, 3]
    assert [attempt.entries for attempt in group.attempts] == [(0, 2), (1,), (3,)]
    for attempt in group.attempts:
        level = 0.05 * 6 / (pi * attempt.number) ** 2
        assert attempt.levels == pytest.approx([level] * len(attempt.levels))
        assert attempt.share == pytest.approx(level / 0.05)
        assert set(attempt.results) == {"FAILED"}


def test_the_numbers_are_those_that_the_gate_charged(world):
    for number in (1, 2, 2, 4):
        gate(world, number)
    (group,) = tried(read_ledger(world.log.path, world.trusted), {})
    for attempt in group.attempts:
        same = (group.baseline, group.evaluation)
        assert world.log.attempt(*same, attempt.candidate) == attempt.number
        assert attempt.levels == (None,) * len(attempt.entries)


def test_other_data_is_another_group(world):
    gate(world, 1)
    world.write("data/eval.csv", b"age,label\n99,0\n")
    gate(world, 1)
    groups = tried(read_ledger(world.log.path, world.trusted), {})
    assert [[a.number for a in group.attempts] for group in groups] == [[1], [1]]
    assert groups[0].baseline == groups[1].baseline
    assert groups[0].evaluation != groups[1].evaluation


def test_a_plan_tries_nothing(world):
    gate(world, 1)
    entry = read_ledger(world.log.path, world.trusted).entries[0]
    world.log.append(
        PlanEntry(plan_sha256="a" * 64, baseline=entry.baseline, evaluation=entry.evaluation,
                  policy=entry.policy, time=entry.time),
        world.keys,
    )  # fmt: skip
    gate(world, 2)
    (group,) = tried(read_ledger(world.log.path, world.trusted), {})
    assert group.plans == (1,)
    assert [attempt.entries for attempt in group.attempts] == [(0,), (2,)]


# --- what it is read from


def test_index_and_tiles_say_the_same(world):
    gate(world, 1)
    gate(world, 2)
    both = read_ledger(world.log.path, world.trusted)
    assert both.source == "index and tiles"
    (world.log.path / "log.sqlite").unlink()
    alone = read_ledger(world.log.path, world.trusted)
    assert alone.source == "tiles"
    assert alone.entries == both.entries
    assert alone.checkpoint == both.checkpoint


def test_a_damaged_index_is_replaced_by_the_tiles(world):
    gate(world, 1)
    (world.log.path / "log.sqlite").write_bytes(b"not a database" * 100)
    assert read_ledger(world.log.path, world.trusted).source == "tiles"


def test_an_index_that_was_cut_off_is_refused_though_the_tiles_are_whole(world):
    """It can be read, so it is believed to be meant: that is an attack, not an accident."""
    gate(world, 1)
    early = (world.log.path / "log.sqlite").read_bytes()
    gate(world, 2)
    (world.log.path / "log.sqlite").write_bytes(early)
    for name in ("log.sqlite-wal", "log.sqlite-shm"):
        (world.log.path / name).unlink(missing_ok=True)
    with pytest.raises(EvidenceError, match="truncated"):
        read_ledger(world.log.path, world.trusted)


def test_tiles_that_were_edited_are_refused_though_the_index_is_whole(world):
    gate(world, 1)
    place = world.log.path / "tile/entries/000.p/1"
    place.write_bytes(place.read_bytes().replace(b"FAILED", b"PASSED"))
    with pytest.raises(EvidenceError, match="hashes are not those of the entries"):
        read_ledger(world.log.path, world.trusted)


def test_a_log_from_before_tiles_is_read_from_its_index(world):
    gate(world, 1)
    for path in sorted((world.log.path / "tile").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (world.log.path / "tile").rmdir()
    assert read_ledger(world.log.path, world.trusted).source == "index"


def test_no_log_is_an_input_error(world, tmp_path):
    with pytest.raises(InputError, match="no log here"):
        read_ledger(tmp_path, world.trusted)


# --- that it only grew


def test_a_log_that_grew_proves_it_from_every_earlier_checkpoint(world):
    kept = []
    for number in range(5):
        bundle = gate(world, number)
        kept.append(read_checkpoint(bundle / "proof.json"))
    ledger = read_ledger(world.log.path, world.trusted)
    for size, note in enumerate(kept, 1):
        found = consistency(ledger, note, world.trusted, source="kept")
        assert (found.old_size, found.new_size) == (size, 5)
    assert found.proof == ()


def test_a_checkpoint_file_is_read_as_well_as_a_proof(world, tmp_path):
    bundle = gate(world, 1)
    copy = tmp_path / "kept.txt"
    copy.write_bytes((world.log.path / "checkpoint").read_bytes())
    assert read_checkpoint(copy) == read_checkpoint(bundle / "proof.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="holds no checkpoint"):
        read_checkpoint(tmp_path / "other.json")
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "absent")


def fork(world, tmp_path, count):
    """The same gate's key, and the log's own name, over other entries."""
    other = World(tmp_path / "other")
    other.keys, other.trusted = world.keys, world.trusted
    import sqlite3
    from contextlib import closing

    gate(other, 99)
    for path in other.log.path.glob("checkpoint"):
        path.unlink()
    with closing(sqlite3.connect(other.log.path / "log.sqlite")) as db, db:
        db.execute("UPDATE log SET origin = ?, note = NULL", (world.log.origin,))
    for number in range(100, 100 + count):
        gate(other, number)
    return read_ledger(other.log.path, world.trusted)


def test_a_fork_is_refused(world, tmp_path):
    for number in range(3):
        bundle = gate(world, number)
    note = read_checkpoint(bundle / "proof.json")
    with pytest.raises(EvidenceError, match="edited or forked"):
        consistency(fork(world, tmp_path, 4), note, world.trusted, source="kept")
    with pytest.raises(EvidenceError, match="edited or forked"):
        consistency(fork(world, tmp_path / "same", 2), note, world.trusted, source="kept")


def test_a_log_that_was_cut_off_or_is_another_is_refused(world, tmp_path):
    for number in range(3):
        bundle = gate(world, number)
    note = read_checkpoint(bundle / "proof.json")
    with pytest.raises(EvidenceError, match="it was truncated"):
        consistency(fork(world, tmp_path, 1), note, world.trusted, source="kept")
    other = World(tmp_path / "another")
    other.keys = world.keys
    gate(other, 1)
    ledger = read_ledger(other.log.path, world.trusted)
    with pytest.raises(EvidenceError, match="but this log is"):
        consistency(ledger, note, world.trusted, source="kept")


def test_a_checkpoint_that_a_stranger_signed_proves_nothing(world, tmp_path):
    gate(world, 1)
    stranger = World(tmp_path / "stranger")
    note = read_checkpoint(gate(stranger, 1) / "proof.json")
    ledger = read_ledger(world.log.path, world.trusted)
    with pytest.raises(EvidenceError, match="not signed by a trusted key"):
        consistency(ledger, note, world.trusted, source="kept")
