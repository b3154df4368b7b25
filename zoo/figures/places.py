"""Places on a logarithmic axis: points beside each other, round ticks, an edge for what is free, room for labels."""

import math
from collections.abc import Mapping, Sequence

from zoo.figures.canvas import Axes, Figure, FixedLocator, NullFormatter, NullLocator

Spot = tuple[float, float]
LETTER = 0.085
"""Inches: the width of a letter of a tick's name."""


def side_by_side(values: Sequence[float]) -> list[float]:
    """Positions on a logarithmic axis with those that would hide each other moved apart a little.

    Equal costs are common (channels and resolution save alike); a group spreads by ±3 % of the axis at most.
    """
    if not values:
        return []
    logs = [math.log(value) for value in values]
    span = max(max(logs) - min(logs), 0.7)
    order = sorted(range(len(logs)), key=lambda i: (logs[i], i))
    groups: list[list[int]] = []
    for i in order:
        if groups and logs[i] - logs[groups[-1][0]] < 0.012 * span:
            groups[-1].append(i)
        else:
            groups.append([i])
    places = list(values)
    for group in groups:
        middle = sum(logs[i] for i in group) / len(group)
        step = min(0.012 * span, 0.06 * span / len(group))
        if len(group) > 1:
            for rank, i in enumerate(group):
                places[i] = math.exp(middle + (rank - (len(group) - 1) / 2) * step)
    return places


def multiples(axes: Axes, values: Sequence[float], free: int = 0) -> list[float]:
    """A logarithmic x axis with round multiples (2×, 5×, 10×) as ticks, and an edge at the right for what is free.

    Returns:
        Places at the edge, so many as are free.
    """
    axes.set_xscale("log")
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    margin = 1.12 if high / low < 4 else (high / low) ** 0.05
    low, high = low / margin, high * margin**1.6
    width = (high / low) ** 0.16 if free else 1.0
    room = _room(axes, low, high * width)
    ticks = _round(low, high, room)
    if free:  # its own name stands in the middle of the edge
        end = math.log(high * width**0.5) - room * len("free ") / 2
        ticks = [tick for tick in ticks if math.log(tick) + room * len(_name(tick)) / 2 <= end] or ticks[:1]
    names = [_name(tick) for tick in ticks]
    places: list[float] = []
    right = high
    if free:
        right = high * width
        axes.axvspan(high, right, color="#f3f3f3", lw=0, zorder=-1)
        ticks, names = [*ticks, high * width**0.5], [*names, "free"]
        places = [high * width ** ((i + 1) / (free + 1)) for i in range(free)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(ticks, names)
    axes.set_xlim(low, right)
    return places


def _round(low: float, high: float, room: float) -> list[float]:
    """Ticks at 1, 2 and 5 times the powers of ten, or at fewer where their names would touch.

    Args:
        low: end of the axis.
        high: the other end of what is measured.
        room: a name's width as a logarithm, by letter.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps, stride in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        ticks = [m * 10.0**d for d in decades if d % stride == 0 for m in steps if low <= m * 10.0**d <= high]
        if len(ticks) < 2:
            return sorted({low * 1.05, high / 1.05})
        ends = [math.log(tick) + side * room * (len(_name(tick)) + 1) / 2 for tick in ticks for side in (-1, 1)]
        if ends == sorted(ends):
            break
    return ticks


def _room(axes: Axes, low: float, right: float) -> float:
    """A letter's width on a logarithmic axis from ``low`` to ``right``, about two thirds of its figure wide."""
    figure = axes.get_figure()
    width = figure.get_figwidth() if isinstance(figure, Figure) else 8.6
    return math.log(right / low) * LETTER / (0.65 * width)


def _name(tick: float) -> str:
    return f"{float(f'{tick:.2g}'):,.12g}×"


def unbeaten(spots: Mapping[int, Spot]) -> list[int]:
    """Points (x, y) by number that no other one beats in both; of equals the first."""
    found = []
    best = -math.inf
    for i in sorted(spots, key=lambda i: (-spots[i][0], -spots[i][1], i)):
        if spots[i][1] > best:
            best = spots[i][1]
            found.append(i)
    return found


def apart(axes: Axes, spots: Mapping[int, Spot], wanted: Sequence[int]) -> list[int]:
    """Those of the wanted points, in order, whose labels have room beside the labels before them."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    kept: dict[int, Spot] = {}
    for i in wanted:
        x = math.log(spots[i][0] / left) / math.log(right / left)
        y = (spots[i][1] - bottom) / (top - bottom)
        if i not in kept and all(abs(x - a) > 0.11 or abs(y - b) > 0.045 for a, b in kept.values()):
            kept[i] = (x, y)
    return list(kept)
