"""verify.py alone, in a process that cannot import govprune: one world passes, many do not."""

import ast
import base64
import json
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sealed import HTML, NOW, World, sha256
from trusted_people import People

import govprune
from govprune.evidence import dsse
from govprune.evidence.bundle import CardFiles, entry_of
from govprune.evidence.vsa import summarise, to_vsa
from govprune.records import canonical
from govprune.subjects import describe

VERIFIER = Path(govprune.__file__).parent / "archive" / "verify.py"
ALONE = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"govprune", "pydantic", "numpy", "rfc8785"}:
            raise ImportError(f"{name} is not to be had here")

sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def bundle(world):
    for number in range(4):
        world.write("models/pruned.safetensors", b"candidate %d" % number)
        made = world.seal("FAILED" if number % 2 else "PASSED", out=f"bundle-{number}")
    return world.root / "bundle-2" if made else None


@pytest.fixture
def verify(tmp_path, world):
    """Run a copy of the file, far from this checkout; return its exit code and what it said."""
    copy = tmp_path / "elsewhere" / "verify.py"
    copy.parent.mkdir()
    shutil.copyfile(VERIFIER, copy)

    def run(target, *options, key=True):
        keys = ("--key", str(world.public)) if key else ()
        ran = subprocess.run(
            [sys.executable, "-I", "-c", ALONE, str(copy), str(target), *keys, *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=copy.parent,
        )
        assert ran.stderr == "" or ran.returncode == 2, ran.stderr
        return ran.returncode, ran.stdout

    return run


def refused(answer, *words):
    code, said = answer
    assert code == 4, said
    assert "VERIFIED" not in said
    for word in ("REFUSED", *words):
        assert word in said
    return True


def zip_of(folder, path, *, prefix="", extra=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, prefix + file.name)
        for name, data in extra:
            archive.writestr(name, data)
    return path


# --- what passes


def test_a_genuine_bundle_is_verified_with_its_verdict(verify, bundle, world):
    code, said = verify(bundle)
    assert code == 0
    assert f"VERIFIED PASSED  models/pruned.safetensors {sha256(b'candidate 2')}" in said
    assert f"signed by key {world.keys.key_id}; entry 3 of 3" in said
    assert "attempt 3, until " in said
    assert "VERIFIED FAILED" in verify(world.root / "bundle-1")[1]


def test_it_says_what_it_does_not_check(verify, bundle):
    _, said = verify(bundle)
    assert "not checked here: findings (not computed again from their counts)" in said
    assert "not checked here: what the card says" in said


def test_a_zip_says_the_same_as_its_folder_with_or_without_a_folder_in_it(verify, bundle, tmp_path):
    said = verify(bundle)
    assert verify(zip_of(bundle, tmp_path / "flat.zip")) == said
    assert verify(zip_of(bundle, tmp_path / "deep.zip", prefix="bundle-2/")) == said


def test_a_bundle_with_a_pdf_is_verified_and_a_changed_pdf_is_not(verify, world):
    made = world.seal(render=lambda envelope: CardFiles(html=HTML, pdf=b"%PDF of some kind"))
    assert verify(made)[0] == 0
    (made / "card.pdf").write_bytes(b"%PDF of some kino")
    assert refused(verify(made), "card.pdf: changed, added or missing")


def test_a_model_of_several_files_is_verified_as_one(verify, world):
    evidence = world.evidence("PASSED")
    world.write("models/config.json", b"{}")
    more = describe(world.root / "models/config.json", role="candidate", root=world.root)
    several = evidence.model_copy(update={"subjects": (more, *evidence.subjects)})
    made = world.forge(several, out="several")
    assert verify(made)[0] == 0
    other = json.loads((made / "proof.json").read_bytes())
    assert other["leaf"].count(sha256(b"{}")) == 0  # of several files the log holds one digest


def test_what_is_known_by_its_digest_alone_is_named(verify, world):
    evidence = world.evidence("PASSED")
    made = world.forge(evidence, out="planned")
    files = {p.name: p.read_bytes() for p in made.iterdir()} | {"producer.dsse.json": b"{}"}
    names = ("evidence.dsse.json", "card.html", "README.txt", "producer.dsse.json")
    digests = tuple((name, sha256(files[name])) for name in names)
    summary = summarise(evidence, files=digests, nonce="1" * 32)
    files["verdict.dsse.json"] = dsse.sign(to_vsa(summary), world.keys)
    proof = world.log.append(entry_of(evidence, summary, files), world.keys)
    for name, data in (files | {"proof.json": canonical(proof)}).items():
        (made / name).write_bytes(data)
    code, said = verify(made)
    assert (code, "not checked here: producer.dsse.json, beyond its digest" in said) == (0, True)
    (made / "producer.dsse.json").write_bytes(b"{ }")
    assert refused(verify(made), "producer.dsse.json: changed")


def test_an_expired_verdict_is_genuine_and_said_to_be_expired(verify, world):
    long_ago = NOW.replace(year=NOW.year - 1, day=1)
    code, said = verify(world.seal(at=long_ago))
    assert (code, "EXPIRED on" in said) == (0, True)


def test_what_may_come_later_is_listed_as_not_checked(verify, bundle):
    names = ("timestamp.tsr", f"approval-{'a' * 16}.dsse.json", f"waiver-{'0' * 16}.dsse.json")
    for name in names:
        (bundle / name).write_bytes(b"anything")
    code, said = verify(bundle)
    assert code == 0
    for name in names:
        assert f"not checked here: {name}, which takes a trust policy" in said


def test_a_waiver_changes_nothing_for_who_has_no_trust_policy(verify, tmp_path, monkeypatch):
    """It is listed, and the verdict stays the gate's own."""
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    people = People(tmp_path / "people")
    made = people.sealed("FAILED")
    people.waive(made)
    assert people.stand(made).result == "PASSED WITH WAIVER"
    code, said = verify(made, "--key", people.public)
    assert (code, "VERIFIED FAILED" in said) == (0, True)
    assert "not checked here: waiver-" in said
    assert "not checked here: producer.dsse.json, beyond its digest" in said


# --- keys


def test_without_a_key_it_refuses_and_names_the_key_to_compare(verify, bundle, world):
    assert refused(verify(bundle, key=False), f"signed by key {world.keys.key_id}")


def test_another_gates_key_is_refused_also_under_the_same_owner(verify, bundle, tmp_path):
    stranger = World(tmp_path / "stranger", owner="gate@example.org")
    assert refused(verify(bundle, "--key", stranger.public, key=False), "signed by key")
    assert verify(bundle, "--key", stranger.public)[0] == 0


def test_a_key_inside_counts_only_under_the_id_that_was_given(verify, bundle, world, tmp_path):
    export = tmp_path / "export"
    shutil.copytree(bundle, export / "bundles" / "one")
    (export / "keys").mkdir()
    shutil.copyfile(world.public, export / "keys" / "gate.pub")
    assert refused(verify(export, key=False), "signed by key")
    assert refused(verify(export, "--key-id", "0" * 64, key=False), "signed by key")
    assert verify(export, "--key-id", world.keys.key_id, key=False)[0] == 0


def test_a_key_file_that_is_none_is_refused(verify, bundle, tmp_path):
    (tmp_path / "none.pub").write_text("-----BEGIN PUBLIC KEY-----\n")
    assert refused(verify(bundle, "--key", tmp_path / "none.pub", key=False))
    assert refused(verify(bundle, "--key", tmp_path / "absent.pub", key=False))


# --- what was altered


def rewrite(path, change):
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(canonical(content))


def swap_result(bundle):
    path = bundle / "verdict.dsse.json"
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b"PASSED", b"FAILED")
    rewrite(path, lambda e: e.update(payload=base64.b64encode(payload).decode()))


def put(name, data):
    return lambda bundle: (bundle / name).write_bytes(data)


def edit(name, old, new):
    def change(bundle):
        data = (bundle / name).read_bytes()
        assert old in data
        (bundle / name).write_bytes(data.replace(old, new, 1))

    return change


def link(bundle):
    (bundle / "card.html").rename(bundle.parent / "card.html")
    (bundle / "card.html").symlink_to(bundle.parent / "card.html")


def from_sibling(name):
    return lambda bundle: shutil.copyfile(bundle.parent / "bundle-0" / name, bundle / name)


ALTERED = {
    "the verdict's word": swap_result,
    "a card": put("card.html", b"another card"),
    "a README": put("README.txt", b"trust me"),
    "a surplus file": put("notes.txt", b"PASSED"),
    "a surplus file with a name that is known": put("card.pdf", b"%PDF"),
    "a plan that the verdict does not name": put("plan.dsse.json", b"{}"),
    "a folder": lambda b: (b / "more").mkdir() or put("more/x", b"")(b),
    "a file that looks like an approval": put("approval-zz.dsse.json", b""),
    "no card": lambda b: (b / "card.html").unlink(),
    "no proof": lambda b: (b / "proof.json").unlink(),
    "no verdict": lambda b: (b / "verdict.dsse.json").unlink(),
    "a link": link,
    "the evidence of another candidate": from_sibling("evidence.dsse.json"),
    "the verdict of another candidate": from_sibling("verdict.dsse.json"),
    "the proof of another candidate": from_sibling("proof.json"),
    "a key twice": edit("verdict.dsse.json", b'{"payload":', b'{"payload":"e30=","payload":'),
    "a space": edit("verdict.dsse.json", b'","payloadType', b'", "payloadType'),
    "a field more": edit("verdict.dsse.json", b'{"payload":', b'{"a":1,"payload":'),
    "no signature": lambda b: rewrite(b / "verdict.dsse.json", lambda e: e.update(signatures=[])),
    "a signature twice": lambda b: rewrite(
        b / "evidence.dsse.json", lambda e: e.update(signatures=e["signatures"] * 2)
    ),
    "another payload type": edit("evidence.dsse.json", b"in-toto+json", b"in-toto+jsom"),
    "another key id": lambda b: rewrite(
        b / "verdict.dsse.json", lambda e: e["signatures"][0].update(keyid="0" * 64)
    ),
    "a proof with a hash more": lambda b: rewrite(
        b / "proof.json", lambda p: p["hashes"].append("0" * 64)
    ),
    "a proof with a hash fewer": lambda b: rewrite(b / "proof.json", lambda p: p["hashes"].pop()),
    "a proof with another hash": lambda b: rewrite(
        b / "proof.json", lambda p: p["hashes"].__setitem__(0, "0" * 64)
    ),
    "a proof of another place": lambda b: rewrite(b / "proof.json", lambda p: p.update(index=1)),
    "a place beyond the log": lambda b: rewrite(b / "proof.json", lambda p: p.update(index=9)),
    "a negative place": lambda b: rewrite(b / "proof.json", lambda p: p.update(index=-1)),
    "a larger log": lambda b: rewrite(b / "proof.json", lambda p: p.update(size=99)),
    "a proof with a field more": lambda b: rewrite(b / "proof.json", lambda p: p.update(a=1)),
    "an index that is text": edit("proof.json", b'"index":2', b'"index":"2"'),
    "no checkpoint": lambda b: rewrite(b / "proof.json", lambda p: p.update(checkpoint=None)),
    "a checkpoint of another size": edit("proof.json", b"\\n3\\n", b"\\n4\\n"),
    "an entry that says FAILED": edit("proof.json", b"PASSED", b"FAILED"),
    "a key twice in the proof": edit("proof.json", b'{"checkpoint"', b'{"size":3,"checkpoint"'),
    "a proof that is nested deeply": put("proof.json", b"[" * 100_000),
    "a verdict that is no JSON": put("verdict.dsse.json", b"\xff\xfe"),
    "an empty evidence": put("evidence.dsse.json", b""),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_copy_is_refused(verify, bundle, name):
    ALTERED[name](bundle)
    assert refused(verify(bundle))


def test_every_part_of_every_file_counts(bundle, world):
    """One bit at 40 places of each file, all in one process."""
    driver = """
import json, runpy, sys
from pathlib import Path
module = runpy.run_path(sys.argv[1])
files = module["read"](Path(sys.argv[2]))
keys = dict([module["key_of"](Path(sys.argv[3]).read_bytes(), "key")])
assert module["verify"](files, keys)
missed = []
for name, data in files.items():
    for at in sorted({i * len(data) // 40 for i in range(40)} | {len(data) - 1}):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            module["verify"]({**files, name: changed}, keys)
            missed.append((name, at))
        except Exception:
            pass
print(json.dumps(missed))
"""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", driver, str(VERIFIER), str(bundle), str(world.public)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == []


def test_what_a_signer_wrote_so_that_it_contradicts_itself_is_refused(verify, world):
    evidence = world.evidence("FAILED")
    assert refused(verify(world.forge(evidence, out="a", result="PASSED")), "about the result")
    other = (("models/pruned.safetensors", "0" * 64),)
    assert refused(verify(world.forge(evidence, out="b", candidate=other)), "about the candidate")
    assert refused(verify(world.forge(evidence, out="c", attempt=9)), "about the attempt")
    code, said = verify(world.forge(evidence, out="d"))
    assert (code, "VERIFIED FAILED" in said) == (0, True)


def test_a_log_signed_by_somebody_else_is_refused(verify, world, tmp_path):
    """The verdict is genuine; the log it is said to stand in is a stranger's."""
    stranger = World(tmp_path / "stranger")
    world.log = stranger.log
    evidence = world.evidence("PASSED", attempt=1)
    made = world.forge(evidence, out="bundle")
    files = {p.name: p.read_bytes() for p in made.iterdir()}
    digests = tuple(
        (name, sha256(files[name])) for name in ("evidence.dsse.json", "card.html", "README.txt")
    )
    summary = summarise(evidence, files=digests, nonce="0" * 32)
    assert dsse.sign(to_vsa(summary), world.keys) == files["verdict.dsse.json"]
    (stranger.log.path / "log.sqlite").unlink()
    shutil.rmtree(stranger.log.path)
    proof = stranger.log.append(entry_of(evidence, summary, files), stranger.keys)
    (made / "proof.json").write_bytes(canonical(proof))
    assert refused(verify(made), "checkpoint is not signed by a key you gave")


# --- zips


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../card.html", "leads elsewhere"),
        ("/etc/passwd", "leads elsewhere"),
        ("a/../../b", "leads elsewhere"),
        ("a\\..\\b", "leads elsewhere"),
        ("C:evil", "leads elsewhere"),
        ("card.html", "there twice"),
        ("surplus.txt", "no part of a bundle"),
    ],
)
def test_a_zip_with_a_bad_name_is_refused(verify, bundle, tmp_path, name, said):
    path = tmp_path / "bad.zip"
    with pytest.warns() if name == "card.html" else _nothing():
        zip_of(bundle, path, extra=[(name, HTML)])
    assert refused(verify(path), said)


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_link_in_a_zip_is_refused(verify, bundle, tmp_path):
    path = zip_of(bundle, tmp_path / "link.zip")
    member = zipfile.ZipInfo("timestamp.tsr")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "/etc/passwd")
    assert refused(verify(path), "no plain file")


def test_a_zip_bomb_is_refused_before_it_fills_the_memory(verify, bundle, tmp_path):
    path = zip_of(bundle, tmp_path / "bomb.zip")
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("timestamp.tsr", "w") as stream,
    ):
        for _ in range(70):
            stream.write(bytes(1_000_000))
    assert path.stat().st_size < 200_000
    assert refused(verify(path), "more than any bundles hold")


def test_a_damaged_zip_and_what_is_no_zip_are_refused(verify, bundle, tmp_path):
    path = zip_of(bundle, tmp_path / "cut.zip")
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    assert refused(verify(path))
    path.write_bytes(b"no zip at all")
    assert refused(verify(path))
    assert refused(verify(tmp_path / "absent"))
    assert refused(verify(an_empty_folder(tmp_path)), "no bundle is here")


def an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_a_name_that_would_steer_the_terminal_is_written_out(verify, bundle):
    (bundle / "\x1b[2Jevil").write_bytes(b"")
    code, said = verify(bundle)
    assert (code, "\x1b" in said) == (4, False)


# --- an export of several


def test_one_bad_bundle_of_several_is_named_and_the_others_are_verified(verify, bundle, tmp_path):
    export = tmp_path / "export" / "bundles"
    for name in ("bundle-0", "bundle-1", "bundle-2"):
        shutil.copytree(bundle.parent / name, export / name)
    (export / "bundle-1" / "card.html").write_bytes(b"x")
    code, said = verify(export.parent)
    assert code == 4
    assert "bundle-0: VERIFIED PASSED" in said
    assert "bundle-1: REFUSED  card.html: changed" in said
    assert "bundle-2: VERIFIED PASSED" in said


def test_what_is_no_part_of_an_export_is_refused(verify, bundle, tmp_path):
    export = tmp_path / "export"
    shutil.copytree(bundle, export / "bundles" / "one")
    assert verify(export)[0] == 0
    (export / "setup.py").write_bytes(b"")
    assert refused(verify(export), "no part of a bundle or an export")


# --- the file itself


def test_a_module_that_lies_beside_it_is_not_imported(bundle, world, tmp_path):
    """As when somebody runs it from the folder that he was sent, and forgets -I."""
    shutil.copyfile(VERIFIER, tmp_path / "verify.py")
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "verify.py"), str(bundle), "--key", str(world.public)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "VERIFIED PASSED" in ran.stdout


def test_it_is_one_short_file_that_python_3_9_can_read():
    text = VERIFIER.read_text()
    assert len(text.splitlines()) < 300
    tree = ast.parse(text, feature_version=(3, 9))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add(node.module.split(".")[0])
    assert roots <= set(sys.stdlib_module_names) | {"cryptography"}
