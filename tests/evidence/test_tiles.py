"""The log as plain files: complete after every entry, and enough to audit it without its index."""

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from sealed import World

from govprune.errors import EvidenceError, InputError
from govprune.evidence import merkle, tiles
from govprune.evidence.entry import Entry
from govprune.evidence.log import Log
from govprune.records import canonical


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def entry(number):
    """One that is told from the others by its candidate."""
    fields = dict.fromkeys(
        ("verdict_sha256", "evidence_sha256", "baseline", "evaluation", "artefact", "policy"),
        "b" * 64,
    )
    candidate = hashlib.sha256(str(number).encode()).hexdigest()
    return Entry(
        **fields, candidate=candidate, result="FAILED", time="2026-03-01T12:00:00Z"
    )  # fmt: skip


def filled(world, count):
    for i in range(count):
        world.log.append(entry(i), world.keys)
    return [canonical(entry(i)) for i in range(count)]


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 7, 3, "tile/0/007.p/3"),
        (1, 1234067, 256, "tile/1/x001/x234/067"),
        ("entries", 1000, 255, "tile/entries/x001/000.p/255"),
        (2, 999, 256, "tile/2/999"),
    ],
)
def test_a_tile_lies_where_every_client_looks_for_it(level, index, width, path):
    """The example of the specification is index 1234067."""
    assert tiles.path_of(level, index, width) == path


def test_every_entry_leaves_tiles_that_prove_the_checkpoint(world):
    for i in range(5):
        world.log.append(entry(i), world.keys)
        found = tiles.read(world.log.path, world.trusted)
        assert found.leaves == tuple(canonical(entry(k)) for k in range(i + 1))
        assert found.checkpoint == world.log.check(world.trusted).checkpoint
        assert merkle.root(found.hashes).hex() == found.checkpoint.root
    assert files(world.log.path / "tile") == [
        *(f"0/000.p/{n}" for n in range(1, 6)),
        *(f"entries/000.p/{n}" for n in range(1, 6)),
    ]


def test_the_bytes_are_those_of_the_specification(world):
    leaves = filled(world, 2)
    hashes = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    assert (world.log.path / "tile/0/000.p/2").read_bytes() == b"".join(hashes)
    bundle = (world.log.path / "tile/entries/000.p/2").read_bytes()
    assert bundle == b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in leaves)


def sizes(count):
    """A log of this many entries, written at once; no entry is signed."""
    leaves = [str(i).encode() for i in range(count)]
    return leaves, [merkle.leaf_hash(leaf) for leaf in leaves]


def test_a_log_of_70000_entries_has_the_tiles_the_specification_counts(tmp_path):
    leaves, hashes = sizes(70_000)
    tiles.write(tmp_path, hashes, leaves.__getitem__)
    made = [name for name in files(tmp_path / "tile") if not name.startswith("entries")]
    assert len([n for n in made if n.startswith("0/") and ".p/" not in n]) == 273
    assert [n for n in made if ".p/" in n] == ["0/273.p/112", "1/001.p/17", "2/000.p/1"]
    assert [n for n in made if n.startswith("1/") and ".p/" not in n] == ["1/000"]
    top = (tmp_path / "tile/2/000.p/1").read_bytes()
    assert top == merkle.root(hashes[: 256 * 256])


class Client:
    """Any client of tiled logs: it knows the specification, a folder and a size."""

    def __init__(self, folder, size):
        self.folder, self.size, self.fetched = folder, size, set()

    def stored(self, level, place):
        """Return the hash of the complete subtree of 256**level entries at this place."""
        index, offset = divmod(place, 256)
        width = min(256, self.size // 256**level - index * 256)
        digits = f"{index:03d}" if index < 1000 else f"x{index // 1000:03d}/{index % 1000:03d}"
        path = f"tile/{level}/{digits}" + (f".p/{width}" if width < 256 else "")
        data = (self.folder / path).read_bytes()
        assert len(data) == 32 * width
        self.fetched.add(path)
        return data[32 * offset : 32 * offset + 32]

    def tree(self, first, end):
        """RFC 6962's MTH over entries `first` to `end`, from as few hashes as are stored."""
        count = end - first
        for level in (3, 2, 1, 0):
            if count == 256**level:
                return self.stored(level, first // count)
        split = 1
        while split * 2 < count:
            split *= 2
        both = self.tree(first, first + split) + self.tree(first + split, end)
        return hashlib.sha256(b"\x01" + both).digest()


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 600, 66_000])
def test_a_client_that_knows_only_the_specification_finds_the_root(tmp_path, size):
    leaves, hashes = sizes(size)
    tiles.write(tmp_path, hashes, leaves.__getitem__)
    client = Client(tmp_path, size)
    assert client.tree(0, size) == merkle.root(hashes)
    assert len(client.fetched) <= 4


def test_a_full_tile_takes_the_place_of_the_partial_ones(tmp_path):
    leaves, hashes = sizes(256)
    for count in (254, 255, 256):
        tiles.write(tmp_path, hashes[:count], leaves.__getitem__)
    assert files(tmp_path / "tile") == ["0/000", "1/000.p/1", "entries/000"]


def test_an_older_checkpoint_is_read_from_the_full_tile(world):
    filled(world, 3)
    note = (world.log.path / "checkpoint").read_text()
    leaves = [canonical(entry(i)) for i in range(256)]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    tiles.write(world.log.path, hashes, leaves.__getitem__)
    assert not (world.log.path / "tile/0/000.p").exists()
    assert (world.log.path / "checkpoint").read_text() == note
    assert tiles.read(world.log.path, world.trusted).leaves == tuple(leaves[:3])


def test_a_log_from_before_tiles_gets_them_with_its_next_entry(world):
    leaves = filled(world, 3)
    for path in sorted((world.log.path / "tile").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    world.log.append(entry(3), world.keys)
    assert tiles.read(world.log.path, world.trusted).leaves == (*leaves, canonical(entry(3)))


def test_a_log_without_its_index_is_read_from_its_tiles(world):
    leaves = filled(world, 4)
    (world.log.path / "log.sqlite").write_bytes(b"not a database")
    with pytest.raises(EvidenceError, match="damaged or edited"):
        Log(world.log.path).check(world.trusted)
    assert tiles.read(world.log.path, world.trusted).leaves == tuple(leaves)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("tile/0/000.p/4", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("tile/0/000.p/4", lambda data: data[:-32]),
        ("tile/0/000.p/4", lambda data: data * 1000),
        ("tile/entries/000.p/4", lambda data: data.replace(b"FAILED", b"PASSED")),
        ("tile/entries/000.p/4", lambda data: data[:-1]),
        ("tile/entries/000.p/4", lambda data: b"\xff\xff" + data[2:]),
        ("tile/entries/000.p/4", lambda data: b""),
        ("checkpoint", lambda data: data.replace(b"\n4\n", b"\n3\n")),
        ("checkpoint", lambda data: data + b"x"),
    ],
)
def test_a_changed_byte_is_refused(world, path, change):
    filled(world, 4)
    place = world.log.path / path
    place.write_bytes(change(place.read_bytes()))
    with pytest.raises(EvidenceError):
        tiles.read(world.log.path, world.trusted)


def test_entries_and_hashes_that_agree_with_each_other_but_were_not_signed_are_refused(world):
    filled(world, 2)
    leaves = [canonical(entry(7)), canonical(entry(8))]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    for path in (world.log.path / "tile").rglob("*"):
        if path.is_file():
            path.unlink()
    tiles.write(world.log.path, hashes, leaves.__getitem__)
    with pytest.raises(EvidenceError, match="not the 2 entries that were signed"):
        tiles.read(world.log.path, world.trusted)


def test_a_missing_tile_and_a_link_in_its_place_are_refused(world):
    filled(world, 2)
    place = world.log.path / "tile/entries/000.p/2"
    moved = place.rename(world.log.path / "elsewhere")
    with pytest.raises(EvidenceError, match="not complete"):
        tiles.read(world.log.path, world.trusted)
    place.symlink_to(moved)
    with pytest.raises(EvidenceError, match="symbolic link"):
        tiles.read(world.log.path, world.trusted)


def test_a_checkpoint_of_a_stranger_is_refused(world, tmp_path):
    filled(world, 1)
    stranger = World(tmp_path / "stranger", owner="somebody@example.org")
    with pytest.raises(EvidenceError, match="not signed by a trusted key"):
        tiles.read(world.log.path, stranger.trusted)


def test_a_folder_without_a_log_is_an_input_error(world, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        tiles.read(tmp_path, world.trusted)


def test_an_index_that_was_cut_off_and_continued_is_refused(world):
    """Restored from an old copy, together with the checkpoint: the tiles remember."""
    filled(world, 2)
    kept = {p: p.read_bytes() for p in world.log.path.iterdir() if p.is_file()}
    world.log.append(entry(2), world.keys)
    for path in world.log.path.iterdir():
        if path.is_file():
            path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)
    world.log.check(world.trusted)  # by itself the old copy is whole
    with pytest.raises(EvidenceError, match=r"tile/0/000\.p/3: was written for other entries"):
        world.log.append(entry(9), world.keys)
    assert len(world.log.check(world.trusted).entries) == 2


def test_gates_side_by_side_leave_tiles_for_each_of_their_checkpoints(world):
    with ThreadPoolExecutor(6) as pool:
        proofs = list(pool.map(lambda i: world.log.append(entry(i), world.keys), range(12)))
    world.log.append(entry(12), world.keys)
    found = tiles.read(world.log.path, world.trusted)
    assert len(set(found.leaves)) == 13
    for proof in proofs:
        assert (world.log.path / tiles.path_of(0, 0, proof.size)).is_file()
        assert found.leaves[proof.index] == proof.leaf.encode()


def test_an_unsigned_run_leaves_tiles_too_and_the_checkpoint_covers_what_it_did(world):
    filled(world, 1)
    world.log.append(entry(1), None)
    assert (world.log.path / "tile/0/000.p/2").is_file()
    assert len(tiles.read(world.log.path, world.trusted).leaves) == 1
    world.log.append(entry(2), world.keys)
    assert len(tiles.read(world.log.path, world.trusted).leaves) == 3
