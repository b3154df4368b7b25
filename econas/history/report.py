"""The report of a search: what it found, how it got there and what it cost, as one page, tables and a short answer."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from econas.history.alternatives import alternatives
from econas.history.answer import remark, sentence, winning_lineage
from econas.history.costs import costs, idle_share
from econas.history.history import History, history
from econas.history.lineage import to_dict
from econas.history.page import search_page
from econas.history.tables import audits_frame, finalists_frame
from econas.history.terms import Terms
from econas.history.trajectory import Training
from zoo.experiments.kinds.compared import read_comparison
from zoo.experiments.kinds.trained import say_model
from zoo.experiments.report import Report
from zoo.experiments.run import Run
from zoo.files import parsed_json, write_text
from zoo.pages.written import number, percent
from zoo.population.cell_latency import LATENCY
from zoo.surrogates.option import NO_SURROGATE

PAGE = "report.html"


def search_report(run: Run, terms: Terms | None = None) -> Report:
    """The report of a search as far as it is: every trial, its finalists, its audits, the winner's lineage, a page.

    Args:
        run: of the search.
        terms: of its experiment; None: those that its identity tells.

    Raises:
        ValueError: if the run is no search, or nothing has been measured.
    """
    with run.journal() as journal:
        found = history(journal, terms)
        frame = journal.frame()
    found = replace(found, tested=_tested(run.folder / "best.json", found), compared=read_comparison(run))
    tables = {"search": frame, "finalists": finalists_frame(found), "audits": audits_frame(found)}
    line = [to_dict(one) for one in winning_lineage(found)]
    if found.compared is not None:
        tables["comparison"] = found.compared.frame()
    files = {f"{name}.csv": table.to_csv(index=False, lineterminator="\n") for name, table in tables.items()}
    return Report(
        summary=summary(found),
        tables=tables,
        page=search_page(found, run.folder),
        name=PAGE,
        files=files | {"lineage.json": json.dumps(line, indent=2, allow_nan=False) + "\n"},
        show=lambda console: _show(found, run.folder, console),
    )


def write_report(found: History, path: Path) -> None:
    """Write a search's report to ``path`` as one HTML page that needs nothing else: no network, no other file.

    Any text may hold markup. Equal histories give equal bytes. Raises OSError if the file cannot be written.
    """
    write_text(path, search_page(found))


def summary(found: History) -> dict[str, Any]:
    """The answer as JSON-ready data; null where unknown."""
    winner, metric = found.winner, found.terms.metric
    return {
        "answer": sentence(found),
        "signal": found.terms.signal.name,
        "metric": metric,
        "surrogate": NO_SURROGATE if found.parameters is None else found.parameters.surrogate,
        "finished": not found.unfinished,
        "trial": None if winner is None else winner.trial.index,
        "network": None if winner is None else winner.network,
        "retrained": found.retrained,
        "accuracy": None if winner is None else _known(winner.accuracy),
        metric: None if winner is None else _known(winner.judged),
        "search_accuracy": None if winner is None else known_by(found, winner.network),
        f"test_{metric}": _known(found.tested),
        "comparison": None if found.compared is None else found.compared.to_dict(),
        "other_signals": {one.signal.name: one.to_dict() for one in alternatives(found)},
        **({} if winner is None or LATENCY not in winner.metrics else {LATENCY: winner.metrics[LATENCY]}),
        "networks": len(found.networks),
        "epochs": {one.name: one.epochs for one in costs(found)},
        "price": {one.name: one.price for one in costs(found)},
        "unit": found.unit,
        "idle_share": _known(idle_share(found)),
        "audits": [dict(one) for one in found.audits],
        "genotype": None if winner is None else winner.trial.genotype.to_dict(),
    }


def known_by(found: History, network: int) -> float | None:
    """The accuracy that a network had in the search, before any retraining."""
    reached = found.networks[network].reached
    return None if reached is None else _known(reached.accuracy)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _tested(path: Path, found: History) -> float:
    """The winner's metric on the test images, from the file beside its model; NaN where that speaks of another."""
    try:
        best = parsed_json(path.read_text(encoding="utf-8"))
        if found.winner is None or best["trial"] != found.winner.trial.index:
            return math.nan
        return float(best[f"test_{found.terms.metric}"])
    except (OSError, ValueError, TypeError, KeyError):
        return math.nan


# ---------------------------------------------------------------- the console


def _show(found: History, folder: Path, console: Console) -> None:
    table = Table(title=f"{found.method}: {len(found.networks)} networks", box=None, padding=(0, 1, 0, 0))
    for column in ("", "network", "in the search", "retrained", "test", "status"):
        table.add_column(column, justify="left" if column in ("", "status") else "right", no_wrap=True)
    for rank, one in enumerate(found.finalists, start=1):
        reached: Training | None = found.networks[one.network].reached
        known = percent(reached.accuracy) if reached else "–"
        tested = percent(found.tested) if found.wins(one) else ""
        table.add_row(str(rank), str(one.network), known, percent(one.judged), tested, one.status,
                      style="bold green" if found.wins(one) else None)  # fmt: skip
    if found.finalists:
        console.print(table)
    told = f"Ranked by {found.terms.ranked}"
    if others := alternatives(found):
        told += f"; of the same {others[0].count}, other signals would have retrained: "
        told += ", ".join(f"{one.signal.name} {one.shared}" for one in others)
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    paid = ", ".join(f"{one.name} {one.price:,.0f}" for one in costs(found))
    console.print(f"Paid, in {found.unit}: {paid}; in all {found.spent:,.0f}", markup=False, soft_wrap=True)
    if math.isfinite(idle_share(found)):
        console.print(f"Workers idle: {percent(idle_share(found))} of their time", soft_wrap=True)
    for verdict in found.audits:
        told = f"ρ {number(verdict['rho'])} [{number(verdict['low'])}, {number(verdict['high'])}]"
        console.print(
            f"Audit before cycle {verdict['cycle']}, {verdict['setting']} against {verdict['reference']}: {told}, "
            f"{verdict['decision']}",
            markup=False,
            soft_wrap=True,
        )
    console.print(sentence(found), style="bold", markup=False, soft_wrap=True)
    if found.winner is not None and LATENCY in found.winner.metrics:
        takes = f"{found.winner.metrics[LATENCY]:.4g} ms"
        console.print(f"It takes {takes} a batch, by the table of latencies.", soft_wrap=True)
    if told := remark(found):
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    if found.unfinished:
        console.print(f"Not finished: {found.unfinished}; the same command continues.", markup=False, soft_wrap=True)
    console.print(f"Report: {folder / PAGE}", soft_wrap=True, markup=False)
    say_model(folder, console)
