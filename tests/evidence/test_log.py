"""The log: it counts attempts, proves what it holds, and survives two writers at once."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sealed import World

from govprune.errors import EvidenceError, InputError
from govprune.evidence import merkle
from govprune.evidence.entry import Entry, Proof, identity, read_entry
from govprune.evidence.log import Log
from govprune.evidence.note import Checkpoint, read_note, sign_note, verify_note
from govprune.records import canonical
from govprune.subjects import Subject


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def entry(candidate="c", *, result="PASSED", baseline="b", evaluation="e"):
    return Entry(
        artefact="c" * 64,
        policy="d" * 64,
        verdict_sha256="1" * 64,
        evidence_sha256="2" * 64,
        baseline=baseline * 64,
        evaluation=evaluation * 64,
        candidate=candidate * 64,
        result=result,
        time="2026-03-01T12:00:00Z",
    )


def test_every_entry_is_proved_against_its_checkpoint(world):
    for i in range(9):
        proof = world.log.append(entry(str(i)), world.keys)
        checkpoint, signer = verify_note(proof.checkpoint, world.trusted, source="test")
        assert (proof.index, proof.size, checkpoint.size) == (i, i + 1, i + 1)
        assert signer.key_id == world.keys.key_id
        merkle.verify_inclusion(
            merkle.leaf_hash(proof.leaf.encode()),
            index=proof.index,
            size=proof.size,
            proof=[bytes.fromhex(h) for h in proof.hashes],
            expected=bytes.fromhex(checkpoint.root),
        )
    state = world.log.check(world.trusted)
    assert len(state.entries) == 9
    assert state.checkpoint == checkpoint


def test_each_other_candidate_on_the_same_data_is_another_attempt(world):
    log, same = world.log, ("b" * 64, "e" * 64)
    assert log.attempt(*same, "c" * 64) == 1
    log.append(entry("c"), world.keys)
    log.append(entry("c", result="FAILED"), world.keys)
    assert log.attempt(*same, "c" * 64) == 1
    assert log.attempt(*same, "d" * 64) == 2
    log.append(entry("d"), world.keys)
    log.append(entry("f"), world.keys)
    assert [log.attempt(*same, c * 64) for c in "cdfa"] == [1, 2, 3, 4]


def test_other_data_or_another_baseline_begins_anew(world):
    world.log.append(entry("c"), world.keys)
    assert world.log.attempt("b" * 64, "a" * 64, "d" * 64) == 1
    assert world.log.attempt("a" * 64, "e" * 64, "d" * 64) == 1


def test_an_entry_judged_as_too_early_an_attempt_is_refused(world):
    """Two gates ran side by side; the second was judged at the level of a first attempt."""
    world.log.append(entry("c"), world.keys, attempt=1)
    with pytest.raises(InputError, match="Run the gate again"):
        world.log.append(entry("d"), world.keys, attempt=1)
    world.log.append(entry("d"), world.keys, attempt=2)
    assert len(world.log.check(world.trusted).entries) == 2


def test_an_unsigned_run_counts_as_an_attempt_but_gets_no_checkpoint(world):
    proof = world.log.append(entry("c"), None)
    assert proof.checkpoint is None
    assert world.log.attempt("b" * 64, "e" * 64, "d" * 64) == 2
    state = world.log.check(world.trusted)
    assert state.checkpoint is None
    signed = world.log.append(entry("d"), world.keys)
    assert read_note(signed.checkpoint, source="test").size == 2


def test_reading_makes_no_log(world, tmp_path):
    nowhere = Log(tmp_path / "none")
    assert nowhere.attempt("b" * 64, "e" * 64, "c" * 64) == 1
    assert nowhere.origin is None
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match="no log here"):
        nowhere.check(world.trusted)


def test_every_log_has_a_name_of_its_own(world, tmp_path):
    world.log.append(entry(), world.keys)
    other = Log(tmp_path / "other")
    other.append(entry(), world.keys)
    assert world.log.origin != other.origin


def test_after_a_change_of_keys_the_log_goes_on_if_the_old_key_is_trusted(world, tmp_path):
    world.log.append(entry("c"), world.keys)
    new = World(tmp_path / "new")
    with pytest.raises(EvidenceError, match="trust the old one"):
        world.log.append(entry("d"), new.keys)
    world.log.append(entry("d"), new.keys, trusted=world.trusted)
    assert len(world.log.check(new.trusted).entries) == 2


WRITER = """
import sys
from pathlib import Path
from govprune.evidence.entry import Entry
from govprune.evidence.key_files import load_signing_keys
from govprune.evidence.log import Log

folder, mark = Path(sys.argv[1]), sys.argv[2]
keys = load_signing_keys(folder / "keys" / "gate.key")
for i in range(15):
    Log(folder / "log").append(Entry(
        artefact="c" * 64, policy="d" * 64, verdict_sha256=f"{i:064x}",
        evidence_sha256="2" * 64, baseline="b" * 64,
        evaluation="e" * 64, candidate=mark * 64, result="PASSED", time="2026-03-01T12:00:00Z",
    ), keys)
"""


def test_two_processes_that_append_at_once_both_succeed(world, tmp_path):
    """Both also race to make the log."""
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), mark]) for mark in "cd"
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    state = world.log.check(world.trusted)
    assert len(state.entries) == 30
    assert {e.candidate[0] for e in state.entries} == {"c", "d"}


def test_many_may_make_a_log_at_the_same_moment(world, tmp_path):
    for n in range(5):
        log, together = Log(tmp_path / f"log-{n}"), threading.Barrier(6)

        def append(mark, log=log, together=together):
            together.wait()
            return log.append(entry(mark), world.keys).index

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(append, "012345")) == list(range(6))
        assert len(log.check(world.trusted).entries) == 6


def test_a_log_that_cannot_be_written_is_a_wrong_input(world, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "log.sqlite").mkdir()
    with pytest.raises(InputError, match="writable"):
        Log(tmp_path / "shut").append(entry(), world.keys)
    with pytest.raises(OSError, match="file"):
        Log(tmp_path / "file").append(entry(), world.keys)


# --- identity, entries, notes


def subject(role, sha256):
    return Subject(role=role, name=sha256[:2], sha256=sha256 * 64, size=1)


def test_one_file_is_identified_by_its_own_digest():
    assert identity([subject("candidate", "a"), subject("baseline", "b")], "candidate") == "a" * 64


def test_several_files_are_identified_together_in_any_order():
    one, two = subject("candidate", "a"), subject("candidate", "b")
    both = identity([one, two], "candidate")
    assert both == identity([two, one], "candidate")
    assert both not in ("a" * 64, "b" * 64)


def test_nothing_has_no_identity():
    with pytest.raises(EvidenceError, match="names no candidate"):
        identity([subject("baseline", "b")], "candidate")


@pytest.mark.parametrize(
    "leaf",
    [b"", b"{}", b"[]", canonical(entry()) + b" ", canonical(entry()).replace(b"PASS", b"PaSS")],
)
def test_only_a_canonical_entry_is_a_leaf(leaf):
    with pytest.raises(EvidenceError):
        read_entry(leaf, source="test")


CHECKPOINT = Checkpoint(origin="govprune/log/" + "0" * 32, size=7, root="ab" * 32)


def test_a_note_is_the_text_a_blank_line_and_one_signature(world):
    """The form of C2SP signed notes: readers of other logs can read ours."""
    lines = sign_note(CHECKPOINT, world.keys).split("\n")
    assert lines[:4] == [CHECKPOINT.origin, "7", "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=", ""]
    assert lines[4].startswith(f"— {CHECKPOINT.origin} ")
    assert lines[5:] == [""]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n7\n", "\n8\n"),
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n0\n"),
        ("\n7\n", "\n-7\n"),
        ("q6ur", "q6us"),
        ("q6s=", "q6t="),
        ("govprune/log/00", "govprune/log/01"),
        ("—", "-"),
        ("\n\n", "\nextension\n\n"),
        ("\n\n", "\n\n\n"),
    ],
)
def test_a_note_that_was_changed_is_not_signed(world, old, new):
    note = sign_note(CHECKPOINT, world.keys)
    assert old in note
    with pytest.raises(EvidenceError):
        verify_note(note.replace(old, new, 1), world.trusted, source="test")


def test_a_note_with_two_signatures_is_refused(world):
    note = sign_note(CHECKPOINT, world.keys)
    signature = note.split("\n\n")[1]
    with pytest.raises(EvidenceError, match="not a signed checkpoint"):
        verify_note(note + signature, world.trusted, source="test")


def test_a_proof_knows_no_other_fields():
    with pytest.raises(ValueError, match="hashes"):
        Proof(leaf="{}", index=0, size=1, hashes=("xyz",), checkpoint=None)
