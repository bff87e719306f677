"""The smallest signed card there is, which can be given any signature: one empty page."""

import io

from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.embed import EmbeddedFileObject, FileSpec, embed_file
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from govprune.card import sign_pdf
from govprune.evidence.pdf import verify_pdf

ENVELOPE = b'{"payload":"e30=","signatures":[]}'


def der(tag, content):
    """Any tag of one byte, any length, written the one way that DER has."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + content


def values(content):
    """Split a sequence of DER values into (tag, content)."""
    while content:
        size, start = content[1], 2
        if size >= 128:
            start += size - 128
            size = int.from_bytes(content[2:start], "big")
        yield content[0], content[start : start + size]
        content = content[start + size :]


def ending_in(structure, signature):
    """A CMS structure with another signature: it is the last string of what is nested last."""
    *before, (tag, last) = values(structure)
    if tag != 4:
        last = ending_in(last, signature)
    return b"".join(der(*value) for value in before) + der(tag, signature if tag == 4 else last)


def one_page():
    """A PDF of one empty page with the envelope attached; what a card is, without the words."""
    writer = PdfFileWriter(stream_xrefs=False)
    writer.output_version = (1, 7)
    content = writer.add_object(RawContent(b"", box=BoxConstraints(9, 9)).as_form_xobject())
    writer.insert_page(PageObject(contents=content, media_box=(0, 0, 9, 9)))
    data = EmbeddedFileObject.from_file_data(writer, data=ENVELOPE)
    name = "evidence.dsse.json"
    embed_file(writer, FileSpec(file_spec_string=name, file_name=name, embedded_data=data))
    writer.root["/Lang"] = generic.pdf_string("en")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


class Card:
    """A signed card, and what its signature is of."""

    def __init__(self, keys):
        self.keys, self.pdf = keys, sign_pdf(one_page(), keys)
        self.start = self.pdf.index(b"/Contents <3082") + len(b"/Contents <")
        self.end = self.pdf.index(b">", self.start)
        hole = bytes.fromhex(self.pdf[self.start : self.end].decode())
        self.cms = hole[: 4 + int.from_bytes(hole[2:4], "big")]
        info = self.signer_info(cms.ContentInfo.load(self.cms))
        self.signature = info["signature"].native
        self.message = info["signed_attrs"].untag().dump()

    @staticmethod
    def signer_info(content):
        return content["content"]["signer_infos"][0]

    def changed(self, change):
        """The card, with something other in its signer info."""
        content = cms.ContentInfo.load(self.cms)
        change(self.signer_info(content))
        return self.holding(content.dump(force=True))

    def with_signature(self, signature):
        return self.holding(ending_in(self.cms, signature))

    def holding(self, structure):
        digits = structure.hex().upper().encode().ljust(self.end - self.start, b"0")
        return self.pdf[: self.start] + digits + self.pdf[self.end :]

    def verify(self, pdf, *, certificate=None):
        pinned = self.keys.certificate if certificate is None else certificate
        verify_pdf(pdf, certificate=pinned, envelope=ENVELOPE)
