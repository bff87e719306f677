"""`govprune archive`: exit codes and words, on real bundles and a real log."""

import json
import shutil
import zipfile

import pytest
from sealed import World

from govprune.records import digest


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "world")
    for number, result in enumerate(("FAILED", "PASSED", "UNDECIDED")):
        made.write("models/pruned.safetensors", b"candidate %d" % number)
        made.seal(result, out=f"bundle-{number}")
    return made


def words(text):
    return " ".join(text.split())


def test_list_ends_in_0_where_every_bundle_is_genuine(govprune, world):
    code, out, err = govprune("archive", "list", world.root, "--key", world.public)
    assert (code, err) == (0, "")
    for result in ("PASSED", "FAILED", "UNDECIDED"):
        assert f"{result} {world.root}/bundle-" in words(out)
    assert "verified: by gate@example.org" in out
    assert words(out).endswith("3 verified, 0 refused")


def test_list_ends_in_4_where_one_is_not_and_lists_the_others(govprune, world):
    (world.root / "bundle-1" / "card.html").write_bytes(b"changed")
    code, out, _ = govprune("archive", "list", world.root, "--key", world.public)
    assert code == 4
    assert f"REFUSED {world.root}/bundle-1: {world.root}/bundle-1/card.html: changed" in words(out)
    assert words(out).endswith("2 verified, 1 refused")
    code, out, _ = govprune(
        "archive", "list", world.root, "--key", world.public, "--format", "json"
    )
    said = json.loads(out)
    assert (code, len(said["bundles"]), len(said["refused"])) == (4, 2, 1)
    assert "result" not in said["refused"][0]


def test_list_without_a_trusted_key_says_so(govprune, world):
    code, _, err = govprune("archive", "list", world.root)
    assert code == 2
    assert "no key is trusted" in err


def test_list_of_an_empty_folder_says_so(govprune, world, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, _ = govprune("archive", "list", tmp_path / "empty", "--key", world.public)
    assert (code, out.startswith("No bundle is below")) == (0, True)


def test_show_says_what_an_auditor_asks_first(govprune, world):
    code, out, _ = govprune(
        "archive", "show", world.root / "bundle-1", "--key", world.public, "--verbose"
    )
    assert code == 0
    said = words(out)
    for part in (
        "what A small job",
        "verdict PASSED, of 2",
        "holds until 2",
        "candidate models/pruned.safetensors, 11 bytes, sha256",
        "baseline models/dense.safetensors",
        "evaluation data/eval.csv",
        "rules small 1.0, sha256",
        "attempt 2 on this baseline and data: tested at level 0.0076",
        f"signed by gate@example.org, key {world.keys.key_id}",
        "log entry 2 of 2 in govprune/log/",
        "accuracy-holds",
        "PASSED 1 pass",
        "next govprune explain",
    ):
        assert part in said


def test_show_repeats_nothing_of_a_bundle_that_is_not_genuine(govprune, world):
    (world.root / "bundle-1" / "README.txt").write_bytes(b"changed")
    code, out, err = govprune("archive", "show", world.root / "bundle-1", "--key", world.public)
    assert (code, out) == (4, "")
    assert "README.txt: changed since it was signed" in err


def test_show_as_json_counts_the_findings(govprune, world):
    _, out, _ = govprune(
        "archive", "show", world.root / "bundle-0", "--key", world.public, "--format", "json"
    )
    said = json.loads(out)
    assert (said["result"], said["counts"]["fail"]) == ("FAILED", 1)
    assert {"what": "made by", "said": "prune"} in said["page"]


def test_log_lists_every_entry_with_its_attempt_and_level(govprune, world):
    code, out, _ = govprune(
        "archive", "log", world.log.path, "--key", world.public,
        "--policy", world.root / "policy.yaml",
    )  # fmt: skip
    said = words(out)
    assert code == 0
    assert "FAILED attempt 1" in said
    assert "UNDECIDED attempt 3" in said
    assert "3 candidates tried" in said
    assert "attempt 1: FAILED (entry 1), tested at 0.0304 under small 1.0" in said
    assert "attempt 3: UNDECIDED (entry 3), tested at 0.00338 under small 1.0" in said
    assert "VERIFIED 3 entries" in said


def test_log_says_what_share_of_alpha_where_it_does_not_know_the_policy(govprune, world):
    _, out, _ = govprune("archive", "log", world.log.path, "--key", world.public)
    assert "attempt 2: PASSED (entry 2), tested at 0.152 of the alpha of policy" in words(out)


def test_log_reads_the_tiles_where_the_index_is_gone(govprune, world):
    (world.log.path / "log.sqlite").unlink()
    code, out, _ = govprune("archive", "log", world.log.path, "--key", world.public)
    assert code == 0
    assert "read from its tiles: nothing cut off, nothing edited; the index log.sqlite" in words(
        out
    )


def test_log_proves_that_it_only_grew_or_refuses(govprune, world, tmp_path):
    kept = world.root / "bundle-0" / "proof.json"
    arguments = ("archive", "log", world.log.path, "--key", world.public, "--since")
    code, out, _ = govprune(*arguments, kept)
    assert code == 0
    assert "GREW ONLY that checkpoint covers 1 entry: the first of these 3" in words(out)
    _, out, _ = govprune(*arguments, kept, "--format", "json")
    said = json.loads(out)
    assert (said["since"]["old_size"], len(said["since"]["proof"])) == (1, 2)
    assert [group["attempts"][1]["number"] for group in said["tried"]] == [2]
    other = World(tmp_path / "other")
    other.keys = world.keys
    foreign = other.seal(out="x")
    code, out, err = govprune(*arguments, foreign / "proof.json")
    assert (code, out) == (4, "")
    assert "but this log is" in err


def test_export_writes_a_zip_and_says_what_to_tell_the_auditor(govprune, world, tmp_path):
    bundles = [world.root / f"bundle-{number}" for number in range(3)]
    code, out, _ = govprune(
        "archive", "export", *bundles, "--log", world.log.path, "-o", "evidence.zip",
        "--key", world.public,
    )  # fmt: skip
    assert code == 0
    with zipfile.ZipFile(tmp_path / "evidence.zip") as archive:
        verifier = archive.read("verify.py")
    import hashlib

    assert hashlib.sha256(verifier).hexdigest() in out
    assert f"key {world.keys.key_id}" in words(out)


def test_export_refuses_a_bundle_that_is_not_genuine(govprune, world, tmp_path):
    (world.root / "bundle-1" / "card.html").write_bytes(b"changed")
    code, _, err = govprune(
        "archive", "export", world.root / "bundle-0", world.root / "bundle-1", "-o", "x.zip",
        "--key", world.public,
    )  # fmt: skip
    assert code == 4
    assert "card.html: changed" in err
    assert not (tmp_path / "x.zip").exists()


def test_a_hostile_folder_name_does_not_steer_the_terminal(govprune, world):
    shutil.copytree(world.root / "bundle-0", world.root / "a\x1b[2J\nPASSED")
    _, out, _ = govprune("archive", "list", world.root, "--key", world.public)
    assert "\x1b" not in out
    assert not any(line.startswith("PASSED") for line in out.splitlines())


def test_the_policies_that_ship_are_known_by_their_digest(govprune, world):
    from pathlib import Path

    from govprune import policy
    from govprune.cli.archive_log import _policies

    known = _policies(())
    for name in ("baseline", "credit"):
        chosen = policy.load(name, root=Path.cwd()).policy
        assert known[digest(chosen)] == chosen
