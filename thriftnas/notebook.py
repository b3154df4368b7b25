"""How genotypes, trials, records and fronts show themselves in a notebook.

The nouns belong to layers that know neither pictures nor pages, so what shows them is attached to them from here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from zoo.population.run_front import RunFront
from zoo.population.trial import Record, Trial
from zoo.spaces.chain import CHAINS, SKIP_NAME
from zoo.spaces.genotype import Cell, CellGenotype, ChainGenotype, Genotype, SpaceGenotype

SHOWN = 20
"""Networks of a front that its table lists at most."""


def attach() -> None:
    """Give the nouns their pictures and tables; done once, when ``thriftnas`` is imported."""
    shows: Mapping[type, Callable[[Any], str]] = {
        CellGenotype: cells_html,
        ChainGenotype: chain_html,
        SpaceGenotype: space_html,
        Trial: trial_html,
        Record: record_html,
        RunFront: front_html,
    }
    for noun, show in shows.items():
        noun._repr_html_ = show  # type: ignore[attr-defined]
    Cell._repr_svg_ = cell_picture  # type: ignore[attr-defined]


def cell_picture(cell: Cell) -> str:
    """A cell as a graph."""
    from zoo.figures import cell_svg

    return cell_svg(cell, "cell")


def cells_html(genotype: CellGenotype) -> str:
    """Both cells as graphs, one above the other."""
    from zoo.figures import cell_svg

    pictures = [cell_svg(genotype.normal, "normal cell"), cell_svg(genotype.reduction, "reduction cell")]
    return "".join(f"<div>{picture}</div>" for picture in pictures)


def chain_html(genotype: ChainGenotype) -> str:
    """A chain as a table of its choices; blocks by name where the space has them."""
    if genotype.space in CHAINS:
        names = [SKIP_NAME if block is None else str(block) for block in CHAINS[genotype.space].choices]
        choices = [names[choice] if choice < len(names) else str(choice) for choice in genotype.choices]
    else:
        choices = list(map(str, genotype.choices))
    return table(("position", *range(len(choices))), [("choice", *choices)], caption=f"chain of {genotype.space}")


def space_html(genotype: SpaceGenotype) -> str:
    """A supernet as a table of what decides its shape."""
    return table((), genotype.options, caption=f"supernet of {genotype.space}")


def trial_html(trial: Trial) -> str:
    """What was asked as a table, with the architecture below."""
    data = trial.to_dict() | {"key": trial.genotype.key}
    del data["genotype"]
    return table((), _filled(data), caption=f"trial {trial.index}") + genotype_html(trial.genotype)


def genotype_html(genotype: Genotype) -> str:
    """An architecture of any kind."""
    match genotype:
        case CellGenotype():
            return cells_html(genotype)
        case ChainGenotype():
            return chain_html(genotype)
        case _:
            return space_html(genotype)


def record_html(record: Record) -> str:
    """What was measured as a table."""
    data = record.to_dict()
    metrics = data.pop("metrics")
    return table((), _filled({**data, **metrics}), caption=f"record of trial {record.index}")


def front_html(found: RunFront) -> str:
    """The front and how it grew as pictures, with a table of its networks."""
    from zoo.experiments.fronts import along
    from zoo.export.front_page import pictures

    frame = found.frame()
    names = [name for name in frame.columns if name not in ("front", "allowed", "key", "genotype")]
    rows = frame.loc[frame["front"].astype(bool), names]
    caption = f"{len(rows)} networks on the front of {len(frame)}" + (
        f", the first {SHOWN}" if len(rows) > SHOWN else ""
    )
    drawn = "".join(f"<div>{picture.svg}</div>" for picture in pictures(found, along(found, None)))
    return drawn + table(names, rows.head(SHOWN).itertuples(index=False), caption=caption)


def table(header: Sequence[Any], rows: Iterable[Iterable[Any]], *, caption: str = "") -> str:
    """A small HTML table; every text in it is escaped."""
    parts = [f"<caption>{escape(caption)}</caption>"] if caption else []
    if header:
        parts.append(f"<tr>{''.join(f'<th>{_cell(value)}</th>' for value in header)}</tr>")
    parts += [f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows]
    return f"<table>{''.join(parts)}</table>"


def _cell(value: Any) -> str:
    text = (
        f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(_plain(value))
    )
    return escape(text)


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item() if hasattr(value, "item") else value


def _filled(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The fields that say something."""
    return [(name, value) for name, value in data.items() if value is not None and value != "" and value != {}]
