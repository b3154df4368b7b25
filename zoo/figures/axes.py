"""A frame with axes in plain SVG, for charts of thousands of points, which a plotting library would make too large."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

COLOURS = ("#0072b2", "#d55e00", "#007a5a", "#a8528a", "#56789a", "#8a6d00")
"""Okabe and Ito's colours, darkened where they meet white: apart for every kind of colour blindness."""
ACCENT, INK, SOFT, FAINT = "#d55e00", "#222222", "#666666", "#e5e5e5"
FONT = "system-ui, 'DejaVu Sans', Verdana, sans-serif"
LETTER = 6.4
"""Pixels of a letter at 11 px, generously."""
LEGEND = 17.0
"""Pixels of a legend's row."""
WIDE, NARROW = 820.0, 360.0
"""Pixels: the width of a chart for screens and paper, and for screens as wide as a hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where data lies on a card: its range in data units, and the rectangle it fills in pixels from the top left."""

    xs: tuple[float, float]
    ys: tuple[float, float]
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return self.left + (value - self.xs[0]) / (self.xs[1] - self.xs[0]) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Pixels from the top; what lies outside the range is drawn on its edge."""
        inside = min(max(value, self.ys[0]), self.ys[1])
        return self.bottom - (inside - self.ys[0]) / (self.ys[1] - self.ys[0]) * (self.bottom - self.top)


def spread(values: Iterable[float], pad: float = 0.05) -> tuple[float, float]:
    """A range around the finite values with a margin on both sides; never empty."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    margin = pad * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` round numbers (1, 2 or 5 times a power of ten apart) from ``low`` to ``high``."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    while math.floor(high / step) - math.ceil(low / step) + 1 > most:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def written(values: Sequence[float], percent: bool) -> list[str]:
    """Tick values as text: as many digits as tell them apart, in percent where they are shares."""
    values = [100 * value for value in values] if percent else list(values)
    gap = min((b - a for a, b in pairwise(values)), default=1.0)
    digits = max(0, -math.floor(math.log10(gap) + 1e-9))
    return [f"{value:,.{digits}f}".replace("-", "−") + (" %" if percent else "") for value in values]


def grid(frame: Frame, xlabel: str, ylabel: str, *, percent: bool, xpercent: bool = False, whole: bool = False) -> str:
    """Grid lines, tick labels and names of the axes; where said, shares in percent, and x in whole numbers only."""
    parts = []
    marks = ticks(*frame.ys, most=7)
    for value, text in zip(marks, written(marks, percent), strict=True):
        y = frame.y(value)
        parts.append(f'<path d="M{frame.left:.0f} {y:.1f}H{frame.right:.0f}" stroke="{FAINT}"/>')
        parts.append(label(text, frame.left - 7, y + 4, anchor="end", colour=SOFT))
    marks = ticks(*frame.xs, most=max(3, int((frame.right - frame.left) / 80)))
    if whole:  # there is no epoch between two
        marks = [value for value in marks if abs(value - round(value)) < 1e-9]
    for value, text in zip(marks, written(marks, xpercent), strict=True):
        x = frame.x(value)
        parts.append(f'<path d="M{x:.1f} {frame.bottom:.0f}v4" stroke="{SOFT}"/>')
        parts.append(label(text, x, frame.bottom + 17, anchor="middle", colour=SOFT))
    parts.append(f'<path d="M{frame.left:.0f} {frame.bottom:.0f}H{frame.right:.0f}" stroke="{SOFT}"/>')
    for line, y in _titled(xlabel, frame.right + 16, frame.bottom + 36):
        middle = min((frame.left + frame.right) / 2, frame.right + 16 - LETTER * len(line) / 2)
        parts.append(label(line, max(middle, LETTER * len(line) / 2), y, anchor="middle"))
    y = (frame.top + frame.bottom) / 2
    for line, x in _titled(ylabel, frame.bottom + 40, 15.0):
        parts.append(
            f'<text transform="translate({x:.0f} {y:.0f}) rotate(-90)" text-anchor="middle" fill="{INK}">'
            f"{escape(line)}</text>"
        )
    return "".join(parts)


def _titled(title: str, room: float, at: float) -> list[tuple[str, float]]:
    """The title of an axis in one line or, where that is longer than the card, in two, and where each stands."""
    if LETTER * len(title) <= room or " " not in title:
        return [(title, at)]
    gaps = [i for i, letter in enumerate(title) if letter == " "]
    cut = min(gaps, key=lambda i: abs(2 * i - len(title)))
    return [(title[:cut], at - 5), (title[cut + 1 :], at + 7)]


def label(
    text: str,
    x: float,
    y: float,
    *,
    anchor: str = "start",
    colour: str = INK,
    size: float = 11,
    bold: bool = False,
    halo: bool = False,
) -> str:
    """A line of text, legible over whatever is drawn below it where it has a halo."""
    style = (' font-weight="bold"' if bold else "") + (
        ' paint-order="stroke" stroke="#ffffff" stroke-width="3" stroke-linejoin="round"' if halo else ""
    )
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{colour}"{style}>'
        f"{escape(text)}</text>"
    )


def dot(x: float, y: float, note: str, style: str, radius: float = 3.0, of: str = "") -> str:
    """A circle that says something when pointed at; `of` is the id of what a page shows when it is chosen."""
    title = f"<title>{escape(note)}</title>" if note else ""
    style = style and f" {style}"
    style += f' data-of="{escape(of)}"' if of else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"{style}>{title}</circle>'


def legend_rows(entries: Sequence[tuple[str, str]], width: float) -> list[list[tuple[str, str]]]:
    """The (text, colour) pairs of a legend in rows of at most `width` pixels."""
    rows: list[list[tuple[str, str]]] = []
    end = width
    for entry in entries:
        step = 32 + LETTER * len(entry[0])
        if not rows or end + step > width:
            rows.append([])
            end = 0.0
        rows[-1].append(entry)
        end += step
    return rows


def legend(rows: Sequence[Sequence[tuple[str, str]]], x: float, y: float) -> str:
    """Rows of :func:`legend_rows`, the first at `y`."""
    parts = []
    for number, row in enumerate(rows):
        at, height = x, y + LEGEND * number
        for text, colour in row:
            parts.append(f'<circle cx="{at + 5:.1f}" cy="{height - 4:.1f}" r="5" fill="{colour}"/>')
            parts.append(label(text, at + 15, height))
            at += 32 + LETTER * len(text)
    return "".join(parts)


def apart(heights: Sequence[float], pitch: float) -> list[float]:
    """The heights moved as little as a sweep can so that no two labels are nearer than ``pitch`` pixels."""
    placed = list(heights)
    order = sorted(range(len(placed)), key=lambda i: (heights[i], i))
    for before, i in pairwise(order):
        placed[i] = max(placed[i], placed[before] + pitch)
    return placed


def card(width: float, height: float, body: str, description: str) -> str:
    """One `<svg>` element with a white card behind `body`; `description` is read to those who do not see."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{escape(description)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" '
        'font-size="11">'
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>{body}</svg>'
    )
