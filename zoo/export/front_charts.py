"""The charts of a front's page: the front in every pair of axes that matter, with its limits, and how it grew."""

import math
from collections.abc import Iterator, Mapping
from functools import partial

from markupsafe import Markup

from zoo.figures import Level, Mark, Point, Series, series_svg
from zoo.figures.axes import NARROW, WIDE
from zoo.pages.chart import both
from zoo.pages.written import SHARES, metric
from zoo.population.metric import LOSS
from zoo.population.run_front import RunFront
from zoo.population.trial import Record

UNITS = {"macs": "MACs per image", "params": "parameters"}
PAIRS = 6
"""Pairs of axes at most."""
LISTED = 100
"""Networks of the front that have details on a page."""
_SCALES = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"))
_BEATEN, _FRONT, _CHOSEN = "#999999", "#0072b2", "#d55e00"


def axis(name: str) -> str:
    """What an axis is called."""
    return UNITS.get(name, name.replace("_", " "))


def axes(found: RunFront) -> tuple[str, str]:
    """Metrics across and up: what costs, or the second objective; and the first of the others. A loss is no cost."""
    names = [objective.metric for objective in found.objectives]
    if len(names) == 1:
        return names[0], names[0]
    across = next((o.metric for o in found.objectives if not o.maximize and o.metric != LOSS), names[1])
    return across, next(name for name in names if name != across)


def pairs(found: RunFront) -> list[tuple[str, str]]:
    """The pairs of metrics that are drawn: the objectives' first; a cost across, a quality up, where there are both."""
    known = set.intersection(*(set(record.metrics) for record in found.records))
    wanted = [one.metric for one in found.objectives]
    wanted += [name for name in ("accuracy", "macs", "params", "latency") if name in known and name not in wanted]
    more = [one.metric for one in found.objectives if one.maximize]
    good = [name for name in wanted if name in (*more, "accuracy", LOSS)]
    costly = [name for name in wanted if name not in good]
    both_ways = [(cost, quality) for quality in good for cost in costly]
    own = [one.metric for one in found.objectives]
    both_ways += [(a, b) for i, a in enumerate(own) for b in own[i + 1 :] if (a in good) == (b in good)]
    return list(dict.fromkeys([axes(found), *both_ways]))[:PAIRS]


def front_charts(found: RunFront, chosen: Mapping[int, int]) -> list[tuple[str, Markup]]:
    """What each chart shows, and its drawings.

    Args:
        found: the front.
        chosen: numbers of the models that are handed over, by row.
    """
    return [
        (f"{axis(up)} against {axis(across)}", both(partial(_front, found, chosen, across, up)))
        for across, up in pairs(found)
    ]


def growth_chart(found: RunFront) -> Markup:
    """The hypervolume (share of the box of everything measured) against the networks evaluated."""
    growth = found.growth()
    points = [
        Point(label="", x=float(at), y=float(volume), note=f"{at} networks: hypervolume {volume:.4f}")
        for at, volume in zip(growth["evaluations"].tolist(), growth["hypervolume"].tolist(), strict=True)
    ]

    def draw(narrow: bool) -> str:
        return series_svg(
            [Series(label="", points=points, line="straight")],
            xlabel="networks evaluated, a point per generation",
            ylabel="hypervolume",
            description="Hypervolume of the front against networks evaluated. The table below has the numbers.",
            shares="",
            size=(NARROW, 280.0) if narrow else (WIDE, 300.0),
        )

    return both(draw)


def _front(found: RunFront, chosen: Mapping[int, int], across: str, up: str, narrow: bool) -> str:
    units = {name: _unit(found.records, name) for name in (across, up)}
    rows = sorted(range(len(found.records)), key=lambda row: (found.records[row].metrics[across], row))
    on_front = set(found.front.tolist())
    listed = set(found.front[:LISTED].tolist()) | set(chosen)

    def point(row: int, label: str = "") -> Point:
        metrics, trial = found.records[row].metrics, found.trials[row].index
        told = ", ".join(f"{axis(name)} {metric(name, metrics[name])}" for name in (across, up))
        return Point(
            label=label,
            x=metrics[across] / units[across][0],
            y=metrics[up] / units[up][0],
            note=f"trial {trial}: {told}",
            of=f"trial-{trial}" if row in listed else "",
        )

    goals = {one.metric: one.maximize for one in found.objectives}
    joined = set(goals) == {across, up} and not goals[across]
    best = [row for row in rows if row in on_front]
    series = [
        Series(label="beaten", points=[point(row) for row in rows if row not in on_front], colour=_BEATEN, radius=2.5),
        Series(
            label="front", points=[point(row) for row in best if row not in chosen], colour=_FRONT, radius=5,
        ),
        Series(
            label="chosen", points=[point(row, f"{chosen[row]}") for row in rows if row in chosen], colour=_CHOSEN,
            radius=6.5, named=True,
        ),
    ]  # fmt: skip
    if joined:
        steps = [point(row) for row in best]
        series.insert(1, Series(label="", points=steps, line="steps", dots=False, emphasis=False, colour=_FRONT))
    return series_svg(
        series,
        xlabel=axis(across) + units[across][1],
        ylabel=axis(up) + units[up][1],
        description=f"{axis(up).capitalize()} against {axis(across)}: {len(found.front)} networks of the front among "
        f"{len(found.records)} measured.",
        shares=("x" if across in SHARES else "") + ("y" if up in SHARES else ""),
        levels=[Level(label=label, value=value / units[up][0]) for label, value in _limits(found, up)],
        marks=[Mark(value / units[across][0], label) for label, value in _limits(found, across)],
        size=(NARROW, 340.0) if narrow else (WIDE, 460.0),
    )


def _limits(found: RunFront, name: str) -> Iterator[tuple[str, float]]:
    for limit in found.limits:
        if limit.metric == name:
            yield f"limit {metric(name, limit.bound)}", limit.bound


def _unit(records: tuple[Record, ...], name: str) -> tuple[float, str]:
    """What an axis counts in, and how its name says so."""
    largest = max((abs(one.metrics[name]) for one in records if math.isfinite(one.metrics[name])), default=0.0)
    return next(((unit, f", {word}") for unit, word in _SCALES if largest >= unit), (1.0, ""))
