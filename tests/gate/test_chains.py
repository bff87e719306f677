"""A chain is judged against the original, and says which link cost whom what."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import govprune as api
from govprune import run
from govprune.errors import EvidenceError, InputError, JobError, SubjectError
from govprune.evidence.keys import new_keys
from govprune.evidence.statement import recompute

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits_chain"
JOB = (EXAMPLE / "govprune.yaml").read_text()
DONE = re.sub(r", command: python steps.py \w+", "", JOB)
"""The same job with the steps done already: from file to file, nothing is run."""
CODE = ("model.py", "steps.py", "train.py", "policy.yaml", "govprune.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The chain's folder before anything was run, with a trained baseline."""
    root = tmp_path_factory.mktemp("chain")
    for name in CODE:
        shutil.copy(EXAMPLE / name, root / name)
    subprocess.run([sys.executable, "train.py"], cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture(scope="module")
def gated(made):
    new_keys(made / "keys", owner="gate@example.org")
    return run(made, out=made / "bundle", pdf=False)


def measured(gated, metric):
    (found,) = [m for m in gated.evidence.measurements if m.metric == metric]
    return found


def test_the_link_and_the_class_that_was_hurt_are_named(gated):
    assert gated.verdict.result == "FAILED"
    (said,) = measured(gated, "worst-link-change").notes
    assert said == "prune, on class 8"


def test_a_loss_divides_into_what_each_link_cost(gated):
    (cost,) = [f for f in gated.evidence.figures if f.title.startswith("What each link cost")]
    assert cost.columns == ("rows", "n", "prune", "fine-tune", "quantise", "in all")
    for row in cost.rows:
        *parts, total = (float(cell) for cell in row[2:])
        assert sum(parts) == pytest.approx(total, abs=0.16)


def test_each_link_is_explained_by_the_model_before_it(gated):
    assert measured(gated, "undeclared-links").basis.value == 0
    (made,) = [f for f in gated.evidence.figures if f.title == "What each link made"]
    names, strange = [row[0] for row in made.rows], [row[5] for row in made.rows]
    assert names == ["prune", "fine-tune", "quantise"]
    assert (strange[0], strange[2]) == ("0", "0")
    assert int(strange[1].replace(",", "")) > 1000
    assert [row[3] for row in made.rows] == ["32", "32", "8"]
    assert made.rows[0][2] == "80.0%"


def test_the_chain_is_in_the_evidence_digest_by_digest(gated, made):
    evidence = gated.evidence
    assert [link.step.name for link in evidence.chain] == ["prune", "fine-tune", "quantise"]
    assert evidence.chain[0].parent == evidence.subject("baseline").sha256
    assert evidence.chain[2].product == evidence.subject("candidate").sha256
    for before, after in zip(evidence.chain, evidence.chain[1:], strict=False):
        assert after.parent == before.product
    assert evidence.subject("link-2").name == "tuned.safetensors"
    assert dict(evidence.chain[1].step.materials).keys() == {
        "pruned.safetensors", "model.py", "dense.safetensors", "training.parquet",
    }  # fmt: skip
    recompute(evidence)


def swapped(evidence):
    first, second, third = evidence.chain
    return (second, first, third)


def another_product(evidence):
    first, *rest = evidence.chain
    return (first.model_copy(update={"product": "0" * 64}), *rest)


def without_the_first(evidence):
    return evidence.chain[1:]


def another_step(evidence):
    *rest, last = evidence.chain
    step = last.step.model_copy(update={"retrains": True})
    return (*rest, last.model_copy(update={"step": step}))


@pytest.mark.parametrize("forge", [swapped, another_product, without_the_first, another_step])
def test_a_forged_chain_is_refused(gated, forge):
    with pytest.raises(EvidenceError, match=r"chain"):
        recompute(gated.evidence.model_copy(update={"chain": forge(gated.evidence)}))


def test_a_link_that_retrains_and_does_not_say_so_fails(gated, made, tmp_path):
    silent = DONE.replace(", retrains: true", "")
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "govprune.yaml").write_text(silent)
    found = run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b", pdf=False).evidence
    (broken,) = [m for m in found.measurements if m.metric == "undeclared-links"]
    assert broken.basis.value == 1
    assert broken.notes[0].startswith("fine-tune: ")
    assert "links-do-what-they-say" in {
        f.question.rule for f in found.verdict.findings if f.status == "fail"
    }


def test_a_later_command_that_touches_an_earlier_model_is_refused(made, tmp_path):
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    spoilt = JOB.replace(
        "python steps.py round", "python steps.py round && cp dense.safetensors pruned.safetensors"
    )
    (tmp_path / "govprune.yaml").write_text(spoilt)
    with pytest.raises(InputError, match=r"pruned\.safetensors: changed after step 'prune'"):
        run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b", pdf=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weights: tuned", "weights: pruned", "the same weights file: 'pruned.safetensors'"),
        ("name: fine-tune", "name: prune", "the same name: 'prune'"),
    ],
)
def test_links_must_differ(made, tmp_path, old, new, message):
    (tmp_path / "govprune.yaml").write_text(JOB.replace(old, new))
    with pytest.raises(JobError, match=message):
        run(tmp_path, unsafe_unsigned=True)


# --- the same in Python


def test_steps_wrapped_in_python_chain(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    exec((made / "model.py").read_text(), namespace)  # the same code the job names
    dense = namespace["build"]()
    dense.load_state_dict(load_file(made / "dense.safetensors"))
    with api.step(dense, name="prune") as first:
        with torch.no_grad():
            first.model.hidden.weight[first.model.hidden.weight.abs() < 0.05] = 0
        first.candidate = first.model
    with api.step(first.candidate, name="halve", after=first) as second:
        with torch.no_grad():
            second.model.out.weight[8] = 0
        second.candidate = second.model
    found = api.gate_step(
        second, policy=made / "policy.yaml", out="bundle", unsafe_unsigned=True,
        evaluation={
            "file": str(made / "evaluation.parquet"), "label": "digit", "features": ["p*"],
        },
    )  # fmt: skip
    assert measured(found, "worst-link-change").notes == ("halve, on class 8",)
    assert [link.step.name for link in found.evidence.chain] == ["prune", "halve"]
    recompute(found.evidence)
    assert json.loads(found.evidence.chain[0].model_dump_json())["previous"] is None


def test_a_step_that_starts_from_another_model_is_no_link(tmp_path):
    torch.manual_seed(0)
    with api.step(torch.nn.Linear(2, 2), name="one", folder=tmp_path / "1") as one:
        one.candidate = torch.nn.Linear(2, 2)
    with (
        pytest.raises(SubjectError, match="starts from another model than 'one' made"),
        api.step(torch.nn.Linear(2, 2), name="two", after=one, folder=tmp_path / "2"),
    ):
        pass


def test_the_terminal_names_the_costliest_link(gated, made, monkeypatch, govprune):
    monkeypatch.chdir(made)
    (made / "done.yaml").write_text(DONE)
    shown = govprune("run", "done.yaml", "--unsafe-unsigned", "--no-pdf", "--out", "shown")
    assert "costliest link: prune, on class 8: −" in shown.out
    assert not (made / "shown" / "card.pdf").exists()


def test_a_command_may_be_given_on_the_command_line(gated, made, monkeypatch, govprune):
    monkeypatch.chdir(made)
    (made / "done.yaml").write_text(DONE)
    shown = govprune(
        "run", "done.yaml", "--unsafe-unsigned", "--no-pdf", "--out", "other", "--step", "false"
    )
    assert shown.code == 2
    assert "step 'quantise' failed (exit 1): false" in shown.err


def test_a_step_that_changes_the_baseline_while_a_later_one_runs_is_refused(gated, made, tmp_path):
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    swap = "step: {name: quantise, command: cp pruned.safetensors dense.safetensors && cp "
    swap += "tuned.safetensors again.safetensors"
    job = DONE.replace("step: {name: quantise", swap).replace(", claim: {bits: 8}", "")
    job = job.replace("factory: build_int8, weights: int8", "weights: again")
    (tmp_path / "govprune.yaml").write_text(job)
    with pytest.raises(JobError, match=r"'quantise' changed dense\.safetensors"):
        run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b", pdf=False)


def test_evidence_of_a_step_that_was_given_another_baseline_is_refused(gated):
    first, *rest = gated.evidence.chain
    given = tuple((n, "0" * 64 if n.startswith("dense") else d) for n, d in first.step.materials)
    forged = first.model_copy(update={"step": first.step.model_copy(update={"materials": given})})
    with pytest.raises(EvidenceError, match=r"was given dense\.safetensors with other bytes"):
        recompute(gated.evidence.model_copy(update={"chain": (forged, *rest)}))


def test_a_link_that_renames_every_tensor_counts_as_retraining(gated, made, tmp_path):
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    state = load_file(made / "tuned.safetensors")
    save_file({f"inner.{n}": t for n, t in state.items()}, tmp_path / "renamed.safetensors")
    code = (made / "model.py").read_text()
    wrapped = """

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Digits()

    def forward(self, x):
        return self.inner(x)


def build_wrapped():
    return Wrapped()
"""
    (tmp_path / "wrapped.py").write_text(code + wrapped)
    job = DONE.replace(
        "factory: build_int8, weights: int8", "factory: build_wrapped, weights: renamed"
    )
    job = job.replace("candidate: {code: model.py", "candidate: {code: wrapped.py")
    (tmp_path / "govprune.yaml").write_text(job.replace(", claim: {bits: 8}", ""))
    found = run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b", pdf=False)
    (broken,) = [m for m in found.evidence.measurements if m.metric == "undeclared-links"]
    assert broken.notes[0].startswith("quantise: nothing in it has a name")


def test_a_candidate_that_is_exchanged_after_its_step_is_refused(tmp_path):
    torch.manual_seed(0)
    with api.step(torch.nn.Linear(2, 2), name="one", folder=tmp_path) as one:
        one.candidate = torch.nn.Linear(2, 2)
    save_file(torch.nn.Linear(2, 2).state_dict(), tmp_path / "candidate.safetensors")
    with pytest.raises(SubjectError, match="changed after step 'one' ended"):
        one.models()


@pytest.mark.parametrize(("claim", "holds"), [("sparsity: 0.8", True), ("sparsity: 0.9", False)])
def test_what_an_earlier_link_claims_is_counted_too(gated, made, tmp_path, claim, holds):
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    job = DONE.replace("{name: prune}", f"{{name: prune, claim: {{{claim}}}}}")
    (tmp_path / "govprune.yaml").write_text(job)
    (tmp_path / "policy.yaml").write_text(
        "name: claims\nrules:\n"
        "  - {id: claims, check: compression-claim, metric: claim-error, at_most: 0.01}\n"
        "  - {id: all, check: slice-performance, metric: accuracy-change, over: whole,"
        " at_least: -0.9}\n"
    )
    found = run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b", pdf=False)
    (error,) = [m for m in found.evidence.measurements if m.metric == "claim-error"]
    assert (error.basis.value <= 0.01) is holds
    assert any("found 80.0%) of step prune" in note for note in error.notes)
