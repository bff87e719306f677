"""Drawings: one generator of SVG for the PDF and the HTML card.

Every drawing has a title (read aloud, and the PDF's alternative text) and stands beside the
same numbers as text. Shape tells the state, so grey print loses nothing: a filled square was
decided, an open circle could not be. No style, script or link is ever written.
"""

from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from ..policy import Finding
from . import words

WIDTH, HEIGHT, AXIS_HEIGHT = 200, 19, 16
RED, INK, GREY, RULE, SHADE = "#9b1c0c", "#1a1a1a", "#6b6b6b", "#c9c9c9", "#f3e6e3"


@dataclass(frozen=True)
class Axis:
    """What part of the line of numbers a forest plot shows, in points."""

    low: float
    high: float
    at_least: float | None
    at_most: float | None

    def x(self, value: float) -> float:
        """Return the place of a value, kept inside the drawing."""
        inside = min(max(value, self.low), self.high)
        return 4 + (WIDTH - 8) * (inside - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Three to six round numbers."""
        raw = (self.high - self.low) / 6
        scale = 10.0 ** floor(log10(raw))
        step = next(s * scale for s in (1, 2, 5, 10) if s * scale >= raw)
        first, last = ceil(self.low / step), floor(self.high / step)
        return tuple(i * step for i in range(first, last + 1))


def axis_of(findings: list[Finding]) -> Axis:
    """Choose an axis that shows every value and margin; very wide intervals run off its ends."""
    q = findings[0].question
    at_least = None if q.at_least is None else 100 * q.at_least
    at_most = None if q.at_most is None else 100 * q.at_most
    margins = [m for m in (at_least, at_most) if m is not None]
    reach = 6.0 * max(abs(m) for m in margins) if any(margins) else 12.0
    ends = [0.0, *(1.6 * m for m in margins)]
    for f in findings:
        ends += [100 * v for v in (f.value,) if v is not None]
        ends += [min(max(100 * v, -reach), reach) for v in (f.low, f.high) if v is not None]
    low, high = min(ends), max(ends)
    room = 0.04 * (high - low)
    return Axis(low - room, high + room, at_least, at_most)


def forest_axis(axis: Axis) -> str:
    """Draw the scale above a column of intervals, with the margin named."""
    ticks = "".join(
        f'<text x="{axis.x(t):.1f}" y="12" text-anchor="middle" fill="{GREY}">'
        f"{words.bound(t, 3, signed=True)}</text>"
        for t in axis.ticks
    )
    return _svg(AXIS_HEIGHT, "Scale in points, candidate minus baseline", ticks)


def forest_row(f: Finding, axis: Axis) -> str:
    """Draw one interval against the margin."""
    marks = [_background(axis)]
    if f.value is not None:
        colour = RED if f.status == "fail" else INK if f.status == "pass" else GREY
        marks += [_interval(f, axis, colour), _point(f, axis, colour)]
    title = f"{words.measured(f, 'points')} points: {words.STATE[f.status]}"
    return _svg(HEIGHT, title, "".join(marks))


def _background(axis: Axis) -> str:
    shapes = []
    for margin, start, end in (
        (axis.at_least, 0.0, axis.x(axis.at_least or 0.0)),
        (axis.at_most, axis.x(axis.at_most or 0.0), float(WIDTH)),
    ):
        if margin is None:
            continue
        shapes.append(
            f'<rect x="{start:.1f}" y="0" width="{end - start:.1f}" height="{HEIGHT}" '
            f'fill="{SHADE}"/>'
            + _line(axis.x(margin), 0, axis.x(margin), HEIGHT, RED, 0.9, dash=True)
        )
    return "".join(shapes) + _line(axis.x(0), 0, axis.x(0), HEIGHT, INK, 0.7)


def _interval(f: Finding, axis: Axis, colour: str) -> str:
    low = axis.low if f.low is None else 100 * f.low
    high = axis.high if f.high is None else 100 * f.high
    middle = HEIGHT / 2
    drawn = _line(
        axis.x(low), middle, axis.x(high), middle, colour, 1.6 if f.status == "fail" else 1
    )
    if low < axis.low:
        drawn += f'<path d="M5 {middle - 3}L1 {middle}L5 {middle + 3}Z" fill="{colour}"/>'
    if high > axis.high:
        right = WIDTH - 5
        drawn += (
            f'<path d="M{right} {middle - 3}L{right + 4} {middle}L{right} {middle + 3}Z" '
            f'fill="{colour}"/>'
        )
    return drawn


def _point(f: Finding, axis: Axis, colour: str) -> str:
    x, middle = axis.x(100 * (f.value or 0.0)), HEIGHT / 2
    if f.status in ("pass", "fail"):
        return f'<rect x="{x - 3:.1f}" y="{middle - 3}" width="6" height="6" fill="{colour}"/>'
    return (
        f'<circle cx="{x:.1f}" cy="{middle}" r="3.1" fill="#ffffff" stroke="{colour}" '
        'stroke-width="1.2"/>'
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, *, dash: bool = False
) -> str:
    dashes = ' stroke-dasharray="3 2"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}" stroke="{colour}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def _svg(height: int, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="Source Sans, sans-serif" font-size="10.5">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def qr(payload: str, *, title: str) -> str:
    """Draw a QR code (ISO/IEC 18004, error correction M).

    Args:
        payload: What a reader's telephone shows: text, never an address.
        title: What the code holds, in words.
    """
    import segno

    code = segno.make(payload, error="m", micro=False)
    size = code.symbol_size(scale=1, border=0)[0]
    runs = []
    for y, row in enumerate(code.matrix):
        x = 0
        while x < size:
            if not row[x]:
                x += 1
                continue
            start = x
            while x < size and row[x]:
                x += 1
            runs.append(f"M{start} {y}h{x - start}v1h-{x - start}z")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="92" height="92" '
        f'viewBox="0 0 {size} {size}"><title>{escape(title)}</title>'
        f'<path d="{"".join(runs)}" fill="{INK}"/></svg>'
    )
