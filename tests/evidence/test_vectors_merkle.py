"""Proofs of a log, each broken in every way that published vectors name; only the genuine count.

The families are those of the vectors of certificate transparency's test data: other index, size,
leaf and root, and a proof that is cut, longer, shifted, doubled or empty.
"""

import hashlib

import pytest

from govprune.errors import EvidenceError
from govprune.evidence import merkle

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
OTHER = hashlib.sha256(b"a hash of something else").digest()
EMPTY = hashlib.sha256(b"").digest()


def proofs(proof, root):
    """Ways to break a list of hashes, by name."""
    ways = {
        "a hash more at the end": [*proof, OTHER],
        "a hash more at the start": [OTHER, *proof],
        "the root more at the end": [*proof, root],
        "the root more at the start": [root, *proof],
        "a hash of nothing at the end": [*proof, b""],
        "a hash of nothing at the start": [b"", *proof],
        "a hash of zeros at the end": [*proof, bytes(32)],
        "the whole twice": [*proof, *proof],
        "cut at the end": proof[:-1],
        "cut at the start": proof[1:],
        "no hashes": [],
        "turned around": proof[::-1],
        "the first two exchanged": [*proof[1:2], *proof[:1], *proof[2:]],
        "each hash cut by a byte": [h[:-1] for h in proof],
        "all in one piece": [b"".join(proof)] if proof else [],
        "all zeros": [bytes(32) for _ in proof],
        "the first hash with one bit flipped": [flip(h) if i == 0 else h
                                                for i, h in enumerate(proof)],
        "the last hash with one bit flipped": [*proof[:-1], *(flip(h) for h in proof[-1:])],
    }  # fmt: skip
    return {name: made for name, made in ways.items() if made != list(proof)}


def flip(value):
    return value[:-1] + bytes([value[-1] ^ 1])


# --- inclusion


def inclusion(index, size):
    """Return the genuine case and, by name, what is broken about the others."""
    hashes = HASHES[:size]
    genuine = {
        "leaf": hashes[index],
        "index": index,
        "size": size,
        "proof": list(merkle.inclusion_proof(hashes, index)),
        "expected": merkle.root(hashes),
    }
    broken = {
        "the index before": {"index": index - 1},
        "the index after": {"index": index + 1},
        "the index beside": {"index": index ^ 2},
        "the index far away": {"index": index + 2**40},
        "an index that wraps around": {"index": index + 2**64},
        "the size as index": {"index": size},
        "twice the size": {"size": size * 2},
        "half the size": {"size": size // 2},
        "no entries": {"size": 0},
        "fewer entries than none": {"size": -size},
        "another leaf": {"leaf": merkle.leaf_hash(b"WrongLeaf")},
        "the leaf unhashed": {"leaf": LEAVES[index]},
        "the leaf hashed as a node": {"leaf": hashlib.sha256(b"\x01" + LEAVES[index]).digest()},
        "the leaf hashed without its prefix": {"leaf": hashlib.sha256(LEAVES[index]).digest()},
        "no leaf": {"leaf": b""},
        "another root": {"expected": OTHER},
        "the root of the empty log": {"expected": EMPTY},
        "no root": {"expected": b""},
        "the root of one entry less": {"expected": merkle.root(HASHES[: size - 1])},
    }
    broken |= {
        f"proof: {name}": {"proof": made}
        for name, made in proofs(genuine["proof"], genuine["expected"]).items()
    }
    if size == 1:
        # Leaf and root are one hash there.
        broken["leaf and root exchanged for others"] = {"leaf": OTHER, "expected": EMPTY}
    return genuine, broken


INCLUSION = {
    (index, size, name): change
    for size in range(1, 9)
    for index in range(size)
    for name, change in inclusion(index, size)[1].items()
}


def includes(at, change):
    merkle.verify_inclusion(**(inclusion(*at)[0] | change))


def test_every_genuine_inclusion_is_accepted():
    for size in range(1, 9):
        for index in range(size):
            includes((index, size), {})


@pytest.mark.parametrize("size", range(1, 9))
def test_every_broken_inclusion_is_refused(size):
    for (index, of, name), change in INCLUSION.items():
        if of == size:
            with pytest.raises(EvidenceError):
                includes((index, size), change)
                pytest.fail(f"entry {index} of {size}, {name}: accepted")


# --- consistency


def consistency(old, new):
    genuine = {
        "old_size": old,
        "new_size": new,
        "old_root": merkle.root(HASHES[:old]),
        "new_root": merkle.root(HASHES[:new]),
        "proof": list(merkle.consistency_proof(HASHES[:new], old)),
    }
    broken = {
        "an older log with an entry less": {"old_size": old - 1},
        "an older log with an entry more": {"old_size": old + 1},
        "an older log beside": {"old_size": old ^ 2},
        "an empty older log": {"old_size": 0},
        "an older log of less than nothing": {"old_size": -old},
        "a newer log of twice the size": {"new_size": new * 2},
        "a newer log of half the size": {"new_size": new // 2},
        "a newer log without entries": {"new_size": 0},
        "sizes exchanged": {"old_size": new, "new_size": old},
        "roots exchanged": {"old_root": genuine["new_root"], "new_root": genuine["old_root"]},
        "another older root": {"old_root": OTHER},
        "another newer root": {"new_root": OTHER},
        "both roots others": {"old_root": OTHER, "new_root": OTHER},
        "the empty log's root for the older": {"old_root": EMPTY},
        "the empty log's root for the newer": {"new_root": EMPTY},
        "no older root": {"old_root": b""},
        "no newer root": {"new_root": b""},
        "an older log that was edited": {
            "old_root": merkle.root([merkle.leaf_hash(b"edited"), *HASHES[1:old]])
        },
        "a newer log that was edited": {
            "new_root": merkle.root([merkle.leaf_hash(b"edited"), *HASHES[1:new]])
        },
    }
    if old == new:
        del broken["both roots others"]  # one log, twice
    broken |= {
        f"proof: {name}": {"proof": made}
        for name, made in proofs(genuine["proof"], genuine["new_root"]).items()
    }
    return genuine, {
        name: change
        for name, change in broken.items()
        if any(genuine[field] != value for field, value in change.items())
    }


CONSISTENCY = {
    (old, new, name): change
    for new in range(1, 9)
    for old in range(1, new + 1)
    for name, change in consistency(old, new)[1].items()
}


def is_consistent(at, change):
    merkle.verify_consistency(**(consistency(*at)[0] | change))


def test_every_genuine_consistency_is_accepted():
    for new in range(1, 9):
        for old in range(1, new + 1):
            is_consistent((old, new), {})


@pytest.mark.parametrize("new", range(1, 9))
def test_every_broken_consistency_is_refused(new):
    for (old, of, name), change in CONSISTENCY.items():
        if of == new:
            with pytest.raises(EvidenceError):
                is_consistent((old, new), change)
                pytest.fail(f"from {old} to {new}, {name}: accepted")


def test_there_are_at_least_as_many_cases_as_were_published():
    """98 of each kind, in trees of up to eight entries."""
    assert min(len(INCLUSION), len(CONSISTENCY)) >= 98
