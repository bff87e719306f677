"""The log's arithmetic against the reference tree of certificate transparency, and by property."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govprune.errors import EvidenceError
from govprune.evidence import merkle

# The eight leaves of certificate-transparency's reference tests and the root after each.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def test_no_leaf_hashes_to_the_hash_of_nothing():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([]).hex() == empty


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_tree(size):
    assert merkle.root(HASHES[:size]).hex() == ROOTS[size - 1]


def test_inclusion_proof_is_that_of_the_reference_tree():
    """Leaf 5 of 8, counted from 0: three siblings."""
    assert [h.hex() for h in merkle.inclusion_proof(HASHES, 5)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_consistency_proof_is_that_of_the_reference_tree():
    """From 6 to 8 entries."""
    assert [h.hex() for h in merkle.consistency_proof(HASHES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def check_inclusion(hashes, index, proof, size=None, root=None):
    merkle.verify_inclusion(
        hashes[index],
        index=index,
        size=len(hashes) if size is None else size,
        proof=proof,
        expected=merkle.root(hashes) if root is None else root,
    )


def check_consistency(hashes, old, proof, old_root=None):
    merkle.verify_consistency(
        old_size=old,
        new_size=len(hashes),
        old_root=merkle.root(hashes[:old]) if old_root is None else old_root,
        new_root=merkle.root(hashes),
        proof=proof,
    )


def numbered(size):
    return [merkle.leaf_hash(i.to_bytes(4, "big")) for i in range(size)]


def by_definition(hashes):
    """Section 2.1 word for word: split at the largest power of two below n."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return merkle.node_hash(by_definition(hashes[:k]), by_definition(hashes[k:]))


@given(st.integers(1, 200), st.data())
@settings(max_examples=150, deadline=None)
def test_every_entry_proves_itself_and_only_itself(size, data):
    hashes = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(hashes, index)
    assert merkle.root(hashes) == by_definition(hashes)
    check_inclusion(hashes, index, proof)
    wrong = [(*proof, b"\x00" * 32), tuple(b"\x00" * 32 for _ in proof), proof[:-1]]
    for other in wrong:
        if other != proof:
            with pytest.raises(EvidenceError):
                check_inclusion(hashes, index, other)
    if size > 1:
        with pytest.raises(EvidenceError):
            check_inclusion([*hashes[1:], hashes[0]], index, proof, root=merkle.root(hashes))


@given(st.integers(1, 120), st.data())
@settings(max_examples=150, deadline=None)
def test_a_longer_log_is_tied_to_every_shorter_one(size, data):
    hashes = numbered(size)
    old = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(hashes, old)
    check_consistency(hashes, old, proof)
    edited = [merkle.leaf_hash(b"edited"), *hashes[1:old]]
    with pytest.raises(EvidenceError):
        check_consistency(hashes, old, proof, old_root=merkle.root(edited))
    with pytest.raises(EvidenceError):
        check_consistency(hashes, old, (*proof, b"\x00" * 32))


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (0, 0)])
def test_an_entry_outside_the_log_is_refused(index, size):
    with pytest.raises(EvidenceError, match="outside a log"):
        merkle.verify_inclusion(HASHES[0], index=index, size=size, proof=(), expected=HASHES[0])


def test_a_log_that_shrank_is_refused():
    with pytest.raises(EvidenceError, match="shrank"):
        merkle.verify_consistency(old_size=8, new_size=7, old_root=b"", new_root=b"", proof=[])


def test_two_logs_of_one_size_must_be_one_log():
    with pytest.raises(EvidenceError, match="edited or forked"):
        check_consistency(HASHES, 8, (), old_root=merkle.root(numbered(8)))


def test_a_consistency_proof_is_never_empty_between_two_sizes():
    with pytest.raises(EvidenceError, match="empty"):
        check_consistency(HASHES, 6, ())


@pytest.mark.parametrize("index", [-1, 8])
def test_no_proof_is_made_for_an_entry_that_is_not_there(index):
    with pytest.raises(EvidenceError, match="none with index"):
        merkle.inclusion_proof(HASHES, index)


@pytest.mark.parametrize("old", [0, 9])
def test_no_consistency_proof_is_made_for_a_size_that_never_was(old):
    with pytest.raises(EvidenceError, match="no consistency proof"):
        merkle.consistency_proof(HASHES, old)
