"""The signature in the PDF: invisible, ECDSA P-256, certified as final, PAdES B-B or B-T."""

import io
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..evidence.keys import SigningKeys
from ..evidence.timestamp import request_token
from .pdf import CardError

FIELD = "govprune"


def sign_pdf(pdf: bytes, keys: SigningKeys, *, timestamp: str | None = None) -> bytes:
    """Sign a rendered card; nothing may be changed afterwards.

    Poppler and OpenSSL read no Ed25519 in PDFs, hence a second key of its own kind.

    Args:
        pdf: The rendered card.
        keys: Who signs.
        timestamp: Address of an authority whose time over the signature is put in (PAdES B-T).

    Raises:
        InputError: The authority cannot be reached, or answers something else.
        CardError: The bytes are not a PDF that can be signed, or are signed already.
    """
    from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]  # ships no types
    from asn1crypto import x509
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign import fields, signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    certificate = x509.Certificate.load(keys.certificate.public_bytes(Encoding.DER))
    private = keys.card.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=certificate,
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        # No chain: verifiers pin the certificate itself.
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]  # ships untyped
    )
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        name=keys.owner,
        reason="Model card of a gated candidate",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    out = io.BytesIO()
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=True)
        if writer.prev.embedded_signatures:
            raise CardError("this card is signed already; render it again before signing")
        stamper = _stamper(timestamp) if timestamp is not None else None
        signers.PdfSigner(metadata, signer=signer, timestamper=stamper).sign_pdf(writer, output=out)
    except PdfError as error:
        raise CardError(f"the card cannot be signed: {error}") from error
    return out.getvalue()


def _stamper(url: str) -> Any:
    """Return what has pyHanko ask an authority through our own reader of its answers."""
    from pyhanko.sign.timestamps import TimeStamper

    class Authority(TimeStamper):
        async def async_request_tsa_response(self, req: Any) -> Any:
            return request_token(url, req)

    return Authority()  # type: ignore[no-untyped-call]  # its base is untyped
