"""The arithmetic of an append-only log (RFC 6962, section 2.1). Pure: hashes in, hashes out.

An inclusion proof shows that a leaf is in the tree behind a root; a consistency proof shows that
a later tree only appended to an earlier one. The verifiers follow RFC 9162, sections 2.1.3.2 and
2.1.4.2, and refuse a proof with a hash too many or too few.
"""

import hashlib
from collections.abc import Sequence

from ..errors import EvidenceError


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf's content."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes; of no leaf, the hash of nothing."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    level = list(hashes)
    # Pairing neighbours and carrying an odd last one up gives the tree of the RFC, whose left
    # half is always the largest power of two.
    while len(level) > 1:
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def full_roots(hashes: Sequence[bytes], width: int) -> list[bytes]:
    """Return the root over each complete run of `width` hashes; `width` is a power of two.

    What does not fill a run is left out: it has no place in the level above yet.
    """
    whole = len(hashes) - len(hashes) % width
    return [root(hashes[i : i + width]) for i in range(0, whole, width)]


def inclusion_proof(hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the sibling hashes from leaf `index` up to the root."""
    if not 0 <= index < len(hashes):
        raise EvidenceError(f"the log has {len(hashes)} entries, none with index {index}")
    if len(hashes) == 1:
        return ()
    split = _split(len(hashes))
    if index < split:
        return (*inclusion_proof(hashes[:split], index), root(hashes[split:]))
    return (*inclusion_proof(hashes[split:], index - split), root(hashes[:split]))


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """Check that the leaf with hash `leaf` is entry `index` of the tree with root `expected`.

    Raises:
        EvidenceError: It is not, or the proof has the wrong length.
    """
    if not 0 <= index < size:
        raise EvidenceError(f"log proof: index {index} is outside a log of {size}")
    made = leaf
    for sibling, on_the_left in _climb(index, size - 1, proof):
        made = node_hash(sibling, made) if on_the_left else node_hash(made, sibling)
    if made != expected:
        raise EvidenceError("log proof: the entry is not in the log that the checkpoint describes")


def _climb(node: int, last: int, proof: Sequence[bytes]) -> list[tuple[bytes, bool]]:
    """Say of each sibling on the way up from `node` whether it stands on the left.

    `last` is the last node of the same level; both halve from level to level.
    """
    steps = []
    for sibling in proof:
        if last == 0:
            raise EvidenceError("log proof: has hashes to spare")
        on_the_left = node % 2 == 1 or node == last
        if on_the_left:
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        steps.append((sibling, on_the_left))
        node, last = node >> 1, last >> 1
    if last:
        raise EvidenceError("log proof: has too few hashes")
    return steps


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the hashes that tie the first `old_size` entries to the whole tree."""
    if not 0 < old_size <= len(hashes):
        raise EvidenceError(f"no consistency proof from {old_size} to {len(hashes)} entries")
    return _subproof(hashes, old_size, whole=True)


def _subproof(hashes: Sequence[bytes], old_size: int, *, whole: bool) -> tuple[bytes, ...]:
    """SUBPROOF of RFC 6962; `whole` while the old tree is a complete subtree seen so far."""
    if old_size == len(hashes):
        return () if whole else (root(hashes),)
    split = _split(len(hashes))
    if old_size <= split:
        return (*_subproof(hashes[:split], old_size, whole=whole), root(hashes[split:]))
    return (*_subproof(hashes[split:], old_size - split, whole=False), root(hashes[:split]))


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the newer tree holds the older one unchanged, as its beginning.

    Raises:
        EvidenceError: The log was truncated, edited or forked, or the proof is malformed.
    """
    if not 0 < old_size <= new_size:
        raise EvidenceError(f"the log shrank from {old_size} to {new_size} entries")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise EvidenceError("two logs of one size differ: the log was edited or forked")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        # The older tree is one complete subtree, so its root is left out of the proof.
        path.insert(0, old_root)
    if not path:
        raise EvidenceError("log consistency proof: empty")
    node, last = old_size - 1, new_size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling, on_the_left in _climb(node, last, path[1:]):
        if on_the_left:
            old = node_hash(sibling, old)
        new = node_hash(sibling, new) if on_the_left else node_hash(new, sibling)
    if old != old_root or new != new_root:
        raise EvidenceError("the newer log does not begin with the older one: edited or forked")


def _split(size: int) -> int:
    """Return the largest power of two below `size` (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)
