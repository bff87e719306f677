"""The view as a PDF: PDF/A-3a and PDF/UA-1 in one file, with the evidence attached.

Same view, same attachment, same moment: same bytes, on one installation.
"""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InputError
from .html import page, style_of
from .view import View

ATTACHMENT = "evidence.dsse.json"
_PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
_FONTS = {
    "regular": "SourceSansPro-Regular.ttf",
    "semibold": "SourceSansPro-Semibold.ttf",
    "bold": "SourceSansPro-Bold.ttf",
}
_SCHEME = "card-font:"

# PDF/UA's identifier is foreign to PDF/A's metadata, so PDF/A wants its schema described.
_UA_SCHEMA = """
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"
 pdfuaid:part="1"/>
"""


class CardError(InputError):
    """The card cannot be rendered here; the message names what to install."""


def render_pdf(view: View, *, attachment: bytes, created: datetime) -> bytes:
    """Render the unsigned PDF.

    Args:
        view: What to say.
        attachment: The bytes of evidence.dsse.json.
        created: Printed as creation date; the clock is not read.

    Raises:
        CardError: Pango or the fonts are missing; names the packages.
    """
    weasyprint = _weasyprint()
    moment = created.astimezone(UTC).replace(microsecond=0)
    fonts = weasyprint.text.fonts.FontConfiguration()
    fetcher = _only_fonts(weasyprint)
    style = weasyprint.CSS(
        string=_font_faces() + style_of(view, "print"), url_fetcher=fetcher, font_config=fonts
    )
    html = page(view, style="", script="", content_policy="")
    document = weasyprint.HTML(string=html, url_fetcher=fetcher).render(
        stylesheets=[style], font_config=fonts, pdf_variant="pdf/a-3a"
    )
    document.metadata.created = document.metadata.modified = moment.isoformat()
    document.metadata.attachments = [
        weasyprint.Attachment(
            string=attachment,
            name=ATTACHMENT,
            description="The signed evidence that this card is a view of",
            created=moment,
            modified=moment,
            relationship="Source",
        )
    ]
    with _fonts_dated(moment):
        return _write(document)


@contextmanager
def _fonts_dated(moment: datetime) -> Iterator[None]:
    """Give embedded fonts the card's date: the font subsetter reads it from the environment."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(int(moment.timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


def _write(document: Any) -> bytes:
    """Paint the pages, add PDF/UA, and write plain objects.

    WeasyPrint would pack the objects into a compressed stream, which makes reading the signature
    back slow; so the finished objects are taken from it and written here.
    """
    out = io.BytesIO()

    def finish(_: Any, pdf: Any) -> None:
        number = int(pdf.catalog["Metadata"].split()[0])
        stream = pdf.objects[number]
        whole = b"".join(stream.stream)
        stream.stream = [whole.replace(b"</rdf:RDF>", _UA_SCHEMA.encode() + b"</rdf:RDF>")]
        # Searching for metadata without a PDF reader needs it uncompressed.
        stream.compress = False
        pdf.write(out, b"1.7", identifier=True, compress=False)
        # WeasyPrint writes after this, into the void; leave it nothing but the free object.
        del pdf.objects[1:]

    with warnings.catch_warnings():
        # It leaves the file of its colour profile to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        document.write_pdf(target=io.BytesIO(), finisher=finish, pdf_variant="pdf/a-3a")
    return out.getvalue()


def _weasyprint() -> Any:
    try:
        with warnings.catch_warnings():
            # Without libharfbuzz-subset it warns and works, a second slower.
            warnings.simplefilter("ignore", DeprecationWarning)
            import weasyprint
            import weasyprint.text.fonts
    except OSError as error:
        raise CardError(
            f"the PDF card needs Pango, which is missing: apt-get install {_PACKAGES}. "
            "The HTML card says the same and needs none of it."
        ) from error
    # Its warnings are about CSS; what matters here is checked on the result.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint


def _font_folder() -> Path:
    found = find_spec("font_source_sans_pro")
    if found is None or not found.submodule_search_locations:
        raise CardError(
            "the PDF card needs its typeface, which is missing: pip install font-source-sans-pro"
        )
    return Path(next(iter(found.submodule_search_locations))) / "files"


def _font_faces() -> str:
    weights = {"regular": 400, "semibold": 600, "bold": 700}
    return "".join(
        f'@font-face {{ font-family: "Source Sans"; font-weight: {weights[name]}; '
        f'src: url("{_SCHEME}{name}") }}\n'
        for name in _FONTS
    )


def _only_fonts(weasyprint: Any) -> Any:
    """Make a fetcher that hands out the three packaged fonts and refuses all else."""
    folder = _font_folder()

    class OnlyFonts(weasyprint.urls.URLFetcher):  # type: ignore[misc]  # untyped base
        def fetch(self, url: str, headers: Any = None) -> Any:  # noqa: ARG002 its interface
            name = _FONTS.get(url.removeprefix(_SCHEME)) if url.startswith(_SCHEME) else None
            if name is None:
                raise ValueError(f"a card fetches nothing, and was asked for {url!r}")
            data = (folder / name).read_bytes()
            return weasyprint.urls.URLFetcherResponse(url, data, {"Content-Type": "font/ttf"})

    return OnlyFonts(allowed_protocols=())
