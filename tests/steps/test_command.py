"""A command runs between two digests; what it did not do is not taken for done."""

import pytest
from worlds import sha256

from govprune.errors import JobError, SubjectError
from govprune.job import Job
from govprune.steps import run_steps


@pytest.fixture
def job(tmp_path):
    (tmp_path / "dense.safetensors").write_bytes(b"dense")
    (tmp_path / "model.py").write_text("")

    def made(command, **step):
        return Job.model_validate({
            "name": "small", "title": "Small",
            "baseline": {"code": "model.py", "weights": "dense.safetensors"},
            "candidate": {"code": "model.py", "weights": "pruned.safetensors"},
            "step": {"name": "prune", "command": command} | step,
            "evaluation": {"file": "e.parquet", "label": "label", "features": ["x"]},
            "policy": "baseline",
        })  # fmt: skip

    return made


def write(name, text="new"):
    return f"python -c \"open('{name}', 'w').write('{text}')\""


def test_a_command_that_writes_the_candidate_is_recorded(tmp_path, job):
    (step,) = run_steps(
        job(write("pruned.safetensors"), claim={"sparsity": 0.9}, retrains=True), root=tmp_path
    )
    assert (tmp_path / "pruned.safetensors").read_text() == "new"
    assert (step.kind, step.claim.sparsity, step.retrains) == ("command", 0.9, True)
    assert step.command == write("pruned.safetensors")
    assert step.started <= step.finished


def test_the_python_of_a_command_is_the_one_that_runs_the_gate(tmp_path, job):
    code = "import sys; open('pruned.safetensors', 'w').write(sys.prefix)"
    run_steps(job(f'python -c "{code}"'), root=tmp_path)
    import sys

    assert (tmp_path / "pruned.safetensors").read_text() == sys.prefix


def test_a_command_that_fails_says_which_and_where_to_run_it(tmp_path, job):
    with pytest.raises(JobError) as caught:
        run_steps(job("exit 7"), root=tmp_path)
    assert "step 'prune' failed (exit 7): exit 7. Run it by hand in" in str(caught.value)


def test_a_command_that_writes_nothing_is_refused(tmp_path, job):
    with pytest.raises(JobError, match=r"did not write pruned\.safetensors"):
        run_steps(job("true"), root=tmp_path)


def test_a_candidate_left_by_an_earlier_run_is_not_taken_for_the_new_one(tmp_path, job):
    (tmp_path / "pruned.safetensors").write_bytes(b"old")
    with pytest.raises(JobError, match=r"did not write pruned\.safetensors"):
        run_steps(job(write("elsewhere.safetensors")), root=tmp_path)


def test_a_command_that_changes_the_baseline_is_refused(tmp_path, job):
    both = f"{write('pruned.safetensors')} && {write('dense.safetensors')}"
    with pytest.raises(JobError, match="changed the baseline's weights; write a new file"):
        run_steps(job(both), root=tmp_path)


def test_without_a_command_nothing_runs_and_the_artefacts_are_judged_as_they_lie(tmp_path, job):
    before = sha256(tmp_path / "dense.safetensors")
    (step,) = run_steps(job(None, claim={"bits": 8}), root=tmp_path)
    assert (step.kind, step.claim.bits, step.started) == ("artefacts", 8, None)
    assert sha256(tmp_path / "dense.safetensors") == before
    assert not (tmp_path / "pruned.safetensors").exists()


def test_a_baseline_that_is_not_there_is_named_before_anything_runs(tmp_path, job):
    (tmp_path / "dense.safetensors").unlink()
    with pytest.raises(SubjectError, match=r"dense\.safetensors: no such file"):
        run_steps(job(write("pruned.safetensors")), root=tmp_path)
    assert not (tmp_path / "pruned.safetensors").exists()


def test_what_a_command_prints_does_not_mix_with_the_verdict(tmp_path, job, capfd):
    command = f"echo {'x' * 10} && {write('pruned.safetensors')}"
    run_steps(job(command), root=tmp_path)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "x" * 10 + "\n"


def test_a_command_runs_where_standard_error_is_no_file(tmp_path, job, capsys):
    """In a notebook, or under a test runner, `sys.stderr` has no descriptor of its own."""
    (step,) = run_steps(job(write("pruned.safetensors")), root=tmp_path)
    assert step.kind == "command"
