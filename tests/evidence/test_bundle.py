"""Sealing: the order of things, the closed list of files, and never half a bundle."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sealed import HTML, World, sha256

from govprune.errors import EvidenceError, InputError
from govprune.evidence.bundle import CardFiles
from govprune.evidence.vsa import from_vsa, moment, summarise, to_vsa
from govprune.records import canonical


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def statement_of(bundle):
    return json.loads(
        base64.b64decode(json.loads((bundle / "verdict.dsse.json").read_bytes())["payload"])
    )


def test_the_verdict_names_every_other_file_by_its_digest(world):
    bundle = world.seal()
    named = {s["name"]: s["digest"]["sha256"] for s in statement_of(bundle)["subject"]}
    files = {path.name for path in bundle.iterdir()}
    assert files - {"verdict.dsse.json", "proof.json"} == set(named) - {"models/pruned.safetensors"}
    for name in ("evidence.dsse.json", "card.html", "README.txt"):
        assert named[name] == sha256((bundle / name).read_bytes())
    candidate = (world.root / "models/pruned.safetensors").read_bytes()
    assert named["models/pruned.safetensors"] == sha256(candidate)


def test_the_card_is_rendered_from_the_envelope_that_was_signed(world):
    seen = []

    def render(envelope):
        seen.append(envelope)
        return CardFiles(html=HTML, pdf=None)

    bundle = world.seal(render=render)
    assert seen == [(bundle / "evidence.dsse.json").read_bytes()]


def test_the_verdict_is_a_slsa_verification_summary(world):
    """The required fields of https://slsa.dev/spec/v1.1/verification_summary."""
    statement = statement_of(world.seal("UNDECIDED"))
    predicate = statement["predicate"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert predicate["verifier"]["id"] == "urn:govprune:gate"
    assert predicate["verificationResult"] == "FAILED"
    assert predicate["verifiedLevels"] == ["FAILED"]
    assert predicate["resourceUri"]
    assert predicate["timeVerified"].endswith("Z")
    assert set(predicate["policy"]) == {"uri", "digest"}
    assert predicate["inputAttestations"][0]["digest"]["sha256"]
    assert predicate["govprune"]["result"] == "UNDECIDED"


def test_no_two_verdicts_are_one(world):
    one, two = world.seal(out="one"), world.seal(out="two")
    nonces = [statement_of(b)["predicate"]["govprune"]["nonce"] for b in (one, two)]
    assert nonces[0] != nonces[1]


def test_the_readme_says_what_this_is_and_how_to_verify_it(world):
    text = (world.seal("FAILED") / "README.txt").read_text()
    assert "FAILED" in text
    assert "govprune verify" in text
    assert "Get it from them, not from here" in text


def test_the_attempt_is_the_one_the_log_counted(world):
    world.seal("FAILED", out="first")
    world.write("models/pruned.safetensors", b"a second candidate")
    second = world.seal(out="second")
    found = world.verify(second)
    assert found.summary.attempt == found.evidence.plan.attempt == 2
    assert found.evidence.plan.alpha < found.evidence.policy.alpha / 4


def test_a_candidate_judged_as_too_early_an_attempt_is_not_sealed(world):
    world.seal("FAILED", out="first")
    world.write("models/pruned.safetensors", b"a second candidate")
    with pytest.raises(InputError, match="Run the gate again"):
        world.seal(out="second", attempt=1)
    assert not (world.root / "second").exists()


def test_a_bundle_is_never_replaced_and_nothing_is_logged(world):
    first = world.seal()
    before = (first / "verdict.dsse.json").read_bytes()
    rendered = []
    for what in ("bundle", "a file", "a link"):
        if what == "a file":
            (world.root / what).write_text("mine")
        if what == "a link":
            (world.root / what).symlink_to("nowhere")
        with pytest.raises(InputError, match="choose another --out"):
            world.seal(out=what, render=rendered.append)
    assert (first / "verdict.dsse.json").read_bytes() == before
    assert rendered == []
    assert len(world.log.check(world.trusted).entries) == 1


@pytest.mark.parametrize("name", ["card.html", "evidence.dsse.json", "card.pdf", "README.txt"])
def test_a_candidate_cannot_take_the_name_of_a_bundles_file(world, name):
    evidence = world.evidence()
    subjects = tuple(
        s.model_copy(update={"name": name}) if s.role == "candidate" else s
        for s in evidence.subjects
    )
    world.evidence = lambda *_, **__: evidence.model_copy(update={"subjects": subjects})
    with pytest.raises(InputError, match="cannot have this name"):
        world.seal()


@pytest.mark.parametrize(
    "written",
    [
        "yesterday",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_time_says_its_offset_and_can_be_meant(written):
    with pytest.raises(EvidenceError, match="finished"):
        moment(written, field="finished")


def files_named(*names):
    return tuple((name, "0" * 64) for name in names)


WHOLE = ("evidence.dsse.json", "card.html", "README.txt")


@pytest.mark.parametrize(
    "names",
    [WHOLE[1:], WHOLE[:2], (*WHOLE, "README.txt"), (WHOLE[1], WHOLE[0], WHOLE[2])],
    ids=["no evidence", "no readme", "one twice", "another order"],
)
def test_the_verdict_names_each_file_once_and_leaves_none_out(world, names):
    summary = summarise(world.evidence(), files=files_named(*WHOLE), nonce="0" * 32)
    payload = to_vsa(summary)
    assert from_vsa(payload, source="test")[0] == summary
    statement = json.loads(payload)
    statement["subject"] = statement["subject"][:1] + [
        {"name": name, "digest": {"sha256": "0" * 64}} for name in names
    ]
    with pytest.raises(EvidenceError, match="names the files"):
        from_vsa(canonical(statement), source="test")


def edit(path, value):
    def change(statement):
        *parents, last = path
        for step in parents:
            statement = statement[step]
        statement[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit(["predicate", "govprune", "result"], "PASSED WITH WAIVER"),
        edit(["predicate", "govprune", "attempt"], "1"),
        edit(["predicate", "govprune", "attempt"], 0),
        edit(["predicate", "govprune", "environment"], "production"),
        edit(["predicate", "govprune"], None),
        edit(["predicate", "verificationResult"], "FAILED"),
        edit(["predicate", "verifiedLevels"], ["SLSA_BUILD_LEVEL_3"]),
        edit(["predicate", "verifier", "id"], "https://example.org/another-gate"),
        edit(["predicate", "inputAttestations"], []),
        edit(["predicate", "policy", "digest"], {"sha1": "0" * 40}),
        edit(["predicate", "slsaVersion"], "1.0"),
        edit(["subject"], []),
        edit(["subject", 0, "digest", "sha512"], "0" * 128),
        edit(["predicateType"], "https://slsa.dev/verification_summary/v0.2"),
        edit(["_type"], "https://in-toto.io/Statement/v0.1"),
    ],
)
def test_a_verdict_is_read_only_as_it_is_written(world, change):
    payload = to_vsa(summarise(world.evidence(), files=files_named(*WHOLE), nonce="0" * 32))
    statement = json.loads(payload)
    change(statement)
    with pytest.raises(EvidenceError):
        from_vsa(canonical(statement), source="test")


def test_verifying_loads_no_model_and_no_renderer():
    """In a process of its own: what was imported elsewhere does not count."""
    code = (
        "import sys, govprune.evidence.verify, govprune.promotion, govprune.cli.verify\n"
        "heavy = {'torch', 'weasyprint', 'pandas', 'art', 'sklearn', 'polars'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
