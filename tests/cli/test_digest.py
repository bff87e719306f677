"""`govprune digest` as a person uses it: what it prints, writes, refuses, and its exit codes."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

FILES = {"config.json": "{}", "model.safetensors": "weights", "tokenizer/merges.txt": "a b"}


@pytest.fixture
def model(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "llama" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "llama"


@pytest.fixture
def written(govprune, model):
    """The model's manifest, in a file."""
    assert govprune("digest", "llama", "-o", "m.json")[0] == 0
    return Path("m.json")


def test_it_prints_what_sha256sum_checks(govprune, model):
    code, out, err = govprune("digest", "llama")

    assert (code, err) == (0, "")
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet"], input=out, cwd=model, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert [line.split("  ")[1] for line in out.splitlines()[:3]] == list(FILES)
    assert "model   llama: 3 files, 12 bytes" in out


def test_a_single_file_is_a_model(govprune, model):
    code, out, _ = govprune("digest", "llama/config.json", "--format", "json")

    said = json.loads(out)
    assert code == 0
    assert said["subject"][0]["name"] == "config.json"
    assert said["predicate"]["resources"][0]["digest"] == hashlib.sha256(b"{}").hexdigest()


def test_the_file_and_the_screen_hold_the_same_manifest(govprune, model, written):
    code, out, _ = govprune("digest", "llama", "--format", "json")

    assert code == 0
    assert written.read_text() == out


def test_here_is_named_by_the_name_of_the_folder(govprune, model, monkeypatch, written):
    expected = written.read_text()
    monkeypatch.chdir(model)

    assert govprune("digest", ".", "--format", "json")[1] == expected


def test_an_untouched_model_is_the_same(govprune, model, written):
    code, out, err = govprune("digest", "llama", "--check", written)

    assert (code, err) == (0, "")
    assert out.startswith("SAME  llama: 3 files, 12 bytes, digest ")


def test_every_file_that_differs_is_named_and_the_exit_code_is_4(govprune, model, written):
    (model / "config.json").write_text("{ }")
    (model / "tokenizer" / "merges.txt").rename(model / "tokenizer" / "merges")
    (model / ".github").mkdir()
    (model / ".github" / "planted.py").touch()

    code, out, _ = govprune("digest", "llama", "--check", written)

    assert code == 4
    assert out.splitlines() == [
        "changed  config.json",
        "missing  tokenizer/merges.txt",
        "extra    .github/planted.py",
        "extra    tokenizer/merges",
        "DIFFERS  1 changed, 1 missing, 2 extra; 1 the same: this is not the model of the manifest",
    ]


@pytest.mark.parametrize("same", [True, False])
def test_the_answer_for_machines_says_the_same(govprune, model, written, same):
    if not same:
        (model / "model.safetensors").write_text("weightz")

    code, out, _ = govprune("digest", "llama", "--check", written, "--format", "json")

    said = json.loads(out)
    changed = [] if same else ["model.safetensors"]
    assert code == (0 if same else 4)
    assert (said["same"], said["changed"], said["missing"], said["extra"]) == (
        same,
        changed,
        [],
        [],
    )


def test_a_file_can_be_checked_and_is_no_folder(govprune, model, written):
    govprune("digest", "llama/config.json", "-o", "file.json")

    assert govprune("digest", "llama/config.json", "--check", "file.json")[0] == 0
    for given, of in (("llama", "file.json"), ("llama/config.json", "m.json")):
        code, _, err = govprune("digest", given, "--check", of)
        assert (code, "is the manifest of" in err) == (4, True)


def test_a_link_is_bad_input_alone_and_a_broken_promise_in_a_check(govprune, model, written):
    (model / "config.json").rename(model.parent / "elsewhere.json")
    (model / "config.json").symlink_to("../elsewhere.json")

    code, _, err = govprune("digest", "llama")
    assert (code, "llama/config.json: is a symbolic link" in err) == (2, True)
    code, out, err = govprune("digest", "llama", "--check", written)
    assert (code, out, "llama/config.json: is a symbolic link" in err) == (4, "", True)


def test_an_emptied_folder_lacks_every_file_by_name(govprune, model, written):
    shutil.rmtree(model)
    model.mkdir()

    code, out, err = govprune("digest", "llama", "--check", written)

    assert (code, out, "llama: an empty folder" in err) == (4, "", True)
    assert f"Missing: {', '.join(FILES)}" in " ".join(err.split())


def test_a_folder_that_lost_its_only_file_is_named_with_the_file(govprune, model, written):
    (model / "tokenizer" / "merges.txt").unlink()

    code, _, err = govprune("digest", "llama", "--check", written)

    assert (code, "llama/tokenizer: an empty folder" in err) == (4, True)
    assert "Missing: tokenizer/merges.txt" in " ".join(err.split())


def test_an_altered_manifest_is_refused(govprune, model, written):
    digest = hashlib.sha256(b"{}").hexdigest()
    written.write_text(written.read_text().replace(digest, "0" * 64))

    code, out, err = govprune("digest", "llama", "--check", written)

    assert (code, out) == (4, "")
    assert "m.json: says the root digest" in err


def test_a_manifest_is_never_written_over_another(govprune, model, written):
    before = written.read_text()

    code, _, err = govprune("digest", "llama/config.json", "-o", written)

    assert (code, "exists already" in err) == (2, True)
    assert written.read_text() == before


def test_a_manifest_does_not_become_a_file_of_its_model(govprune, model):
    code, _, err = govprune("digest", "llama", "-o", "llama/tokenizer/m.json")

    assert (code, "lies inside the model" in err) == (2, True)
    assert not (model / "tokenizer" / "m.json").exists()


def test_nothing_is_written_of_a_model_that_is_refused(govprune, model):
    (model / "hollow").mkdir()

    code, _, err = govprune("digest", "llama", "-o", "m.json")

    assert (code, "llama/hollow: an empty folder" in err) == (2, True)
    assert not Path("m.json").exists()


def test_check_and_out_are_two_questions(govprune, model, written):
    code, _, err = govprune("digest", "llama", "--check", written, "-o", "n.json")

    assert (code, "give one of them" in err) == (2, True)


@pytest.mark.parametrize("threads", ["0", "257", "x"])
def test_an_impossible_number_of_threads_is_refused(govprune, model, threads):
    assert govprune("digest", "llama", "--threads", threads)[0] == 2


def test_a_model_that_is_not_there_is_bad_input(govprune):
    assert govprune("digest", "none")[0] == 2


def test_help_shows_both_questions(govprune):
    _, out, _ = govprune("digest", "--help")

    assert "govprune digest llama/ -o llama.manifest.json\n" in out
    assert "govprune digest llama/ --check llama.manifest.json\n" in out


def test_long_work_says_how_far_it_is(govprune, model, monkeypatch):
    """No time passes without a word, so that a small model is long work."""
    from govprune.cli import digest

    monkeypatch.setattr(digest, "_ELSEWHERE", 0.0)
    (model / "large").write_bytes(bytes(3 << 20))

    code, _, err = govprune("digest", "llama")

    assert (code, "  0/3 MiB hashed" in err) == (0, True)
