"""Ed25519 signatures made to be misread, in the style of Wycheproof's; we accept the genuine alone.

Each case is made here from the curve's own arithmetic (RFC 8032, section 5.1), so it is known why
it is wrong, and put where a real one stands: into an envelope and into a log's checkpoint.
"""

import base64
import hashlib
import json
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from govprune.errors import EvidenceError, SigningKeyError
from govprune.evidence import dsse, note
from govprune.evidence.key_files import load_signing_keys, parse_trusted_keys
from govprune.evidence.keys import TrustedKeys, new_keys
from govprune.evidence.statement import PAYLOAD_TYPE
from govprune.records import canonical

# --- the curve

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
NEUTRAL = (0, 1)


def add(a, b):
    """The complete addition law, affine."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


@cache
def times(scalar, point):
    made = NEUTRAL
    while scalar:
        if scalar & 1:
            made = add(made, point)
        point, scalar = add(point, point), scalar >> 1
    return made


def lift(y, odd):
    """The point with this y and the parity of its x; None where there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return (P - x if x % 2 != odd else x) % P, y


def encode(point, *, add_p=False):
    x, y = point
    return ((y + P * add_p) | (x % 2) << 255).to_bytes(32, "little")


BASE = lift(4 * pow(5, -1, P) % P, 0)


def order_eight():
    """A point of order 8: any point times L leaves only its small part."""
    for y in range(2, 100):
        point = lift(y, 0)
        if point is not None:
            small = times(L, point)
            if times(4, small) != NEUTRAL:
                return small
    raise AssertionError


SMALL = [times(i, order_eight()) for i in range(8)]
# The same points with y written beyond the prime, where 255 bits have room for it; and the two
# points with x = 0, written as if their x were odd.
UNUSUAL = (
    [encode(p, add_p=True) for p in SMALL if p[1] + P < 2**255]
    + [((1 << 255) | p[1]).to_bytes(32, "little") for p in SMALL if p[0] == 0]
    + [((1 << 255) | (P + 1)).to_bytes(32, "little")]
)


def challenge(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


class Signer:
    """Signs by hand, so that any step can be done wrongly."""

    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        a = bytearray(digest[:32])
        a[0] &= 248
        a[31] = (a[31] & 63) | 64
        self.a, self.prefix = int.from_bytes(a, "little"), digest[32:]
        self.public = encode(times(self.a, BASE))

    def nonce(self, message):
        return challenge(self.prefix, message)

    def response(self, nonce, big_r, message):
        return (nonce + challenge(big_r, self.public, message) * self.a) % L

    def sign(self, message, *, plus=NEUTRAL):
        """`plus` is added to the nonce's point before it is hashed."""
        nonce = self.nonce(message)
        big_r = encode(add(times(nonce, BASE), plus))
        return big_r + number(self.response(nonce, big_r, message))


def number(value):
    return value.to_bytes(32, "little")


def test_the_arithmetic_is_that_of_the_standards_first_example():
    """RFC 8032, section 7.1, TEST 1."""
    signer = Signer(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert signer.public.hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    assert signer.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
        "cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


# --- wrong signatures, by name: (signer, message) -> bytes


def with_s(change):
    def make(signer, message):
        real = signer.sign(message)
        s = change(int.from_bytes(real[32:], "little"))
        return real[:32] + (s % 2**256).to_bytes(32, "little")

    return make


def with_r(big_r, s=None):
    """Another R beside the genuine S, or beside `s`."""
    return lambda signer, message: big_r + (signer.sign(message)[32:] if s is None else number(s))


def about(change):
    """The signature of another message."""
    return lambda signer, message: signer.sign(change(message))


def resized(size):
    return lambda signer, message: (signer.sign(message) + bytes(64))[:size]


def other_key(signer, message):
    return Signer(b"another seed, 32 bytes as always").sign(message)


def other_key_in_the_challenge(signer, message):
    """R and S of this key, over a hash that names another."""
    nonce = signer.nonce(message)
    big_r = encode(times(nonce, BASE))
    stranger = Signer(b"another seed, 32 bytes as always").public
    return big_r + number((nonce + challenge(big_r, stranger, message) * signer.a) % L)


def nothing_but_the_challenge(big_r):
    """R of order one, S = h a: its value is right, its spelling is not the one there is."""
    return lambda signer, message: (
        big_r + number(challenge(big_r, signer.public, message) * signer.a % L)
    )


def prehashed(signer, message):
    """Ed25519ph, which signs a digest."""
    dom = b"SigEd25519 no Ed25519 collisions\x01\x00"
    hashed = hashlib.sha512(message).digest()
    nonce = challenge(dom, signer.prefix, hashed)
    big_r = encode(times(nonce, BASE))
    return big_r + number((nonce + challenge(dom, big_r, signer.public, hashed) * signer.a) % L)


def in_a_context(signer, message):
    """Ed25519ctx with the context "govprune"."""
    dom = b"SigEd25519 no Ed25519 collisions\x00\x08govprune"
    nonce = challenge(dom, signer.prefix, message)
    big_r = encode(times(nonce, BASE))
    return big_r + number((nonce + challenge(dom, big_r, signer.public, message) * signer.a) % L)


def reversed_bytes(signer, message):
    real = signer.sign(message)
    return real[:32][::-1] + real[32:][::-1]


WRONG = {
    "S + L": with_s(lambda s: s + L),
    "S + 2 L": with_s(lambda s: s + 2 * L),
    "S + 8 L": with_s(lambda s: s + 8 * L),
    "S + 15 L": with_s(lambda s: s + 15 * L),
    "S = L": with_s(lambda s: L),
    "S = L - 1": with_s(lambda s: L - 1),
    "S = 0": with_s(lambda s: 0),
    "S = 1": with_s(lambda s: 1),
    "S = 2^252": with_s(lambda s: 2**252),
    "S = 2^253 - 1": with_s(lambda s: 2**253 - 1),
    "S of ones": with_s(lambda s: 2**256 - 1),
    "S negated": with_s(lambda s: L - s),
    "S plus one": with_s(lambda s: (s + 1) % L),
    "S doubled": with_s(lambda s: 2 * s % L),
    "S with bit 253 set": with_s(lambda s: s | 1 << 253),
    "S with bit 254 set": with_s(lambda s: s | 1 << 254),
    "S with bit 255 set": with_s(lambda s: s | 1 << 255),
    "R negated": lambda k, m: bytes([*(r := k.sign(m))[:31], r[31] ^ 128]) + r[32:],
    "R that is no point": with_r(number(2)),
    "R beyond the prime": with_r(number(2**255 - 1)),
    "R of ones": with_r(b"\xff" * 32),
    "halves exchanged": lambda k, m: (r := k.sign(m))[32:] + r[:32],
    "bytes in the other order": reversed_bytes,
    "zeros": lambda k, m: bytes(64),
    "ones": lambda k, m: b"\xff" * 64,
    "R twice": lambda k, m: k.sign(m)[:32] * 2,
    "S twice": lambda k, m: k.sign(m)[32:] * 2,
    "another key": other_key,
    "another key in the hash": other_key_in_the_challenge,
    "the public key as R": lambda k, m: k.public + k.sign(m)[32:],
    "a digest was signed": prehashed,
    "a context was signed": in_a_context,
    "nothing was signed": about(lambda m: b""),
    "a message that begins the same": about(lambda m: m[:-1]),
    "a message that goes on": about(lambda m: m + b"\x00"),
    "a message with one bit flipped": about(lambda m: bytes([m[0] ^ 1]) + m[1:]),
    "the message twice": about(lambda m: m + m),
    "the digest of the message": about(lambda m: hashlib.sha256(m).digest()),
    "the payload without its type": about(lambda m: m.rsplit(b" ", 1)[-1][1:]),
} | {f"{size} bytes": resized(size) for size in (0, 1, 31, 32, 33, 63, 65, 96, 128)}
for i, point in enumerate(SMALL):
    WRONG[f"R of small order {i}"] = with_r(encode(point))
    WRONG[f"R of small order {i}, S = 0"] = with_r(encode(point), 0)
    if i:
        # Right for whoever multiplies the equation by the cofactor, and for nobody else.
        WRONG[f"R plus a point of small order {i}"] = lambda k, m, p=point: k.sign(m, plus=p)
for i, spelling in enumerate(UNUSUAL):
    WRONG[f"R in unusual spelling {i}"] = with_r(spelling)
    WRONG[f"R in unusual spelling {i}, S to match"] = nothing_but_the_challenge(spelling)


# --- where they are put


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    keys = load_signing_keys(new_keys(folder, owner="gate@example.org")[0])
    trusted = TrustedKeys(keys.gate.public_key(), keys.certificate, "gate.pub")
    return keys, trusted, Signer(keys.gate.private_bytes_raw())


def envelope_with(trusted, payload, signature):
    entry = {"keyid": trusted.key_id, "sig": base64.b64encode(signature).decode()}
    text = base64.b64encode(payload).decode()
    envelope = {"payload": text, "payloadType": PAYLOAD_TYPE, "signatures": [entry]}
    return dsse.verify(canonical(envelope), [trusted], source="x")


PAYLOAD = json.dumps({"_type": "https://in-toto.io/Statement/v1"}).encode()
STATE = note.Checkpoint(origin=f"govprune/log/{'0' * 32}", size=3, root="ab" * 32)


def in_an_envelope(keys, trusted, make):
    signature = make(dsse.pae(PAYLOAD_TYPE, PAYLOAD))
    assert envelope_with(trusted, PAYLOAD, signature) == (PAYLOAD, trusted)


def in_a_checkpoint(keys, trusted, make):
    genuine = note.sign_note(STATE, keys)
    text, _, line = genuine.partition("\n\n")
    start, _, spelling = line.strip().rpartition(" ")
    hint = base64.b64decode(spelling)[:4]
    signature = make(f"{text}\n".encode())
    written = f"{text}\n\n{start} {base64.b64encode(hint + signature).decode()}\n"
    assert note.verify_note(written, [trusted], source="x") == (STATE, trusted)


PLACES = (in_an_envelope, in_a_checkpoint)


@pytest.mark.parametrize("place", PLACES)
def test_a_signature_made_by_hand_is_accepted(pair, place):
    """So each case below differs from an accepted one in what its name says."""
    keys, trusted, signer = pair
    place(keys, trusted, signer.sign)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", WRONG)
def test_a_signature_made_to_be_misread_is_refused(pair, place, case):
    keys, trusted, signer = pair
    with pytest.raises(EvidenceError):
        place(keys, trusted, lambda message: WRONG[case](signer, message))


@pytest.mark.parametrize("place", PLACES)
def test_no_bit_of_a_signature_can_be_flipped(pair, place):
    keys, trusted, signer = pair
    for bit in range(512):
        flipped = [0] * 64
        flipped[bit // 8] = 1 << bit % 8

        def make(message, mask=bytes(flipped)):
            return bytes(a ^ b for a, b in zip(signer.sign(message), mask, strict=True))

        if bit % 8 == 0 or bit > 480:  # one bit of each byte, and all of the highest
            with pytest.raises(EvidenceError):
                place(keys, trusted, make)


# --- keys under which anything verifies

WEAK = {f"of small order {i}": encode(point) for i, point in enumerate(SMALL)} | {
    f"in unusual spelling {i}": spelling for i, spelling in enumerate(UNUSUAL)
}


def test_a_weak_key_would_verify_what_nobody_signed():
    """Why it must be refused: the neutral point signs every message with R = A, S = 0."""
    weak = Ed25519PublicKey.from_public_bytes(encode(NEUTRAL))
    for message in (b"PASSED", b"FAILED", b""):
        weak.verify(encode(NEUTRAL) + bytes(32), message)


SPKI = bytes.fromhex("302a300506032b6570032100")


def key_file(raw, certificate):
    body = base64.b64encode(SPKI + raw).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    return pem + certificate.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("name", WEAK)
def test_a_public_key_under_which_anything_verifies_is_not_trusted(pair, name):
    with pytest.raises(SigningKeyError, match=r"weak|cannot be read"):
        parse_trusted_keys(key_file(WEAK[name], pair[0].certificate), source="gate.pub")


def test_every_key_that_is_made_is_strong(pair):
    for _ in range(50):
        raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        parse_trusted_keys(key_file(raw, pair[0].certificate), source="gate.pub")
