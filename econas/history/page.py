"""The page of a search: its answer, how it got there, who survived, what it cost."""

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from econas.history import pictures
from econas.history.alternatives import alternatives
from econas.history.answer import remark, sentence, winning_lineage
from econas.history.costs import Cost, costs, idle_share
from econas.history.history import History
from econas.history.lineage import Ancestor, changes, describe
from econas.history.survival import Passage, audited, cycles, passages
from econas.history.tables import signal_of
from econas.history.trajectory import RETRAIN, Network
from zoo.figures import cells_svg
from zoo.pages.chart import both
from zoo.pages.page import Step, Tile, called, facts, render_page
from zoo.pages.written import interval, large, number, percent
from zoo.population.cell_latency import LATENCY
from zoo.population.metric import names_one_class
from zoo.reliability.advice import train_command
from zoo.reliability.signal import ACCURACY
from zoo.spaces.chain_space import chosen_names
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype

LISTED = 100
"""Failures listed one by one; thousands would bury the rest of the page."""
DRAWN = 40
"""Ancestors whose changed cells are drawn."""
SHOWN = 24
"""Networks that the page draws, with their numbers and the command that trains them, besides the winner's lineage."""


def search_page(found: History, folder: Path | None = None) -> str:
    """The page of a search.

    Args:
        found: what it has done.
        folder: of its run, for the commands; None where there is none.
    """
    return render_page("econas.history/report.html", _contents(found, folder))


def _contents(found: History, folder: Path | None) -> dict[str, Any]:
    """Everything the template shows."""
    ways, line, winner = passages(found), winning_lineage(found), found.winner
    other_signal = found.terms.signal.name != ACCURACY
    space = f" in the space {found.terms.space}" if found.terms.space else ""
    return {
        "found": found,
        "kicker": f"What has the {found.method} search found{space}?",
        "answer": sentence(found),
        "notes": list(_notes(found, ways)),
        "tiles": list(_tiles(found, line)),
        "steps": list(_steps(found, folder)),
        "progress": both(partial(pictures.progress, found)),
        "flows": [both(partial(pictures.flow, chain)) for chain in pictures.flows(found, ways)],
        "ways": [(way, _passage(found, way)) for way in ways],
        "cycles": cycles(found),
        "guided": found.terms.guided,
        "levels": [found.label(level) for level in found.levels],
        "line": line,
        "family": both(partial(pictures.family, found, line)) if line else "",
        "shown": list(_shown(found, line)),
        "ancestors": [(one, _changed_cells(line, i)) for i, one in enumerate(line)][-DRAWN:],
        "winner": None if winner is None else winner.trial.genotype,
        "cells": [] if winner is None else _cells(winner.trial.genotype, "The winner"),
        "choices": _choices(None if winner is None else winner.trial.genotype),
        "describe": describe,
        "curves": both(partial(pictures.curves, found)),
        "signal_of": (lambda finalist: number(signal_of(found, finalist), 4)) if other_signal else None,
        "others": alternatives(found),
        "compared": found.compared,
        "verdicts": both(partial(pictures.verdicts, found)),
        "audited": [(way, _passage(found, way)) for way in audited(found)],
        "costs": costs(found),
        "total": Cost.sum(costs(found)),
        "idle": idle_share(found),
        "failures": [one for one in found.trainings if one.state == "failed"],
        "reasons": Counter(one.reason for one in found.trainings if one.state == "failed").most_common(LISTED),
        "listed": LISTED,
        "called": called(found.about),
        "run": list(_facts(found)),
    }


def _passage(found: History, way: Passage) -> Markup:
    winner = None if found.winner is None else found.winner.network
    return both(partial(pictures.passage, way, found.terms, winner)) if way.pairs else Markup("")


def _notes(found: History, ways: list[Passage]) -> Iterator[str]:
    """Sentences below the answer that nobody should overlook."""
    if told := remark(found):
        yield told
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


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _tiles(found: History, line: list[Ancestor]) -> Iterator[Tile]:
    """The numbers on top."""
    winner = found.winner
    if winner is not None:
        how = "retrained at" if found.retrained else "trained at"
        where = f"{how} {winner.trial.setting}, trial {winner.trial.index}"
        yield Tile(found.terms.judged.capitalize(), percent(winner.judged), where)
        if math.isfinite(found.tested):
            name = f"Test {found.terms.metric.replace('_', ' ')}"
            yield Tile(name, percent(found.tested), "of the winner alone, measured once")
        size = winner.metrics
        if "params" in size:
            macs = f"{large(size['macs'])} MACs per image" if "macs" in size else "of the winner"
            yield Tile("Parameters", large(size["params"]), macs)
        if LATENCY in size:
            yield Tile("Latency", f"{size[LATENCY]:.4g} ms", "a batch, by the run's table")
    mature = len({one.network for one in found.trainings if one.level and one.level.last and one.state == "ok"})
    yield Tile("Networks tried", f"{len(found.networks):,}", f"{mature:,} of them trained to their schedule's end")
    share = math.fsum(one.cost for one in found.of_role(RETRAIN)) / found.spent if found.spent else 0.0
    yield Tile("Paid", f"{found.spent:,.0f}", found.unit + (f"; {percent(share)} of it retraining" if share else ""))
    if len(line) > 1:
        yield Tile("Mutations", str(len(line) - 1), "from a random network to the winner")
    if math.isfinite(idle_share(found)):
        yield Tile("Idle", percent(idle_share(found)), "of the workers' time")


def _cells(genotype: Genotype, name: str) -> list[Markup]:
    return [Markup(one) for one in cells_svg(genotype, name)] if isinstance(genotype, CellGenotype) else []


def _choices(genotype: Genotype | None) -> list[str]:
    return chosen_names(genotype) if isinstance(genotype, ChainGenotype) else []


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
    if isinstance(table := strategy.get("latency"), Mapping):
        told = f"table of {len(table['rows'])} blocks, sha256 {str(table['sha256'])[:12]}"
        strategy = {**strategy, "latency": told}
    parameters = strategy.get("parameters")
    audit = parameters.get("audit") if isinstance(parameters, Mapping) else None
    if not isinstance(parameters, Mapping) or not isinstance(audit, Mapping):
        return dict(strategy)
    ladder = [f"{one.get('setting')} at {one.get('price')} an epoch" for one in audit.get("ladder", ())]
    return {**strategy, "parameters": {**parameters, "audit": {**audit, "ladder": ladder}}}


def _steps(found: History, folder: Path | None) -> Iterator[Step]:
    """The commands that come next."""
    if folder is None:
        return
    place = shlex.quote(str(folder))
    if found.unfinished:
        yield Step("Continue the search:", f"thriftnas run resume {place}")
    elif found.retrained and not found.terms.looked_up:
        yield Step("Export the winner as a program that runs without this package:", f"thriftnas run export {place} "
                   "--format onnx,state,json")  # fmt: skip
    elif found.winner is not None and (command := _train(found, found.networks[found.winner.network])):
        yield Step("Train the best network fully:", command)
    elif found.winner is not None:
        yield Step("Write its genotype to a file:", f"thriftnas run export {place} --format json")


def _train(found: History, network: Network) -> str:
    setting = found.terms.parameters.final if found.terms.parameters else None
    name = f"network-{network.number}"
    return train_command(found.about, network.genotype, name, setting.e if setting else None)


def _shown(found: History, line: list[Ancestor]) -> Iterator[dict[str, Any]]:
    """Networks with their details: the winner's lineage, the finalists, and then the best by their first training."""
    best = sorted(found.networks.values(), key=lambda one: (-_first(one), one.number))
    wanted = [one.network.number for one in line] + [one.network for one in found.finalists]
    wanted += [one.number for one in best]
    for number_of in list(dict.fromkeys(wanted))[: SHOWN + len(line)]:
        one = found.networks[number_of]
        yield {
            "number": one.number,
            "trainings": [
                (
                    found.label(t.level) if t.level else "trained fully",
                    percent(t.accuracy) if t.state == "ok" else t.state,
                )
                for t in one.trainings
            ],
            "drawings": _cells(one.genotype, f"Network {one.number}"),
            "choices": _choices(one.genotype),
            "command": _train(found, one),
        }


def _first(network: Network) -> float:
    return network.first if math.isfinite(network.first) else -math.inf
