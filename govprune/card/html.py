"""The view as HTML: self-contained, nothing fetched, nothing run but one pinned script."""

import base64
import hashlib
from functools import cache
from typing import Any

from .. import resources
from .parts import Table
from .view import View


def render_html(view: View) -> bytes:
    """Return the card as one HTML file with a strict content security policy."""
    style, script = style_of(view, "screen"), _asset("card.js")
    policy = (
        f"default-src 'none'; style-src '{_pin(style)}'; script-src '{_pin(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return page(view, style=style, script=script, content_policy=policy).encode()


def page(view: View, *, style: str, script: str, content_policy: str) -> str:
    """Place the view in the templates.

    Args:
        view: What to say.
        style: CSS, inlined; empty where the renderer is handed its own.
        script: JavaScript, inlined; empty for print.
        content_policy: The Content-Security-Policy; empty for print.
    """
    template = _environment().get_template("card.html.j2")
    made: str = template.render(
        view=view, style=style, script=script, content_policy=content_policy
    )
    return made


@cache
def _environment() -> Any:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(resources.folder("report_templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return (resources.folder("report_templates") / name).read_text(encoding="utf-8")


def style_of(view: View, medium: str) -> str:
    """Return the CSS of a medium (`print` or `screen`) for this view."""
    tables = [view.found, view.counts, view.changed]
    tables += [part for s in view.sections for part in s.parts if isinstance(part, Table)]
    used = {column.width for table in tables for column in table.columns if column.width}
    # Widths as classes: a style attribute would need a weaker content policy.
    widths = "".join(f".w{n} {{ width: {n}% }}\n" for n in sorted(used))
    return _asset("card.css") + widths + _asset(f"{medium}.css")


def _pin(content: str) -> str:
    """Content security policy: the only style and script that may act are these bytes."""
    digest = hashlib.sha256(content.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()
