"""The page of a front: one HTML file, readable offline: the front to explore, its growth, everything measured."""

import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zoo.export.card import Card
from zoo.export.chosen import ChosenModel, table_rows
from zoo.figures.front_chart import Network, Picture, front_picture, growth_picture
from zoo.population.front import Numbers
from zoo.population.run_front import RunFront

TEMPLATE = "front.html"
_APART = ("model", "trial", "generation", "front", "allowed", "key", "genotype")
"""Columns of a front's table that are no metrics."""
_UNITS = {"macs": "MACs per image", "params": "parameters"}


def axis(metric: str) -> str:
    """What an axis is called."""
    return _UNITS.get(metric, metric.replace("_", " "))


def number(value: float) -> str:
    """A metric's value for people."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.6g}"


def pictures(found: RunFront, chosen: Numbers) -> tuple[Picture, Picture]:
    """The front in its first two objectives, and how its hypervolume grew.

    Args:
        found: the front.
        chosen: rows of the models that are exported.
    """
    across, up = _axes(found)
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
    return (
        front_picture(
            networks,
            xlabel=axis(across) + _in_millions(units[across]),
            ylabel=axis(up) + _in_millions(units[up]),
            joined=len(found.objectives) == 2,
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
    about: dict[str, Any],
    drawn: tuple[Picture, Picture] | None,
    card: Card | None = None,
    remark: str = "",
) -> str:
    """The page as HTML text.

    Args:
        found: the front.
        models: that are exported.
        about: facts of the run, name to text, for its last section.
        drawn: of :func:`pictures`; None where there is no front to look at.
        card: of the single model, with which the page begins then.
        remark: a first sentence; may be empty.
    """
    across, up = _axes(found)
    frame = found.frame()
    numbers = {model.row: model.number for model in models}
    metrics = [name for name in frame.columns if name not in _APART]
    rows = list(table_rows(models, frame.iloc[list(numbers)].to_dict("records")))
    columns = list(dict.fromkeys(name for row in rows for name in row if name not in _APART))
    data = {
        "axes": {name: axis(name) for name in metrics},
        "x": across,
        "y": up,
        "networks": [
            {
                "trial": int(row["trial"]),
                "generation": int(row["generation"]),
                "kind": "chosen" if i in numbers else "front" if row["front"] else "beaten",
                "number": numbers.get(i),
                "genotype": row["genotype"],
                **{name: row[name] for name in metrics if row[name] == row[name]},
            }
            for i, row in enumerate(frame.to_dict("records"))
        ],
    }
    growth = found.growth()
    environment = Environment(
        loader=PackageLoader("zoo", "export"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = number
    still, grown = (None, None) if drawn is None else drawn
    return environment.get_template(TEMPLATE).render(
        found=found,
        chosen=models,
        rows=[[row.get(name) for name in columns] for row in rows],
        columns=[axis(name) for name in columns],
        retrained=any(model.retrained for model in models),
        classes=models[0].blueprint.classes,
        objectives=[str(one) for one in found.objectives],
        limits=[str(one) for one in found.limits],
        data=_script(data),
        card=None if card is None else card.rows(),
        still="" if still is None else Markup(still.svg),
        grown=Markup(grown.svg) if grown is not None and len(models) > 1 else "",
        growth=growth.to_dict("records"),
        volume=float(growth["hypervolume"].iloc[-1]),
        about=about,
        remark=remark,
    )


def _axes(found: RunFront) -> tuple[str, str]:
    """Metrics across and up: what costs, or the second objective; and the first of the others."""
    names = [objective.metric for objective in found.objectives]
    if len(names) == 1:
        return names[0], names[0]
    across = next((o.metric for o in found.objectives if not o.maximize), names[1])
    return across, next(name for name in names if name != across)


def _script(data: dict[str, Any]) -> Any:
    """JSON that can stand in a script element whatever it holds."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))
