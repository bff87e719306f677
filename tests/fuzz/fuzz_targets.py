"""Every reader of what comes from outside, fed with bytes; and genuine bytes to start from.

A target may answer or refuse in govprune's own errors. Anything else that comes out is a defect.
"""

import atexit
import base64
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import small_card
from cryptography.hazmat.primitives.serialization import Encoding
from sealed import NOW
from trusted_people import People

from govprune import job, manifest, strict_yaml
from govprune.errors import GovpruneError, PolicyError
from govprune.evidence import dsse
from govprune.evidence.accepted import check_signed
from govprune.evidence.consents import APPROVAL_TYPE, WAIVER_TYPE, from_consent
from govprune.evidence.entry import read_entry
from govprune.evidence.key_files import parse_trusted_keys
from govprune.evidence.log import Log
from govprune.evidence.note import verify_note
from govprune.evidence.statement import from_statement, recompute
from govprune.evidence.timestamp import verify_timestamp
from govprune.evidence.trust import parse_trust_policy
from govprune.evidence.trust_document import compile_trust_policy
from govprune.evidence.verify import verify_files
from govprune.evidence.vsa import from_vsa
from govprune.model_folder import digest_model
from govprune.policy import load
from govprune.records import canonical, parse_json

PACKS = Path(__file__).parents[2] / "policies"
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Target:
    """A reader and what it is first given."""

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...] = field(repr=False)

    def __call__(self, data: bytes) -> None:
        """Feed the reader; only govprune's own refusals are swallowed."""
        with suppress(GovpruneError):
            self.read(data)


class Outside:
    """A sealed bundle, a log and a card in a folder of their own."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="govprune-fuzz-"))
        os.environ["GOVPRUNE_HOME"] = str(self.folder / "account")
        (self.folder / "world").mkdir()
        self.world = People(self.folder / "world")
        bundle = self.world.sealed("FAILED")
        self.world.approve(bundle)
        self.world.waive(bundle)
        self.files = {path.name: path.read_bytes() for path in sorted(bundle.iterdir())}
        self.names = tuple(self.files)
        self.card = small_card.Card(self.world.keys)

    def close(self) -> None:
        """Leave nothing behind; a child of this process leaves it to its parent."""
        if os.getpid() == self.owner:
            shutil.rmtree(self.folder)

    def payload(self, name: str) -> bytes:
        """Return what an envelope of the bundle holds."""
        return base64.b64decode(json.loads(self.files[name])["payload"])

    def written(self, name: str, data: bytes) -> Path:
        """Put the bytes into a file."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    # --- targets

    def targets(self) -> Iterator[tuple[str, Target]]:
        """Yield each by its name."""
        jobs = [path.read_bytes() for path in sorted(EXAMPLES.glob("*/*.yaml"))]
        packs = [path.read_bytes() for path in sorted(PACKS.glob("*.yaml"))]
        yield "policy", Target(self.policy, (self.world_policy(), *packs[1:3]))
        yield "job", Target(self.job, tuple(jobs))
        yield (
            "yaml",
            Target(
                self.yaml, (b"a: [1, {b: 'c'}]\n", b"- |\n  x\n- >-\n  y\n", self.world_policy())
            ),
        )
        whole = tuple(bytes([i]) + data for i, data in enumerate(self.files.values()))
        yield "bundle", Target(self.bundle, whole)
        yield "statement", Target(self.statement, (self.payload("evidence.dsse.json"),))
        yield "verdict", Target(self.verdict, (self.payload("verdict.dsse.json"),))
        yield "entry", Target(self.entry, (json.loads(self.files["proof.json"])["leaf"].encode(),))
        yield "proof", Target(self.proof, (self.files["proof.json"],))
        yield "envelope", Target(self.envelope, (self.files["verdict.dsse.json"],))
        yield (
            "note",
            Target(self.note, (json.loads(self.files["proof.json"])["checkpoint"].encode(),)),
        )
        yield "pdf", Target(self.pdf, (self.card.pdf,))
        yield "pdf-signature", Target(self.pdf_signature, (self.card.cms,))
        yield "log", Target(self.log, (self.database(),))
        yield "manifest", Target(self.manifest, (self.a_manifest(),))
        yield (
            "json",
            Target(
                self.json, (b'{"a":[1,2.5,"x",null,true,{}],"b":"\\ud83d\\ude00"}', b"[[1e308]]")
            ),
        )
        yield "key-file", Target(self.key_file, (self.world.public.read_bytes(),))
        signed = (self.world.folder / "trust-1.json").read_bytes()
        payload = dsse.unverified(signed, source="x")
        yield "trust-policy", Target(self.trust_policy, (payload,))
        yield "trust-envelope", Target(self.trust_envelope, (signed,))
        document = (self.world.folder / "trust-1.yaml").read_bytes()
        yield "trust-document", Target(self.trust_document, (document,))
        said = [self.files[name] for name in self.names if name.startswith(("approval", "waiver"))]
        yield "consent", Target(self.consent, tuple(dsse.payload_of(e, source="x") for e in said))
        yield "timestamp", Target(self.timestamp, (self.card.cms,))

    def policy(self, data: bytes) -> object:
        return load(self.written("policy.yaml", data), root=self.folder)

    def job(self, data: bytes) -> object:
        return job.load(self.written("govprune.yaml", data))

    def yaml(self, data: bytes) -> object:
        text = data.decode("utf-8", errors="replace")
        return strict_yaml.load(text, source="x", error=PolicyError)

    def bundle(self, data: bytes) -> object:
        """The first byte says in which file the rest is put."""
        if not data:
            return None
        name = self.names[data[0] % len(self.names)]
        files = self.files | {name: data[1:]}
        found = verify_files(files, trusted=(), under=self.world.policy, now=NOW, source="x")
        assert data[1:] == self.files[name], "an altered bundle was accepted"
        return found

    def statement(self, data: bytes) -> object:
        """What a stolen key could sign."""
        evidence = from_statement(data, source="x")
        recompute(evidence)
        return evidence

    def verdict(self, data: bytes) -> object:
        return from_vsa(data, source="x")

    def entry(self, data: bytes) -> object:
        return read_entry(data, source="x")

    def proof(self, data: bytes) -> object:
        return self.bundle(bytes([self.names.index("proof.json")]) + data)

    def envelope(self, data: bytes) -> object:
        found = dsse.verify(data, self.world.trusted, source="x")
        assert data in self.files.values(), "an envelope that nobody signed was accepted"
        return found

    def note(self, data: bytes) -> object:
        return verify_note(data.decode("utf-8", errors="replace"), self.world.trusted, source="x")

    def pdf(self, data: bytes) -> object:
        self.card.verify(data)
        assert data == self.card.pdf, "an altered card was accepted"
        return None

    def pdf_signature(self, data: bytes) -> object:
        """The bytes in place of the signature; every other byte is genuine."""
        if len(data) > (self.card.end - self.card.start) // 2:
            return None
        return self.card.verify(self.card.holding(data))

    def log(self, data: bytes) -> object:
        place = self.folder / "log"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "log.sqlite").write_bytes(data)
        state = Log(place).check(self.world.trusted)
        leaf = json.loads(self.files["proof.json"])["leaf"].encode()
        Log(place).append(read_entry(leaf, source="x"), self.world.keys)
        return state

    def manifest(self, data: bytes) -> object:
        return manifest.loads(data, source="x")

    def json(self, data: bytes) -> object:
        value = parse_json(data, source="x")
        again = canonical(value)
        assert canonical(parse_json(again, source="x")) == again, "one value, two spellings"
        return value

    def key_file(self, data: bytes) -> object:
        return parse_trusted_keys(data.decode("ascii", errors="replace"), source="x")

    def trust_policy(self, data: bytes) -> object:
        return parse_trust_policy(data, source="x")

    def trust_envelope(self, data: bytes) -> object:
        return check_signed(data, source="x")

    def trust_document(self, data: bytes) -> object:
        return compile_trust_policy(self.written("trust.yaml", data), now=NOW)

    def consent(self, data: bytes) -> object:
        kind = APPROVAL_TYPE if b"approval" in data else WAIVER_TYPE
        return from_consent(data, kind, source="x")

    def timestamp(self, data: bytes) -> object:
        authority = self.card.keys.certificate.public_bytes(Encoding.PEM).decode()
        return verify_timestamp(data, b"x", authorities=[authority], source="x")

    # --- what they start from

    def world_policy(self) -> bytes:
        """Return the policy of the sealed bundle."""
        return (self.world.root / "policy.yaml").read_bytes()

    def a_manifest(self) -> bytes:
        """Return the manifest of a folder of two files."""
        return manifest.dumps(digest_model(self.world.root / "models")).encode()

    def database(self) -> bytes:
        """Return a log as one file, with nothing left in a file beside it."""
        place = self.folder / "copied.sqlite"
        with (
            closing(sqlite3.connect(self.world.log.path / "log.sqlite")) as source,
            closing(sqlite3.connect(place)) as copy,
        ):
            source.backup(copy)
        return place.read_bytes()


def every_target() -> dict[str, Target]:
    """Return all of them, over one world in a temporary folder that goes with this process."""
    outside = Outside()
    atexit.register(outside.close)
    return dict(outside.targets())
