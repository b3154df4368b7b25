"""A flow: how many of those at one stage go on to the next, as bars joined by narrowing bands. Plain SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.figures.axes import COLOURS, INK, NARROW, SOFT, card, label

_PITCH, _BAR, _TALL, _TOP, _ROW = 185.0, 26.0, 150.0, 46.0, 46.0
_LEAST = 2.0
"""Pixels of a bar that would hardly be seen."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a flow: its name, how many are there, what it means, and the number of its colour."""

    label: str
    count: int
    note: str
    colour: int


def flow_svg(stages: Sequence[Stage], description: str, narrow: bool = False) -> str:
    """The stages from left to right, heights in proportion to their counts; equal input gives equal text.

    On a narrow screen they stand below each other, lengths in proportion.
    """
    if narrow:
        return _below(stages, description)
    most = max((stage.count for stage in stages), default=0) or 1
    width, height = 60 + _PITCH * max(0, len(stages) - 1) + 140, _TOP + _TALL + 46
    middle, tall = _TOP + _TALL / 2, [max(_LEAST, _TALL * stage.count / most) for stage in stages]
    bands, bars = [], []
    for i, stage in enumerate(stages):
        x, colour = 60 + i * _PITCH, COLOURS[stage.colour % len(COLOURS)]
        top = middle - tall[i] / 2
        bars.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{_BAR:.0f}" height="{tall[i]:.1f}" rx="3" fill="{colour}"/>'
        )
        bars.append(label(f"{stage.count:,}", x + _BAR / 2, top - 8, anchor="middle", size=15, bold=True))
        bars.append(label(stage.label, x + _BAR / 2, _TOP + _TALL + 20, anchor="middle", colour=INK, bold=True))
        bars.append(label(stage.note, x + _BAR / 2, _TOP + _TALL + 35, anchor="middle", colour=SOFT, size=10))
        if i + 1 < len(stages):
            bands.append(_band((x + _BAR, tall[i]), (x + _PITCH, tall[i + 1]), middle, colour))
            if stage.count:
                share = f"{100 * stages[i + 1].count / stage.count:.3g} %"
                bands.append(label(share, x + (_BAR + _PITCH) / 2, middle + 4, anchor="middle", colour=INK))
    return card(width, height, "".join(bands + bars), description)


def _below(stages: Sequence[Stage], description: str) -> str:
    most, parts = max((stage.count for stage in stages), default=0) or 1, []
    for i, stage in enumerate(stages):
        y, length = 12 + i * _ROW, max(_LEAST, (NARROW - 90) * stage.count / most)
        colour = COLOURS[stage.colour % len(COLOURS)]
        parts.append(label(stage.label, 12, y + 12, bold=True))
        parts.append(label(stage.note, 12 + 7.2 * len(stage.label) + 10, y + 12, colour=SOFT, size=10))
        bar = f'width="{length:.1f}" height="16" rx="3" fill="{colour}"'
        parts.append(f'<rect x="12" y="{y + 18:.1f}" {bar}/>')
        parts.append(label(f"{stage.count:,}", 20 + length, y + 31, size=13, bold=True))
    return card(NARROW, 12 + _ROW * len(stages), "".join(parts), description)


def _band(start: tuple[float, float], stop: tuple[float, float], middle: float, colour: str) -> str:
    """From a bar of one height to one of another, both at (x, height)."""
    (x0, tall), (x1, small) = start, stop
    bend = (x1 - x0) / 2
    y0, y1, y2, y3 = middle - tall / 2, middle - small / 2, middle + small / 2, middle + tall / 2
    above = f"M{x0:.1f} {y0:.1f}C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    below = f"V{y2:.1f}C{x1 - bend:.1f} {y2:.1f} {x0 + bend:.1f} {y3:.1f} {x0:.1f} {y3:.1f}Z"
    return f'<path d="{above}{below}" fill="{colour}" fill-opacity="0.18"/>'
