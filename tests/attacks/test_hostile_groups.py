"""Names from the data reach the card as text: nothing in them is run, fetched, read or embedded.

The defences: autoescape (card/html.py), and a fetcher that hands out three fonts (card/pdf.py).
"""

import re
import subprocess
import threading
from datetime import UTC, datetime
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from income_card import HARMED, adult

from govprune.card import make_view, render_html, render_pdf

ENVELOPE = b'{"payload":"e30=","signatures":[]}'
SECRET = "canary 5f0e83a1, which no card may hold"
PRODUCT = "56088"  # 171 * 328, and nowhere else


class Listening:
    """A web server that remembers what it was asked."""

    def __init__(self):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def hostile(file, url):
    """Names that would do something if anything took them for more than text."""
    return (
        f"<img src='{file}'>",
        f"<img src={url}/img>",
        f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{file}'/></svg>",
        f"<svg><script>fetch('{url}/script')</script></svg>",
        f"<style>@import url({url}/import);</style>",
        f"<style>body {{ background: url({file}) }}</style>",
        f"<link rel=attachment href='{file}'>",
        f"<link rel=stylesheet href={url}/style>",
        f"<object data='{file}'></object><embed src={url}/embed>",
        f"<iframe src='{file}'></iframe>",
        f"<a rel=attachment href='{file}'>a</a>",
        f"<base href={url}/base/>",
        f"<meta http-equiv=refresh content='0;url={url}/meta'>",
        f"<?xml-stylesheet href='{url}/xml'?>",
        f"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='{file}'/>",
        f"<!DOCTYPE x [<!ENTITY e SYSTEM '{file}'>]>&e;",
        '"><script>alert(1)</script>',
        "' onmouseover='alert(1)",
        "</title></caption></table><h1>PASSED</h1>",
        "{{ 171 * 328 }}",
        "{% for i in [171 * 328] %}{{ i }}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% include '/etc/hostname' %}",
        "${171*328} #{171*328} <%= 171*328 %>",
        f"url({url}/bare)",
        f"\\@import '{url}/escaped'",
    )


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """The card of a model whose groups are called so, as HTML and PDF; and what was asked for."""
    place = tmp_path_factory.mktemp("hostile")
    (place / "canary.txt").write_text(SECRET)
    server = Listening()
    names = hostile((place / "canary.txt").as_uri(), server.url)
    cells = {("Male", name): HARMED["Male", "White"] for name in names}
    cells["Female", names[0]] = HARMED["Female", "White"]
    view = make_view(adult(cells), evidence_sha256="b" * 64, signer=names[0])
    html = render_html(view).decode()
    pdf = place / "card.pdf"
    pdf.write_bytes(
        render_pdf(view, attachment=ENVELOPE, created=datetime(2026, 11, 21, tzinfo=UTC))
    )
    server.close()
    return names, html, pdf, server.asked


def run(*command):
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = set(), set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text.append(data)


def test_every_name_is_printed_as_it_is_written(attacked):
    names, html, _, _ = attacked
    text = "".join(Tags(html).text)
    for name in names:
        assert f"race = {name}" in text or f"race={name}" in text


def test_no_name_becomes_an_element_or_an_attribute(attacked):
    _, html, _, _ = attacked
    found = Tags(html)
    assert not found.tags & {
        "img", "image", "object", "embed", "iframe", "link", "base", "include", "xi:include",
    }  # fmt: skip
    assert not any(name.startswith("on") for name in found.attributes)
    assert html.count("<script") == html.count("<style") == html.count("<h1") == 1


def test_no_name_is_computed(attacked):
    _, html, pdf, _ = attacked
    assert PRODUCT not in html
    assert PRODUCT.encode() not in run("pdftotext", pdf, "-").replace(b",", b"")
    assert "subclasses" in html
    assert "&lt;class" not in html


def test_nothing_was_fetched(attacked):
    assert attacked[3] == []


def test_no_local_file_lies_in_the_card(attacked, tmp_path):
    """Every stream of the PDF unpacked, every attachment, every picture, every page as text."""
    _, html, pdf, _ = attacked
    run("qpdf", "--qdf", "--object-streams=disable", pdf, tmp_path / "plain.pdf")
    plain = (tmp_path / "plain.pdf").read_bytes()
    assert len(plain) > 2 * pdf.stat().st_size
    assert SECRET.encode() not in plain
    assert SECRET not in html
    assert SECRET.encode() not in run("pdftotext", pdf, "-")
    (tmp_path / "out").mkdir()
    run("pdfdetach", "-saveall", "-o", tmp_path / "out", pdf)
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [ENVELOPE]
    assert run("pdfimages", "-list", pdf).count(b" image ") == 0


def test_the_pdf_links_nowhere_and_runs_nothing(attacked, tmp_path):
    run("qpdf", "--qdf", "--object-streams=disable", attacked[2], tmp_path / "plain.pdf")
    plain = (tmp_path / "plain.pdf").read_bytes()
    assert not re.findall(rb"/(URI|JavaScript|JS|Launch|GoToR|SubmitForm|OpenAction|AA)\b", plain)


# --- the fetcher by itself, with the first defence left out


@pytest.mark.parametrize(
    "reference",
    ["file:///etc/hostname", "http://127.0.0.1:1/x", "data:text/plain,x", "card-font:../../x",
     "card-font:", "//127.0.0.1/x", "ftp://x/y"],
)  # fmt: skip
def test_the_renderers_fetcher_hands_out_nothing_but_fonts(reference):
    from govprune.card.pdf import _only_fonts, _weasyprint

    with pytest.raises(ValueError, match="a card fetches nothing"):
        _only_fonts(_weasyprint()).fetch(reference)
