"""The strict rule for a signed card: one signature, over every byte, by exactly the pinned key.

Readers differ on what they call valid: some accept bytes after the end, some pages that a later
revision replaced. Here the signature is checked first, over raw bytes, and the PDF is parsed only
once every byte of it is known to be the gate's. So a hostile file never meets a PDF parser.
"""

import hashlib
import io
import re
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import EvidenceError
from .timestamp import verify_timestamp

_LIMIT = 64_000_000
_CMS_LIMIT = 60_000
_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]")
_HOLE = re.compile(rb"<([0-9A-F]+)>")
_ATTACHMENT = "evidence.dsse.json"
# What parsers of nested binary formats raise on input that is not what it claims to be.
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError,
              OverflowError)  # fmt: skip


def verify_pdf(
    pdf: bytes,
    *,
    certificate: x509.Certificate,
    envelope: bytes,
    authorities: Sequence[str] | None = None,
) -> None:
    """Accept a card only if the pinned certificate signed every byte of it.

    Args:
        pdf: The whole file.
        certificate: Of the key that must have signed; compared byte by byte, no chain is built.
        envelope: What the one attachment must be.
        authorities: Certificates (PEM) of those whose time over the signature counts (PAdES B-T);
            None where nobody says: then a time in it is read by nobody.

    Raises:
        EvidenceError: Anything else is the case.
    """
    if len(pdf) > _LIMIT:
        raise EvidenceError(f"card PDF: {len(pdf)} bytes, more than the {_LIMIT} allowed")
    if not pdf.startswith(b"%PDF-1.7\n"):
        raise EvidenceError("card PDF: not a PDF that govprune wrote")
    covered, cms = _signed_bytes(pdf)
    _verify_cms(cms, hashlib.sha256(covered).digest(), certificate, authorities)
    attached = _attachments(pdf)
    if [name for name, _ in attached] != [_ATTACHMENT]:
        raise EvidenceError(
            f"card PDF: holds {len(attached)} attachments; exactly {_ATTACHMENT} is allowed"
        )
    if attached[0][1] != envelope:
        raise EvidenceError(
            f"card PDF: the attached {_ATTACHMENT} is not the evidence of this bundle"
        )


def _signed_bytes(pdf: bytes) -> tuple[bytes, bytes]:
    """Return what the signature covers and the signature; everything but the hole is covered."""
    if pdf.count(b"/ByteRange") != 1:
        n = pdf.count(b"/ByteRange")
        raise EvidenceError(
            f"card PDF: {n} signatures; exactly one is allowed"
            if n
            else "card PDF: not signed; render and sign the card again"
        )
    found = _RANGE.search(pdf)
    if found is None:
        raise EvidenceError("card PDF: the signature does not say what it covers")
    start, first, second, rest = (int(number) for number in found.groups())
    if start != 0 or not first < second or second + rest != len(pdf):
        raise EvidenceError(
            "card PDF: the signature does not cover the whole file; it was changed after signing"
        )
    hole = _HOLE.fullmatch(pdf, first, second)
    if hole is None or len(hole[1]) % 2:
        raise EvidenceError("card PDF: what the signature leaves out is not the signature itself")
    if not re.search(rb"/Contents\s*$", pdf[max(first - 20, 0) : first]):
        raise EvidenceError("card PDF: what the signature leaves out is not its own field")
    raw = bytes.fromhex(hole[1].decode("ascii"))
    return pdf[:first] + pdf[second:], raw


def _der(raw: bytes) -> bytes:
    """Cut the zero padding after the one DER value; nothing else may stand there."""
    if len(raw) < 4 or raw[0] != 0x30 or raw[1] != 0x82:
        raise EvidenceError("card PDF: the signature is not a CMS structure")
    length = 4 + int.from_bytes(raw[2:4], "big")
    if not length <= min(len(raw), _CMS_LIMIT) or any(raw[length:]):
        raise EvidenceError("card PDF: bytes beside the signature; it was changed after signing")
    return raw[:length]


def _verify_cms(
    raw: bytes, digest: bytes, certificate: x509.Certificate, authorities: Sequence[str] | None
) -> None:
    from asn1crypto import cms  # type: ignore[import-untyped]  # ships no types

    der = _der(raw)
    try:
        content = cms.ContentInfo.load(der, strict=True)
        if content["content_type"].native != "signed_data":
            raise EvidenceError("card PDF: the signature is no signed data")
        signed = content["content"]
        _only_pinned(signed, certificate)
        message, signature = _signer(signed, digest)
        expected = _rebuilt(signed, certificate, message, signature)
    except _MALFORMED as error:
        raise EvidenceError(f"card PDF: the signature cannot be read ({error})") from error
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EvidenceError("card PDF: the pinned certificate is not of a P-256 key")
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise EvidenceError(
            "card PDF: the signature is not valid; the card was changed, or signed by another key"
        ) from error
    if expected != der:
        raise EvidenceError("card PDF: the signature is wrapped in something nobody signed")
    token = _token(signed)
    if token is not None and authorities:
        verify_timestamp(token, signature, authorities=authorities, source="card PDF: timestamp")


def _token(signed: Any) -> bytes | None:
    """Return the one thing that may stand beside the signature: an authority's time over it."""
    beside = signed["signer_infos"][0]["unsigned_attrs"]
    if not beside:
        return None
    if len(beside) != 1 or beside[0]["type"].native != "signature_time_stamp_token":
        raise EvidenceError("card PDF: the signature carries something that nobody signed")
    if len(beside[0]["values"]) != 1:
        raise EvidenceError("card PDF: several timestamps; one is allowed")
    token: bytes = beside[0]["values"][0].dump()
    return token


def _only_pinned(signed: Any, certificate: x509.Certificate) -> None:
    given = [choice.chosen.dump() for choice in signed["certificates"]]
    if given != [certificate.public_bytes(Encoding.DER)]:
        raise EvidenceError("card PDF: signed by another key than the one that signed the evidence")


def _signer(signed: Any, digest: bytes) -> tuple[bytes, bytes]:
    """Return what was signed and the signature, after checking that it speaks of this file."""
    signers = signed["signer_infos"]
    if len(signers) != 1:
        raise EvidenceError(f"card PDF: {len(signers)} signers; exactly one is allowed")
    info = signers[0]
    algorithms = (
        info["digest_algorithm"]["algorithm"].native,
        info["signature_algorithm"]["algorithm"].native,
    )
    if algorithms != ("sha256", "sha256_ecdsa"):
        raise EvidenceError(f"card PDF: signed with {algorithms[1]}; only ECDSA with SHA-256 is")
    attributes = [(a["type"].native, a["values"].native) for a in info["signed_attrs"]]
    names = [name for name, _ in attributes]
    if len(names) != len(set(names)):
        raise EvidenceError("card PDF: the signature says the same thing twice")
    said = dict(attributes)
    if said.get("content_type") != ["data"] or said.get("message_digest") != [digest]:
        raise EvidenceError("card PDF: changed after it was signed: its digest is another")
    return info["signed_attrs"].untag().dump(), info["signature"].native


def _rebuilt(signed: Any, certificate: x509.Certificate, message: bytes, signature: bytes) -> bytes:
    """Write the one CMS structure that holds this signature and nothing else.

    A signature does not cover its own wrapping. Comparing the wrapping with this leaves no byte
    of the file that could be changed, but for the twin (r, n - s) of the signature (r, s), which
    says the same; the verdict names the digest of the whole file.
    """
    from asn1crypto import cms, core
    from asn1crypto import x509 as asn1_x509

    theirs = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    digests = signed["digest_algorithms"]
    null = len(digests) == 1 and isinstance(digests[0]["parameters"], core.Null)
    info_null = isinstance(signed["signer_infos"][0]["digest_algorithm"]["parameters"], core.Null)

    def sha256(*, null: bool) -> dict[str, Any]:
        # Both encodings of "no parameters" are in use (RFC 5754, section 2).
        return {"algorithm": "sha256"} | ({"parameters": core.Null()} if null else {})

    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            "issuer_and_serial_number",
            {"issuer": theirs.issuer, "serial_number": theirs.serial_number},
        ),
        "digest_algorithm": sha256(null=info_null),
        "signed_attrs": cms.CMSAttributes.load(message, strict=True),
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": signature,
    }
    if (token := _token(signed)) is not None:
        time = {"type": "signature_time_stamp_token", "values": [cms.ContentInfo.load(token)]}
        signer["unsigned_attrs"] = [time]
    rebuilt = {
        "version": "v1",
        "digest_algorithms": [sha256(null=null)],
        "encap_content_info": {"content_type": "data"},
        "certificates": [theirs],
        "signer_infos": [signer],
    }
    made: bytes = cms.ContentInfo({"content_type": "signed_data", "content": rebuilt}).dump()
    return made


def _attachments(pdf: bytes) -> list[tuple[str, bytes]]:
    """Read every attached file of bytes that the gate signed."""
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True)
        if reader.xrefs.total_revisions != 2:
            # The rendered file, and the one addition that is the signature.
            raise EvidenceError("card PDF: not exactly one rendering and one signature")
        # Not `embedded_signatures`: it loads a second of code for signing and the network.
        fields = [field.get_object() for field in reader.root["/AcroForm"]["/Fields"]]
        if [field["/FT"] for field in fields] != ["/Sig"] or "/Kids" in fields[0]:
            raise EvidenceError("card PDF: exactly one signature is allowed")
        tree = reader.root["/Names"]["/EmbeddedFiles"]
        if "/Kids" in tree:
            raise EvidenceError("card PDF: a tree of attachments; exactly one is allowed")
        names = tree["/Names"]
        return [
            (str(names[i + 1]["/UF"]), names[i + 1]["/EF"]["/F"].data)
            for i in range(0, len(names), 2)
        ]
    except (PdfError, *_MALFORMED) as error:
        raise EvidenceError(f"card PDF: its attachments cannot be read ({error})") from error
