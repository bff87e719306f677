"""A manifest names every file of a model, as OpenSSF model signing does, and refuses the rest."""

import hashlib
import json
import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from govprune import manifest, model_folder
from govprune.errors import EvidenceError, SubjectError
from govprune.manifest import Difference, compare, dumps, loads, payload, read
from govprune.model_folder import digest_model
from govprune.subjects import PIECE, describe, digest_open, open_regular

GOLDEN = Path(__file__).parent / "model_signing"
FILES = json.loads((GOLDEN / "files.json").read_text())


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def tiny(tmp_path):
    return put(tmp_path / "tiny", FILES)


@pytest.fixture
def said(tiny):
    """The statement of the tiny model, to be spoiled."""
    return json.loads(dumps(digest_model(tiny)))


def refused(said, match):
    with pytest.raises(EvidenceError, match=match) as error:
        loads(json.dumps(said).encode(), source="m.json")
    assert str(error.value).startswith("m.json: ")


def named(said, *names):
    """Give the files these names, and the root digest that goes with as many files."""
    resources = said["predicate"]["resources"][: len(names)]
    said["predicate"]["resources"] = [
        r | {"name": n} for r, n in zip(resources, names, strict=True)
    ]
    joined = b"".join(bytes.fromhex(r["digest"]) for r in resources)
    said["subject"][0]["digest"]["sha256"] = hashlib.sha256(joined).hexdigest()
    return said


# --- the same as the real tool


def test_a_folder_is_named_as_the_real_tool_names_it(tiny):
    assert payload(digest_model(tiny)) == json.loads((GOLDEN / "folder.json").read_text())


def test_a_single_file_is_named_as_the_real_tool_names_it(tiny):
    theirs = json.loads((GOLDEN / "file.json").read_text())

    assert payload(digest_model(tiny / "config.json")) == theirs


def test_the_order_of_files_is_the_real_tools(tiny):
    """`a/b` before `a.b`: folder by folder, not letter by letter of the whole name."""
    theirs = json.loads((GOLDEN / "folder.json").read_text())["predicate"]["resources"]

    names = [f.name for f in digest_model(tiny).files]
    assert names == [r["name"] for r in theirs]
    assert names != sorted(names)


def test_what_the_real_tool_wrote_is_read_and_found_the_same(tiny):
    theirs = read(GOLDEN / "folder.json")

    assert compare(theirs, digest_model(tiny)) == Difference()
    assert theirs.digest == digest_model(tiny).digest


def test_files_that_the_real_tool_ignores_are_extra(tiny):
    theirs = read(GOLDEN / "ignores-git.json")

    found = compare(theirs, digest_model(tiny))
    assert found.names == found.extra == (".gitattributes", ".github/workflow.yml")


# --- what the digests say


def test_the_digest_is_what_sha256sum_gives_for_its_own_lines(tiny):
    found = digest_model(tiny)

    listed = subprocess.run(
        ["sha256sum", "--", *(f.name for f in found.files)], cwd=tiny, capture_output=True,
        check=True,
    ).stdout  # fmt: skip
    assert hashlib.sha256(listed).hexdigest() == found.digest


def test_the_digest_covers_names_where_the_root_does_not(tmp_path):
    one = digest_model(put(tmp_path / "one", {"a": "x", "b": "y"}))
    other = digest_model(put(tmp_path / "other", {"a": "x", "c": "y"}))

    assert one.root == other.root
    assert one.digest != other.digest


def test_the_name_of_the_folder_changes_no_digest(tmp_path):
    one, other = (digest_model(put(tmp_path / name, FILES)) for name in ("one", "other"))

    assert (one.digest, one.root) == (other.digest, other.root)
    assert one.model != other.model


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_any_number_of_threads_gives_the_same_manifest(tmp_path, threads):
    """300 files in five folders, one of them larger than a piece and one of several."""
    model = put(tmp_path / "m", {f"d{i % 5}/{i}": str(i) * i for i in range(300)})
    (model / "large").write_bytes(b"0123456789" * PIECE)
    (model / "d0" / "middle").write_bytes(b"x" * (PIECE + 1))

    found = digest_model(model, threads=threads)

    assert [f.name for f in found.files] == sorted(f.name for f in found.files)
    for file in found.files:
        data = (model / file.name).read_bytes()
        assert (file.sha256, file.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_progress_ends_no_later_than_the_whole(tiny):
    told = []
    digest_model(tiny, progress=lambda done, total: told.append((done, total)))

    total = sum(len(text.encode()) for text in FILES.values())
    assert told[0] == (0, total)
    assert all(0 <= done <= whole == total for done, whole in told)


# --- comparing


def test_every_difference_is_named(tiny):
    before = digest_model(tiny)
    put(tiny, {"a/b": "other", "empty": "no more", "new/one": "1", "new/two": "2"})
    (tiny / "a.b").unlink()
    (tiny / "config.json").rename(tiny / "config.jsom")

    assert compare(before, digest_model(tiny)) == Difference(
        changed=("a/b", "empty"),
        missing=("a.b", "config.json"),
        extra=("config.jsom", "new/one", "new/two"),
    )


# --- refused in a folder


def refuses(model, match, **options):
    with pytest.raises(SubjectError, match=match):
        digest_model(model, **options)


def test_a_link_is_refused_even_if_it_stays_inside(tiny):
    (tiny / "a" / "link").symlink_to("b")

    refuses(tiny, r"tiny/a/link: is a symbolic link; .*cp -rL")


def test_a_link_to_a_folder_is_refused(tiny):
    (tiny / "linked").symlink_to("a")

    refuses(tiny, "tiny/linked: is a symbolic link")


def test_a_model_that_is_itself_a_link_is_refused(tiny, tmp_path):
    (tmp_path / "folder").symlink_to("tiny")
    (tmp_path / "file").symlink_to("tiny/config.json")

    refuses(tmp_path / "folder", "folder: is a symbolic link; give what it points to")
    refuses(tmp_path / "file", "file: is a symbolic link")


def test_a_pipe_is_refused_and_not_waited_for(tiny):
    os.mkfifo(tiny / "pipe")

    refuses(tiny, "tiny/pipe: neither a file nor a folder")


def test_a_socket_is_refused(tiny, monkeypatch):
    monkeypatch.chdir(tiny)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        refuses(tiny, "tiny/s: neither a file nor a folder")


def test_a_device_is_refused():
    refuses(Path("/dev/null"), "/dev/null: not a regular file")


def test_a_model_that_is_not_there_is_refused(tmp_path):
    refuses(tmp_path / "none", "none: no such file")


@pytest.mark.parametrize("where", ["tiny", "tiny/a/hollow"])
def test_an_empty_folder_is_refused(tmp_path, where):
    if where != "tiny":
        put(tmp_path / "tiny", FILES)
    (tmp_path / where).mkdir()

    refuses(tmp_path / "tiny", f"{where}: an empty folder")


@contextmanager
def unprivileged():
    """Root reads everything: then somebody else must look."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["a/b", "a"])
def test_what_cannot_be_read_is_refused(tiny, monkeypatch, name):
    monkeypatch.chdir(tiny.parent)  # what lies above is for the account that runs the tests alone
    for path in (tiny.parent, tiny, *tiny.rglob("*")):
        path.chmod(0o755)
    (tiny / name).chmod(0)

    with unprivileged():
        refuses(Path("tiny"), f"tiny/{name}: Permission denied; make it readable")


BAD_NAMES = {
    b"caf\xe9": r"caf\\udce9: this name is not UTF-8",
    b"a\nb": r"a\\nb: this name holds a control character",
    b"a\x1b[2J": r"a\\x1b\[2J: this name holds a control character",
    b"a\\b": "this name holds a backslash",
    "a\u202eb".encode(): r"a\\u202eb: this name holds an invisible character",
    "a\u2028b".encode(): "this name holds a line separator",
    "a\u2029b".encode(): "this name holds a paragraph separator",
}


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_name_that_others_would_read_otherwise_is_refused(tiny, name, kind):
    path = tiny / os.fsdecode(name)
    if kind == "folder":
        put(path, {"inside": ""})
    else:
        path.touch()

    refuses(tiny, BAD_NAMES[name])


def test_the_name_of_the_model_is_held_to_the_same(tmp_path):
    refuses(put(tmp_path / "a\nb", FILES), r"a\\nb: its name holds a control character")


def test_too_many_files_are_refused(tiny, monkeypatch):
    monkeypatch.setattr(model_folder, "MAX_FILES", len(FILES))
    digest_model(tiny)
    put(tiny, {"z": "one more"})

    refuses(tiny, f"more than {len(FILES)} files")


def test_folders_too_deep_are_refused(tmp_path):
    deep = "/".join("d" * manifest.MAX_DEPTH)
    put(tmp_path / "fits", {f"{deep[2:]}/f": ""})
    put(tmp_path / "deep", {f"{deep}/f": ""})

    assert loads(dumps(digest_model(tmp_path / "fits")).encode(), source="m")
    refuses(tmp_path / "deep", f"more than {manifest.MAX_DEPTH} folders deep")


def test_a_name_too_long_is_refused(tmp_path):
    """No single call can name such a file: it is made one folder after the other."""
    fd = os.open(tmp_path, os.O_RDONLY)
    for part in ["m", *["x" * 250] * 17]:
        os.mkdir(part, dir_fd=fd)
        inner = os.open(part, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)

    refuses(tmp_path / "m", "a name of more than 4,096 bytes")


# --- what changes meanwhile


def once(act):
    """What is done when the listing is made and no file has been opened yet."""
    waiting = [act]
    return lambda done, total: waiting.pop()() if waiting else None


def test_a_folder_swapped_for_a_link_to_the_same_files_is_not_followed(tiny, tmp_path):
    def swap():
        (tiny / "a").rename(tmp_path / "elsewhere")
        (tiny / "a").symlink_to(tmp_path / "elsewhere")

    refuses(tiny, "tiny/a/.*: it changed meanwhile", progress=once(swap))


def test_a_file_swapped_for_a_link_to_itself_is_not_followed(tiny, tmp_path):
    def swap():
        (tiny / "a.b").rename(tmp_path / "elsewhere")
        (tiny / "a.b").symlink_to(tmp_path / "elsewhere")

    refuses(tiny, "tiny/a.b: .*it changed meanwhile", progress=once(swap))


def test_a_file_swapped_for_another_of_its_size_is_refused(tiny):
    def swap():
        (tiny / "a" / "new").write_text("BELOW A")
        (tiny / "a" / "new").replace(tiny / "a" / "b")

    refuses(tiny, "tiny/a/b: changed while the folder was read", progress=once(swap))


def test_a_file_that_goes_away_is_refused(tiny):
    refuses(tiny, "tiny/a.b: .*it changed meanwhile", progress=once((tiny / "a.b").unlink))


def test_a_file_that_appears_meanwhile_is_refused(tiny):
    def plant():
        (tiny / "planted").write_text("late")

    refuses(tiny, "tiny/planted: changed while the folder was read", progress=once(plant))


def test_another_error_on_the_way_ends_all_threads(tmp_path):
    model = put(tmp_path / "m", {f"{i}": "x" * 1000 for i in range(500)})

    refuses(model, "m/7: .*it changed meanwhile", threads=4, progress=once((model / "7").unlink))


@pytest.mark.parametrize("change", ["grows", "shrinks", "is rewritten"])
def test_a_file_that_changes_while_it_is_hashed_is_refused(tmp_path, change):
    path = tmp_path / "weights"
    path.write_bytes(bytes(3 * PIECE))
    before = path.stat().st_mtime_ns

    def disturb(read):
        if change == "grows":
            with path.open("ab") as out:
                out.write(b"more")
        elif change == "shrinks":
            os.truncate(path, PIECE + 1)
        else:
            with path.open("r+b") as out:
                out.write(b"x")
            os.utime(path, ns=(before, before + 1))

    fd = open_regular(path)
    with pytest.raises(SubjectError, match="weights: changed while it was read"):
        digest_open(fd, "weights", buffer=memoryview(bytearray(PIECE)), counted=disturb)
    os.close(fd)


def test_a_file_that_grows_for_ever_is_refused_soon(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(bytes(10))
    told = []

    def grow(read):
        told.append(read)
        with path.open("ab") as out:
            out.write(bytes(10))

    fd = open_regular(path)
    with pytest.raises(SubjectError, match="changed while it was read"):
        digest_open(fd, "log", buffer=memoryview(bytearray(2)), counted=grow)
    os.close(fd)
    assert len(told) == 5


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_subject_is_hashed_over_the_edges_of_pieces(tmp_path, size):
    (tmp_path / "f").write_bytes(b"\x07" * size)

    found = describe(tmp_path / "f", role="candidate", root=tmp_path)

    assert (found.size, found.sha256) == (size, hashlib.sha256(b"\x07" * size).hexdigest())


# --- refused in a written manifest


def test_a_manifest_survives_being_written(tiny, tmp_path):
    found = digest_model(tiny)
    (tmp_path / "m.json").write_text(dumps(found))

    again = read(tmp_path / "m.json")
    assert (again.model, again.digest, again.root) == (found.model, found.digest, found.root)


def test_one_altered_digest_is_refused(said):
    said["predicate"]["resources"][3]["digest"] = "0" * 64

    refused(said, "says the root digest .* it was altered")


def test_a_wrong_root_digest_is_refused(said):
    said["subject"][0]["digest"]["sha256"] = "0" * 64

    refused(said, f"says the root digest {'0' * 64}")


def test_a_file_left_out_is_refused(said):
    del said["predicate"]["resources"][0]

    refused(said, "it was altered")


HOSTILE = {
    "twice": (["a", "a"], "'a' is named twice"),
    "disorder": (["b", "a"], "'a' is not in order"),
    "absolute": (["/etc/passwd"], "is not in its shortest form"),
    "upwards": (["../x"], "is not in its shortest form"),
    "upwards inside": (["a/../x"], "is not in its shortest form"),
    "long way": (["a/./x"], "is not in its shortest form"),
    "two slashes": (["a//x"], "is not in its shortest form"),
    "no name": ([""], "is not in its shortest form"),
    "a folder alone": ([".", "x"], "is not in its shortest form"),
    "backslash": (["a\\b"], "holds a backslash"),
    "control": (["a\x1b"], r"'a\\x1b' holds a control character"),
    "half a character": (["a\ud800"], "surrogates not allowed"),
    "file and folder": (["a", "a/b"], "'a' is named as a file and as a folder"),
    "too deep": (["/".join("d" * 65)], "lies too deep"),
    "too long": (["x" * 5000], "its name is too long"),
    "none": ([], "0 files"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", HOSTILE)
def test_names_that_no_model_has_are_refused(said, flaw):
    names, match = HOSTILE[flaw]

    refused(named(said, *names), match)


def test_more_files_than_a_model_has_are_refused(said, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_FILES", 2)

    refused(named(said, "a", "b", "c"), "3 files; a model has 1 to 2")


@pytest.mark.parametrize("place", ["resource", "serialization", "method", "type", "predicate"])
def test_another_algorithm_or_kind_of_statement_is_refused(said, place):
    predicate = said["predicate"]
    {
        "resource": lambda: predicate["resources"][0].update(algorithm="blake3"),
        "serialization": lambda: predicate["serialization"].update(hash_type="blake2"),
        "method": lambda: predicate["serialization"].update(method="shards"),
        "type": lambda: said.update(_type="https://in-toto.io/Statement/v0.1"),
        "predicate": lambda: said.update(predicateType="https://slsa.dev/provenance/v1"),
    }[place]()

    refused(said, "must be 'sha256'|must be 'files'|must be 'https://")


@pytest.mark.parametrize("subjects", [0, 2])
def test_another_number_of_models_is_refused(said, subjects):
    said["subject"] *= subjects

    refused(said, "subject")


def test_a_field_that_nobody_knows_is_refused(said):
    said["predicate"]["trust"] = "me"

    refused(said, "predicate.trust: no such field")


def test_a_digest_in_capitals_is_refused(said):
    file = said["predicate"]["resources"][0]
    file["digest"] = file["digest"].upper()

    refused(said, "predicate.resources.0.digest")


@pytest.mark.parametrize(
    ("data", "match"),
    [(b"[]", "must be a mapping"), (b"{", "not JSON"), (b'{"_type": 1, "_type": 1}', "twice")],
)
def test_what_is_no_manifest_is_refused(data, match):
    with pytest.raises(EvidenceError, match=match):
        loads(data, source="m.json")


def test_a_manifest_without_an_end_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_BYTES", 1000)
    (tmp_path / "m.json").write_bytes(b" " * 5000)

    with pytest.raises(EvidenceError, match="1001 bytes, more than the 1000 allowed"):
        read(tmp_path / "m.json")
