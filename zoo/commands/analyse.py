"""`thriftnas zoo analyse`: which columns of one's own table rank its networks as the reference does."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zoo.commands import options as opt

COLUMNS, JUDGED = "Columns", "Judgement"


def analyse(
    table: Annotated[Path, typer.Argument(help="A row per network: CSV, TSV or with semicolons, may be gzipped.")],
    reference: Annotated[
        list[str], opt.option("Column whose ranking counts; repeat it for repeated trainings.", COLUMNS)
    ],
    proxies: Annotated[
        list[str], opt.option('Columns to judge: a name, or a pattern like "zc_*"; may be repeated.', COLUMNS)
    ],
    name: Annotated[str | None, opt.option("Column with the networks' names.", COLUMNS)] = None,
    cost: Annotated[str | None, opt.option("Column such as MACs: what does a proxy say beyond it?", COLUMNS)] = None,
    lower: Annotated[
        list[str] | None, opt.option('Columns where less is better, like "*loss*"; may be repeated.', COLUMNS)
    ] = None,
    faster: Annotated[
        list[str] | None,
        opt.option("COLUMN=TIMES: how much cheaper than the reference a proxy is; may be repeated.", JUDGED),
    ] = None,
    target: Annotated[float, opt.option("Spearman correlation a proxy must reach.", JUDGED)] = 0.8,
    seed: Annotated[int, opt.option("Of the resamples that give intervals.", JUDGED)] = 0,
    out: Annotated[
        Path | None, opt.option("Folder for tables, the answer and a page; none by default.", JUDGED)
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Say how well cheap measurements rank networks, from a table of your own.

    thriftnas zoo analyse table.csv --reference acc_1 --reference acc_2
    --proxies "zc_*" --proxies acc_12ep --faster acc_12ep=16.7 --cost macs

    Any framework's table will do; an empty field, NaN or n/a is a failure.
    Several references are repeats: their mean counts, and how well they
    agree is the ceiling. The answer is the fastest proxy that is safe to
    reach the target; without --faster, the one with the highest bound.
    """
    from zoo.reliability.analysis import check_out, judge
    from zoo.reliability.own_table import Asked, read_own_table

    asked = Asked(
        reference=tuple(reference), proxies=tuple(proxies), name=name, cost=cost, lower=tuple(lower or ()),
        faster=dict(map(_times, faster or ())), target=target, seed=seed,
    )  # fmt: skip
    check_out(out)
    found, console = judge(read_own_table(table, asked)), Console(stderr=as_json)
    if out is not None:
        found.write(out)
    if as_json:
        found.notify(console)
        print(json.dumps(found.rows))
        return
    found.show(console)
    if out is not None:
        console.print(f"Report: {out / 'analysis.html'}", soft_wrap=True, markup=False)


def _times(text: str) -> tuple[str, float]:
    column, _, times = text.rpartition("=")
    try:
        return column, float(times)
    except ValueError:
        raise ValueError(f"faster: expected a form like acc_12ep=16.7, got {text!r}") from None
