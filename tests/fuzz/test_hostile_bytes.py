"""Whatever bytes come from outside, a reader answers, or refuses in govprune's own words, soon.

Two ways of making bytes: genuine ones that were cut, repeated and overwritten (Hypothesis), and
mutations that are led by which lines they reach (Atheris, in a process of its own).
"""

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from fuzz_targets import every_target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from govprune.errors import EvidenceError

HERE = Path(__file__).parent
NAMES = (
    "policy", "job", "yaml", "bundle", "statement", "verdict", "entry", "proof", "envelope", "note",
    "pdf", "pdf-signature", "log", "manifest", "json", "key-file", "trust-policy", "trust-envelope",
    "trust-document", "consent", "timestamp",
)  # fmt: skip
TOKENS = st.sampled_from(
    [b"null", b"NaN", b"1e999", b"-0", b"9" * 400, b"\\ud800", b"[" * 2000, b"{\"a\":" * 2000,
     b"&a", b"*a", b"!!python/object:x", b"---\n", b"../", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe",
     "\u202e".encode(), b"\x1b[2J", b"- " * 200, b"/ByteRange [0 1 2 3]", b"\x30\x80" * 200]
)  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "put", "over", "repeat", "flip", "move"]),
        st.floats(0, 1),
        st.floats(0, 1),
        TOKENS | st.binary(max_size=40),
    ),
    min_size=1,
    max_size=5,
)


def edited(data, edits):
    """Apply each edit to genuine bytes; places are shares of the length."""
    made = bytearray(data)
    for kind, at, to, token in edits:
        start, end = sorted((int(at * len(made)), int(to * len(made))))
        piece = bytes(made[start:end])
        if kind == "cut":
            del made[start:end]
        elif kind == "put":
            made[start:start] = token
        elif kind == "over":
            made[start : start + len(token)] = token
        elif kind == "repeat":
            made[end:end] = piece[:2000]
        elif kind == "flip" and start < len(made):
            made[start] ^= 1 << len(token) % 8
        elif kind == "move":
            del made[start:end]
            made += piece
    return bytes(made)


@pytest.fixture(scope="module")
def targets():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOVPRUNE_HOME", os.devnull)  # what the targets set is undone with it
        yield every_target()


def test_every_reader_is_fuzzed(targets):
    assert tuple(targets) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_genuine_bytes_are_read(targets, name):
    """A target that refuses everything would prove nothing."""
    if name == "timestamp":  # another CMS structure, signed by the same key
        with pytest.raises(EvidenceError, match="something else than a time"):
            targets[name].read(targets[name].seeds[0])
        return
    targets[name].read(targets[name].seeds[0])


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=5),
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 9), edits=EDITS)
def test_genuine_bytes_that_were_edited_are_read_or_refused(targets, name, seed, edits):
    target = targets[name]
    target(edited(target.seeds[seed % len(target.seeds)], edits))


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=5),
    suppress_health_check=list(HealthCheck),
)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(targets, name, data):
    targets[name](data)


def test_mutations_led_by_coverage_find_nothing(tmp_path):
    """Two seconds for each reader, none of them with more than a gigabyte or 5 seconds an input."""
    command = [sys.executable, str(HERE / "fuzz_with_atheris.py"), "all"]
    done = subprocess.run(
        [*command, "-max_total_time=2", "-seed=7"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    ended = dict(re.findall(r"^([a-z-]+): (-?\d+)$", done.stdout, re.MULTILINE))
    assert ended == dict.fromkeys(NAMES, "0"), done.stderr[-3000:]
    assert list(tmp_path.iterdir()) == []


# --- memory

BOMBS = {
    "JSON of empty lists": ("json", "b'[' + b'[],' * 20_000_000 + b'[]]'"),
    "JSON of empty mappings": ("json", "b'[' + b'{},' * 20_000_000 + b'{}]'"),
    "JSON of numbers": ("json", "b'[' + b'1,' * 31_000_000 + b'1]'"),
    "JSON of keys": ("json", "b'{' + b','.join(b'\"%x\":1' % i for i in range(5_000_000)) + b'}'"),
    "an envelope of empty lists": ("envelope", "b'[' + b'[],' * 20_000_000 + b'[]]'"),
    "JSON nested": ("json", "b'[' * 60_000_000"),
    "YAML of lists": ("yaml", "b'- [[],[],[]]\\n' * 70_000"),
    "YAML nested": ("yaml", "b'[' * 900_000"),
    "a policy of short rules": ("policy", "b'rules:\\n' + b'- {id: a}\\n' * 90_000"),
    "a PDF of byte ranges": ("pdf", "b'%PDF-1.7\\n' + b'/ByteRange [0 1 2 3]' * 3_000_000"),
    "a PDF of hexadecimal digits": (
        "pdf", "b'%PDF-1.7\\n/Contents <' + b'0' * 60_000_000 + b'>/ByteRange [0 19 60000021 30]'"),
    "a note of digits": ("note", "b'govprune/log/' + b'0' * 50_000_000"),
    "a log of nothing": ("log", "b'SQLite format 3\\0' + b'\\0' * 50_000_000"),
    "a manifest of one name": ("manifest", "b'{\"' + b'a' * 60_000_000 + b'\":1}'"),
    "a key file of one line": ("key-file", "b'-----BEGIN PUBLIC KEY-----\\n' + b'A' * 60_000_000"),
}  # fmt: skip
BOUNDED = """
import json, resource, sys
from time import perf_counter
sys.path[:0] = sys.argv[1:3]
from fuzz_targets import every_target
from govprune.errors import GovpruneError
targets = every_target()
for title, (name, made) in json.loads(sys.argv[3]).items():
    target, data = targets[name], eval(made)
    with open("/proc/self/statm") as stream:
        room = int(stream.read().split()[0]) * resource.getpagesize() + 1_000_000_000
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    start = perf_counter()
    try:
        target.read(data)
        said = "read"
    except GovpruneError as error:
        said = "refused"
    except MemoryError:
        said = "out of memory"
    took = perf_counter() - start
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(json.dumps([title, said, took]))
"""


def bounded(bombs):
    """Read each in one process with a gigabyte to spare; return what happened and how long."""
    command = [sys.executable, "-c", BOUNDED, str(HERE), str(HERE.parent), json.dumps(bombs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return {title: (said, took) for title, said, took in map(json.loads, done.stdout.splitlines())}


def test_every_bomb_is_refused_within_a_gigabyte_and_five_seconds():
    found = bounded(BOMBS)
    assert {title: said for title, (said, _) in found.items()} == dict.fromkeys(BOMBS, "refused")
    assert max(took for _, took in found.values()) < 5


def test_the_limit_on_memory_is_one():
    """Shown once, so that the test above does not pass for want of a limit."""
    large = {
        "large": ("json", "type('Bytes', (), {'__len__': lambda _: bytearray(1_200_000_000)})()")
    }
    assert bounded(large)["large"][0] == "out of memory"
