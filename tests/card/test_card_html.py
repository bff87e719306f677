"""The HTML card fetches nothing, runs nothing of others, and says what the PDF says."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from income_card import UNHARMED, adult

from govprune.card import charts, render_html
from govprune.policy import Finding, Question

HOSTILE = "<img src=file:///etc/passwd>"


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.seen = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(failed):
    from govprune.card import make_view

    return render_html(make_view(failed, evidence_sha256="b" * 64, signer="gate")).decode()


def test_the_page_says_the_verdict_and_its_reason(page):
    assert '<p class="word">FAILED</p>' in page
    assert "falls from 60.7 to 55.6 %" in page


def test_a_hostile_slice_name_stays_text(view_of):
    page = render_html(view_of(adult(UNHARMED, race=HOSTILE))).decode()
    assert "&lt;img src=file:///etc/passwd&gt;" in page
    assert "img" not in {tag for tag, _ in Elements(page).seen}


def test_template_syntax_in_a_name_is_not_run(view_of):
    page = render_html(view_of(adult(UNHARMED, race="{{ 7 * 7 }}{% raw %}"))).decode()
    assert "race = {{ 7 * 7 }}{% raw %}" in page


def test_nothing_is_fetched_from_anywhere(page):
    for tag, attributes in Elements(page).seen:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert attributes.get("href", "#").startswith("#")
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert "style" not in attributes
    assert "url(" not in page
    assert "@import" not in page


def test_only_the_pinned_style_and_script_may_act(page):
    policy = next(
        attributes["content"]
        for tag, attributes in Elements(page).seen
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_tables_have_captions_and_headers_with_scope(page):
    elements = Elements(page).seen
    tags = [tag for tag, _ in elements]
    assert tags.count("table") == tags.count("caption")
    scopes = {attributes.get("scope") for tag, attributes in elements if tag == "th"}
    assert scopes == {"col", "row"}
    assert ("html", {"lang": "en"}) in elements


def test_a_card_stays_small(page):
    assert len(page) < 500_000


def finding(status, value=-0.04, low=-0.06, high=-0.03):
    q = Question(rule="r", check="fairness", metric="m", slice="sex=Female", at_least=-0.02)
    return Finding(question=q, status=status, reason="x", value=value, low=low, high=high, n=590)


def test_cannot_tell_is_drawn_unlike_what_was_decided():
    drawn = {s: charts.forest_row(finding(s), charts.axis_of([finding(s)]))
             for s in ("pass", "fail", "inconclusive")}  # fmt: skip
    assert "<circle" in drawn["inconclusive"]
    assert "<circle" not in drawn["pass"] + drawn["fail"]
    assert charts.RED in drawn["fail"].split("<title>")[1].rsplit("<rect", 1)[1]


def test_every_drawing_says_its_numbers_in_words():
    f = finding("fail")
    drawn = charts.forest_row(f, charts.axis_of([f]))
    assert "<title>−4.0 [−6.0, −3.0] points: FAIL</title>" in drawn


def test_an_interval_beyond_the_axis_ends_in_an_arrow():
    f = finding("inconclusive", low=-0.9, high=0.3)
    drawn = charts.forest_row(f, charts.axis_of([f]))
    assert drawn.count("<path") == 2


def test_the_margin_and_the_values_lie_inside_the_drawing():
    axis = charts.axis_of([finding("fail"), finding("pass", value=0.01, low=0.0, high=0.02)])
    assert axis.low < -2 < axis.high
    assert all(0 <= axis.x(v) <= charts.WIDTH for v in (-100, -4, -2, 0, 1, 100))
    assert 3 <= len(axis.ticks) <= 6


def test_the_qr_code_is_square_and_named():
    drawn = charts.qr("b" * 64, title="QR code of the evidence digest")
    assert "<title>QR code of the evidence digest</title>" in drawn
    assert drawn.count("<path") == 1
