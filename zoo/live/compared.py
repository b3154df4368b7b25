"""Runs side by side: their curves on one chart, and a table of the settings in which they differ."""

import math
from collections.abc import Mapping
from functools import partial

from markupsafe import Markup

from zoo.experiments.run import Run
from zoo.figures import Point, Series, series_svg
from zoo.figures.axes import NARROW, WIDE
from zoo.pages.chart import both
from zoo.pages.page import Tile, facts, render_page
from zoo.pages.written import percent

MOST = 6
"""Runs of a comparison at most: so many colours are told apart."""
_DOTS = 1500


def comparison_page(runs: Mapping[str, Run]) -> str:
    """A page of two runs or more, by name.

    Raises:
        ValueError: for fewer, more than ``MOST``, or one that cannot be read.
    """
    if not 2 <= len(runs) <= MOST:
        raise ValueError(f"expected 2 to {MOST} runs to compare, got {len(runs)}")
    curves = {name: _curve(run) for name, run in runs.items()}
    best = {name: max((point.y for point in points), default=math.nan) for name, points in curves.items()}
    known = {name: value for name, value in best.items() if math.isfinite(value)}
    highest = max(known.values(), default=math.nan)
    leading = [name for name, value in known.items() if value == highest]
    answer = "None of these runs has measured an accuracy yet."
    if leading:
        verb = "has" if len(leading) == 1 else "have"
        named = " and ".join(leading)
        answer = f"{named} {verb} the highest accuracy so far, {percent(highest)}, among {len(runs)} runs."
    said = {name: dict(facts(run.identity)) for name, run in runs.items()}
    settings = list(dict.fromkeys(setting for one in said.values() for setting in one))
    rows = [(setting, [one.get(setting, "–") for one in said.values()]) for setting in settings]
    return render_page(
        "zoo.live/compared.html",
        {
            "kicker": "How do these runs compare?",
            "answer": answer,
            "tiles": [Tile(name, percent(best[name]), f"best of {len(curves[name]):,} accuracies") for name in runs],
            "chart": _chart(curves),
            "names": list(runs),
            "rows": [(setting, values) for setting, values in rows if len(set(values)) > 1],
            "same": [(setting, values[0]) for setting, values in rows if len(set(values)) == 1],
        },
    )


def _curve(run: Run) -> list[Point]:
    """Accuracies in the order of the trials."""
    if not run.status["done"]:
        return []
    frame = run.frame
    if "accuracy" not in frame:
        return []
    known = frame.loc[frame["accuracy"].notna(), ["index", "accuracy"]].astype(float)
    return [
        Point(label="", x=place + 1.0, y=accuracy, note=f"{run.folder.name}, trial {index:.0f}: {percent(accuracy)}")
        for place, (index, accuracy) in enumerate(known.itertuples(index=False))
    ]


def _chart(curves: Mapping[str, list[Point]]) -> Markup:
    return both(partial(_draw, curves))


def _draw(curves: Mapping[str, list[Point]], narrow: bool) -> str:
    return series_svg(
        [Series(label=name, points=points, line="best", dots=len(points) <= _DOTS) for name, points in curves.items()],
        xlabel="trials measured",
        ylabel="accuracy, lines: best so far",
        description=f"Accuracies of {len(curves)} runs against the trials that were measured.",
        size=(NARROW, 320.0) if narrow else (WIDE, 420.0),
    )
