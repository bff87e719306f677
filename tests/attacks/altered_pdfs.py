"""A signed card of two dozen pages, and seven ways to alter one that PDF readers may miss."""

import io
from collections.abc import Callable
from datetime import UTC, datetime

from income_card import HARMED, adult
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from govprune.card import make_view, render_pdf, sign_pdf
from govprune.evidence import dsse
from govprune.evidence.keys import SigningKeys
from govprune.evidence.statement import to_statement

WHEN = datetime(2026, 11, 21, 21, 40, tzinfo=UTC)
GROUPS = tuple(f"origin {i}" for i in range(1, 31))


def large_card(keys: SigningKeys) -> tuple[bytes, bytes, bytes]:
    """Return a card of some 24 pages unsigned and signed, and the envelope attached to it."""
    sexes = ("Male", "Female")
    cells = {(sex, race): HARMED[sex, "White"] for race in GROUPS for sex in sexes}
    evidence = adult(cells)
    envelope = dsse.sign(to_statement(evidence), keys)
    view = make_view(evidence, evidence_sha256="b" * 64, signer="gate@example.org")
    unsigned = render_pdf(view, attachment=envelope, created=WHEN)
    return unsigned, sign_pdf(unsigned, keys), envelope


def _later(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """Add a revision behind the signed one; its bytes stay as they were."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    made = out.getvalue()
    assert made.startswith(pdf), "the signed revision must stay untouched"
    return made


def _rewrite_page_one(writer: IncrementalPdfFileWriter) -> None:
    page = _first_page(writer)
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT (PASSED) Tj ET"))
    writer.update_container(page)


def _first_page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    node = writer.root["/Pages"]
    while "/Kids" in node:
        node = node["/Kids"][0]
    return node


def _annotate(writer: IncrementalPdfFileWriter) -> None:
    note = generic.DictionaryObject(
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
            generic.pdf_name("/Subtype"): generic.pdf_name("/FreeText"),
            generic.pdf_name("/Contents"): generic.pdf_string("PASSED"),
            generic.pdf_name("/Rect"): generic.ArrayObject(
                map(generic.NumberObject, (50, 600, 250, 700))
            ),
        }
    )
    page = _first_page(writer)
    page["/Annots"] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)


def _attach_another(writer: IncrementalPdfFileWriter) -> None:
    spec = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][1]
    forged = generic.StreamObject(stream_data=b'{"payload":"UEFTU0VE","signatures":[]}')
    forged["/Type"] = generic.pdf_name("/EmbeddedFile")
    reference = writer.add_object(forged)
    spec["/EF"] = generic.DictionaryObject(
        {generic.pdf_name("/F"): reference, generic.pdf_name("/UF"): reference}
    )
    writer.update_container(spec)


def _swap_pages(pdf: bytes) -> bytes:
    """Exchange two pages in the list of pages, where they lie; the length stays."""
    start = pdf.index(b"/Kids [") + len(b"/Kids [")
    end = pdf.index(b"]", start)
    words = pdf[start:end].split(b" ")
    numbers = range(0, len(words) - 2, 3)
    one, two = next(
        (a, b) for a in numbers for b in numbers if a < b and len(words[a]) == len(words[b])
    )
    words[one], words[two] = words[two], words[one]
    return pdf[:start] + b" ".join(words) + pdf[end:]


def altered(unsigned: bytes, signed: bytes, stranger: SigningKeys) -> dict[str, bytes]:
    """Return the seven, by name."""
    return {
        "incremental update": _later(signed, _rewrite_page_one),
        "pages exchanged": _swap_pages(signed),
        "attachment exchanged": _later(signed, _attach_another),
        "annotation": _later(signed, _annotate),
        "trailing bytes": signed + b"%PASSED\n%%EOF\n",
        "signature stripped": unsigned,
        "signed by another key": sign_pdf(unsigned, stranger),
    }
