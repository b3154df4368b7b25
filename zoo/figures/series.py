"""Series over a number: dots, lines or running bests with intervals, as plain SVG on a white card."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Literal

import numpy as np

from zoo.figures.axes import (
    COLOURS,
    INK,
    LEGEND,
    NARROW,
    SOFT,
    WIDE,
    Frame,
    apart,
    card,
    dot,
    grid,
    label,
    legend,
    legend_rows,
    spread,
)  # fmt: skip
from zoo.figures.chart import Level, Point

DOTS, FEWER = 3000, 600
"""Dots of a chart, and of a narrow one; of more, every improvement and an even choice of the others are drawn."""
_OUTLIERS = 50
"""Points from which on the lowest 2 % do not stretch the axis: they are drawn on its lower edge."""
_ALWAYS = 200
"""Points of a series that are all drawn, however many others there are."""
_NEAR = 60.0
"""Pixels: how far apart lines end whose values cannot meet."""
_DASH = 10
"""Pixels: a dash of lines that lie on one another."""

Line = Literal["none", "straight", "best", "steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one kind, ascending in x; NaN is not drawn.

    Attributes:
        label: in the legend.
        points: with intervals and notes, where they have some.
        line: none, through the points, the best so far as steps, or steps from point to point.
        dots: whether the points themselves are drawn.
        emphasis: whether the line is bold.
        colour: of all of it; that of its place by default.
        radius: of the dots; by their number by default.
        named: whether the labels of the points stand beside them.
    """

    label: str
    points: Sequence[Point]
    line: Line = "none"
    dots: bool = True
    emphasis: bool = True
    colour: str = ""
    radius: float | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: a vertical line at ``x`` with a name."""

    x: float
    label: str


def series_svg(
    series: Sequence[Series],
    *,
    xlabel: str,
    ylabel: str,
    description: str,
    shares: str = "y",
    levels: Sequence[Level] = (),
    marks: Sequence[Mark] = (),
    size: tuple[float, float] = (WIDE, 420.0),
) -> str:
    """The series with a legend, horizontal levels and vertical marks; values on the axes in `shares` are shares.

    Equal input gives equal text; any text may be anything.
    """
    (width, height), percent = size, "y" in shares
    colours = [one.colour or COLOURS[i % len(COLOURS)] for i, one in enumerate(series)]
    entries = [(one.label, colour) for one, colour in zip(series, colours, strict=True) if one.label]
    rows = legend_rows(entries, width - 74)
    frame = _frame(series, levels, marks, size, len(rows))
    xs = [point.x for one in series for point in one.points if math.isfinite(point.x)]
    whole = "x" not in shares and bool(xs) and all(x == round(x) for x in xs)
    parts = [grid(frame, xlabel, ylabel, percent=percent, xpercent="x" in shares, whole=whole)]
    parts += [_mark(frame, mark, row) for mark, row in zip(marks, cycle((0, 1)), strict=False)]
    share = _share(series, FEWER if width <= NARROW else DOTS)
    for one, colour in zip(series, colours, strict=True):
        parts.append(_dots(frame, one, colour, share))
    parts += _lines(frame, series, colours)
    ends = [(*line[-1], colour) for one, colour in zip(series, colours, strict=True)
            if one.line != "steps" and (line := _corners(one))]  # fmt: skip
    parts += _values(frame, ends, percent)
    parts += [_level(frame, level) for level in levels if math.isfinite(level.value)]
    parts.append(legend(rows, frame.left, 22))
    if not any(math.isfinite(point.x + point.y) for one in series for point in one.points):
        middle = (frame.left + frame.right) / 2
        parts.append(label("nothing to draw", middle, height / 2, anchor="middle", colour=SOFT))
    return card(width, height, "".join(parts), description)


def _frame(
    series: Sequence[Series], levels: Sequence[Level], marks: Sequence[Mark], size: tuple[float, float], rows: int
) -> Frame:
    drawn = [point for one in series for point in one.points if math.isfinite(point.x) and math.isfinite(point.y)]
    heights = [point.y for point in drawn]
    floor = float(np.quantile(heights, 0.02)) if len(heights) >= _OUTLIERS else -math.inf
    values = [v for point in drawn for v in (point.y, point.low, point.high) if math.isfinite(v) and v >= floor]
    values += [level.value for level in levels]
    widths = [point.x for point in drawn] + [mark.x for mark in marks]
    low, high = spread(widths, 0.02)
    right = 20 if all(one.line in ("none", "steps") for one in series) else 74  # values at the ends of lines
    top = 40.0 + 14.0 * min(2, len(marks)) + LEGEND * max(0, rows - 1)
    return Frame(xs=(low, high), ys=spread(values), left=66, right=size[0] - right, top=top, bottom=size[1] - 48)


def _mark(frame: Frame, mark: Mark, row: int) -> str:
    """Its name stands in one of two rows, for neighbours to take turns."""
    x, top = frame.x(mark.x), frame.top - 4 - 14 * row
    late = x > (frame.left + frame.right) / 2
    return f'<path d="M{x:.1f} {top - 9:.1f}V{frame.bottom:.1f}" stroke="{SOFT}" stroke-dasharray="4 3"/>' + label(
        mark.label, x - 4 if late else x + 4, top, anchor="end" if late else "start", colour=SOFT, size=10
    )


def _level(frame: Frame, level: Level) -> str:
    y = frame.y(level.value)
    return f'<path d="M{frame.left:.0f} {y:.1f}H{frame.right:.0f}" stroke="{INK}" stroke-dasharray="6 3"/>' + label(
        level.label, frame.right, y - 5, anchor="end"
    )


def _share(series: Sequence[Series], most: int) -> float:
    """Share of the dots that is drawn."""
    return min(1.0, most / max(1, sum(len(one.points) for one in series if one.dots)))


def _dots(frame: Frame, series: Series, colour: str, share: float) -> str:
    if not series.dots:
        return ""
    few = len(series.points) <= _OUTLIERS
    parts = [f'<g fill="{colour}" fill-opacity="{0.9 if few or series.radius else 0.4}">']
    size = series.radius or (5 if few and series.line == "none" else 3)
    for point in _chosen(series.points, 1.0 if len(series.points) <= _ALWAYS else share):
        x, y = frame.x(point.x), frame.y(point.y)
        if math.isfinite(point.low) and math.isfinite(point.high):
            bar = f"M{x:.1f} {frame.y(point.low):.1f}V{frame.y(point.high):.1f}"
            parts.append(f'<path d="{bar}" stroke="{colour}" stroke-width="2.5" stroke-opacity="0.45"/>')
        parts.append(dot(x, y, point.note or point.label, "", size, point.of))
        if series.named:
            parts.append(label(point.label, x + size + 2, y + 13, colour=colour, bold=True, halo=True))
    return "".join(parts) + "</g>"


def _chosen(points: Sequence[Point], share: float) -> Iterator[Point]:
    best, due = -math.inf, 0.0
    for point in points:
        if not (math.isfinite(point.x) and math.isfinite(point.y)):
            continue
        due += share
        if point.y > best or due >= 1:
            yield point
        due -= due >= 1
        best = max(best, point.y)


def _lines(frame: Frame, series: Sequence[Series], colours: Sequence[str]) -> list[str]:
    """The line of every series that has one; those that lie on one another take turns in dashes."""
    paths = ["L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in _corners(one)) for one in series]
    parts = []
    for place, (one, path, colour) in enumerate(zip(series, paths, colours, strict=True)):
        turn, turns = paths[:place].count(path), paths.count(path)
        if not path:
            continue
        if one.line == "best" and not turn:
            parts.append(f'<path d="M{path}" fill="none" stroke="#ffffff" stroke-width="5" stroke-opacity="0.8"/>')
        dashes = f' stroke-dasharray="{_DASH} {_DASH * (turns - 1)}" stroke-dashoffset="{-_DASH * turn}"'
        parts.append(
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{2.4 if one.emphasis else 1.5}" '
            f'stroke-linejoin="round"{dashes if turns > 1 else ""}/>'
        )
    return parts


def _corners(series: Series) -> list[tuple[float, float]]:
    """The corners of a series' line, in data units."""
    known = [(point.x, point.y) for point in series.points if math.isfinite(point.x) and math.isfinite(point.y)]
    if series.line == "none" or not known:
        return []
    if series.line == "straight":
        return known
    if series.line == "steps":
        return known[:1] + [corner for left, right in pairwise(known) for corner in ((right[0], left[1]), right)]
    corners = known[:1]
    for x, y in known:
        if y > corners[-1][1]:
            corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (known[-1][0], corners[-1][1])]


def _values(frame: Frame, ends: Sequence[tuple[float, float, str]], percent: bool) -> list[str]:
    """The last value of every line, right of its end; those that end near each other are moved apart."""
    parts = []
    groups: list[list[tuple[float, float, str]]] = []
    for end in sorted(ends):
        if groups and frame.x(end[0]) - frame.x(groups[-1][0][0]) < _NEAR:
            groups[-1].append(end)
        else:
            groups.append([end])
    for group in groups:
        x = max(frame.x(end[0]) for end in group) + 6
        for y, (_, value, colour) in zip(apart([frame.y(end[1]) for end in group], 13), group, strict=True):
            text = f"{100 * value:.1f} %" if percent else f"{value:.3g}"
            parts.append(label(text, x, y + 4, colour=colour, bold=True, halo=True))
    return parts
