"""ECDSA P-256 signatures made to be misread, in the style of Wycheproof's, put into a signed card.

A signature does not cover itself, so each of these sits in a card whose every other byte is as
the gate signed it.
"""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from small_card import Card, der, one_page

from govprune.card import sign_pdf
from govprune.errors import EvidenceError, SigningKeyError
from govprune.evidence.key_files import load_signing_keys, parse_trusted_keys
from govprune.evidence.keys import SigningKeys, new_keys, public_pem

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    secret, _ = new_keys(tmp_path_factory.mktemp("keys"), owner="gate@example.org")
    return Card(load_signing_keys(secret))


def test_a_signature_put_back_is_accepted(card):
    """So each case below differs from an accepted one in what its name says."""
    card.verify(card.pdf)
    again = card.keys.card.sign(card.message, ec.ECDSA(hashes.SHA256()))
    card.verify(card.with_signature(again))


def test_the_twin_of_a_signature_says_the_same_and_is_one(card):
    """n − s signs what s signs; nothing that a card says can be changed by it."""
    r, s = decode_dss_signature(card.signature)
    card.verify(card.with_signature(encode_dss_signature(r, N - s)))


# --- r and s as numbers that they must not be


def integer(value):
    """DER of any whole number, negative too."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return der(2, value.to_bytes(size, "big", signed=True))


def pair(r, s):
    return der(0x30, integer(r) + integer(s))


CHANGED = {
    "r = 0": lambda r, s: (0, s),
    "s = 0": lambda r, s: (r, 0),
    "r = n": lambda r, s: (N, s),
    "s = n": lambda r, s: (r, N),
    "r + n": lambda r, s: (r + N, s),
    "s + n": lambda r, s: (r, s + N),
    "r - n": lambda r, s: (r - N, s),
    "s - n": lambda r, s: (r, s - N),
    "n - r": lambda r, s: (N - r, s),
    "r negative": lambda r, s: (-r, s),
    "s negative": lambda r, s: (r, -s),
    "both negative": lambda r, s: (-r, -s),
    "r and s exchanged": lambda r, s: (s, r),
    "r twice": lambda r, s: (r, r),
    "s twice": lambda r, s: (s, s),
    "r plus one": lambda r, s: (r + 1, s),
    "s plus one": lambda r, s: (r, s + 1),
    "r inverted": lambda r, s: (pow(r, -1, N), s),
    "s inverted": lambda r, s: (r, pow(s, -1, N)),
    "r + 2^256": lambda r, s: (r + 2**256, s),
    "s + 2^256": lambda r, s: (r, s + 2**256),
    "r + 2^320 n": lambda r, s: (r + N * 2**320, s),
    "s + 2^320 n": lambda r, s: (r, s + N * 2**320),
    "r cut to 128 bits": lambda r, s: (r >> 128, s),
    "s cut to 128 bits": lambda r, s: (r, s >> 128),
}
SPECIAL = {
    "0": 0, "1": 1, "-1": -1, "2": 2, "n - 1": N - 1, "n": N, "n + 1": N + 1, "p - 1": P - 1,
    "p": P, "p + 1": P + 1, "p - n": P - N, "2^256 - 1": 2**256 - 1, "2^256": 2**256,
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGED)
def test_numbers_that_are_not_the_signatures_own_are_refused(card, case):
    made = pair(*CHANGED[case](*decode_dss_signature(card.signature)))
    with pytest.raises(EvidenceError):
        card.verify(card.with_signature(made))


@pytest.mark.parametrize("r", SPECIAL)
def test_special_numbers_sign_nothing(card, r):
    """Each beside each: what a verifier that forgets a range check may call valid."""
    for s in SPECIAL.values():
        with pytest.raises(EvidenceError):
            card.verify(card.with_signature(pair(SPECIAL[r], s)))


# --- the same numbers, written otherwise


def split(signature):
    r, s = decode_dss_signature(signature)
    return integer(r), integer(s)


def long_form(value):
    return bytes([value[0], 0x81, value[1]]) + value[2:]


def two_byte_length(value):
    return bytes([value[0], 0x82, 0, value[1]]) + value[2:]


def padded(value):
    return bytes([2, value[1] + 1, 0]) + value[2:]


def unpadded(value):
    """A positive number written as a negative one: the zero in front left out."""
    return bytes([2, value[1] - 1]) + value[3:] if value[2] == 0 else value


WRITTEN = {
    "length in long form": lambda r, s: long_form(der(0x30, r + s)),
    "length in two bytes": lambda r, s: two_byte_length(der(0x30, r + s)),
    "length of r in long form": lambda r, s: der(0x30, long_form(r) + s),
    "length of s in long form": lambda r, s: der(0x30, r + long_form(s)),
    "indefinite length": lambda r, s: b"\x30\x80" + r + s + b"\0\0",
    "indefinite length without an end": lambda r, s: b"\x30\x80" + r + s,
    "a zero before r": lambda r, s: der(0x30, padded(r) + s),
    "a zero before s": lambda r, s: der(0x30, r + padded(s)),
    "two zeros before s": lambda r, s: der(0x30, r + padded(padded(s))),
    "a byte after the end": lambda r, s: der(0x30, r + s) + b"\0",
    "another value after the end": lambda r, s: der(0x30, r + s) + b"\x05\0",
    "another value inside": lambda r, s: der(0x30, r + s + b"\x05\0"),
    "a third number": lambda r, s: der(0x30, r + s + integer(1)),
    "a value before r": lambda r, s: der(0x30, b"\x05\0" + r + s),
    "the signature twice": lambda r, s: der(0x30, r + s) * 2,
    "r alone": lambda r, s: der(0x30, r),
    "no numbers": lambda r, s: b"\x30\0",
    "nothing": lambda r, s: b"",
    "a null": lambda r, s: b"\x05\0",
    "a set instead of a sequence": lambda r, s: der(0x31, r + s),
    "a constructed string": lambda r, s: der(0x24, der(0x30, r + s)),
    "wrapped once more": lambda r, s: der(0x30, der(0x30, r + s)),
    "r as an octet string": lambda r, s: der(0x30, b"\x04" + r[1:] + s),
    "s as a bit string": lambda r, s: der(0x30, r + b"\x03" + s[1:]),
    "r as an enumeration": lambda r, s: der(0x30, b"\x0a" + r[1:] + s),
    "r of no bytes": lambda r, s: der(0x30, b"\x02\0" + s),
    "s of no bytes": lambda r, s: der(0x30, r + b"\x02\0"),
    "r as a fraction": lambda r, s: der(0x30, b"\x09\x05\x80\0\x01\x02\x03" + s),
    "a length too long by one": lambda r, s: bytes([0x30, len(r + s) + 1]) + r + s,
    "a length too short by one": lambda r, s: bytes([0x30, len(r + s) - 1]) + r + s,
    "a length of all ones": lambda r, s: b"\x30\x84\xff\xff\xff\xff" + r + s,
    "r longer than everything": lambda r, s: der(0x30, b"\x02\x84\x7f\xff\xff\xff" + r[2:] + s),
    "cut by one byte": lambda r, s: der(0x30, r + s)[:-1],
    "cut in the middle": lambda r, s: der(0x30, r + s)[:30],
    "as two numbers of 32 bytes": lambda r, s: b"".join(
        int.from_bytes(v[2:], "big").to_bytes(32, "big") for v in (r, s)
    ),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_there_is_one_way_of_writing_a_signature(card, case):
    made = WRITTEN[case](*split(card.signature))
    assert made != card.signature
    with pytest.raises(EvidenceError):
        card.verify(card.with_signature(made))


def test_the_zero_in_front_of_a_large_number_cannot_be_left_out(card):
    """Which numbers need it changes from signature to signature: sign until both do."""
    while True:
        signature = card.keys.card.sign(card.message, ec.ECDSA(hashes.SHA256()))
        r, s = split(signature)
        if r[2] == s[2] == 0:
            break
    card.verify(card.with_signature(signature))
    for made in ((unpadded(r), s), (r, unpadded(s)), (unpadded(r), unpadded(s))):
        with pytest.raises(EvidenceError):
            card.verify(card.with_signature(der(0x30, b"".join(made))))


# --- other hashes, other messages, other keys


@pytest.mark.parametrize(
    "algorithm", [hashes.SHA1(), hashes.SHA224(), hashes.SHA384(), hashes.SHA512(), hashes.MD5()],
    ids=lambda a: a.name,
)  # fmt: skip
def test_a_signature_over_another_digest_is_refused_whatever_it_says(card, algorithm):
    signature = card.keys.card.sign(card.message, ec.ECDSA(algorithm))
    with pytest.raises(EvidenceError):
        card.verify(card.with_signature(signature))
    if algorithm.name in ("md5",):
        return

    def says_so(info):
        info["signature"] = signature
        info["digest_algorithm"] = {"algorithm": algorithm.name}
        info["signature_algorithm"] = {"algorithm": f"{algorithm.name}_ecdsa"}

    with pytest.raises(EvidenceError, match="card PDF"):
        card.verify(card.changed(says_so))


@pytest.mark.parametrize("name", ["sha256_rsa", "rsassa_pss", "rsassa_pkcs1v15", "ed25519"])
def test_no_other_algorithm_can_be_named(card, name):
    def renamed(info):
        info["signature_algorithm"] = {"algorithm": name}

    with pytest.raises(EvidenceError, match="only ECDSA with SHA-256 is"):
        card.verify(card.changed(renamed))


MESSAGES = {
    "nothing": lambda m: b"",
    "a message cut by a byte": lambda m: m[:-1],
    "a message that goes on": lambda m: m + b"\0",
    "one bit flipped": lambda m: m[:-1] + bytes([m[-1] ^ 1]),
    "the digest of the message": lambda m: hashlib.sha256(m).digest(),
    "the attributes as they lie in the file": lambda m: b"\xa0" + m[1:],
}


@pytest.mark.parametrize("case", MESSAGES)
def test_a_signature_of_something_else_is_refused(card, case):
    made = card.keys.card.sign(MESSAGES[case](card.message), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(EvidenceError, match="not valid"):
        card.verify(card.with_signature(made))


def test_a_signature_by_another_key_is_refused(card):
    stranger = ec.generate_private_key(ec.SECP256R1())
    made = stranger.sign(card.message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(EvidenceError, match="not valid"):
        card.verify(card.with_signature(made))


def test_no_bit_of_a_signature_can_be_flipped(card):
    for at in range(len(card.signature)):
        made = bytearray(card.signature)
        made[at] ^= 1 << at % 8
        with pytest.raises(EvidenceError):
            card.verify(card.with_signature(bytes(made)))


# --- other curves, and points that are none


def certificate_of(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate@example.org")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    made = made.public_key(key.public_key()).not_valid_before(start)
    return made.not_valid_after(start + timedelta(days=9)).sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    "curve", [ec.SECP256K1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP224R1(), ec.BrainpoolP256R1()],
    ids=lambda c: c.name,
)  # fmt: skip
def test_a_card_signed_on_another_curve_is_refused_even_where_that_key_is_pinned(card, curve):
    key = ec.generate_private_key(curve)
    other = SigningKeys(gate=card.keys.gate, card=key, certificate=certificate_of(key))
    with pytest.raises(EvidenceError, match="P-256"):
        card.verify(sign_pdf(one_page(), other), certificate=other.certificate)


def point_of(certificate):
    """The public point as it lies in the certificate."""
    numbers = certificate.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


POINTS = {
    "not on the curve": lambda p: p[:-1] + bytes([p[-1] ^ 1]),
    "the origin": lambda p: b"\x04" + bytes(64),
    "beyond the prime": lambda p: b"\x04" + b"\xff" * 64,
    "at infinity": lambda p: b"\x00" + bytes(64),
    "of another form": lambda p: b"\x05" + p[1:],
    "of the twist": lambda p: b"\x04" + (int.from_bytes(p[1:33], "big") ^ 1).to_bytes(32) + p[33:],
}


@pytest.mark.parametrize("case", POINTS)
def test_a_certificate_of_no_point_is_not_trusted(card, case):
    genuine = card.keys.certificate
    point = point_of(genuine)
    made = genuine.public_bytes(Encoding.DER).replace(point, POINTS[case](point))
    try:
        certificate = x509.load_der_x509_certificate(made)
    except ValueError:
        return  # never becomes a certificate at all
    pem = public_pem(card.keys).replace(
        genuine.public_bytes(Encoding.PEM), certificate.public_bytes(Encoding.PEM)
    )
    with pytest.raises(SigningKeyError):
        parse_trusted_keys(pem.decode(), source="gate.pub")


def test_the_library_beneath_refuses_a_message_of_another_hash(card):
    """What the cases above rest on, shown for the one primitive they share."""
    with pytest.raises(InvalidSignature):
        card.keys.certificate.public_key().verify(
            card.signature, card.message, ec.ECDSA(hashes.SHA512())
        )
