"""A small job with real files, real keys and a real log, whose counts decide the verdict."""

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from govprune.evidence import dsse
from govprune.evidence.bundle import CardFiles, entry_of, seal
from govprune.evidence.key_files import load_signing_keys, load_trusted_keys
from govprune.evidence.keys import new_keys
from govprune.evidence.log import Log
from govprune.evidence.statement import Environment, Evidence, to_statement
from govprune.evidence.verify import verify_bundle
from govprune.evidence.vsa import summarise, to_vsa
from govprune.lineage import Step
from govprune.measurements import Measurement, Paired
from govprune.policy import decide, judge, load, make_plan
from govprune.records import canonical
from govprune.subjects import Profile, SliceProfile, describe

NOW = datetime.now(UTC).replace(microsecond=0)
COUNTS = {
    "PASSED": Paired(both=880, baseline_only=2, candidate_only=3, neither=115),
    "FAILED": Paired(both=700, baseline_only=182, candidate_only=3, neither=115),
    "UNDECIDED": Paired(both=17, baseline_only=1, candidate_only=0, neither=2),
}
CELLS = ("both", "baseline_only", "candidate_only", "neither")
POLICY = """\
name: small
version: "1.0"
valid_days: 30
rules:
  - id: accuracy-holds
    check: slice-performance
    metric: accuracy-change
    over: whole
    at_least: {bound}
"""
HTML = b"<!doctype html><title>card</title>"


def html_card(envelope):
    return CardFiles(html=HTML, pdf=None)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class World:
    """A job folder `root` beside keys, a log and a registry."""

    def __init__(self, folder, *, owner="gate@example.org"):
        self.folder = folder
        self.root = folder / "job"
        self.registry = folder / "registry"
        self.log = Log(folder / "log")
        secret, self.public = new_keys(folder / "keys", owner=owner)
        self.keys, self.trusted = load_signing_keys(secret), (load_trusted_keys(self.public),)
        for name in ("models", "data"):
            (self.root / name).mkdir(parents=True)
        self.write("models/dense.safetensors", b"the model that serves today")
        self.write("models/pruned.safetensors", b"the model that would replace it")
        self.write("data/eval.csv", b"age,label\n31,1\n")
        self.set_policy("-0.05")

    def write(self, name, data):
        (self.root / name).write_bytes(data)

    def set_policy(self, bound):
        self.write("policy.yaml", POLICY.format(bound=bound).encode())

    def evidence(self, result="PASSED", *, at=NOW - timedelta(hours=1), attempt=None, counts=None):
        roles = (
            ("candidate", "models/pruned.safetensors"),
            ("baseline", "models/dense.safetensors"),
            ("evaluation", "data/eval.csv"),
        )
        subjects = [describe(self.root / name, role=role, root=self.root) for role, name in roles]
        if attempt is None:
            candidate, baseline, evaluation = (s.sha256 for s in subjects)
            attempt = self.log.attempt(baseline, evaluation, candidate)
        source = load(self.root / "policy.yaml", root=self.root)
        silent = counts == ()
        counts = Paired(**dict(zip(CELLS, counts, strict=True))) if counts else COUNTS[result]
        whole = SliceProfile(name="all", attributes=(), by_label=(("0", 0), ("1", counts.n)))
        profile = Profile(labels=("0", "1"), positive="1", slices=(whole,))
        plan = make_plan(source.policy, profile, attempt=attempt)
        taken = (Measurement(check="slice-performance", metric="accuracy-change", basis=counts),)
        taken = () if silent else taken
        verdict = decide(judge(plan, taken))
        assert verdict.result == result
        return Evidence(
            title="A small job",
            name="small-job",
            step=Step(name="prune", kind="artefacts"),
            subjects=(*subjects, *source.files),
            profile=profile,
            policy=source.policy,
            plan=plan,
            measurements=taken,
            verdict=verdict,
            environment=Environment(
                govprune="0.1.0", python="3.11", platform="Linux", packages=(), seed=0
            ),
            started=at.isoformat(),
            finished=at.isoformat(),
        )

    def seal(
        self, result="PASSED", *, out="bundle", keys="own", render=html_card, extra=None, **given
    ):
        return seal(
            self.evidence(result, **given),
            keys=self.keys if keys == "own" else keys,
            render=render,
            out=self.root / out,
            log=self.log,
            extra=extra,
        )

    def verify(self, bundle, *, root=None, now=NOW, trusted=None):
        keys = self.trusted if trusted is None else trusted
        return verify_bundle(bundle, trusted=keys, root=root or self.root, now=now)

    def copy(self, bundle, name="copy"):
        return Path(shutil.copytree(bundle, self.root / name))

    def forge(self, evidence, *, out, statement=None, keys=None, **changed):
        """Write what a signer with the key, but without `seal`, could write.

        `statement` and `changed` replace the evidence's bytes and fields of the summary.
        """
        keys = keys or self.keys
        payload = to_statement(evidence) if statement is None else statement
        files = {
            "evidence.dsse.json": dsse.sign(payload, keys),
            "card.html": HTML,
            "README.txt": b"forged",
        }
        names = ("evidence.dsse.json", "card.html", "README.txt")
        digests = tuple((name, sha256(files[name])) for name in names)
        summary = summarise(evidence, files=digests, nonce="0" * 32)
        summary = summary.model_copy(update=changed)
        files["verdict.dsse.json"] = dsse.sign(to_vsa(summary), keys)
        proof = self.log.append(entry_of(evidence, summary, files), keys)
        files["proof.json"] = canonical(proof)
        folder = self.root / out
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder
