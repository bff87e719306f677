"""Envelopes: the published vector, another implementation as witness, and one way of writing."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from govprune.errors import EvidenceError
from govprune.evidence import dsse
from govprune.evidence.key_files import load_signing_keys, load_trusted_keys
from govprune.evidence.keys import new_keys
from govprune.records import canonical

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    secret, public = new_keys(tmp_path_factory.mktemp("keys"), owner="gate@example.org")
    return load_signing_keys(secret), load_trusted_keys(public)


def test_the_signed_bytes_are_those_of_the_protocols_example():
    made = dsse.pae("http://example.com/HelloWorld", b"hello world")
    assert made == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_count_bytes_not_characters():
    assert dsse.pae("é", "é".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xa9"


@given(st.binary(max_size=300))
def test_what_was_signed_comes_back(pair, payload):
    found, signer = dsse.verify(dsse.sign(payload, pair[0]), [pair[1]], source="test")
    assert found == payload
    assert signer is pair[1]


def test_another_implementation_accepts_our_envelopes(pair):
    keys, trusted = pair
    envelope = Envelope.from_dict(json.loads(dsse.sign(PAYLOAD, keys)))
    witness = SSlibKey.from_crypto(trusted.gate, keyid=keys.key_id)
    assert list(envelope.verify([witness], 1)) == [keys.key_id]
    assert envelope.payload == PAYLOAD


def test_we_accept_envelopes_of_another_implementation(pair):
    keys, trusted = pair
    public = SSlibKey.from_crypto(trusted.gate, keyid=keys.key_id)
    envelope = Envelope(PAYLOAD, "application/vnd.in-toto+json", {})
    envelope.sign(CryptoSigner(keys.gate, public))
    made = envelope.to_dict()
    assert dsse.verify(canonical(made), [trusted], source="test")[0] == PAYLOAD


def test_nobody_signs_an_unsigned_envelope(pair):
    envelope = dsse.sign(PAYLOAD, None)
    assert json.loads(envelope)["signatures"] == []
    with pytest.raises(EvidenceError, match="nobody signed it"):
        dsse.verify(envelope, [pair[1]], source="test")


def test_a_signature_counts_only_where_it_is_trusted(pair):
    with pytest.raises(EvidenceError, match="govprune keys trust"):
        dsse.verify(dsse.sign(PAYLOAD, pair[0]), [], source="test")


def spare_bits(text):
    """The same bytes in another spelling: base64 leaves bits unused before the padding."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    last = alphabet[alphabet.index(bare[-1]) ^ 1]
    made = bare[:-1] + last + "=" * (len(text) - len(bare))
    assert base64.b64decode(made) == base64.b64decode(text)
    return made


def signature_with(**changed):
    return lambda e: e["signatures"][0].update(changed)


WRITINGS = {
    "spare bits in the payload": lambda e: e.update(payload=spare_bits(e["payload"])),
    "spare bits in the signature": lambda e: e["signatures"][0].update(
        sig=spare_bits(e["signatures"][0]["sig"])
    ),
    "white space in base64": lambda e: e.update(payload=e["payload"] + "\n"),
    "url-safe base64": lambda e: e.update(payload="_-_-"),
    "no padding": lambda e: e.update(payload=e["payload"].rstrip("=")),
    "a payload that is no text": lambda e: e.update(payload=7),
    "an unknown field": lambda e: e.update(timestamp="now"),
    "a field less": lambda e: e.pop("payloadType"),
    "signatures that are no list": lambda e: e.update(signatures={"keyid": "x", "sig": "y"}),
    "a signature that is no mapping": lambda e: e.update(signatures=["x"]),
    "a certificate beside the signature": signature_with(cert="x"),
    "a key id that is no text": signature_with(keyid=["x"]),
    "no key id": lambda e: e["signatures"][0].pop("keyid"),
    "an empty signature": signature_with(sig=""),
    "a signature of zeros": signature_with(sig=base64.b64encode(bytes(64)).decode()),
    "a signature cut short": signature_with(sig=base64.b64encode(bytes(63)).decode()),
    "a depth of a thousand": lambda e: e.update(signatures=nested(900)),
}


def nested(depth):
    made = []
    for _ in range(depth):
        made = [made]
    return [{"keyid": "x", "sig": made}]


@pytest.mark.parametrize("writing", WRITINGS)
def test_there_is_one_way_of_writing_an_envelope(pair, writing):
    keys, trusted = pair
    payload = PAYLOAD + b" " * (-(len(PAYLOAD) + 1) % 3)  # one byte of padding, so spare bits
    content = json.loads(dsse.sign(payload, keys))
    WRITINGS[writing](content)
    with pytest.raises(EvidenceError):
        dsse.verify(json.dumps(content, separators=(",", ":")).encode(), [trusted], source="test")


def test_the_order_of_fields_is_fixed(pair):
    content = json.loads(dsse.sign(PAYLOAD, pair[0]))
    turned = json.dumps(dict(reversed(content.items())), separators=(",", ":")).encode()
    with pytest.raises(EvidenceError, match="canonical form"):
        dsse.verify(turned, [pair[1]], source="test")


def test_an_error_names_the_file(pair):
    with pytest.raises(EvidenceError, match=r"^bundle/verdict\.dsse\.json: "):
        dsse.verify(b"{}", [pair[1]], source="bundle/verdict.dsse.json")
