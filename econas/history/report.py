"""The report of a search: what it found, how it got there and what it cost, as one page, tables and a short answer."""

import json
import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.table import Table

from econas.history import pictures
from econas.history.alternatives import alternatives
from econas.history.costs import Cost, costs, idle_share
from econas.history.history import History, history
from econas.history.lineage import Ancestor, changes, choices, describe, lineage, to_dict
from econas.history.survival import Passage, audited, cycles, passages
from econas.history.tables import audits_frame, finalists_frame, signal_of
from econas.history.terms import Terms
from econas.history.trajectory import RETRAIN, Training
from zoo.experiments.kinds.compared import comparison_remark, read_comparison
from zoo.experiments.kinds.trained import say_model
from zoo.experiments.report import Report
from zoo.experiments.run import Run
from zoo.figures import cells_svg
from zoo.files import write_text
from zoo.population.metric import names_one_class
from zoo.reliability.report import facts, interval, number, percent, render_page
from zoo.reliability.signal import ACCURACY
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype
from zoo.surrogates.option import NO_SURROGATE

PAGE = "report.html"
LISTED = 100
"""Failures listed one by one; thousands would bury the rest of the page."""
DRAWN = 40
"""Ancestors whose changed cells are drawn."""


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
        page=search_page(found),
        name=PAGE,
        files=files | {"lineage.json": json.dumps(line, indent=2, allow_nan=False) + "\n"},
        show=lambda console: _show(found, run.folder, console),
    )


def write_report(found: History, path: Path) -> None:
    """Write a search's report to ``path`` as one HTML page that needs nothing else: no network, no other file.

    Any text may hold markup. Equal histories give equal bytes. Raises OSError if the file cannot be written.
    """
    write_text(path, search_page(found))


def search_page(found: History) -> str:
    """The page of a search."""
    return render_page("econas.history/report.html", _contents(found))


def winning_lineage(found: History) -> list[Ancestor]:
    """The ancestors of the winner, the random one first; empty without a winner."""
    return [] if found.winner is None else lineage(found.networks, found.winner.network)


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


def sentence(found: History) -> str:
    """The answer."""
    winner = found.winner
    if winner is None:
        return f"Nothing was found: all {len(found.trainings)} trainings failed."
    trial = winner.trial
    tested = f", {percent(found.tested)} on the test images" if math.isfinite(found.tested) else ""
    so_far = " so far" if found.unfinished else ""
    if found.retrained:
        return (
            f"The best network{so_far} has {percent(winner.judged)} {found.terms.judged} after retraining "
            f"at {trial.setting}{tested}."
        )
    how = f"{trial.stop} of {trial.setting.e} epochs" if trial.setting and trial.stop < trial.setting.e else ""
    how = how or f"{trial.stop} epochs"
    by = "" if found.terms.signal.name == ACCURACY else f" by {found.terms.ranked}"
    end = next((one.curve[-1] for one in found.finalists if one.network == winner.network), None)
    going = "; it has not been retrained"
    if end is not None:
        going = "; its retraining failed" if end.state == "failed" else "; its retraining has not ended"
    elif found.terms.parameters is not None and not found.terms.parameters.retrained:
        going = ""  # nothing is to be retrained
    return (
        f"The best network{so_far}{by} has {percent(winner.accuracy)} {found.terms.accuracy} after {how} at "
        f"{trial.setting}{tested}{going}."
    )


def _tested(path: Path, found: History) -> float:
    """The winner's metric on the test images, from the file beside its model; NaN where that speaks of another."""
    try:
        best = json.loads(path.read_text(encoding="utf-8"))
        if found.winner is None or best["trial"] != found.winner.trial.index:
            return math.nan
        return float(best[f"test_{found.terms.metric}"])
    except (OSError, ValueError, TypeError, KeyError):
        return math.nan


# ---------------------------------------------------------------- the page


def _contents(found: History) -> dict[str, Any]:
    """Everything the template shows."""
    ways, line, winner = passages(found), winning_lineage(found), found.winner
    other_signal = found.terms.signal.name != ACCURACY
    return {
        "found": found,
        "sentence": _unbroken(sentence(found)),
        "notes": [_unbroken(note) for note in _notes(found, ways)],
        "keys": [tuple(map(_unbroken, key)) for key in _keys(found, line)],
        "progress": Markup(pictures.progress(found)),
        "flows": [Markup(text) for text in pictures.flows(found, ways)],
        "ways": [(way, _passage(found, way)) for way in ways],
        "cycles": cycles(found),
        "guided": found.terms.guided,
        "levels": [found.label(level) for level in found.levels],
        "line": line,
        "family": Markup(pictures.family(found, line)) if line else "",
        "ancestors": [(one, _changed_cells(line, i)) for i, one in enumerate(line)][-DRAWN:],
        "winner": None if winner is None else winner.trial.genotype,
        "cells": [] if winner is None else _cells(winner.trial.genotype, "The winner"),
        "choices": _choices(None if winner is None else winner.trial.genotype),
        "describe": describe,
        "curves": Markup(pictures.curves(found) or ""),
        "signal_of": (lambda finalist: number(signal_of(found, finalist), 4)) if other_signal else None,
        "others": alternatives(found),
        "compared": found.compared,
        "verdicts": Markup(pictures.verdicts(found) or ""),
        "audited": [(way, _passage(found, way)) for way in audited(found)],
        "costs": costs(found),
        "total": Cost.sum(costs(found)),
        "idle": idle_share(found),
        "failures": [one for one in found.trainings if one.state == "failed"],
        "reasons": Counter(one.reason for one in found.trainings if one.state == "failed").most_common(LISTED),
        "listed": LISTED,
        "command": shlex.join(["thriftnas", *map(str, found.about.get("command") or [])]),
        "facts": list(_facts(found)),
    }


def _passage(found: History, way: Passage) -> Markup:
    winner = None if found.winner is None else found.winner.network
    return Markup(pictures.passage(way, found.terms, winner) if way.pairs else "")


def _notes(found: History, ways: list[Passage]) -> Iterator[str]:
    """Sentences below the answer that nobody should overlook."""
    if remark := _compared(found):
        yield remark
    counts = (found.about.get("data") or {}).get("class_counts", {}).get("validation", ())
    shown = {} if found.winner is None else found.winner.metrics
    if counts and names_one_class(shown.get("accuracy", 0), shown.get("balanced_accuracy", 0), counts):
        yield "The winner names one class for every validation image: it has learned nothing but which is frequent."
    if found.unfinished:
        yield f"Not finished: {found.unfinished}. The same command continues."
    done = sum(one.done for one in found.finalists)
    if done > 1 and math.isnan(found.tested):
        unknown = "" if found.terms.looked_up else "; only test images can say how much"
        yield (
            f"The winner is the best of {done} retrained networks by this very accuracy, so it flatters a "
            f"little{unknown}."
        )
    if found.audits:
        last = found.audits[-1]
        raised = sum(one["decision"] == "escalated" for one in found.audits)
        told = f"The cheap ranking was audited {_times(len(found.audits))}"
        went = f" and the setting raised {_times(raised)}" if raised else ""
        yield f"{told}{went}; what the last audit led to: {last['decision']}."
    silent = [way for way in ways if way.rho.low < 0 and len(way.pairs) >= 16]  # False for NaN
    for way in silent[:2]:
        yield (
            f"Among those promoted, the order at {way.source} is not shown to predict the order at {way.target}: "
            f"ρ {interval(way.rho)}."
        )
    failed = sum(one.state == "failed" for one in found.trainings)
    if failed > 0.05 * len(found.trainings):
        yield f"{failed} of {len(found.trainings)} trainings failed."


def _compared(found: History) -> str:
    """What is known of the winner beside a network that needs no search; empty where there is no such thing."""
    if found.terms.compare is None or not found.retrained or found.winner is None or found.unfinished:
        return ""
    return comparison_remark([one.trial for one in found.trainings], found.winner.trial, found.compared)


def _unbroken(text: str) -> str:
    """No line ends between a number and its percent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _keys(found: History, line: list[Ancestor]) -> Iterator[tuple[str, str, str]]:
    """(name, value, explanation) of the numbers on top."""
    winner = found.winner
    if winner is not None:
        how = "retrained at" if found.retrained else "trained at"
        yield (
            found.terms.judged.capitalize(),
            percent(winner.judged),
            f"{how} {winner.trial.setting}, trial {winner.trial.index}",
        )
        if math.isfinite(found.tested):
            name = f"Test {found.terms.metric.replace('_', ' ')}"
            yield name, percent(found.tested), "of the winner alone, measured once"
        size = winner.metrics
        if "params" in size:
            macs = f"{size['macs'] / 1e6:,.1f} M multiply-accumulates per image" if "macs" in size else "of the winner"
            yield "Parameters", f"{size['params'] / 1e6:,.2f} M", macs
    mature = len({one.network for one in found.trainings if one.level and one.level.last and one.state == "ok"})
    yield "Networks tried", f"{len(found.networks):,}", f"{mature:,} of them trained to their schedule's end"
    share = math.fsum(one.cost for one in found.of_role(RETRAIN)) / found.spent if found.spent else 0.0
    yield "Paid", f"{found.spent:,.0f}", found.unit + (f"; {percent(share)} of it retraining" if share else "")
    if len(line) > 1:
        yield "Mutations", str(len(line) - 1), "from a random network to the winner"
    if math.isfinite(idle_share(found)):
        yield "Idle", percent(idle_share(found)), "of the workers' time"


def _cells(genotype: Genotype, name: str) -> list[Markup]:
    return [Markup(one) for one in cells_svg(genotype, name)] if isinstance(genotype, CellGenotype) else []


def _choices(genotype: Genotype | None) -> list[str]:
    return choices(genotype) if isinstance(genotype, ChainGenotype) else []


def _changed_cells(line: list[Ancestor], place: int) -> list[Markup]:
    """The cells of an ancestor that its mutation changed; both of the first."""
    genotype, name = line[place].network.genotype, f"{place + 1}: network {line[place].network.number}"
    drawings = _cells(genotype, name)
    if not place:
        return drawings
    touched = {change.place.split(" ")[0] for change in changes(line[place - 1].network.genotype, genotype)}
    return [drawing for kind, drawing in zip(("normal", "reduction"), drawings, strict=False) if kind in touched]


def _facts(found: History) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows of name and value) of what was run."""
    identity = found.about.get("identity") or {}
    for heading, part in (
        ("Data", found.about.get("data") or identity.get("data")),
        ("Search", _readable(found.strategy)),
        ("Training in the search", identity.get("setup")),
        ("Training of the finalists", identity.get("final")),
        ("Versions", found.about.get("versions")),
        ("Hardware", found.about.get("hardware")),
    ):
        if part:
            yield heading, list(facts(part if isinstance(part, Mapping) else {"fingerprint": part}))


def _readable(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """The strategy with the ladder of its audits in words."""
    parameters = strategy.get("parameters")
    audit = parameters.get("audit") if isinstance(parameters, Mapping) else None
    if not isinstance(parameters, Mapping) or not isinstance(audit, Mapping):
        return dict(strategy)
    ladder = [f"{one.get('setting')} at {one.get('price')} an epoch" for one in audit.get("ladder", ())]
    return {**strategy, "parameters": {**parameters, "audit": {**audit, "ladder": ladder}}}


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
    if remark := _compared(found):
        console.print(remark, markup=False, highlight=False, soft_wrap=True)
    if found.unfinished:
        console.print(f"Not finished: {found.unfinished}; the same command continues.", markup=False, soft_wrap=True)
    console.print(f"Report: {folder / PAGE}", soft_wrap=True, markup=False)
    say_model(folder, console)
