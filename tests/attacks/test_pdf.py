"""A signed card that was touched in any way is refused, whatever PDF readers say about it."""

import io
import random
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from asn1crypto import cms, core, x509
from asn1crypto import keys as asn1_keys
from authorities import Authority, serving
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils import embed, generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from govprune.card import CardError, View, render_pdf, sign_pdf
from govprune.card.parts import Prose, Section, Table, left, text
from govprune.errors import EvidenceError
from govprune.evidence.key_files import load_signing_keys
from govprune.evidence.keys import new_keys
from govprune.evidence.pdf import verify_pdf

ENVELOPE = b'{"payload": "the evidence", "signatures": []}'
WHEN = datetime(2026, 11, 21, 21, 40, tzinfo=UTC)


def a_view():
    table = Table(caption="What was found", columns=(left("finding"),), rows=((text("pass"),),))
    return View(
        title="A card to attack",
        heading="21 November 2026",
        done="Nothing was done.",
        result="FAILED",
        sentences=("It may not be promoted.",),
        warnings=(),
        found=table,
        counts=table,
        changed=table,
        remedies=(),
        signature=(("Signed by", "the gate"),),
        signed=True,
        qr="",
        card_id="0123456789ab",
        verify="govprune verify BUNDLE",
        sections=(Section(id="limits", title="Limits", parts=(Prose(text="None."),)),),
        producer="govprune",
        finished="2026-11-21T21:40:00+00:00",
    )


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    return load_signing_keys(new_keys(tmp_path_factory.mktemp("gate"), owner="the gate")[0])


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return load_signing_keys(new_keys(tmp_path_factory.mktemp("other"), owner="the gate")[0])


@pytest.fixture(scope="module")
def unsigned():
    return render_pdf(a_view(), attachment=ENVELOPE, created=WHEN)


@pytest.fixture(scope="module")
def card(unsigned, gate):
    return sign_pdf(unsigned, gate)


@pytest.fixture
def refused(gate):
    def check(pdf, match="card PDF", envelope=ENVELOPE):
        with pytest.raises(EvidenceError, match=match):
            verify_pdf(pdf, certificate=gate.certificate, envelope=envelope)

    return check


def hole_of(pdf):
    """Where the hex digits of the signature start and end."""
    start = pdf.index(b"/Contents <3082") + len(b"/Contents <")
    return start, pdf.index(b">", start)


def other_signer(keys):
    """A PDF signer that follows none of govprune's rules."""
    certificate = x509.Certificate.load(keys.certificate.public_bytes(Encoding.DER))
    private = keys.card.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return signers.SimpleSigner(
        signing_cert=certificate,
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore(),
    )


def signed_freely(pdf, keys, field):
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    metadata = signers.PdfSignatureMetadata(field_name=field, md_algorithm="sha256")
    return signers.sign_pdf(writer, metadata, signer=other_signer(keys)).getvalue()


def test_the_card_as_it_was_signed_is_accepted(card, gate):
    verify_pdf(card, certificate=gate.certificate, envelope=ENVELOPE)


@pytest.mark.parametrize("share", [0.0005, 0.05, 0.3, 0.5, 0.8, 0.97, 0.9999])
def test_one_changed_byte_anywhere_is_refused(card, refused, share):
    at = int(share * len(card))
    refused(card[:at] + bytes([card[at] ^ 1]) + card[at + 1 :])


def test_no_byte_of_the_signature_can_be_changed(card, gate):
    """The signature does not cover itself; each of its bytes must matter nevertheless."""
    start, end = hole_of(card)
    size = 4 + int(card[start + 4 : start + 8], 16)
    rng = random.Random(7)
    accepted = []
    for at in [*range(size), *rng.sample(range(size, (end - start) // 2), 40)]:
        place = start + 2 * at
        value = int(card[place : place + 2], 16) ^ (1 << rng.randrange(8))
        changed = card[:place] + b"%02X" % value + card[place + 2 :]
        try:
            verify_pdf(changed, certificate=gate.certificate, envelope=ENVELOPE)
        except EvidenceError:
            continue
        accepted.append(at)
    assert accepted == []


def test_the_signature_in_other_letters_is_refused(card, refused):
    start, end = hole_of(card)
    refused(card[:start] + card[start:end].lower() + card[end:])


@pytest.mark.parametrize("tail", [b"\n", b" ", b"%%EOF\n", b"\x00" * 1000])
def test_bytes_after_the_end_are_refused(card, refused, tail):
    refused(card + tail, "does not cover the whole file")


def test_a_truncated_card_is_refused(card, refused):
    for end in (0, 9, 1000, len(card) // 2, len(card) - 1):
        refused(card[:end])


def test_a_later_revision_is_refused(card, refused):
    """Poppler calls this one's signature valid."""
    writer = IncrementalPdfFileWriter(io.BytesIO(card))
    page = writer.root["/Pages"]["/Kids"][0]
    note = generic.DictionaryObject(
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
            generic.pdf_name("/Subtype"): generic.pdf_name("/FreeText"),
            generic.pdf_name("/Contents"): generic.pdf_string("PASSED"),
            generic.pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9))),
        }
    )
    page["/Annots"] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    assert out.getvalue().startswith(card)
    refused(out.getvalue(), "does not cover the whole file")


def test_a_byte_range_that_leaves_a_part_out_is_refused(card, refused):
    start = card.index(b"/ByteRange")
    end = card.index(b"]", start)
    numbers = [int(n) for n in card[start:end].split(b"[")[1].split()]
    for changed in (
        (0, numbers[1] - 40, numbers[2], numbers[3]),
        (0, numbers[1], numbers[2] + 60, numbers[3] - 60),
        (9, numbers[1], numbers[2], numbers[3]),
        (0, numbers[1], numbers[2], numbers[3] + 1),
        (0, 9999999999, 9999999999, 0),
    ):
        said = b"/ByteRange [%d %d %d %d" % changed
        refused(card[:start] + said.ljust(end - start) + card[end:])


def test_a_card_without_a_signature_is_refused(unsigned, refused):
    refused(unsigned, "not signed")


def test_a_card_signed_by_another_key_of_the_same_name_is_refused(unsigned, stranger, refused):
    refused(sign_pdf(unsigned, stranger), "another key")


def test_a_certificate_swapped_into_another_signature_is_refused(unsigned, gate, stranger, refused):
    forged = sign_pdf(unsigned, stranger)
    start, end = hole_of(forged)
    theirs = stranger.certificate.public_bytes(Encoding.DER).hex().upper().encode()
    ours = gate.certificate.public_bytes(Encoding.DER).hex().upper().encode()
    hole = forged[start:end].replace(theirs, ours)
    hole = hole[: end - start].ljust(end - start, b"0")
    refused(forged[:start] + hole + forged[end:])


def test_another_attachment_is_refused(card, gate, refused):
    refused(card, "not the evidence of this bundle", envelope=ENVELOPE + b" ")
    swapped = sign_pdf(render_pdf(a_view(), attachment=b"{}", created=WHEN), gate)
    refused(swapped, "not the evidence of this bundle")


def test_a_second_attachment_is_refused_even_from_the_gate(unsigned, gate, refused):
    writer = IncrementalPdfFileWriter(io.BytesIO(unsigned))
    stream = embed.EmbeddedFileObject.from_file_data(writer, data=b"a second opinion")
    names = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
    spec = embed.FileSpec(file_spec_string="zzz.json", embedded_data=stream, file_name="zzz.json")
    names += [generic.pdf_string("zzz.json"), writer.add_object(spec.as_pdf_object())]
    writer.update_container(names)
    out = io.BytesIO()
    writer.write(out)
    refused(signed_freely(out.getvalue(), gate, "one"))


def test_two_signatures_are_refused_even_from_the_gate(unsigned, gate, refused):
    once = signed_freely(unsigned, gate, "one")
    refused(signed_freely(once, gate, "two"), "2 signatures")


def test_a_card_is_not_signed_twice(card, gate):
    with pytest.raises(CardError, match="signed already"):
        sign_pdf(card, gate)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"%PDF-1.7\n",
        b"%PDF-1.7\n/ByteRange [0 1 2 3]",
        b"%PDF-1.7\n/Contents <30820000>/ByteRange [0 19 29 23]",
        b"%PDF-1.7\n" + b"<<" * 50_000 + b"/ByteRange [0 10 20 30]",
        b"\xff" * 5000,
    ],
)
def test_junk_is_refused_with_a_sentence(refused, junk):
    refused(junk)


def test_nested_nonsense_in_place_of_the_signature_is_refused(card, refused):
    start, end = hole_of(card)
    deep = b"3080" * 2000
    hole = (b"3082" + b"%04X" % (len(deep) // 2) + deep)[: end - start].ljust(end - start, b"0")
    refused(card[:start] + hole + card[end:])


def test_verifying_loads_neither_renderer_nor_torch(card, gate, tmp_path):
    (tmp_path / "card.pdf").write_bytes(card)
    (tmp_path / "cert.pem").write_bytes(gate.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "envelope").write_bytes(ENVELOPE)
    script = (
        "import sys; from pathlib import Path; from cryptography import x509\n"
        "from govprune.evidence.pdf import verify_pdf\n"
        "cert = x509.load_pem_x509_certificate(Path('cert.pem').read_bytes())\n"
        "verify_pdf(Path('card.pdf').read_bytes(), certificate=cert,"
        " envelope=Path('envelope').read_bytes())\n"
        "print([m for m in ('weasyprint', 'torch', 'jinja2', 'scipy') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- a time in it (PAdES B-T)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("time") / "tsa", key="ec")


@pytest.fixture(scope="module")
def stamped(unsigned, gate, authority):
    with serving(authority.answer) as address:
        return sign_pdf(unsigned, gate, timestamp=address)


def test_a_card_with_an_authoritys_time_is_accepted_by_us_and_poppler(
    stamped, gate, authority, tmp_path
):
    for authorities in (None, [authority.certificate]):
        verify_pdf(
            stamped, certificate=gate.certificate, envelope=ENVELOPE, authorities=authorities
        )
    (tmp_path / "card.pdf").write_bytes(stamped)
    said = subprocess.run(
        ["pdfsig", "-nocert", tmp_path / "card.pdf"], check=True, capture_output=True, text=True
    ).stdout
    assert "Signature is Valid" in said
    assert "Total document signed" in said


def test_a_time_of_another_authority_is_refused(stamped, gate, tmp_path):
    """evidence/pdf.py: `verify_timestamp(token, signature, authorities=authorities, ...`"""
    other = Authority(tmp_path / "tsa", key="ec")
    with pytest.raises(EvidenceError, match="does not name"):
        verify_pdf(
            stamped, certificate=gate.certificate, envelope=ENVELOPE,
            authorities=[other.certificate],
        )  # fmt: skip


def test_a_time_over_another_signature_is_refused(stamped, unsigned, gate, authority):
    """The time of one card, moved into another that has room for it."""
    with serving(authority.answer) as address:
        second = sign_pdf(unsigned, gate, timestamp=address)
    mixed = bytearray(second)
    first, other = (cms_of(pdf) for pdf in (stamped, second))
    other["content"]["signer_infos"][0]["unsigned_attrs"] = first["content"]["signer_infos"][0][
        "unsigned_attrs"
    ]
    start, end = hole_of(second)
    raw = other.dump().hex().upper().encode()
    mixed[start:end] = raw.ljust(end - start, b"0")
    with pytest.raises(EvidenceError, match="other bytes"):
        verify_pdf(
            bytes(mixed), certificate=gate.certificate, envelope=ENVELOPE,
            authorities=[authority.certificate],
        )  # fmt: skip


def test_nothing_else_may_stand_beside_the_signature(stamped, gate):
    content = cms_of(stamped)
    attribute = cms.CMSAttribute({"type": "1.2.3.4", "values": [core.OctetString(b"note")]})
    content["content"]["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([attribute])
    start, end = hole_of(stamped)
    changed = bytearray(stamped)
    raw = content.dump().hex().upper().encode()
    changed[start:end] = raw.ljust(end - start, b"0")
    with pytest.raises(EvidenceError, match="nobody signed"):
        verify_pdf(bytes(changed), certificate=gate.certificate, envelope=ENVELOPE)


def cms_of(pdf):
    """The signature of a card, to be changed."""
    start, end = hole_of(pdf)
    return cms.ContentInfo.load(bytes.fromhex(pdf[start:end].decode()))
