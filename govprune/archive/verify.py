"""Verify bundles of govprune with nothing of govprune: Python 3.9 or newer and `cryptography`.

    python3 -I verify.py FOLDER_OR_ZIP --key GATE.pub

Take GATE.pub, or the 64 digits for --key-id, from whoever decides, never from what is verified.
Exit code 0: every bundle is VERIFIED, whatever its verdict says. 4: one is REFUSED; do not use it.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.isolated:
    sys.path.pop(0)  # a folder from elsewhere could bring its own json.py

import argparse
import base64
import hashlib
import json
import re
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Files = dict[str, bytes]
Keys = dict[str, Ed25519PublicKey]
EVIDENCE, VERDICT, PROOF = "evidence.dsse.json", "verdict.dsse.json", "proof.json"
REQUIRED = (EVIDENCE, "card.html", "README.txt")
NAMED = (*REQUIRED, "card.pdf", "plan.dsse.json", "plan-proof.json", "producer.dsse.json")
LATER = re.compile(r"timestamp\.tsr|(approval|waiver)-[0-9a-f]{16}\.dsse\.json")
AROUND = re.compile(r"README\.txt|index\.html|verify\.py|keys/[\w.-]+\.pub|log/[\w./-]+")
LARGEST, LARGEST_OF_ALL, MOST_FILES = 64_000_000, 500_000_000, 20_000
NOTE = re.compile(
    r"(govprune/log/[0-9a-f]{32})\n([1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n"
    r"\n— (\S+) ([A-Za-z0-9+/]+={0,2})\n"
)
RESULTS, WHEN = ("PASSED", "FAILED", "UNDECIDED"), ("until", "EXPIRED on")
UNCHECKED = (
    "findings (not computed again from their counts), models, data, log/: use govprune for these",
    "what the card says: only that it is the one that was signed",
)


def sha256(data: bytes) -> str:
    """Return the digest (hex)."""
    return hashlib.sha256(data).hexdigest()


class Refused(Exception):  # noqa: N818 a refusal is an answer, not an error
    """What was given must not be relied on."""


def read(path: Path) -> Files:
    """Return every file of a folder or zip by name; refuse links, devices, bombs, odd names."""
    files, total = Files(), 0
    for name, data in zipped(path) if path.is_file() else laid_out(path):
        if {"", ".", ".."} & set(name.split("/")) or "\\" in name or ":" in name or name in files:
            raise Refused(f"{name!r}: there twice, or a name that leads elsewhere")
        files[name], total = data, total + len(data)
        if len(data) > LARGEST or total > LARGEST_OF_ALL or len(files) > MOST_FILES:
            raise Refused(f"{name!r}: more than any bundles hold")
    return files


def zipped(path: Path) -> Iterator[tuple[str, bytes]]:
    """Read a zip, and of each file no more than the cap, whatever size it claims."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG) or member.compress_type not in (0, 8):
                raise Refused(f"{member.filename!r}: no plain file")
            with archive.open(member) as stream:
                yield member.orig_filename, stream.read(LARGEST + 1)


def laid_out(path: Path) -> Iterator[tuple[str, bytes]]:
    """Read a folder, following no link."""
    for place in path.rglob("*"):
        if not stat.S_ISDIR(mode := place.lstat().st_mode):
            if not stat.S_ISREG(mode):
                raise Refused(f"{str(place)!r}: no plain file")
            with place.open("rb") as stream:
                yield place.relative_to(path).as_posix(), stream.read(LARGEST + 1)


def bundles_in(files: Files) -> dict[str, Files]:
    """Find the bundles: what was given is one, holds one, or is an export of several."""
    if VERDICT in files:
        return {"bundle": files}
    tops = {name.split("/")[0] for name in files}
    if len(tops) == 1 and not tops & {"bundles", *files}:
        return bundles_in({name.split("/", 1)[1]: data for name, data in files.items()})
    found: dict[str, Files] = {}
    for name, data in files.items():
        parts = name.split("/")
        if parts[0] == "bundles" and len(parts) == 3:
            found.setdefault(parts[1], {})[parts[2]] = data
        elif not AROUND.fullmatch(name):
            raise Refused(f"{name!r}: no part of a bundle or an export")
    if not found:
        raise Refused("no bundle is here")
    return found


def strict_json(data: bytes, what: str) -> Any:
    """Read JSON; refuse a key given twice, of which readers keep different ones."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise Refused(f"{what}: a key is given twice")
        return dict(pairs)

    return json.loads(data.decode(), object_pairs_hook=once)


def decode(text: Any, what: str) -> bytes:
    """Read base64 in its one canonical spelling."""
    data = base64.b64decode(text) if isinstance(text, str) and len(text) % 4 == 0 else b""
    if base64.b64encode(data).decode() != text:
        raise Refused(f"{what}: not base64 in its canonical spelling")
    return data


def key_of(pem: bytes, what: str) -> tuple[str, Ed25519PublicKey]:
    """Read the Ed25519 key of a .pub file; its id is the SHA-256 of its DER."""
    (block,) = re.findall(rb"-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----\n", pem)
    key = serialization.load_pem_public_key(block)
    if not isinstance(key, Ed25519PublicKey):
        raise Refused(f"{what}: not an Ed25519 key")
    der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(*der)), key


def opened(envelope: bytes, keys: Keys, what: str) -> tuple[dict[str, Any], str]:
    """Check a DSSE envelope with one signature; return its statement and the key id."""
    content = strict_json(envelope, what)
    kind, text = content["payloadType"], content["payload"]
    if len(content["signatures"]) != 1:
        raise Refused(f"{what}: {len(content['signatures'])} signatures, exactly one was expected")
    key_id, sig = (content["signatures"][0][field] for field in ("keyid", "sig"))
    plain = {"payload": text, "payloadType": kind, "signatures": [{"keyid": key_id, "sig": sig}]}
    written = json.dumps(plain, separators=(",", ":")).encode()
    if kind != "application/vnd.in-toto+json" or written != envelope:
        raise Refused(f"{what}: not written as the gate writes it")
    if key_id not in keys:
        raise Refused(f"{what}: signed by key {key_id}; compare with its owner's, give --key")
    payload = decode(text, what)
    try:
        head = f"DSSEv1 {len(kind)} {kind} {len(payload)} "
        keys[key_id].verify(decode(sig, what), head.encode() + payload)
    except InvalidSignature as error:
        raise Refused(f"{what}: the signature is not of this content") from error
    return strict_json(payload, what), key_id


def checkpoint(note: Any, keys: Keys) -> tuple[str, int, bytes]:
    """Check a signed checkpoint; return the log's name, its size and its root."""
    if not (match := NOTE.fullmatch(str(note))) or match[4] != match[1]:
        raise Refused(f"{PROOF}: no signed checkpoint")
    signed = decode(match[5], PROOF)
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    for key in keys.values():
        marked = hashlib.sha256(match[1].encode() + b"\n\x01" + key.public_bytes(*raw)).digest()
        try:
            key.verify(signed[4:], f"{match[1]}\n{match[2]}\n{match[3]}\n".encode())
        except InvalidSignature:
            continue
        if signed[:4] == marked[:4]:
            return match[1], int(match[2]), decode(match[3], PROOF)
    raise Refused(f"{PROOF}: the checkpoint is not signed by a key you gave")


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to (RFC 6962, 2.1.1), from a leaf's hash."""
    if size == 1 and not path:
        return leaf
    if size == 1 or not path:
        raise Refused(f"{PROOF}: has hashes to spare, or too few")
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        pair = root_from(leaf, index, left, path[:-1]) + path[-1]
    else:
        pair = path[-1] + root_from(leaf, index - left, size - left, path[:-1])
    return hashlib.sha256(b"\x01" + pair).digest()


def verify(files: Files, keys: Keys) -> list[str]:
    """Check one bundle; return what to say of it, the result first."""
    if missing := {VERDICT, PROOF, *REQUIRED} - set(files):
        raise Refused(f"not a whole bundle: no {min(missing)}")
    verdict, signer = opened(files[VERDICT], keys, VERDICT)
    evidence, other = opened(files[EVIDENCE], keys, EVIDENCE)
    own, found = verdict["predicate"], evidence["predicate"]
    subjects = [(s["name"], s["digest"]["sha256"]) for s in verdict["subject"]]
    models = [(s["name"], s["sha256"]) for s in found["subjects"] if s["role"] == "candidate"]
    result, expires = own["govprune"]["result"], own["govprune"]["expires"]
    attempt, policy = own["govprune"]["attempt"], own["policy"]["digest"]["sha256"]
    pairs = {
        "verdict's type": (verdict["predicateType"], "https://slsa.dev/verification_summary/v1"),
        "evidence's type": (evidence["predicateType"], "urn:govprune:evidence:v1"),
        "signer": (signer, other),
        "result": (result in RESULTS and result, found["verdict"]["result"]),
        "word for it": (own["verificationResult"] == "PASSED", result == "PASSED"),
        "attempt": (attempt, found["plan"]["attempt"]),
        "policy": (policy, found["plan"]["policy_sha256"]),
        "candidate": ([s for s in subjects if s[0] not in NAMED], models or "none"),
    }
    expired = expires <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for what, (one, two) in pairs.items():
        if one != two:
            raise Refused(f"verdict and evidence disagree about the {what}")
    later = named(files, dict(subjects))
    place = logged(files, keys, policy, result, models)
    return [
        f"VERIFIED {result}  {' '.join(models[0])}, attempt {attempt}, {WHEN[expired]} {expires}",
        f"signed by key {signer}; {place}",
        *(f"not checked here: {name}, beyond its digest" for name in NAMED[4:] if name in files),
        *(f"not checked here: {name}, which takes a trust policy" for name in later),
    ]


def named(files: Files, digests: dict[str, str]) -> list[str]:
    """Demand exactly the files that the verdict names; return those that may come later."""
    for name in NAMED:
        if digests.get(name) != (sha256(files[name]) if name in files else None):
            raise Refused(f"{name}: changed, added or missing since the verdict was signed")
    later = sorted(name for name in files if LATER.fullmatch(name))
    if surplus := sorted(set(files) - {VERDICT, PROOF, *NAMED, *later}):
        raise Refused(f"{surplus[0]!r}: no part of a bundle")
    return later


def logged(files: Files, keys: Keys, policy: str, result: str, models: list[Any]) -> str:
    """Demand a proof that this very verdict is in a log whose state a given key signed."""
    proof = strict_json(files[PROOF], PROOF)
    digests = sorted(digest for _, digest in models)
    several = sha256(json.dumps(digests, separators=(",", ":")).encode())
    wanted = {
        "kind": "verdict", "result": result, "policy": policy,
        "verdict_sha256": sha256(files[VERDICT]), "evidence_sha256": sha256(files[EVIDENCE]),
        "artefact": digests[0] if len(digests) == 1 else several,
    }  # fmt: skip
    leaf, index, size = proof["leaf"].encode(), proof["index"], proof["size"]
    path = [bytes.fromhex(h) for h in proof["hashes"]]
    entry = strict_json(leaf, PROOF)
    same = {field: entry[field] for field in wanted} == wanted
    exact = json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    shape = len(proof) == 5 and type(index) is type(size) is int and len(path) <= 64
    origin, covered, root = checkpoint(proof["checkpoint"], keys)
    if not shape or exact.encode() != files[PROOF]:
        raise Refused(f"{PROOF}: not written as the gate writes it")
    if not same or covered != size or not 0 <= index < size:
        raise Refused(f"{PROOF}: proves the entry of another verdict, or in another log")
    if root_from(hashlib.sha256(b"\x00" + leaf).digest(), index, size, path) != root:
        raise Refused(f"{PROOF}: the entry is not in the log that was signed")
    return f"entry {index + 1} of {size} in {origin}"


def said(error: Exception) -> str:
    """Say why something is refused, also where nobody foresaw it."""
    return str(error) if isinstance(error, (Refused, OSError)) else f"malformed ({error!r})"


def main() -> int:
    """Verify what the command line names; print what was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("target", type=Path, help="folder or zip: a bundle, or several")
    parser.add_argument("--key", type=Path, action="append", default=[], help="GATE.pub")
    parser.add_argument("--key-id", action="append", default=[], help="of a key that lies inside")
    given = parser.parse_args()
    lines, code = [], 0
    try:
        files = read(given.target)
        enclosed = [key_of(data, name) for name, data in files.items() if name.endswith(".pub")]
        keys = {key_id: key for key_id, key in enclosed if key_id in given.key_id}
        keys.update(key_of(path.read_bytes(), str(path)) for path in given.key)
        for name, bundle in sorted(bundles_in(files).items()):
            try:
                lines += [f"{name}: {line}" for line in verify(bundle, keys)]
            except Exception as error:  # whatever it is: nothing unforeseen is ever a pass
                lines, code = [*lines, f"{name}: REFUSED  {said(error)}"], 4
        lines += [f"not checked here: {what}" for what in UNCHECKED] * (code == 0)
    except Exception as error:  # a target that cannot be read is refused, too
        lines, code = [f"{given.target}: REFUSED  {said(error)}"], 4
    for line in lines:
        safe = "".join(c if c.isprintable() else "?" for c in line)
        sys.stdout.buffer.write(safe.encode("utf-8", "replace") + b"\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
