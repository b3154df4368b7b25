"""Charts of measurements as SVG text: a trade-off, scatters, and lines along factors.

Every chart is one `<svg>` element on a white card, to be put into a page as it is: its ids carry the chart's
name, so several can share a page, and equal input gives equal text. Letters stay letters (small, searchable);
DejaVu Sans measured them, and Verdana, the second choice, is as wide. Any number may be NaN: it is not drawn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.figures.canvas import BLUE as _BLUE
from zoo.figures.canvas import GREEN as _GREEN
from zoo.figures.canvas import GREY as _GREY
from zoo.figures.canvas import ORANGE as _ORANGE
from zoo.figures.canvas import PURPLE as _PURPLE
from zoo.figures.canvas import Axes
from zoo.figures.canvas import figure as _figure
from zoo.figures.canvas import svg as _svg
from zoo.figures.places import apart, multiples, side_by_side, unbeaten

Style = tuple[str, str]
"""A colour and a mark."""
_INK = "#222222"
_STYLES: tuple[Style, ...] = (
    (_BLUE, "o"),
    ("#56b4e9", "s"),
    (_ORANGE, "^"),
    ("#b38600", "v"),
    (_PURPLE, "P"),
    ("#5e4b3c", "X"),
)
"""Of the first groups of points: apart for the colour-blind, and without colour by their marks."""
_LABELLED = 20
"""Lines of one panel that still have room for a label each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A measured value with its interval; NaN bounds where there is none. `note` shows when pointed at.

    `of` is the id of what a page shows when the point is chosen.

    Points of a group share a colour, a mark and a line of the legend. An infinite x costs nothing.
    """

    label: str
    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    note: str = ""
    group: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A horizontal line with its band; NaN where undefined."""

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One scatter: `points` have the value measured cheaply as y, the one that counts as x, its spread as low and high.

    A point whose y is NaN failed there; it is drawn at the lower edge.
    """

    title: str
    xlabel: str
    ylabel: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Values along one factor: `ticks[i]` is the factor's level at `values[i]`; `trend` in [-1, 1] colours it."""

    label: str
    ticks: Sequence[str]
    values: Sequence[float]
    trend: float = math.nan


def acceleration_svg(
    points: Sequence[Point],
    *,
    name: str,
    description: str,
    marked: int | None,
    target: float,
    ceiling: Level,
    narrow: bool = False,
) -> str:
    """ρ (y) against acceleration (x, logarithmic) with intervals, target and ceiling; what is free at the right edge.

    Points of one label, as the signals of a setting, stand above each other. Labels name the `marked` point and, where
    there is room, those that no other beats in both respects, and everything that is free. `name` starts every id,
    `description` is read to those who do not see.
    """
    paid = [i for i, point in enumerate(points) if _finite(point.x, point.y) and point.x > 0]
    free = [i for i, point in enumerate(points) if point.x == math.inf and _finite(point.y)]
    with _figure(*((4.0, 4.8) if narrow else (8.6, 4.9))) as figure:
        axes = figure.add_subplot()
        columns = {points[i].label: points[i].x for i in paid}
        columns = dict(zip(columns, side_by_side(list(columns.values())), strict=True))
        spots = {i: (columns[points[i].label], points[i].y) for i in paid}
        edge = multiples(axes, list(columns.values()), len(free))
        free.sort(key=lambda i: (points[i].y, i))
        spots |= {i: (x, points[i].y) for i, x in zip(free, edge, strict=True)}
        styles = _styles(points)
        for i, (x, _) in spots.items():
            _mark(axes, x, points[i], styles[points[i].group], f"point-{i}", chosen=i == marked)
        everything = [v for p in points for v in (p.y, p.low, p.high)] + [target, ceiling.low, ceiling.value]
        lowest = min(v for v in [*everything, 0.5] if _finite(v))
        axes.set_ylim(max(-1.05, lowest - 0.07), 1.04)
        axes.set_ylabel("rank correlation ρ with the reference")
        axes.set_xlabel("times cheaper (counted MACs)" if narrow else "times cheaper than the reference (counted MACs)")
        axes.grid(axis="y", color="#e5e5e5", lw=0.6)
        axes.set_axisbelow(True)
        _levels(axes, target, ceiling, {group: style for group, style in styles.items() if group}, 2 if narrow else 4)
        first = [i for i in spots if i == marked]
        named = apart(axes, spots, first + unbeaten({i: spots[i] for i in paid}))
        for i in [i for i in named if i not in free]:
            _name_point(axes, spots[i][0], points[i], styles[points[i].group], chosen=i == marked)
        if free:
            _label_ends(axes, [(points[i].y, points[i].label, _INK if i != marked else _ORANGE) for i in free])
        notes = {f"point-{i}": points[i].note or points[i].label for i in spots}
        return _svg(figure, name, description, notes, {f"point-{i}": points[i].of for i in spots})


def scatter_svg(panels: Sequence[Panel], *, name: str, description: str, narrow: bool = False) -> str:
    """Scatters side by side, each with its own axes; spreads are horizontal bars, failures crosses at the bottom.

    On a narrow screen they stand above each other.
    """
    count = max(1, len(panels))
    with _figure(*((4.0, 3.6 * count) if narrow else (4.3 * count, 3.9))) as figure:
        notes: dict[str, str] = {}
        links = {f"panel-{n}-{i}": p.of for n, panel in enumerate(panels) for i, p in enumerate(panel.points)}
        for number, panel in enumerate(panels):
            axes = figure.add_subplot(*((count, 1) if narrow else (1, count)), number + 1)
            axes.set_title(panel.title)
            axes.set_xlabel(panel.xlabel)
            axes.set_ylabel(panel.ylabel)
            axes.grid(color="#e5e5e5", lw=0.6)
            axes.set_axisbelow(True)
            _scatter(axes, number, panel.points, notes)
        return _svg(figure, name, description, notes, links)


def factor_svg(
    title: str,
    traces: Sequence[Trace],
    *,
    ticks: Sequence[str],
    xlabel: str,
    name: str,
    description: str,
    ylabel: str = "ρ with the reference",
) -> str:
    """ρ, or what ``ylabel`` says, along one factor: a line per combination of the others, and their mean in black.

    `ticks` are the factor's levels from left to right, those of every trace among them.

    Colours tell rising, falling and mixed lines apart; up to 20 lines have their label at the right end.
    """
    with _figure(4.6, 3.6) as figure:
        axes = figure.add_subplot()
        notes = {}
        ends: list[tuple[float, str, str]] = []
        columns: dict[str, list[float]] = {tick: [] for tick in ticks}
        for number, trace in enumerate(traces):
            for tick, value in zip(trace.ticks, trace.values, strict=True):
                columns[tick].append(value)
            x = [float(ticks.index(tick)) for tick in trace.ticks]
            colour = _trend_colour(trace.trend)
            notes[f"trace-{number}"] = f"{trace.label}: {', '.join(map(_short, trace.values))}"
            axes.plot(x, list(trace.values), "o-", color=colour, lw=1, ms=3, alpha=0.75, gid=f"trace-{number}")
            last = [v for v in trace.values if _finite(v)][-1:]
            ends += [(v, trace.label, colour) for v in last]
        means = [_mean(columns[tick]) for tick in ticks]
        if len(traces) > 1:
            axes.plot(range(len(ticks)), means, "s-", color="black", lw=2.2, ms=5, zorder=5)
        axes.set_title(title)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.2, max(0.0, len(ticks) - 1) + 0.2)
        _fit_height(axes, [v for trace in traces for v in trace.values])
        axes.grid(axis="y", color="#e5e5e5", lw=0.6)
        if len(ends) <= _LABELLED:
            _label_ends(axes, ends)
        return _svg(figure, name, description, notes)


def _finite(*values: float) -> bool:
    return all(map(math.isfinite, values))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if _finite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _short(value: float) -> str:
    return f"{value:.2f}" if _finite(value) else "–"


def _styles(points: Sequence[Point]) -> dict[str, Style]:
    """Colour and mark of every group of points, in their order; of points without a group, too."""
    groups = [group for group in dict.fromkeys(point.group for point in points) if group]
    styles = {group: _STYLES[i] if i < len(_STYLES) else (_GREY, "o") for i, group in enumerate(groups)}
    return {**styles, "": (_INK, "D") if groups else _STYLES[0]}


def _mark(axes: Axes, x: float, point: Point, style: Style, gid: str, *, chosen: bool) -> None:
    """One point; one without an interval is smaller and paler."""
    colour, marker = style
    colour = colour if point.group or not chosen else _ORANGE
    known = _finite(point.low, point.high)
    if known:
        axes.plot([x, x], [point.low, point.high], color=colour, lw=2 if chosen else 0.9, zorder=3)
    axes.plot(
        [x], [point.y], marker="*" if chosen else marker, ms=16 if chosen else 6.5 if known else 4.5, color=colour,
        mec=_INK if chosen and point.group else "white", mew=0.6, ls="none", zorder=6 if chosen else 5 if known else 4,
        alpha=1 if known or chosen else 0.7, gid=gid,
    )  # fmt: skip


def _levels(axes: Axes, target: float, ceiling: Level, groups: Mapping[str, Style], columns: int) -> None:
    """Horizontal lines over the whole width, with a legend of them and of the groups under the chart."""
    if _finite(ceiling.value):
        if _finite(ceiling.low, ceiling.high):
            axes.axhspan(ceiling.low, min(1.0, ceiling.high), color=_GREEN, alpha=0.10, lw=0, zorder=0)
        axes.axhline(ceiling.value, color=_GREEN, lw=1.4, label=ceiling.label)
    if _finite(target):
        axes.axhline(target, color="black", lw=1.2, ls=(0, (6, 3)), label=f"target {target:.2f}")
    for group, (colour, marker) in groups.items():
        axes.plot([], [], marker=marker, color=colour, ls="none", ms=6, mec="white", mew=0.6, label=group)
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5)


def _name_point(axes: Axes, x: float, point: Point, style: Style, *, chosen: bool) -> None:
    axes.annotate(
        f"{point.label} by {point.group}" if chosen and point.group else point.label,
        (x, point.y),
        xytext=(9 if chosen else 6, 3),
        textcoords="offset points",
        fontsize=9 if chosen else 7.5,
        fontweight="bold" if chosen else "normal",
        color=style[0] if point.group or not chosen else _ORANGE,
        zorder=8,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
    )


def _scatter(axes: Axes, number: int, points: Sequence[Point], notes: dict[str, str]) -> None:
    heights = [p.y for p in points if _finite(p.x, p.y)]
    _fit_height(axes, heights)
    floor = axes.get_ylim()[0]
    for i, point in enumerate(points):
        if not _finite(point.x):
            continue
        gid = f"panel-{number}-{i}"
        notes[gid] = point.note or point.label
        failed = not _finite(point.y)
        y = floor if failed else point.y
        if _finite(point.low, point.high) and not failed:
            axes.plot([point.low, point.high], [y, y], color=_GREY, lw=0.9, zorder=3)
        axes.plot(
            [point.x], [y], marker="X" if failed else "o", ms=7 if failed else 5.5, ls="none", mec="white",
            mew=0.6, color=_ORANGE if failed else _BLUE, clip_on=False, zorder=4, gid=gid,
        )  # fmt: skip
    ends = [v for p in points for v in (p.x, p.low, p.high) if _finite(v)]
    if ends:
        pad = 0.04 * (max(ends) - min(ends)) or 0.01
        axes.set_xlim(min(ends) - pad, max(ends) + pad)
    else:
        axes.text(0.5, 0.5, "nothing to compare", transform=axes.transAxes, ha="center", color=_GREY)


def _fit_height(axes: Axes, values: Sequence[float]) -> None:
    finite = [value for value in values if _finite(value)]
    if finite:
        pad = 0.07 * (max(finite) - min(finite)) or 0.01
        axes.set_ylim(min(finite) - pad, max(finite) + pad)


def _trend_colour(trend: float) -> str:
    if not _finite(trend) or abs(trend) < 0.75:
        return _GREY
    return _BLUE if trend > 0 else _ORANGE


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Every line's label right of the chart, at its end's height or as near as the others allow."""
    low, high = axes.get_ylim()
    pitch = (high - low) / (_LABELLED + 1)
    order = sorted(ends, key=lambda end: (end[0], end[1]))
    heights: list[float] = []
    for value, _, _ in order:
        heights.append(max(value, heights[-1] + pitch) if heights else value)
    surplus = max(0.0, heights[-1] - high) if heights else 0.0
    ceiling = high
    for i in reversed(range(len(heights))):  # what was pushed beyond the top moves back down
        if surplus:
            heights[i] = min(heights[i], ceiling)
            ceiling = heights[i] - pitch
    for (value, label, colour), height in zip(order, heights, strict=True):
        axes.annotate(
            label,
            (1.0, value),
            xycoords=("axes fraction", "data"),
            xytext=(1.05, height),
            textcoords=("axes fraction", "data"),
            fontsize=7,
            color=colour,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "lw": 0.5, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )
