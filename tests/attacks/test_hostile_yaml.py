"""YAML that says one thing to a person and another to a loader, or costs more than it looks.

The defence: strict_yaml.py, before any value is used; then strict types, and no templating.
"""

import time

import pytest
from sealed import World

from govprune import job
from govprune.errors import JobError, PolicyError
from govprune.policy import load
from govprune.strict_yaml import load as read


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def value_of(text):
    return read(f"a: {text}\n", source="x.yaml", error=PolicyError).value["a"]


def laughs():
    """A billion laughs: ten lists of ten references each."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines)


REFUSED = {
    "a bomb of aliases": (laughs(), "anchors and aliases"),
    "an anchor": ("a: &x 1\n", "anchors and aliases"),
    "a merge key": ("a: {<<: {b: 1}, c: *x}\n", "anchors and aliases"),
    "a Python object": ("a: !!python/object/apply:os.system [id]\n", "the tag"),
    "a Python name": ("a: !!python/name:os.system\n", "the tag"),
    "a new Python object": ("a: !!python/object/new:os.popen [id]\n", "the tag"),
    "bytes": ("a: !!binary aGVsbG8=\n", "the tag"),
    "a set": ("a: !!set {b}\n", "the tag"),
    "a tag of one's own": ("a: !include /etc/passwd\n", "the tag"),
    "a redefined tag": ("%TAG ! tag:yaml.org,2002:\n---\na: !int 1\n", "the tag"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", "given twice"),
    "a key twice, once quoted": ("a: 1\n'a': 3\n", "given twice"),
    "a key twice, far within": ("a: [{b: {c: 1, c: 2}}]\n", "given twice"),
    "a list as a key": ("? [a, b]\n: 1\n", "a key must be plain text"),
    "a control character in a key": ('"a\\u0007": 1\n', "a key must be plain text"),
    "a line break in a key": ('"a\\nb": 1\n', "a key must be plain text"),
    "two documents": ("a: 1\n---\nb: 2\n", "not YAML"),
    "an escape sequence": ('a: "\\e[2J"\n', "control character"),
    "a reversed reading": ('a: "\\u202Edessap"\n', "control character"),
    "a NUL": ('a: "x\\0y"\n', "control character"),
    "infinity": ("a: .inf\n", "not a finite number"),
    "minus infinity": ("a: -.Inf\n", "not a finite number"),
    "not a number": ("a: .NaN\n", "not a finite number"),
    "a number beyond all": ("a: 1e999\n", "not a finite number"),
    "an integer beyond all": ("a: 99999999999999999999\n", "too long"),
    "nesting": ("a: " + "[" * 300 + "]" * 300 + "\n", "nested deeper"),
    "a tab for an indent": ("a:\n\tb: 1\n", "not YAML"),
    "length": ("a: " + "x" * 300_000 + "\n", "longer than"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_a_sentence_and_soon(case):
    text, says = REFUSED[case]
    start = time.perf_counter()
    with pytest.raises(PolicyError, match=says):
        read(text, source="x.yaml", error=PolicyError)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "text",
    ["no", "off", "on", "yes", "y", "n", "True", "FALSE", "1:30", "190:20:30", "0o17", "0x1F",
     "017", "1_000", "2026-11-22", "2026-11-22T10:00:00Z", "NULL", "Null", "12e", "1,5"],
)  # fmt: skip
def test_what_older_yaml_turned_into_something_else_stays_text(text):
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("-0.02", -0.02), ("7", 7), ("null", None), ("~", None)],
)
def test_what_is_meant_as_a_value_is_one(text, value):
    assert value_of(text) == value


TEMPLATES = ("{{ 7 * 7 }}", "{% include '/etc/passwd' %}", "${HOME}", "$HOME", "%(x)s", "<%= 1 %>")


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_policy_is_no_template(world, text, monkeypatch):
    """What looks like one stays as it was written, in the resolved policy and its digest."""
    monkeypatch.setenv("HOME", "/root/expanded")
    path = world.root / "policy.yaml"
    path.write_text(path.read_text() + f'description: "{text}"\n')
    assert load(path, root=world.root).policy.description == text


@pytest.mark.parametrize(
    "target",
    ["../../etc/passwd", "/etc/passwd", "https://example.org/policy.yaml", "file:///etc/passwd",
     "//host/share/p.yaml", "~/p.yaml", "p.yaml\\0.txt", "http:p.yaml", "."],
)  # fmt: skip
def test_a_policy_extends_no_address_and_nothing_but_a_policy(world, target):
    path = world.root / "policy.yaml"
    path.write_text(path.read_text() + f'extends: "{target}"\n')
    with pytest.raises(PolicyError):
        load(path, root=world.root)


def test_a_policy_behind_a_link_is_not_followed(world):
    path = world.root / "policy.yaml"
    path.rename(world.root / "real.yaml")
    path.symlink_to(world.root / "real.yaml")
    with pytest.raises(PolicyError, match="symbolic link"):
        load(path, root=world.root)


@pytest.mark.parametrize(
    ("line", "field"),
    [("alpha: '0.05'", "alpha"), ("alpha: true", "alpha"), ("valid_days: 30.5", "valid_days"),
     ("valid_days: true", "valid"), ("version: 1.0", "version"), ("name: no", None),
     ("attempts: off", "attempts")],
)  # fmt: skip
def test_types_are_strict(world, line, field):
    key = line.split(":")[0]
    path = world.root / "policy.yaml"
    kept = [x for x in path.read_text().splitlines() if not x.startswith(f"{key}:")]
    path.write_text("\n".join([line, *kept]) + "\n")
    if field is None:
        assert load(path, root=world.root).policy.name == "no"
        return
    with pytest.raises(PolicyError, match=field):
        load(path, root=world.root)


def test_a_job_is_read_by_the_same_rules(world):
    for case in ("a key twice", "a Python object", "a bomb of aliases"):
        (world.root / "govprune.yaml").write_text(REFUSED[case][0])
        with pytest.raises(JobError, match=REFUSED[case][1]):
            job.load(world.root)
