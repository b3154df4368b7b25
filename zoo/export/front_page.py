"""The page of a front: one HTML file, readable offline: its models, the front in pairs of axes, what was run."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from zoo.export.card import Card
from zoo.export.chosen import INHERITED, ChosenModel, table_rows
from zoo.export.front_charts import LISTED, axes, axis, front_charts, growth_chart
from zoo.export.script import SCRIPT
from zoo.figures import cells_svg
from zoo.figures.front_chart import Network, Picture, front_picture, growth_picture
from zoo.pages.page import Step, Tile, facts, render_page
from zoo.pages.written import metric, percent
from zoo.population.front import Numbers
from zoo.population.run_front import RunFront
from zoo.spaces.chain_space import chosen_names
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype

TEMPLATE = "zoo.export/front.html"
DRAWN = 40
"""Networks of a front whose cells are drawn."""
_APART = ("model", "trial", "generation", "front", "allowed", "key", "genotype")
"""Columns of a front's table that are no metrics."""
_TILES = 4
"""Metrics of a single model at the top of its page, at most."""


def number(value: float) -> str:
    """A metric's value in a table of files or of a terminal."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.6g}"


def pictures(found: RunFront, chosen: Numbers) -> tuple[Picture, Picture]:
    """The front in its first two objectives, and how its hypervolume grew, as files.

    Args:
        found: the front.
        chosen: rows of the models that are exported.
    """
    across, up = axes(found)
    names = {int(row): f"{number}" for number, row in enumerate(chosen, start=1)}
    on_front = set(found.front.tolist())
    units = {name: 1e6 if max(abs(r.metrics[name]) for r in found.records) >= 1e6 else 1.0 for name in (across, up)}
    networks = [
        Network(
            x=record.metrics[across] / units[across],
            y=record.metrics[up] / units[up],
            kind="chosen" if row in names else "front" if row in on_front else "beaten",
            label=names.get(row, ""),
            note=f"trial {trial.index}: "
            + ", ".join(f"{axis(name)} {record.metrics[name]:.5g}" for name in (across, up)),
        )
        for row, (trial, record) in enumerate(zip(found.trials, found.records, strict=True))
    ]
    growth = found.growth()
    limits = {limit.metric: limit.bound / units[limit.metric] for limit in found.limits if limit.metric in units}
    return (
        front_picture(
            networks,
            xlabel=axis(across) + _in_millions(units[across]),
            ylabel=axis(up) + _in_millions(units[up]),
            joined=len(found.objectives) == 2,
            limits=(limits.get(across), limits.get(up)),
            name="front",
            description=f"{len(found.front)} networks of the front among {len(networks)} measured",
        ),
        growth_picture(
            growth["evaluations"].tolist(),
            growth["hypervolume"].tolist(),
            name="growth",
            description="hypervolume against networks evaluated",
        ),
    )


def _in_millions(unit: float) -> str:
    return "" if unit == 1 else ", millions"


def page(
    found: RunFront,
    models: Sequence[ChosenModel],
    about: Mapping[str, Any],
    several: bool,
    card: Card | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """The page as HTML text.

    Args:
        found: the front.
        models: that are exported.
        about: facts of the run: its folder, its command, ``remark`` (what nobody should overlook), what its networks
            can be exported as, and whatever else its last section shows.
        several: whether there is a front to look at.
        card: of the single model, with which the page begins then.
        files: of the first model, by format.
    """
    frame = found.frame()
    rows = list(table_rows(models, frame.iloc[[model.row for model in models]].to_dict("records")))
    columns = list(dict.fromkeys(name for row in rows for name in row if name not in _APART))
    growth = found.growth()
    many = several and len(models) > 1
    own = {"command", "remark", "exports"}
    return render_page(
        TEMPLATE,
        {
            "title": f"{'A model' if card else 'The front'} of {found.name}",
            "kicker": f"Which networks are worth their price? A front of {found.name}" if card is None else "A model",
            "answer": _answer(found, models, card),
            "notes": [about["remark"]] if about.get("remark") else [],
            "tiles": list(_tiles(found, models, several, card)),
            "steps": list(_steps(about, files or {}, card)),
            "called": about.get("command", ""),
            "run": [("Run", list(facts({name: value for name, value in about.items() if name not in own})))],
            "found": found,
            "models": models,
            "card": [] if card is None else card.rows(),
            "rows": [[(row.get(name), _cell(name, row.get(name))) for name in columns] for row in rows],
            "columns": [axis(name) for name in columns],
            "anew": not all(model.searched for model in models),
            "classes": models[0].blueprint.classes,
            "charts": front_charts(found, {model.row: model.number for model in models}) if several else [],
            "joined": len(found.objectives) == 2,
            "details": list(_details(found, models, about)) if several else [],
            "grown": growth_chart(found) if many else "",
            "growth": growth.to_dict("records"),
        },
    )


def _answer(found: RunFront, models: Sequence[ChosenModel], card: Card | None) -> str:
    if card is not None:
        named = [(name, card.model.notes.get(name, card.metrics.get(name))) for name in ("test_accuracy", "accuracy")]
        told = next(((name, value) for name, value in named if isinstance(value, float)), None)
        reached = "" if told is None else f": {percent(told[1])} {axis(told[0])}"
        return f"Model {models[0].number} of {found.name}{reached}."
    front, measured = len(found.front), len(found.trials)
    networks = "network" if front == 1 else "networks"
    networks += " that no other beats"
    goals = [f"{axis(one.metric)} ({'more' if one.maximize else 'less'} is better)" for one in found.objectives]
    judged = " and ".join([", ".join(goals[:-1]), goals[-1]] if len(goals) > 1 else goals)
    return f"{front} {networks}, out of {measured} measured, by {judged}."


def _tiles(found: RunFront, models: Sequence[ChosenModel], several: bool, card: Card | None) -> Iterator[Tile]:
    if card is not None:
        known = {**models[0].metrics, **card.model.notes}
        for name in ("test_accuracy", "accuracy", "macs", "params", "latency"):
            if isinstance(known.get(name), int | float):
                yield Tile("validation accuracy" if name == "accuracy" else axis(name), metric(name, known[name]))
        return
    for goal in found.objectives[:_TILES]:
        values = [found.records[row].metrics[goal.metric] for row in found.front.tolist()]
        low, high = metric(goal.metric, min(values)), metric(goal.metric, max(values))
        yield Tile(
            axis(goal.metric), f"{low} to {high}", f"along the front; {'more' if goal.maximize else 'less'} is better"
        )
    for limit in found.limits:
        least = "at most" if limit.upper else "at least"
        yield Tile(f"Limit on {axis(limit.metric)}", f"{least} {metric(limit.metric, limit.bound)}")
    if several:
        share = "the share of the box spanned by everything measured that the front dominates"
        yield Tile("Hypervolume", f"{found.growth()['hypervolume'].iloc[-1]:.4f}", share)


def _steps(about: Mapping[str, Any], files: Mapping[str, str], card: Card | None) -> Iterator[Step]:
    """The commands that come next."""
    if "onnx" in files:
        command = shlex.join(["python", SCRIPT, files["onnx"], "PHOTOS", "--top", "3"])
        yield Step("Let it name pictures, with onnxruntime, numpy and Pillow alone; in this page's folder:", command)
    elif "state" in files:
        yield Step("Let it name pictures; in this page's folder:", f"thriftnas predict {files['state']} IMAGE")
    elif "folder" in about and card is None:
        place, formats = shlex.quote(about["folder"]), about.get("exports", "json")
        yield Step("Export the one that is ranked first:", f"thriftnas run export {place} --best --format {formats}")


def _details(found: RunFront, models: Sequence[ChosenModel], about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The networks of the front, the chosen ones first, with their numbers and the command that exports each."""
    numbers = {model.row: model.number for model in models}
    for place, row in enumerate([*numbers, *(row for row in found.front.tolist()[:LISTED] if row not in numbers)]):
        trial, metrics = found.trials[row], found.records[row].metrics
        genotype = trial.genotype
        cells = isinstance(genotype, CellGenotype) and place < DRAWN
        yield {
            "trial": trial.index,
            "heading": f"Model {numbers[row]}: trial {trial.index}" if row in numbers else f"Trial {trial.index}",
            "numbers": [(axis(name), metric(name, value)) for name, value in metrics.items()],
            "drawings": _drawings(genotype, f"Trial {trial.index}") if cells else [],
            "choices": chosen_names(genotype) if isinstance(genotype, ChainGenotype) else [],
            "genotype": genotype.to_json(),
            "command": _export(found, row, about),
        }


def _drawings(genotype: Genotype, name: str) -> list[Markup]:
    return [Markup(one) for one in cells_svg(genotype, name)] if isinstance(genotype, CellGenotype) else []


def _export(found: RunFront, row: int, about: Mapping[str, Any]) -> str:
    """The command that exports one network of the front: the best by one objective that is as good in the others."""
    if "folder" not in about:
        return ""
    goals, metrics = found.objectives, found.records[row].metrics
    best = next((goal for goal in goals if goal.maximize), goals[0])
    words = ["thriftnas", "run", "export", about["folder"], "--best", best.metric]
    for goal in goals:
        if goal is not best:
            words += ["--limit", f"{goal.metric}{'>=' if goal.maximize else '<='}{metrics[goal.metric]!r}"]
    return shlex.join([*words, "--format", about.get("exports", "json")])


def _cell(name: str, value: Any) -> str:
    if value is None or value != value:
        return "–"
    return metric(name.removeprefix(INHERITED), value) if isinstance(value, float | int) else str(value)
