"""Attacks on a bundle. Each row: what is done to a genuine one, and what verification says."""

import base64
import json
import os
import shutil
from datetime import timedelta

import pytest
from sealed import HTML, NOW, World, sha256

from govprune.errors import EvidenceError
from govprune.evidence import dsse, merkle
from govprune.evidence.bundle import CardFiles
from govprune.evidence.entry import Proof, read_entry
from govprune.evidence.statement import to_statement
from govprune.evidence.vsa import from_vsa
from govprune.policy import Verdict
from govprune.records import canonical


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def stranger(tmp_path):
    """A second gate, in its own folder, that nobody here trusts."""
    (tmp_path / "stranger").mkdir()
    return World(tmp_path / "stranger", owner="gate@example.org")


def edit_json(path, change):
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(canonical(content))


def flip_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def payload_of(path):
    return base64.b64decode(json.loads(path.read_bytes())["payload"])


def says_failed_instead(bundle):
    """FAILED rewritten to PASSED inside the signed payload; the signature is left alone."""
    path = bundle / "verdict.dsse.json"
    payload = payload_of(path).replace(b'"FAILED"', b'"PASSED"')
    text = base64.b64encode(payload).decode()
    edit_json(path, lambda e: e.update(payload=text))


def duplicate_key(bundle):
    path = bundle / "verdict.dsse.json"
    path.write_bytes(b'{"payload":"e30=",' + path.read_bytes()[1:])


def swap_envelopes(bundle):
    """A genuine signature over the wrong kind of statement."""
    shutil.copy(bundle / "evidence.dsse.json", bundle / "verdict.dsse.json")


def link_to_itself(bundle):
    (bundle / "card.html").rename(bundle.parent / "card.html")
    (bundle / "card.html").symlink_to(bundle.parent / "card.html")


def a_folder_for_a_file(bundle):
    (bundle / "card.html").unlink()
    (bundle / "card.html").mkdir()


def a_pipe_for_a_file(bundle):
    (bundle / "card.html").unlink()
    os.mkfifo(bundle / "card.html")


def drop_signature(bundle, name="verdict.dsse.json"):
    edit_json(bundle / name, lambda e: e.update(signatures=[]))


def sign_twice(bundle):
    edit_json(bundle / "verdict.dsse.json", lambda e: e["signatures"].append(e["signatures"][0]))


def sign_twice_under_another_id(bundle):
    def change(envelope):
        again = dict(envelope["signatures"][0], keyid="another name for it")
        envelope["signatures"].append(again)

    edit_json(bundle / "verdict.dsse.json", change)


ALTERATIONS = {
    "a byte of the evidence": (lambda b: flip_byte(b / "evidence.dsse.json"), "changed since"),
    "a byte of the card": (lambda b: flip_byte(b / "card.html"), "changed since"),
    "a byte of the readme": (lambda b: flip_byte(b / "README.txt"), "changed since"),
    "a byte of the verdict": (lambda b: flip_byte(b / "verdict.dsse.json"), None),
    "a byte of the log proof": (lambda b: flip_byte(b / "proof.json"), None),
    "the payload": (says_failed_instead, "altered after"),
    "a payload beside the payload": (duplicate_key, "twice"),
    "the evidence in the place of the verdict": (swap_envelopes, "predicate"),
    "no signature on the verdict": (drop_signature, "nobody signed"),
    "no signature on the evidence": (
        lambda b: drop_signature(b, "evidence.dsse.json"), "changed since"),
    "one signature twice": (sign_twice, "expected exactly one"),
    "one key under two ids": (sign_twice_under_another_id, "expected exactly one"),
    "algorithm none": (
        lambda b: edit_json(b / "verdict.dsse.json", lambda e: e.update(alg="none")), "not a DSSE"),
    "another payload type": (
        lambda b: edit_json(
            b / "verdict.dsse.json", lambda e: e.update(payloadType="application/json")),
        "payload type"),
    "white space in an envelope": (
        lambda b: (b / "verdict.dsse.json").write_bytes(
            (b / "verdict.dsse.json").read_bytes() + b"\n"), "canonical"),
    "a file added": (lambda b: (b / "model.safetensors").write_bytes(b"x"), "no part of a bundle"),
    "a hidden file added": (lambda b: (b / ".github").write_bytes(b"x"), "no part of a bundle"),
    "a card in PDF added": (lambda b: (b / "card.pdf").write_bytes(b"%PDF-1.7\n"), "added later"),
    "a folder added": (lambda b: (b / "sub").mkdir(), "no part of a bundle"),
    "the readme gone": (lambda b: (b / "README.txt").unlink(), "no README.txt"),
    "the card gone": (lambda b: (b / "card.html").unlink(), "no card.html"),
    "the log proof gone": (lambda b: (b / "proof.json").unlink(), "no proof.json"),
    "the verdict gone": (lambda b: (b / "verdict.dsse.json").unlink(), "no verdict.dsse.json"),
    "a link for a file": (link_to_itself, "symbolic link"),
    "a folder for a file": (a_folder_for_a_file, "regular file"),
    "a pipe for a file": (a_pipe_for_a_file, "not a regular file"),
    "an empty verdict": (lambda b: (b / "verdict.dsse.json").write_bytes(b""), "not JSON"),
    "garbage": (lambda b: (b / "verdict.dsse.json").write_bytes(b"\xff\x00" * 99), "not JSON"),
    "JSON of another shape": (lambda b: (b / "verdict.dsse.json").write_bytes(b"[1]"), "DSSE"),
    "JSON nested too deep": (
        lambda b: (b / "verdict.dsse.json").write_bytes(b"[" * 200_000), "not JSON"),
    "a log proof nested too deep": (
        lambda b: (b / "proof.json").write_bytes(b"[" * 40_000 + b"]" * 40_000), "not JSON"),
    "a bomb of a log proof": (
        lambda b: (b / "proof.json").write_bytes(b" " * 200_000), "longer than"),
    "NaN in the log proof": (lambda b: (b / "proof.json").write_bytes(b"NaN"), "not a number"),
    "an unsigned checkpoint": (
        lambda b: edit_json(b / "proof.json", lambda p: p.update(checkpoint=None)), "not signed"),
    "another place in the log": (
        lambda b: edit_json(b / "proof.json", lambda p: p.update(index=1)), "outside a log"),
    "hashes to spare in the log proof": (
        lambda b: edit_json(b / "proof.json", lambda p: p.update(hashes=["0" * 64])), "to spare"),
    "white space in the log proof": (
        lambda b: (b / "proof.json").write_bytes((b / "proof.json").read_bytes() + b"\n"),
        "as the gate writes it",
    ),
    "an unknown field in the log proof": (
        lambda b: edit_json(b / "proof.json", lambda p: p.update(note="trust me")), "not a log"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ALTERATIONS)
def test_no_altered_bundle_verifies(world, attack):
    alter, says = ALTERATIONS[attack]
    bundle = world.seal("FAILED")
    assert world.verify(bundle).summary.result == "FAILED"
    alter(bundle)
    with pytest.raises(EvidenceError, match=says):
        world.verify(bundle)


@pytest.mark.parametrize(
    "name", ["evidence.dsse.json", "verdict.dsse.json", "card.html", "proof.json"]
)
def test_no_file_can_come_from_another_bundle_of_the_same_gate(world, name):
    """A pass and a later failure of one candidate: nothing of the pass fits into the failure."""
    old, new = world.seal("PASSED", out="old"), world.seal("FAILED", out="new", render=other_card)
    shutil.copy(old / name, new / name)
    with pytest.raises(EvidenceError):
        world.verify(new)


def other_card(envelope):
    return CardFiles(html=HTML + b"another", pdf=None)


def test_not_one_byte_of_any_file_can_be_changed(world):
    """Forty places in each file, each changed in its lowest bit."""
    bundle = world.seal()
    for path in sorted(bundle.iterdir()):
        genuine = path.read_bytes()
        for place in range(0, len(genuine), max(len(genuine) // 40, 1)):
            changed = bytearray(genuine)
            changed[place] ^= 1
            path.write_bytes(bytes(changed))
            with pytest.raises(EvidenceError):
                world.verify(bundle)
        path.write_bytes(genuine)
    world.verify(bundle)


# --- who signed


def test_a_stranger_of_the_same_name_is_not_trusted(world, stranger):
    bundle = stranger.seal()
    with pytest.raises(EvidenceError, match="not trusted"):
        world.verify(bundle, root=stranger.root)


def test_a_stranger_who_signs_with_our_key_id_is_found_out(world, stranger):
    bundle = stranger.seal()
    ours = world.keys.key_id

    def rename(envelope):
        envelope["signatures"][0]["keyid"] = ours

    edit_json(bundle / "verdict.dsse.json", rename)
    with pytest.raises(EvidenceError, match="signature is not of this content"):
        world.verify(bundle, root=stranger.root)


def test_an_unsigned_run_never_verifies(world):
    bundle = world.seal(keys=None)
    assert b"proves nothing" in (bundle / "README.txt").read_bytes()
    with pytest.raises(EvidenceError, match="nobody signed it"):
        world.verify(bundle)


def test_an_unsigned_bundle_that_is_signed_afterwards_has_no_place_in_the_log(world):
    bundle = world.seal(keys=None)
    for name in ("evidence.dsse.json", "verdict.dsse.json"):
        (bundle / name).write_bytes(dsse.sign(payload_of(bundle / name), world.keys))
    with pytest.raises(EvidenceError):
        world.verify(bundle)


def test_evidence_and_verdict_must_be_of_one_signer(world, stranger):
    """Both are trusted here; still the second cannot sum up what the first has found."""
    evidence = world.evidence()
    mixed = world.forge(evidence, out="mixed")
    other = dsse.sign(to_statement(evidence), stranger.keys)
    (mixed / "evidence.dsse.json").write_bytes(other)
    summary, _ = from_vsa(payload_of(mixed / "verdict.dsse.json"), source="test")
    files = tuple(
        (name, sha256(other) if name == "evidence.dsse.json" else digest)
        for name, digest in summary.files
    )
    forged = world.forge(evidence, out="forged", files=files)
    (forged / "evidence.dsse.json").write_bytes(other)
    with pytest.raises(EvidenceError, match="not trusted"):
        world.verify(forged, trusted=(*world.trusted, *stranger.trusted))


def test_a_place_in_a_strangers_log_is_no_place_in_ours(world, stranger):
    bundle = world.seal()
    leaf = json.loads((bundle / "proof.json").read_bytes())["leaf"]
    proof = stranger.log.append(read_entry(leaf.encode(), source="test"), stranger.keys)
    (bundle / "proof.json").write_bytes(canonical(proof))
    with pytest.raises(EvidenceError, match="not signed by a trusted key"):
        world.verify(bundle)


def test_a_proof_is_of_the_very_size_that_was_signed(world):
    """The way to the first of four is also a way to the first of three; it proves neither."""
    bundle = world.seal()
    (first,) = world.log.check(world.trusted).entries
    others = [first.model_copy(update={"verdict_sha256": f"{i:064x}"}) for i in range(3)]
    note = [world.log.append(entry, world.keys).checkpoint for entry in others][-1]
    hashes = [merkle.leaf_hash(canonical(entry)) for entry in (first, *others)]
    way = tuple(h.hex() for h in merkle.inclusion_proof(hashes, 0))
    leaf = canonical(first).decode()

    def put(size):
        proof = Proof(leaf=leaf, index=0, size=size, hashes=way, checkpoint=note)
        (bundle / "proof.json").write_bytes(canonical(proof))

    put(4)
    assert world.verify(bundle).checkpoint.size == 4
    put(3)
    with pytest.raises(EvidenceError, match="of another size"):
        world.verify(bundle)


# --- lies under a genuine signature: what a stolen key, or a broken gate, could write


def with_predicate(evidence, change):
    statement = json.loads(to_statement(evidence))
    change(statement["predicate"])
    return canonical(statement)


def claim_passed(predicate):
    predicate["verdict"]["result"] = "PASSED"


def claim_passed_findings_too(predicate):
    claim_passed(predicate)
    predicate["verdict"]["findings"][0]["status"] = "pass"


def widen_the_bound_in_the_plan(predicate):
    for question in predicate["plan"]["questions"]:
        question["at_least"] = -0.9


def ask_nothing(predicate):
    predicate["plan"]["questions"] = []


def forget_the_measurement(predicate):
    predicate["measurements"] = []


def unknown_field(predicate):
    predicate["waiver"] = "the board agreed"


def older_schema(predicate):
    predicate["schema_version"] = 0


LIES = {
    "PASSED above a failure": (claim_passed, "does not follow"),
    "PASSED, with findings to match": (claim_passed_findings_too, "do not follow"),
    "a bound the policy does not have": (widen_the_bound_in_the_plan, "plan does not follow"),
    "fewer questions than the policy asks": (ask_nothing, "plan does not follow"),
    "a measurement left out": (forget_the_measurement, "do not follow"),
    "a field nobody knows": (unknown_field, "waiver"),
    "an older schema": (older_schema, "schema_version"),
}


@pytest.mark.parametrize("lie", LIES)
def test_even_the_gates_own_signature_cannot_make_it_true(world, lie):
    change, says = LIES[lie]
    evidence = world.evidence("FAILED")
    bundle = world.forge(evidence, out="lie", statement=with_predicate(evidence, change))
    with pytest.raises(EvidenceError, match=says):
        world.verify(bundle)


def test_the_verdict_cannot_say_passed_where_the_evidence_says_failed(world):
    bundle = world.forge(world.evidence("FAILED"), out="lie", result="PASSED")
    with pytest.raises(EvidenceError, match="disagree about result"):
        world.verify(bundle)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("candidate", (("models/pruned.safetensors", "0" * 64),)),
        ("candidate", (("models/pruned.safetensors", "0" * 64), ("extra", "1" * 64))),
        ("policy_sha256", "0" * 64),
        ("policy", "lenient:1.0"),
        ("attempt", 2),
        ("expires", "2099-01-01T00:00:00Z"),
        ("issued", "2020-01-01T00:00:00Z"),
        ("job", "another-job"),
        ("version", "9.9"),
    ],
)
def test_the_verdict_cannot_say_anything_that_the_evidence_does_not(world, field, value):
    bundle = world.forge(world.evidence(), out="lie", **{field: value})
    with pytest.raises(EvidenceError, match="disagree about"):
        world.verify(bundle)


def test_a_verdict_from_the_future_is_refused(world):
    bundle = world.seal(at=NOW + timedelta(days=1))
    with pytest.raises(EvidenceError, match="in the future"):
        world.verify(bundle)


def test_a_pdf_that_the_verdict_names_must_be_signed_as_well(world):
    bundle = world.seal(render=lambda _: CardFiles(html=HTML, pdf=b"%PDF-1.7\nPASSED\n%%EOF\n"))
    with pytest.raises(EvidenceError, match="not signed"):
        world.verify(bundle)


def test_passed_cannot_be_written_above_a_failure_at_all(world):
    with pytest.raises(ValueError, match="does not follow"):
        Verdict(result="PASSED", findings=world.evidence("FAILED").verdict.findings)


# --- the files that were judged


def through_a_link(world):
    path = world.root / "models/pruned.safetensors"
    path.rename(world.folder / "elsewhere")
    path.symlink_to(world.folder / "elsewhere")


SWAPS = {
    "the candidate": lambda w: w.write("models/pruned.safetensors", b"another model"),
    "the candidate, same length": lambda w: w.write(
        "models/pruned.safetensors", b"the model that would replace IT"
    ),
    "the baseline": lambda w: w.write("models/dense.safetensors", b"a worse baseline"),
    "the evaluation data": lambda w: w.write("data/eval.csv", b"age,label\n"),
    "the policy": lambda w: w.set_policy("-0.50"),
    "the candidate behind a link": through_a_link,
}


@pytest.mark.parametrize("what", SWAPS)
def test_a_file_exchanged_after_the_gate_is_found(world, what):
    bundle = world.seal()
    SWAPS[what](world)
    with pytest.raises(EvidenceError):
        world.verify(bundle)


def test_the_evidence_of_one_model_does_not_speak_for_another(world):
    """The pass of a harmless candidate, laid beside a harmful one."""
    bundle = world.seal()
    world.write("models/pruned.safetensors", b"a harmful model")
    with pytest.raises(EvidenceError, match="changed since the gate judged it"):
        world.verify(bundle)
