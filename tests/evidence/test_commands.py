"""The commands as a person types them: what they print, and how they end."""

import json
import sys
from datetime import timedelta

import pytest
from sealed import NOW, World

from govprune.cli import main

MODEL = "models/pruned.safetensors"


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    made = World(tmp_path)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def govprune(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["govprune", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


def test_new_keys_are_made_and_trusted(world, govprune, tmp_path):
    code, out, _ = govprune("keys", "new", "--owner", "credit-gate@example.org", "--dir", "mine")
    assert code == 0
    assert "credit-gate@example.org" in out
    assert (world.root / "mine/gate.key").stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "account/trusted").glob("*.pub"))) == 1
    code, out, _ = govprune("keys", "list")
    assert (code, out.count("credit-gate@example.org")) == (0, 1)


def test_new_keys_can_be_left_untrusted(govprune, world):
    code, out, _ = govprune("keys", "new", "--owner", "gate", "--no-trust")
    assert code == 0
    assert "This account trusts nothing it signs" in out
    code, out, _ = govprune("keys", "list")
    assert "No key is trusted" in out
    code, out, _ = govprune("keys", "trust", "keys/gate.pub")
    assert (code, "trusted: gate" in out) == (0, True)


def test_a_key_is_never_overwritten(govprune, world):
    govprune("keys", "new", "--owner", "gate")
    code, _, err = govprune("keys", "new", "--owner", "gate")
    assert code == 2
    assert "never replaced" in err


def test_an_owner_is_made_up_from_the_account(govprune, world):
    code, out, _ = govprune("keys", "new")
    assert code == 0
    assert "owner " in out and "@" in out


def test_verify_says_what_was_checked_line_by_line(world, govprune):
    bundle = world.seal()
    code, out, err = govprune("verify", bundle, "--key", world.public)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("signature  by gate@example.org")
    assert str(world.public) in lines[0]
    assert f"hashed     candidate {MODEL}: unchanged" in lines
    assert "hashed     policy policy.yaml: unchanged" in lines
    assert lines[-1].startswith(f"VERIFIED PASSED  {MODEL}")
    assert "may be promoted until" in lines[-1]
    assert "\x1b" not in out


def test_verify_names_what_is_not_here(world, govprune, tmp_path):
    bundle = world.seal()
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out, _ = govprune("verify", bundle, "--key", world.public, "--files", empty)
    assert code == 0
    assert f"not here   candidate {MODEL}" in out
    assert "hashed" not in out


def test_a_genuine_no_is_verified_and_says_no(world, govprune):
    for result in ("FAILED", "UNDECIDED"):
        bundle = world.seal(result, out=result)
        code, out, _ = govprune("verify", bundle, "--key", world.public)
        assert code == 0
        assert f"VERIFIED {result}" in out
        assert "PASSED" not in out


def test_an_expired_pass_says_so(world, govprune):
    bundle = world.seal(at=NOW - timedelta(days=90))
    code, out, _ = govprune("verify", bundle, "--key", world.public)
    assert code == 0
    assert "EXPIRED on" in out.splitlines()[-1]
    assert "may be promoted" not in out


def test_verify_in_json_says_the_same(world, govprune):
    bundle = world.seal("FAILED")
    code, out, _ = govprune("verify", bundle, "--key", world.public, "--format", "json")
    said = json.loads(out)
    assert (code, said["verified"], said["result"]) == (0, True, "FAILED")
    assert said["signer"]["owner"] == "gate@example.org"
    assert {s["role"] for s in said["hashed"]} == {"candidate", "baseline", "evaluation", "policy"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_altered_bundle_ends_with_four_whatever_the_format(world, govprune, form):
    bundle = world.seal()
    (bundle / "card.html").write_bytes(b"PASSED")
    code, out, err = govprune("verify", bundle, "--key", world.public, "--format", form)
    assert (code, out) == (4, "")
    assert "card.html: changed since it was signed" in err


def test_a_changed_model_ends_with_four(world, govprune):
    bundle = world.seal()
    world.write(MODEL, b"another")
    code, _, err = govprune("verify", bundle, "--key", world.public)
    assert code == 4
    assert "changed since the gate judged it" in err


def test_without_a_trusted_key_nothing_is_verified(world, govprune):
    code, out, err = govprune("verify", world.seal())
    assert (code, out) == (2, "")
    assert "govprune keys trust" in err


def test_the_accounts_keys_count_without_naming_them(world, govprune):
    bundle = world.seal()
    govprune("keys", "trust", world.public)
    code, out, _ = govprune("verify", bundle)
    assert code == 0
    assert "account/trusted/gate-example-org-" in out


def test_the_whole_log_can_be_checked_against_the_bundle(world, govprune):
    bundle = world.seal()
    world.seal("FAILED", out="later")
    at = ("--log", world.log.path)
    code, out, _ = govprune("verify", bundle, "--key", world.public, *at)
    assert code == 0
    assert "all 2 entries checked" in out
    (world.log.path / "log.sqlite").write_bytes(b"gone")
    code, _, err = govprune("verify", bundle, "--key", world.public, *at)
    assert code == 4
    assert "log.sqlite" in err


def test_a_target_that_is_nothing_is_a_wrong_input(world, govprune):
    code, _, err = govprune("verify", "nowhere", "--key", world.public)
    assert code == 2
    assert "give its folder, or NAME@ALIAS" in err


def test_from_the_bundle_to_what_is_served_and_back(world, govprune):
    key = ("--key", world.public)
    for model in (b"first", b"second"):
        world.write(MODEL, model)
        bundle = world.seal(out=model.decode())
        code, out, _ = govprune("promote", bundle, "--to", "small", *key, "--log", world.log.path)
        assert code == 0
        assert "PROMOTED small@champion" in out
    code, out, _ = govprune("verify", "small@champion", *key)
    assert code == 0
    assert f"hashed     candidate {MODEL}: unchanged" in out
    code, out, _ = govprune("rollback", "small", *key)
    assert (code, "back to move 1" in out) == (0, True)
    code, out, _ = govprune("rollback", "small", *key)
    assert (code, "back to the baseline" in out) == (0, True)
    code, out, _ = govprune("verify", "small@champion", *key)
    assert (code, "VERIFIED BASELINE  models/dense.safetensors" in out) == (0, True)
    code, _, err = govprune("rollback", "small", *key)
    assert (code, "the baseline is served already" in err) == (1, True)


@pytest.mark.parametrize(("result", "code"), [("FAILED", 1), ("UNDECIDED", 3)])
def test_promoting_a_no_ends_with_the_verdicts_code(world, govprune, result, code):
    bundle = world.seal(result)
    ended, out, err = govprune("promote", bundle, "--to", "small", "--key", world.public)
    assert (ended, out) == (code, "")
    assert f"the verdict is {result}: accuracy-holds" in err


def test_the_log_in_its_usual_place_is_looked_at_unasked(world, govprune):
    """Only if it is the log of this bundle; the output says when none was looked at."""
    world.log = type(world.log)(world.root / ".govprune/log")
    old = world.seal(out="old")
    world.seal("FAILED", out="new")
    code, _, err = govprune("promote", old, "--to", "small", "--key", world.public)
    assert code == 1
    assert "a pass from before does not count" in err
    world.log = type(world.log)(world.folder / "another-log")
    other = world.seal(out="other")
    code, out, _ = govprune("promote", other, "--to", "small", "--key", world.public)
    assert code == 0
    assert "no log was looked at" in out


def test_a_name_that_moves_the_cursor_is_printed_as_text(world, govprune):
    evidence = world.evidence()
    subjects = tuple(
        s.model_copy(update={"name": "\x1b[2J\nVERIFIED"}) if s.role == "evaluation" else s
        for s in evidence.subjects
    )
    bundle = world.forge(evidence.model_copy(update={"subjects": subjects}), out="bundle")
    code, out, _ = govprune("verify", bundle, "--key", world.public)
    assert code == 0
    assert "not here   evaluation ?[2J?VERIFIED" in out.splitlines()
