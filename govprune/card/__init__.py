"""The card: a view of the evidence, as a PDF to sign and file and as HTML to read.

The card is never the record. Whoever verifies reads the attached evidence, not these pages.
"""

from .html import render_html
from .pdf import CardError, render_pdf
from .sign import sign_pdf
from .view import View, make_view

__all__ = ["CardError", "View", "make_view", "render_html", "render_pdf", "sign_pdf"]
