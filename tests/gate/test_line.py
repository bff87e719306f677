"""The whole line on a small real job: run, verify, judge again, promote, tamper."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import govprune as api
from govprune.errors import InputError
from govprune.evidence import dsse
from govprune.evidence.entry import Proof, read_entry
from govprune.evidence.key_files import load_signing_keys
from govprune.evidence.log import Log
from govprune.evidence.vsa import from_vsa, to_vsa
from govprune.records import canonical

BLOCK_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "fairlearn", "art", "weasyprint", "pandas", "polars"}:
            raise ImportError(f"{name} is not installed on this auditor's machine")

sys.meta_path.insert(0, NoTorch())
sys.argv = ["govprune", *sys.argv[1:]]
from govprune.cli import main
main()
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_harmless_rounding_passes_and_leaves_six_files(job, govprune):
    done = govprune("run", "--out", "bundle")

    assert done.code == 0, done.err
    assert done.out.splitlines()[0].strip().startswith("...")
    assert "PASSED  4 pass" in done.out
    assert sorted(files(job / "bundle")) == [
        "README.txt", "card.html", "card.pdf", "evidence.dsse.json", "proof.json",
        "verdict.dsse.json",
    ]  # fmt: skip
    assert govprune("verify", "bundle").code == 0


def test_a_candidate_that_hurts_one_group_fails_and_is_not_promoted(job, govprune):
    """The candidate answers at random for group q (c < 0), as before for group p."""
    weights = load_file(job / "int8.safetensors")
    weights["weight"][:, 2] = torch.tensor([127, -127])
    save_file(weights, job / "int8.safetensors")

    done = govprune("run", "--out", "bundle", "--format", "json")
    said = json.loads(done.out)

    assert (done.code, said["result"]) == (1, "FAILED")
    failed = {f["question"]["slice"] for f in said["findings"] if f["status"] == "fail"}
    assert {"g=p", "g=q"} & failed
    assert govprune("verify", "bundle").code == 0  # a true record of a failure
    refused = govprune("promote", "bundle", "--to", "small")
    assert refused.code == 1
    assert "FAILED" in refused.err
    assert not list((job / ".govprune").rglob("sha256/*/*"))


def test_too_few_rows_are_undecided(job, govprune):
    text = (job / "evaluation.csv").read_text().splitlines()
    (job / "evaluation.csv").write_text("\n".join(text[:61]) + "\n")

    done = govprune("run", "--out", "bundle")

    assert done.code == 3
    assert "CANNOT TELL" in done.out
    assert govprune("promote", "bundle", "--to", "small").code == 3


@pytest.mark.parametrize(
    "target",
    ["int8.safetensors", "dense.safetensors", "evaluation.csv", "policy.yaml", "model.py",
     "bundle/evidence.dsse.json", "bundle/verdict.dsse.json", "bundle/card.pdf",
     "bundle/card.html", "bundle/proof.json", "bundle/README.txt"],
)  # fmt: skip
def test_one_changed_byte_anywhere_is_exit_code_4(gated, govprune, target):
    assert govprune("verify", "bundle").code == 0
    path = gated / target
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))

    done = govprune("verify", "bundle")

    assert done.code == 4
    assert done.err.startswith("error: ")


def test_an_archive_is_judged_where_torch_cannot_be_imported(gated):
    for command, code in (
        (["judge", "bundle", "--policy", "policy.yaml"], 0),
        (["judge", "bundle", "--policy", "predictions"], 3),
        (["judge", "bundle", "--policy", "credit"], 2),  # it cuts finer than the archive was cut
        (["verify", "bundle"], 0),
        (["explain", "bundle", "no-slice-loses-accuracy"], 0),
        (["promote", "bundle", "--to", "small"], 0),
        (["verify", "small@champion"], 0),
        (["--help"], 0),
    ):
        done = subprocess.run(
            [sys.executable, "-c", BLOCK_TORCH, *command],
            capture_output=True, text=True, check=False, cwd=gated,
        )  # fmt: skip
        assert done.returncode == code, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_stricter_policy_turns_the_archive_undecided(gated, govprune):
    (gated / "strict.yaml").write_text(
        "name: strict\nrules: [{id: r, check: slice-performance, metric: accuracy-change, "
        "at_least: -0.0001, over: whole}]\n"
    )

    done = govprune("judge", "bundle", "--policy", "strict.yaml", "--format", "json")

    assert (done.code, json.loads(done.out)["result"]) == (3, "UNDECIDED")


def test_a_dry_run_says_what_would_be_asked_and_writes_nothing(job, govprune):
    before = files(job)

    done = govprune("run", "--dry-run")

    assert done.code == 0
    assert "4 questions" in done.out
    assert "g=p" in done.out
    assert files(job) == before


def test_the_second_candidate_is_attempt_two_and_the_first_again_is_not(job, govprune):
    (job / "policy.yaml").write_text(
        (job / "policy.yaml").read_text().replace("attempts: counted\n", "")
    )

    def attempt(name):
        govprune("run", "--out", name)
        return govprune("explain", name, "no-slice-loses-accuracy").out

    assert "attempt 1" in attempt("first")
    weights = load_file(job / "int8.safetensors")
    weights["bias"] += 1e-3
    save_file(weights, job / "other.safetensors")
    text = (job / "govprune.yaml").read_text()
    (job / "govprune.yaml").write_text(text.replace("int8.safetensors", "other.safetensors"))
    assert "attempt 2" in attempt("second")
    (job / "govprune.yaml").write_text(text)
    assert "attempt 1" in attempt("first-again")


def test_an_unsigned_bundle_says_so_and_never_verifies(job, govprune):
    done = govprune("run", "--out", "bundle", "--unsafe-unsigned")

    assert done.code == 0
    assert b"UNSIGNED" in (job / "bundle" / "card.html").read_bytes().upper()
    assert govprune("verify", "bundle").code == 4
    assert govprune("promote", "bundle", "--to", "small").code == 4


def test_a_command_step_runs_after_the_baseline_is_digested(job, govprune):
    script = "import shutil; shutil.copy('made.safetensors', 'int8.safetensors')"
    (job / "int8.safetensors").rename(job / "made.safetensors")
    (job / "step.py").write_text(script)
    text = (job / "govprune.yaml").read_text()
    (job / "govprune.yaml").write_text(text.replace("claim:", "command: python step.py, claim:"))

    assert govprune("run", "--out", "bundle").code == 0
    card = (job / "bundle" / "card.html").read_text()
    assert "round-to-8-bits" in card


def test_the_same_gate_in_python(job):
    dense = torch.nn.Linear(3, 2)
    dense.load_state_dict(load_file(job / "dense.safetensors"))

    @api.wrap(name="prune-small", claim={"sparsity": 1 / 3})
    def prune(model):
        """Zero the two weights that hardly matter."""
        with torch.no_grad():
            model.weight[:, 2] = 0
        return model

    gated = api.gate_step(
        prune(dense),
        evaluation={"file": "evaluation.csv", "label": "y", "features": ["a", "b", "c"],
                    "slices": ["g"]},
        policy="policy.yaml", key="keys/gate.key", out="bundle",
    )  # fmt: skip

    assert gated.exit_code == 0, gated.verdict
    assert gated.evidence.step.description == "Zero the two weights that hardly matter."
    assert (job / "bundle" / "card.pdf").is_file()
    with pytest.raises(InputError, match="exists already"):
        api.gate_step(prune(dense), evaluation={}, policy="policy.yaml", out="bundle",
                      unsafe_unsigned=True)  # fmt: skip


def test_importing_govprune_and_asking_for_help_loads_no_heavy_library():
    code = "import sys, govprune, govprune.cli; sys.exit(int('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = (
        "import sys; sys.argv = ['govprune', '--help']\n"
        "from govprune.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "bad = {'torch', 'numpy', 'pydantic', 'rich'} & set(sys.modules)\n"
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_every_number_on_the_card_follows_from_the_counts(gated, govprune):
    assert govprune("verify", "bundle", "--recompute").code == 0


def test_a_card_that_the_gate_itself_falsified_is_found(gated, govprune):
    """Everything is signed by the right key; the page says something else than the counts."""
    bundle = gated / "bundle"
    keys = load_signing_keys(gated / "keys/gate.key")
    payload = dsse.payload_of((bundle / "verdict.dsse.json").read_bytes(), source="test")
    summary, _ = from_vsa(payload, source="test")
    html = (bundle / "card.html").read_bytes().replace(b"1,200", b"9,200")
    assert html != (bundle / "card.html").read_bytes()
    (bundle / "card.html").write_bytes(html)
    sha256 = hashlib.sha256(html).hexdigest()
    named = tuple((n, sha256 if n == "card.html" else digest) for n, digest in summary.files)
    forged = summary.model_copy(update={"files": named})
    (bundle / "verdict.dsse.json").write_bytes(dsse.sign(to_vsa(forged), keys))
    verdict = (bundle / "verdict.dsse.json").read_bytes()
    proof = Proof.model_validate_json((bundle / "proof.json").read_bytes())
    entry = read_entry(proof.leaf.encode(), source="test")
    entry = entry.model_copy(update={"verdict_sha256": hashlib.sha256(verdict).hexdigest()})
    (bundle / "proof.json").write_bytes(
        canonical(Log(gated / ".govprune" / "log").append(entry, keys))
    )
    assert govprune("verify", "bundle").code == 0
    done = govprune("verify", "bundle", "--recompute")
    assert done.code == 4
    assert "card.html" in done.err
