"""Curves over epochs as SVG text: panels in a grid, each with a few named lines and, where wanted, a marked epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.figures.canvas import BLUE, GREEN, GREY, ORANGE, PURPLE, figure, svg

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
_STYLES = ("-", "--", "-.", ":", "-")
_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A named line; NaN where a value is missing."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """One panel; `low` and `high` fix the y axis where they are given, for shares that are read against 0 and 1.

    Shares of images are drawn in percent.
    """

    title: str
    xlabel: str
    ylabel: str
    curves: Sequence[Curve]
    low: float = math.nan
    high: float = math.nan
    percent: bool = False


def curves_svg(
    panels: Sequence[Curves], *, name: str, description: str, marked: float = math.nan, narrow: bool = False
) -> str:
    """Panels two in a row, their lines told apart by colour, dash and width; ``marked`` is an x with a vertical line.

    The first line is the widest, so that one that lies on another does not hide it.

    `name` starts every id, `description` is read to those who do not see. Equal input gives equal text.
    """
    columns = 1 if narrow else min(_COLUMNS, max(1, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    with figure(4.0 if narrow else 4.9 * _COLUMNS, 3.0 * rows) as drawing:  # a page shows all charts equally wide
        notes: dict[str, str] = {}
        for number, panel in enumerate(panels):
            axes = drawing.add_subplot(rows, columns, number + 1)
            axes.set_title(panel.title)
            axes.set_xlabel(panel.xlabel)
            axes.set_ylabel(f"{panel.ylabel}, %" if panel.percent else panel.ylabel)
            scale = 100.0 if panel.percent else 1.0
            axes.grid(axis="y", color="#e5e5e5", lw=0.6)
            axes.set_axisbelow(True)
            for place, curve in enumerate(panel.curves):
                gid = f"curve-{number}-{place}"
                values = [scale * value for value in curve.y]
                drawn = [value for value in values if math.isfinite(value)]
                notes[gid] = (
                    f"{curve.label}: {drawn[-1]:.3g}{' %' if panel.percent else ''} at the end"
                    if drawn
                    else curve.label
                )
                axes.plot(
                    list(curve.x), values, color=_COLOURS[place % len(_COLOURS)],
                    ls=_STYLES[place % len(_STYLES)], lw=max(1.4, 3.6 - 1.1 * place), alpha=0.9,
                    marker="o" if len(curve.x) <= 30 else "", ms=3 + max(0, 2 - place), zorder=3 + place,
                    label=curve.label, gid=gid,
                )  # fmt: skip
            axes.ticklabel_format(useOffset=False)
            axes.locator_params(axis="x", integer=True, min_n_ticks=1)
            if all(value == round(value) for curve in panel.curves for value in curve.y if math.isfinite(value)):
                axes.locator_params(axis="y", integer=True, min_n_ticks=1)  # counts, of which there are no halves
            if math.isfinite(panel.low) and math.isfinite(panel.high):
                axes.set_ylim(panel.low, panel.high)
            if math.isfinite(marked):
                axes.axvline(marked, color=GREY, lw=0.9, ls=(0, (2, 2)))
            if len(panel.curves) > 1:
                axes.legend(frameon=False, fontsize=8)
        return svg(drawing, name, description, notes)
