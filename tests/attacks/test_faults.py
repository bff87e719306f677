"""Power cuts, full disks and kills: there is a whole bundle, or none; an alias moved, or not."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sealed import NOW, World

from govprune.errors import GovpruneError, InputError
from govprune.evidence.entry import Entry
from govprune.evidence.key_files import load_signing_keys, load_trusted_keys
from govprune.evidence.log import Log
from govprune.evidence.verify import verify_bundle
from govprune.promotion import promote, verify_served
from govprune.registries.local import LocalRegistry

ENTRY = Entry(
    artefact="c" * 64,
    policy="d" * 64,
    verdict_sha256="1" * 64,
    evidence_sha256="2" * 64,
    baseline="b" * 64,
    evaluation="e" * 64,
    candidate="c" * 64,
    result="FAILED",
    time="2026-03-01T12:00:00Z",
)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class Failing:
    """Counts the calls of some system functions, and lets the n-th of them fail."""

    CALLS = ("fsync", "rename", "replace", "mkdir", "open", "fchmod")

    def __init__(self, monkeypatch, at):
        self.calls, self.at = 0, at
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, real):
        def call(*args, **kwargs):
            self.calls += 1
            if self.calls == self.at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call


def steps_of(world, monkeypatch, action):
    """How many of these calls a run without a fault makes."""
    with monkeypatch.context() as patch:
        failing = Failing(patch, at=0)
        action(world)
    return failing.calls


def leftovers(folder):
    return [path for path in folder.rglob("*") if "partial" in path.name]


def test_a_full_disk_at_any_step_leaves_no_bundle(world, monkeypatch):
    steps = steps_of(world, monkeypatch, lambda w: w.seal(out="rehearsal"))
    assert steps > 10
    failed = 0
    for at in range(1, steps + 1):
        out = f"bundle-{at}"
        with monkeypatch.context() as patch:
            Failing(patch, at=at)
            try:
                world.seal(out=out)
            except GovpruneError:
                failed += 1
                assert not os.path.lexists(world.root / out)
            except OSError:
                # Before sealing began: the files of the job could not be read.
                assert not os.path.lexists(world.root / out)
        assert leftovers(world.root) == []
        if (world.root / out).exists():
            world.verify(world.root / out)
        world.log.check(world.trusted)
    assert failed > 5
    world.verify(world.seal(out="afterwards"))


def test_a_full_disk_says_which_folder_and_what_to_do(world, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InputError, match=r"job/bundle: .*No space left.*Make room"):
        world.seal()


def test_a_full_disk_at_any_step_moves_no_alias(world, monkeypatch):
    bundle = world.seal()

    def act(world, registry=None):
        return promote(
            bundle,
            name="small",
            registry=registry or world.folder / "rehearsal",
            trusted=world.trusted,
            root=world.root,
            now=NOW,
        )

    steps = steps_of(world, monkeypatch, act)
    refused = 0
    for at in range(1, steps + 1):
        registry = world.folder / f"registry-{at}"
        moved = None
        with monkeypatch.context() as patch:
            Failing(patch, at=at)
            try:
                moved = act(world, registry)
            except GovpruneError:
                refused += 1
        assert leftovers(registry) == []
        history = LocalRegistry(registry).history("small", "champion")
        assert [m.position for m in history] == ([] if moved is None else [moved.position])
        if moved is not None:
            verify_served(registry, name="small", alias="champion", trusted=world.trusted, now=NOW)
    assert refused > 5


SEAL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import sealed

folder, at = Path(sys.argv[2]), int(sys.argv[3])
world = sealed.World(folder)
calls = 0


def dying(real):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call


for name in ("fsync", "rename", "replace"):
    setattr(os, name, dying(getattr(os, name)))
world.seal()
print(calls)
"""


def seal_in_a_process(folder, at):
    tests = Path(__file__).parents[1]
    folder.mkdir()
    command = [sys.executable, "-c", SEAL, str(tests), str(folder), str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_kill_at_any_step_leaves_no_half_bundle(tmp_path):
    whole = seal_in_a_process(tmp_path / "whole", at=0)
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout)
    assert steps >= 8
    for at in range(3, steps + 1, 3):  # the first two write the keys
        folder = tmp_path / str(at)
        assert seal_in_a_process(folder, at).returncode == -signal.SIGKILL
        bundle, trusted = folder / "job" / "bundle", [load_trusted_keys(folder / "keys/gate.pub")]
        if bundle.exists():
            verify_bundle(bundle, trusted=trusted, root=None, now=NOW)
        if (folder / "log").exists():
            Log(folder / "log").append(ENTRY, load_signing_keys(folder / "keys/gate.key"))
            Log(folder / "log").check(trusted)


LIMITED = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import sealed
from govprune.errors import GovpruneError
from govprune.evidence.bundle import CardFiles

world = sealed.World(Path(sys.argv[2]))
if sys.argv[4] == "log":
    world.seal(out="first")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    world.seal(render=lambda envelope: CardFiles(html=b"x" * 300_000, pdf=None))
except GovpruneError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("limit", "log"), [(200, "none"), (1_000, "log"), (20_000, "none"), (200_000, "log")]
)
def test_a_real_limit_on_file_size_ends_in_one_sentence(tmp_path, limit, log):
    """The kernel refuses to write on: in the log, or in the card."""
    tests = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tests), str(tmp_path), str(limit), log],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (2, "")
    assert "make room" in ran.stdout.lower()
    assert not (tmp_path / "job" / "bundle").exists()
    assert leftovers(tmp_path) == []
