"""Seven altered cards of two dozen pages are refused, each sooner than a blink."""

import statistics
import subprocess
from time import perf_counter

import pytest
from altered_pdfs import altered, large_card
from asn1crypto import cms
from cryptography.hazmat.primitives.serialization import Encoding

from govprune.errors import EvidenceError
from govprune.evidence.key_files import load_signing_keys
from govprune.evidence.keys import new_keys
from govprune.evidence.pdf import verify_pdf

LIMIT = 0.05
SAYS = {
    "incremental update": "does not cover the whole file",
    "pages exchanged": "changed after it was signed",
    "attachment exchanged": "does not cover the whole file",
    "annotation": "does not cover the whole file",
    "trailing bytes": "does not cover the whole file",
    "signature stripped": "not signed",
    "signed by another key": "another key",
}


class Cards:
    def __init__(self, place):
        self.keys, stranger = (
            load_signing_keys(new_keys(place / name, owner="the gate")[0]) for name in ("a", "b")
        )
        unsigned, self.signed, self.envelope = large_card(self.keys)
        self.altered = altered(unsigned, self.signed, stranger)
        self.genuine = place / "card.pdf"
        self.genuine.write_bytes(self.signed)
        self.certificate = place / "gate.pem"
        self.certificate.write_bytes(self.keys.certificate.public_bytes(Encoding.PEM))

    def verify(self, pdf):
        verify_pdf(pdf, certificate=self.keys.certificate, envelope=self.envelope)


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    made = Cards(tmp_path_factory.mktemp("cards"))
    made.verify(made.signed)
    return made


@pytest.mark.parametrize("attack", SAYS)
def test_an_altered_card_is_refused_at_once(cards, attack):
    """The median of five: a busy machine may lose one of them."""
    took = []
    for _ in range(5):
        start = perf_counter()
        with pytest.raises(EvidenceError, match=SAYS[attack]):
            cards.verify(cards.altered[attack])
        took.append(perf_counter() - start)
    assert statistics.median(took) < LIMIT


def test_the_seven_are_all_there_are(cards):
    assert set(cards.altered) == set(SAYS)
    assert len(set(cards.altered.values()) | {cards.signed}) == 8


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_poppler_reads_the_genuine_card_as_signed(cards):
    pages = run("pdfinfo", cards.genuine).stdout.split("Pages:")[1].split()[0]
    assert int(pages) >= 24
    said = run("pdfsig", cards.genuine).stdout
    assert "Signature is Valid." in said
    assert "Total document signed" in said


def test_poppler_calls_a_forged_revision_valid_which_is_why_we_ask_more(cards, tmp_path):
    (tmp_path / "forged.pdf").write_bytes(cards.altered["incremental update"])
    assert "Signature is Valid." in run("pdfsig", tmp_path / "forged.pdf").stdout


def parts(pdf):
    """Return what the signature covers, and the CMS structure in the hole."""
    start = pdf.index(b"/ByteRange")
    numbers = pdf[start:].split(b"[", 1)[1].split(b"]", 1)[0].split()
    _, first, second, rest = map(int, numbers)
    structure = bytes.fromhex(pdf[first + 1 : second - 1].decode())
    return pdf[:first] + pdf[second : second + rest], structure


def test_openssl_verifies_the_genuine_card_and_not_one_with_a_changed_byte(cards, tmp_path):
    """Its signature is plain CMS: any library can check it, given the certificate as authority."""
    covered, structure = parts(cards.signed)
    der = cms.ContentInfo.load(structure).dump()
    (tmp_path / "signature.der").write_bytes(der)
    for name, data in (("genuine", covered), ("changed", covered[:-1] + b"x")):
        (tmp_path / name).write_bytes(data)
    said = {
        name: run(
            "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any",
            "-in", tmp_path / "signature.der", "-content", tmp_path / name,
            "-CAfile", cards.certificate, "-out", "/dev/null",
        )
        for name in ("genuine", "changed")
    }  # fmt: skip
    assert said["genuine"].returncode == 0, said["genuine"].stderr
    assert "successful" in said["genuine"].stderr
    assert said["changed"].returncode != 0
