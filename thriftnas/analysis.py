"""Judging one's own numbers: a table of networks, measured by whatever."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from thriftnas.options import Given

if TYPE_CHECKING:
    import pandas as pd

    from zoo.reliability.analysis import Analysis


class AnalyseOptions(TypedDict, total=False):
    """Of an analysis; ``faster`` is a mapping here."""

    name: str
    cost: str
    lower: str | Sequence[str]
    faster: Mapping[str, float]
    target: float
    seed: int


def analyse(
    table: "pd.DataFrame | Path | str",
    reference: str | Sequence[str],
    proxies: str | Sequence[str],
    **options: Unpack[AnalyseOptions],
) -> "Analysis":
    """Say which columns of a table rank its networks as a reference does, and which one to rank with.

    Args:
        table: a row per network: a DataFrame, or the path of a CSV, TSV or semicolon file, may be gzipped.
        reference: the column whose ranking counts; several are repeats, of which the mean counts.
        proxies: columns to judge: a name or a shell pattern, or several.
        options: as of ``thriftnas zoo analyse``: name, cost, lower, faster ({column: times}), target, seed.

    Returns:
        ``sentence``, ``frame`` (a row per proxy, by ρ) and ``recommendation``; ``write(folder)`` keeps it.

    Raises:
        ValueError: for a table that does not have what is asked for.
    """
    from zoo.reliability.analysis import judge
    from zoo.reliability.own_table import Asked, read_own_table

    given = Given("analyse", options, AnalyseOptions)
    asked = Asked(
        reference=_several(reference),
        proxies=_several(proxies),
        lower=given.texts("lower"),
        **given.named(dict.fromkeys(("name", "cost", "faster", "target", "seed"))),
    )
    return judge(read_own_table(table, asked))


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
