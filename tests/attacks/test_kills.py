"""kill -9 at every step of sealing, promoting, rolling back and approving; then it is done again.

Each action runs in a process of its own, which is killed by the kernel: at each call that changes
a file, and at moments in between, wherever SQLite may be. What is left never says more than what
was finished, and doing it again succeeds.
"""

import contextlib
import os
import signal
import time
from datetime import timedelta
from itertools import count

import pytest
from sealed import NOW
from trusted_people import People

from govprune.errors import GovpruneError
from govprune.promotion import promote, rollback, verify_served
from govprune.registries.local import LocalRegistry

CHANGING = ("fsync", "rename", "replace", "mkdir", "link", "unlink", "fchmod", "rmdir")
SECONDS = 60


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPRUNE_HOME", str(tmp_path / "account"))
    return People(tmp_path)


def in_a_process(action, *, before=None, after_seconds=None):
    """Run an action in a child; kill it before its n-th change, or after a while.

    Returns:
        How many changes it made, or None where it was killed.
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        with contextlib.suppress(BaseException):
            calls = count_down(before)
            if after_seconds is not None:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, after_seconds)
            action()
            os.write(send, str(len(calls)).encode())
        os._exit(0)
    os.close(send)
    _, status = os.waitpid(child, 0)
    with os.fdopen(receive, "rb") as stream:
        said = stream.read()
    killed = os.WIFSIGNALED(status)
    assert killed or said, "the action failed by itself"
    return None if killed else int(said)


def count_down(before):
    """Have the process kill itself before its n-th change; returns the list of its changes."""
    calls = []

    def counted(real):
        def call(*args, **kwargs):
            calls.append(real.__name__)
            if len(calls) == before:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in CHANGING:
        setattr(os, name, counted(getattr(os, name)))
    return calls


def moments(action, prepare):
    """Yield every way to be killed: before each change, and at twelve moments in between."""
    prepare(0)
    start = time.monotonic()
    in_a_process(lambda: action(0))
    whole = time.monotonic() - start
    for number in count(1):
        prepare(number)
        changes = in_a_process(lambda n=number: action(n), before=number)
        yield number
        if changes is not None:  # it was through before its turn to die
            assert number > changes >= 3
            break
    for part in range(1, 13):
        number += 1
        prepare(number)
        in_a_process(lambda n=number: action(n), after_seconds=max(whole * part / 12, 0.001))
        yield number


def test_sealing(people):
    """Not one of the bundles is half there, and the log goes on."""

    def action(number):
        people.sealed(out=f"bundle-{number}")

    for number in moments(action, lambda _: None):
        place = people.root / f"bundle-{number}"
        if not place.exists():
            action(number)
        assert people.stand(place).result == "PASSED"
        people.log.check(people.trusted)


def test_promoting(people):
    """The alias is where it was, or at the new model; never at half of one."""
    bundle = people.sealed()
    people.approve(bundle)

    def action(number):
        registry = people.folder / f"registry-{number}"
        if LocalRegistry(registry).history("small", "champion") == ():
            promote(bundle, registry=registry, **given(people))

    for number in moments(action, lambda _: None):
        registry = people.folder / f"registry-{number}"
        if LocalRegistry(registry).history("small", "champion"):
            assert served(people, registry).verified.result == "PASSED"
        action(number)
        assert served(people, registry).verified.result == "PASSED"


def test_a_second_promotion_and_a_rollback(people):
    """While one model serves, a death on the way to another leaves it serving."""
    first = people.sealed(out="first")
    people.approve(first)
    people.write("models/pruned.safetensors", b"a better candidate")
    second = people.sealed(out="second")
    people.approve(second)
    (people.root / "models/better.safetensors").write_bytes(b"a better candidate")

    def prepare(number):
        people.write("models/pruned.safetensors", b"the model that would replace it")
        promote(first, registry=people.folder / f"registry-{number}", **given(people))
        people.write("models/pruned.safetensors", b"a better candidate")

    def forth(number):
        registry = people.folder / f"registry-{number}"
        if served(people, registry).moved.position == 1:
            promote(second, registry=registry, **given(people))

    for number in moments(forth, prepare):
        registry = people.folder / f"registry-{number}"
        assert served(people, registry).moved.position in (1, 2)
        forth(number)
        now_served = served(people, registry)
        assert now_served.files[0][1].read_bytes() == b"a better candidate"

    def prepare_back(number):
        prepare(number + 1000)
        forth(number + 1000)

    def back(number):
        rollback(
            "small", registry=people.folder / f"registry-{number + 1000}", trusted=(), now=NOW,
            under=people.policy,
        )  # fmt: skip

    # Rolling back changes no file but the database, so the moments in between are what counts.
    prepare_back(0)
    for part in range(1, 13):
        prepare_back(part)
        in_a_process(lambda n=part: back(n), after_seconds=part / 400)
        registry = people.folder / f"registry-{part + 1000}"
        moved = served(people, registry).moved
        assert moved.move.kind in ("promote", "rollback")
        if moved.move.kind == "promote":
            back(part)
        assert served(people, registry).files[0][1].read_bytes() != b"a better candidate"


def test_approving(people):
    """An approval is there and signed, or not there; the bundle verifies either way."""

    def prepare(number):
        people.sealed(out=f"bundle-{number}")

    def action(number):
        people.approve(people.root / f"bundle-{number}")

    for number in moments(action, prepare):
        place = people.root / f"bundle-{number}"
        found = people.stand(place)
        if found.standing.lacks:
            action(number)
        assert people.stand(place).standing.lacks == ()


def test_accepting_a_trust_policy(people):
    """What was accepted stays accepted; a half-written file is never read as the last word."""
    for version in range(2, 6):
        path = people.sign(version)
        in_a_process(lambda p=path: people.follow(p), before=version - 1)
        assert people.follow(path).version == version


def given(people):
    return {"name": "small", "trusted": (), "root": people.root, "now": NOW + timedelta(minutes=1),
            "under": people.policy}  # fmt: skip


def served(people, registry):
    return verify_served(
        registry, name="small", alias="champion", trusted=(), now=NOW, under=people.policy
    )


def test_an_action_that_fails_by_itself_is_noticed():
    def broken():
        raise GovpruneError("no")

    with pytest.raises(AssertionError, match="failed by itself"):
        in_a_process(broken)
