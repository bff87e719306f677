"""Attacks on the log: cut off, edited, exchanged, forked. And on whoever appends to it."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from sealed import World

from govprune.errors import EvidenceError
from govprune.evidence.entry import Entry
from govprune.evidence.log import Log
from govprune.records import canonical


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    for i in range(6):
        made.log.append(entry(i), made.keys)
    return made


def entry(i, *, result="FAILED"):
    return Entry(
        artefact="c" * 64,
        policy="d" * 64,
        verdict_sha256=f"{i:064x}",
        evidence_sha256="2" * 64,
        baseline="b" * 64,
        evaluation="e" * 64,
        candidate=f"{i:064x}",
        result=result,
        time="2026-03-01T12:00:00Z",
    )


def run(world, *statements, drop_triggers=True):
    """What anybody can do who may write the file."""
    with closing(sqlite3.connect(world.log.path / "log.sqlite")) as db, db:
        if drop_triggers:
            db.execute("DROP TRIGGER leaves_no_edit")
            db.execute("DROP TRIGGER leaves_no_loss")
        for statement in statements:
            db.execute(*statement)


def cut_off_the_last(world):
    run(world, ["DELETE FROM leaves WHERE position = 5"])


def cut_off_with_the_checkpoint(world):
    run(world, ["DELETE FROM leaves WHERE position = 5"], ["UPDATE log SET note = NULL"])


def lose_the_checkpoint(world):
    run(world, ["UPDATE log SET note = NULL"])


def take_one_out(world):
    run(world, ["DELETE FROM leaves WHERE position = 2"])


def take_one_out_and_close_the_gap(world):
    run(
        world,
        ["DELETE FROM leaves WHERE position = 2"],
        ["UPDATE leaves SET position = position - 1 WHERE position > 2"],
    )


def exchange_two(world):
    run(
        world,
        ["UPDATE leaves SET position = 99 WHERE position = 1"],
        ["UPDATE leaves SET position = 1 WHERE position = 2"],
        ["UPDATE leaves SET position = 2 WHERE position = 99"],
    )


def turn_a_failure_into_a_pass(world):
    leaf = canonical(entry(3, result="PASSED"))
    run(world, ["UPDATE leaves SET leaf = ?, result = 'PASSED' WHERE position = 3", (leaf,)])


def hide_a_candidate_in_the_index(world):
    """The leaf is left alone; the attempts would be counted one too few."""
    run(world, ["UPDATE leaves SET candidate = ? WHERE position = 3", ("0" * 64,)])


def write_garbage_into_a_leaf(world):
    run(world, ["UPDATE leaves SET leaf = 'text' WHERE position = 3"])


def rename_the_log(world):
    run(world, ["UPDATE log SET origin = ?", ("govprune/log/" + "0" * 32,)])


def sign_it_with_another_key(world):
    stranger = World(world.folder / "stranger")
    fresh = Log(world.folder / "fresh")
    for i in range(6):
        fresh.append(entry(i, result="PASSED"), stranger.keys)
    shutil.rmtree(world.log.path)
    shutil.copytree(fresh.path, world.log.path)


def empty_the_file(world):
    for path in world.log.path.glob("log.sqlite*"):
        path.write_bytes(b"")


def delete_the_file(world):
    for path in world.log.path.glob("log.sqlite*"):
        path.unlink()


def garble_the_file(world):
    for path in world.log.path.glob("log.sqlite*"):
        path.write_bytes(b"no database at all" * 500)


def forge_the_checkpoint(world):
    path = world.log.path / "checkpoint"
    path.write_text(path.read_text().replace("\n6\n", "\n5\n"))


ATTACKS = (
    cut_off_the_last,
    cut_off_with_the_checkpoint,
    lose_the_checkpoint,
    take_one_out,
    take_one_out_and_close_the_gap,
    exchange_two,
    turn_a_failure_into_a_pass,
    hide_a_candidate_in_the_index,
    write_garbage_into_a_leaf,
    rename_the_log,
    sign_it_with_another_key,
    empty_the_file,
    delete_the_file,
    garble_the_file,
    forge_the_checkpoint,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__.replace("_", " "))
def test_an_altered_log_is_found(world, attack):
    assert len(world.log.check(world.trusted).entries) == 6
    attack(world)
    with pytest.raises(EvidenceError):
        world.log.check(world.trusted)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__.replace("_", " "))
def test_nobody_gets_an_altered_log_signed_by_appending_to_it(world, attack):
    attack(world)
    with pytest.raises(EvidenceError):
        world.log.append(entry(7), world.keys)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM leaves", "UPDATE leaves SET result = 'PASSED'"],
)
def test_the_file_itself_refuses_to_forget(world, statement):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        run(world, [statement], drop_triggers=False)
    assert len(world.log.check(world.trusted).entries) == 6


def test_a_log_set_back_as_a_whole_is_found_with_a_remembered_checkpoint(world, tmp_path):
    """An older copy is consistent in itself; only somebody who remembers can tell."""
    shutil.copytree(world.log.path, tmp_path / "older")
    remembered = world.log.append(entry(6), world.keys).checkpoint
    shutil.rmtree(world.log.path)
    (tmp_path / "older").rename(world.log.path)
    assert len(world.log.check(world.trusted).entries) == 6
    with pytest.raises(EvidenceError, match="truncated"):
        world.log.check(world.trusted, remembered=[remembered])


def test_a_forked_log_is_found_with_a_remembered_checkpoint(world, tmp_path):
    """Two copies went on separately, each signed by the gate."""
    shutil.copytree(world.log.path, tmp_path / "fork")
    seen_here = world.log.append(entry(6), world.keys).checkpoint
    fork = Log(tmp_path / "fork")
    fork.append(entry(7), world.keys)
    fork.check(world.trusted)
    with pytest.raises(EvidenceError, match="edited or forked"):
        fork.check(world.trusted, remembered=[seen_here])


def test_the_checkpoint_of_another_log_is_not_taken_for_this_one(world, tmp_path):
    other = Log(tmp_path / "other").append(entry(0), world.keys).checkpoint
    with pytest.raises(EvidenceError, match="but the checkpoint is of"):
        world.log.check(world.trusted, remembered=[other])


def test_a_growing_log_keeps_every_checkpoint_it_ever_gave(world):
    given = [world.log.append(entry(i), world.keys).checkpoint for i in range(6, 15)]
    assert len(world.log.check(world.trusted, remembered=given).entries) == 15
