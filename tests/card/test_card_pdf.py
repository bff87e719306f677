"""The PDF carries its evidence, fetches nothing, and is read by other people's tools."""

import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from income_card import UNHARMED, adult

from govprune.card import CardError, make_view, render_pdf, sign_pdf
from govprune.evidence.pdf import verify_pdf

HOSTILE = "<img src=file:///etc/passwd>"
ENVELOPE = b'{"payload":"e30=","signatures":[]}'
WHEN = datetime(2026, 11, 21, 21, 40, tzinfo=UTC)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def short(view):
    """The same card without its long tables, to render it more than once."""
    limits = tuple(s for s in view.sections if s.id == "limits")
    return view.model_copy(update={"sections": limits})


@pytest.fixture(scope="module")
def view():
    return make_view(adult(UNHARMED, race=HOSTILE), evidence_sha256="b" * 64, signer="the gate")


@pytest.fixture(scope="module")
def whole(view, gate_keys, tmp_path_factory):
    """The whole card, signed, on disk."""
    path = tmp_path_factory.mktemp("card") / "card.pdf"
    unsigned = render_pdf(view, attachment=ENVELOPE, created=WHEN)
    path.write_bytes(sign_pdf(unsigned, gate_keys[0]))
    return path


def test_a_signed_card_is_accepted_with_the_trusted_certificate(whole, gate_keys):
    verify_pdf(whole.read_bytes(), certificate=gate_keys[1].certificate, envelope=ENVELOPE)


def test_poppler_calls_the_signature_valid_over_the_whole_document(whole):
    said = run("pdfsig", str(whole))
    assert "Signature is Valid." in said
    assert "Total document signed" in said
    assert "credit-gate@example.org" in said


def test_poppler_detaches_exactly_the_envelope(whole, tmp_path):
    run("pdfdetach", "-saveall", "-o", str(tmp_path), str(whole))
    assert [p.name for p in tmp_path.iterdir()] == ["evidence.dsse.json"]
    assert (tmp_path / "evidence.dsse.json").read_bytes() == ENVELOPE


def test_qpdf_finds_no_fault(whole):
    assert "No syntax or stream encoding errors found" in run("qpdf", "--check", str(whole))


def test_every_font_is_embedded(whole):
    fonts = run("pdffonts", str(whole)).splitlines()[2:]
    assert fonts
    assert all(line.split()[-5:-2] == ["yes", "yes", "yes"] for line in fonts)


def test_a_hostile_slice_name_is_printed_and_fetches_nothing(whole):
    printed = " ".join(run("pdftotext", "-layout", str(whole), "-").split())
    assert HOSTILE in printed
    assert "root:" not in printed
    assert run("pdfimages", "-list", str(whole)).count("image") == 0


def test_a_card_can_be_read_in_one_sitting_and_each_page_names_its_evidence(whole):
    info = run("pdfinfo", str(whole))
    pages = int(next(line for line in info.splitlines() if line.startswith("Pages")).split()[1])
    assert 8 <= pages <= 18
    printed = run("pdftotext", str(whole), "-")
    assert printed.count("card " + "b" * 12) == pages


def test_page_one_holds_the_verdict_and_the_signature(whole):
    printed = " ".join(run("pdftotext", "-f", "1", "-l", "1", "-layout", str(whole), "-").split())
    assert "PASSED" in printed
    assert "Signed by the gate" in printed
    assert "Evidence sha256 " + "b" * 64 in printed


def test_the_file_says_it_is_archivable_and_accessible(whole):
    pdf = whole.read_bytes()
    assert b'pdfaid:part="3"' in pdf
    assert b'pdfaid:conformance="A"' in pdf
    assert b'pdfuaid:part="1"' in pdf
    assert b"/AFRelationship /Source" in pdf
    assert b"/ObjStm" not in pdf
    assert "Tagged: yes" in " ".join(run("pdfinfo", str(whole)).split())


def test_the_same_view_gives_the_same_bytes(view):
    one = render_pdf(short(view), attachment=ENVELOPE, created=WHEN)
    time.sleep(1.1)  # fonts, attachments and metadata all carry times in seconds
    two = render_pdf(short(view), attachment=ENVELOPE, created=WHEN)
    assert one == two


def test_no_drawing_can_make_the_renderer_read_a_file(view):
    planted = view.model_copy(
        update={"qr": '<svg width="9" height="9"><image href="file:///etc/hostname"/></svg>'}
    )
    from govprune.card.pdf import _only_fonts, _weasyprint

    render_pdf(short(planted), attachment=ENVELOPE, created=WHEN)
    fetcher = _only_fonts(_weasyprint())
    for url in ("file:///etc/hostname", "https://example.org/", "data:text/plain,x",
                "card-font:../../LICENSE.txt"):  # fmt: skip
        with pytest.raises(ValueError, match="a card fetches nothing"):
            fetcher.fetch(url)


def test_without_pango_the_error_names_the_packages(view, tmp_path, monkeypatch):
    """A stand-in for WeasyPrint that fails as it does where the libraries are missing."""
    (tmp_path / "weasyprint.py").write_text(
        "raise OSError(\"cannot load library 'libpango-1.0-0'\")"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if n.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(CardError, match="apt-get install libpango"):
        render_pdf(short(view), attachment=ENVELOPE, created=WHEN)
