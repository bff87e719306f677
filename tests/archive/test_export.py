"""One zip, the same every time, that somebody with nothing installed can open and verify."""

import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sealed import HTML, NOW, World, sha256

import govprune
from govprune.archive.attempts import read_ledger
from govprune.archive.export import Included, export
from govprune.archive.listing import Relied, line_of, verified
from govprune.errors import EvidenceError, InputError
from govprune.evidence import merkle
from govprune.evidence.bundle import CardFiles

VERIFIER = Path(govprune.__file__).parent / "archive" / "verify.py"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def included(world, *bundles):
    relied = Relied(trusted=world.trusted, under=None, now=NOW)
    found = [(bundle, verified(bundle, relied)) for bundle in bundles]
    return [Included(line=line_of(bundle, one, relied), found=one) for bundle, one in found]


def two(world):
    world.write("models/pruned.safetensors", b"first")
    first = world.seal("FAILED", out="first")
    world.write("models/pruned.safetensors", b"second")
    card = CardFiles(html=HTML, pdf=None)
    return first, world.seal("PASSED", out="second", render=lambda envelope: card)


def write(world, *bundles, name="out.zip", **given):
    out = world.folder / name
    given = {"keys": world.trusted, "log": world.log.path} | given
    return out, export(included(world, *bundles), out=out, **given)


def alone(*arguments):
    ran = subprocess.run(
        [sys.executable, "-I", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def test_the_zip_verifies_with_the_file_inside_it_and_nothing_else(world, tmp_path):
    out, digest = write(world, *two(world))
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "opened")
    verifier = tmp_path / "opened" / "verify.py"
    assert sha256(verifier.read_bytes()) == digest
    for target in (out, tmp_path / "opened"):
        code, said = alone(verifier, target, "--key", world.public)
        assert code == 0
        assert "first: VERIFIED FAILED" in said
        assert "second: VERIFIED PASSED" in said
        code, said = alone(verifier, target, "--key-id", world.keys.key_id)
        assert code == 0
        assert alone(verifier, target)[0] == 4


def test_the_same_bundles_make_the_same_bytes(world):
    bundles = two(world)
    (first, _), (second, _) = (write(world, *bundles, name=name) for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()
    for path in (world.root / "first").iterdir():
        path.touch()
    assert write(world, *bundles, name="c.zip")[0].read_bytes() == first.read_bytes()


def test_every_file_of_a_bundle_goes_in_as_it_is(world):
    first, second = two(world)
    out, _ = write(world, first, second)
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        for bundle in (first, second):
            for path in bundle.iterdir():
                assert archive.read(f"bundles/{bundle.name}/{path.name}") == path.read_bytes()
        assert {m.compress_type for m in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {m.date_time[0] for m in archive.infolist()} == {1980}


def test_the_log_inside_is_a_log_that_can_be_audited(world, tmp_path):
    out, _ = write(world, *two(world))
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "opened")
    ledger = read_ledger(tmp_path / "opened" / "log", world.trusted)
    assert ledger.source == "tiles"
    assert ledger.entries == world.log.check(world.trusted).entries
    assert merkle.root(ledger.hashes).hex() == ledger.checkpoint.root


def test_a_bundle_that_does_not_stand_in_the_log_is_refused(world, tmp_path):
    other = World(tmp_path / "other")
    other.keys, other.trusted = world.keys, world.trusted
    other.seal(out="x")
    first, _ = two(world)
    with pytest.raises(EvidenceError, match="does not stand in the log"):
        write(world, first, log=other.log.path)
    assert not (world.folder / "out.zip").exists()
    assert not [path for path in world.folder.iterdir() if "partial" in path.name]


def test_two_bundles_of_one_name_get_folders_of_their_own(world):
    first, _ = two(world)
    (world.root / "copy").mkdir()
    again = shutil.copytree(first, world.root / "copy" / "first")
    out, _ = write(world, first, again, log=None)
    with zipfile.ZipFile(out) as archive:
        folders = {n.split("/")[1] for n in archive.namelist() if n.startswith("bundles/")}
        assert not [n for n in archive.namelist() if n.startswith("log/")]
        assert b"log/" not in archive.read("README.txt")
    assert folders == {"first", "first-2"}


def test_an_export_is_never_replaced_and_an_empty_one_never_made(world):
    first, _ = two(world)
    write(world, first)
    with pytest.raises(InputError, match="never replaced"):
        write(world, first)
    with pytest.raises(InputError, match="no bundle to export"):
        write(world, name="empty.zip")


def test_a_folder_that_is_not_there_is_named(world):
    first, _ = two(world)
    with pytest.raises(InputError, match="could not be written"):
        write(world, first, name="nowhere/out.zip")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_lists_every_bundle_says_that_it_is_not_signed_and_runs_nothing(world):
    out, _ = write(world, *two(world))
    with zipfile.ZipFile(out) as archive:
        page = Page(archive.read("index.html").decode())
        for link in page.links:
            assert link in archive.namelist()
    said = " ".join(page.text)
    assert "This page is not signed." in said
    for word in ("PASSED", "FAILED", sha256(b"first"), sha256(b"second"), "small 1.0"):
        assert word in said
    assert "script" not in page.tags
    assert page.tags.count("tr") == 3


def test_a_name_that_is_markup_stays_text(world, tmp_path):
    """The folder's name, and the owner that a key names, come from outside."""
    hostile = World(tmp_path / "hostile", owner="<script>alert(1)</script>")
    made = hostile.seal(out="<img src=x>")
    out, _ = write(hostile, made)
    with zipfile.ZipFile(out) as archive:
        page = Page(archive.read("index.html").decode())
        assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789./_-") for name in archive.namelist())  # fmt: skip
    assert not {"script", "img"} & set(page.tags)
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert alone(VERIFIER, out, "--key", hostile.public)[0] == 0
