"""Every bundle is looked at by itself: one bad one hides none, and no claim is repeated."""

import os
import shutil
from datetime import timedelta

import pytest
from sealed import NOW, World

from govprune.archive.listing import Listed, Refused, Relied, listing, verified
from govprune.errors import EvidenceError, InputError


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def relied(world, now=NOW):
    return Relied(trusted=world.trusted, under=None, now=now)


def listed(world, **given):
    return list(listing(world.root, relied(world, **given)))


def by_name(found):
    return {os.path.basename(line.path): line for line in found}  # noqa: PTH119 text, not a path


def test_each_bundle_is_one_line_with_what_it_says(world):
    (world.root / "deep/er").mkdir(parents=True)
    world.seal("PASSED", out="a")
    world.seal("FAILED", out="deep/er/b")
    lines = by_name(listed(world))
    assert {name: line.result for name, line in lines.items()} == {"a": "PASSED", "b": "FAILED"}
    line = lines["a"]
    assert (line.candidate, line.attempt, line.policy) == (
        "models/pruned.safetensors", 1, "small 1.0"
    )  # fmt: skip
    assert (line.signer, line.key, line.entry) == ("gate@example.org", world.keys.key_id, 1)
    assert (line.expired, lines["b"].entry) == (False, 2)


def test_a_verdict_of_long_ago_is_listed_as_expired(world):
    world.seal(out="a", at=NOW - timedelta(days=40))
    (line,) = listed(world)
    assert line.expired


def claim(folder):
    """What a forger writes where he cannot sign."""
    folder.mkdir()
    (folder / "verdict.dsse.json").write_bytes(b'{"result":"PASSED"}')


def unreadable(folder):
    folder.mkdir()
    (folder / "evidence.dsse.json").mkdir()


def nested(folder):
    folder.mkdir()
    (folder / "proof.json").write_bytes(b"[" * 200_000)


def linked(folder):
    folder.mkdir()
    (folder / "verdict.dsse.json").symlink_to("/etc/passwd")


@pytest.mark.parametrize("bad", [claim, unreadable, nested, linked])
def test_a_bad_bundle_is_named_with_the_reason_and_hides_no_other(world, bad):
    world.seal(out="a")
    bad(world.root / "b")
    world.seal("FAILED", out="c")
    lines = by_name(listed(world))
    assert isinstance(lines["a"], Listed)
    assert isinstance(lines["c"], Listed)
    assert isinstance(lines["b"], Refused)
    assert "PASSED" not in lines["b"].reason


def test_an_altered_bundle_is_refused(world):
    made = world.seal(out="a")
    (made / "card.html").write_bytes(b"changed")
    (line,) = listed(world)
    assert "card.html: changed since it was signed" in line.reason


def test_a_bundle_of_a_gate_that_nobody_trusts_is_refused(world, tmp_path):
    world.seal(out="a")
    stranger = World(tmp_path / "stranger")
    (line,) = listing(world.root, relied(stranger))
    assert isinstance(line, Refused)
    assert "not trusted" in line.reason


def test_what_nobody_foresaw_in_one_bundle_does_not_end_the_list(world, monkeypatch):
    """A file system that fails in a way of its own, in the first of two."""
    world.seal(out="a")
    world.seal(out="b")
    real = os.listdir

    def failing(path):
        if str(path).endswith("/a"):
            raise ZeroDivisionError("unforeseen")
        return real(path)

    monkeypatch.setattr(os, "listdir", failing)
    lines = by_name(listed(world))
    assert "ZeroDivisionError" in lines["a"].reason
    assert isinstance(lines["b"], Listed)


def test_hidden_folders_and_links_are_left_out(world):
    made = world.seal(out="a")
    shutil.copytree(made, world.root / ".b.partial-0")
    (world.root / "latest").symlink_to(made)
    assert list(by_name(listed(world))) == ["a"]


def test_a_folder_that_is_a_bundle_lists_itself_and_one_that_is_not_there_is_an_error(world):
    made = world.seal(out="a")
    (line,) = listing(made, relied(world))
    assert line.path == str(made)
    with pytest.raises(InputError, match="no such folder"):
        list(listing(world.root / "nowhere", relied(world)))


def test_models_are_not_looked_for(world):
    """An archive outlives the models; a changed one beside it says nothing of the bundle."""
    made = world.seal(out="a")
    world.write("models/pruned.safetensors", b"replaced since")
    assert verified(made, relied(world)).checked == ()
    with pytest.raises(EvidenceError, match="changed since the gate judged it"):
        world.verify(made)
