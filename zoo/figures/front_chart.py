"""Pictures of a search for several objectives: its front among everything measured, and how the front grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from zoo.figures.canvas import BLUE, GREY, ORANGE, Axes, Figure, figure, png, svg


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as one ``<svg>`` element, and as a PNG file."""

    svg: str
    png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A measured network: where it is, what it is, and what is said when it is pointed at."""

    x: float
    y: float
    kind: Literal["beaten", "front", "chosen"]
    label: str = ""
    note: str = ""


def front_picture(
    networks: Sequence[Network],
    *,
    xlabel: str,
    ylabel: str,
    joined: bool,
    name: str,
    description: str,
    limits: tuple[float | None, float | None] = (None, None),
) -> Picture:
    """The front (blue, its chosen models named in orange) among the beaten (grey).

    Args:
        networks: everything.
        xlabel: of the axis.
        ylabel: of the axis.
        joined: whether a line of steps joins the front: what is reached at every x. Right for two objectives only.
        name: starts every id of the picture.
        description: read to those who do not see.
        limits: on x and on y, where there are some.
    """
    with figure(8.0, 4.8) as drawn:
        axes = drawn.add_subplot()
        beaten = [one for one in networks if one.kind == "beaten"]
        axes.plot([p.x for p in beaten], [p.y for p in beaten], ".", ms=4, color="#bbbbbb", zorder=2, label="measured")
        best = sorted((one for one in networks if one.kind != "beaten"), key=lambda one: (one.x, one.y))
        if joined:
            _steps(axes, best)
        for value, line in zip(limits, (axes.axvline, axes.axhline), strict=True):
            if value is not None:
                line(value, color=GREY, lw=0.9, ls=(0, (6, 3)), label="limit")
        notes = {}
        for number, one in enumerate(best):
            chosen = one.kind == "chosen"
            notes[f"network-{number}"] = one.note or one.label
            axes.plot(
                [one.x], [one.y], marker="D" if chosen else "o", ms=8 if chosen else 5, ls="none", mec="white", mew=0.6,
                color=ORANGE if chosen else BLUE, zorder=5 if chosen else 4, gid=f"network-{number}",
            )  # fmt: skip
            if chosen:
                axes.annotate(
                    one.label,
                    (one.x, one.y),
                    xytext=(6, -10),
                    textcoords="offset points",
                    color=ORANGE,
                    fontweight="bold",
                    zorder=6,
                )
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid(color="#e5e5e5", lw=0.6)
        axes.set_axisbelow(True)
        return _picture(drawn, name, description, notes)


def growth_picture(evaluations: Sequence[int], volumes: Sequence[float], *, name: str, description: str) -> Picture:
    """The hypervolume (share of the box of everything measured) against the networks evaluated."""
    with figure(8.0, 3.2) as drawn:
        axes = drawn.add_subplot()
        axes.plot(list(evaluations), list(volumes), "o-", color=BLUE, lw=1.4, ms=3.5)
        axes.axhline(max(volumes), color=GREY, lw=0.8, ls=(0, (4, 3)))
        axes.set_xlabel("networks evaluated, a point per generation")
        axes.set_ylabel("hypervolume")
        axes.grid(axis="y", color="#e5e5e5", lw=0.6)
        return _picture(drawn, name, description, {})


def _steps(axes: Axes, best: Sequence[Network]) -> None:
    """Between neighbours the one to the left is what is reached, whichever direction is better."""
    for left, right in pairwise(best):
        axes.plot([left.x, right.x, right.x], [left.y, left.y, right.y], color=BLUE, lw=0.9, alpha=0.6, zorder=3)


def _picture(drawn: Figure, name: str, description: str, notes: dict[str, str]) -> Picture:
    return Picture(svg(drawn, name, description, notes), png(drawn))
