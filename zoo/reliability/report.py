"""The report: what a study found, as one self-contained HTML page."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.figures import cells_svg
from zoo.files import write_text
from zoo.pages.chart import both
from zoo.pages.page import Step, Tile, called, facts, render_page
from zoo.pages.written import interval, number, percent
from zoo.reliability.advice import notes, search_by, train_command, unfinished, use
from zoo.reliability.findings import Finding, Findings
from zoo.reliability.interval import Estimate
from zoo.reliability.pictures import FACTORS, Network, factors, networks_of, scatter, subject, trust

LISTED = 100
"""Failures listed one by one; thousands would bury the rest of the page."""


def write_report(findings: Findings, path: Path) -> None:
    """Write `findings` to `path` as one HTML page that needs nothing else: no network, no other file.

    Equal findings give equal bytes. Raises OSError if the file cannot be written; what was there is then left as it is.
    """
    write_text(path, findings_page(findings))


def findings_page(findings: Findings, folder: Path | None = None) -> str:
    """The page of a study; any number may be NaN, and any text may hold markup.

    Args:
        findings: of the study.
        folder: of its run, for the commands; None where there is none.
    """
    return render_page("zoo.reliability/report.html", _contents(findings, folder))


def _contents(findings: Findings, folder: Path | None) -> dict[str, Any]:
    """Everything the template shows."""
    networks = networks_of(findings)
    ranked = [network for network in networks if math.isfinite(network.mean)]
    first = findings.candidates[0].score if findings.candidates else None
    said = unfinished(findings)
    return {
        "findings": findings,
        "kicker": f"Which cheaper training ranks networks as {findings.reference} does?",
        "warning": findings.recommendation.warning,
        "answer": findings.recommendation.sentence,
        "chosen_index": findings.recommendation.index,
        "tiles": list(_tiles(findings)),
        "steps": list(_steps(findings, folder)),
        "notes": [*([f"{said}."] if said else []), *notes(findings)],
        "acceleration": both(partial(trust, findings)),
        "scatter": both(partial(scatter, findings, networks)),
        "factors": [Markup(drawn) for drawn in factors(findings)],
        "levels": FACTORS,
        "candidates": [_candidate(found, findings) for found in findings.candidates],
        "differences": _differences(findings),
        "closely": [*findings.leading, *findings.free],
        "shown": [_shown(n, findings) for n in _ends(ranked)],
        "others": [_shown(n, findings) for n in networks if n not in _ends(ranked)],
        "called": called(findings.about),
        "run": list(_run(findings)),
        "failures": findings.failures[:LISTED],
        "k": first.k if first else 1,
        "tolerance": first.tolerance if first else math.nan,
    }


def _steps(findings: Findings, folder: Path | None) -> Iterator[Step]:
    """The commands that come next."""
    place = "" if folder is None else shlex.quote(str(folder))
    if place and unfinished(findings):
        yield Step("Continue the study:", f"thriftnas run resume {place}")
    if command := use(findings):
        yield Step("Search with the recommended setting and signal:", command)
    needed = findings.recommendation.needed_networks
    if place and needed and findings.chosen is None and (words := findings.about.get("command")):
        kept = [word for before, word in pairwise(["", *words]) if "--models" not in (before, word)]
        yield Step(f"Settle it with {needed} networks:", f"{called({'command': kept})} --models {needed}")


def _tiles(findings: Findings) -> Iterator[Tile]:
    """The numbers on top."""
    found, answer = subject(findings), findings.recommendation
    if found is not None:
        name = "Recommended" if findings.chosen else "Highest ρ, not recommended"
        by = f"by {found.signal}, {found.words}" if found.setting else f"{found.words}, no training"
        yield Tile(name, str(found.setting or found.signal), by)
        yield Tile("Rank correlation ρ", number(found.score.spearman.value), _spread(found.score.spearman))
        least = found.bound if answer.promised is None else answer.promised
        compared = f"safe although {len(findings.candidates)} candidates were compared"
        yield Tile("ρ is at least", number(least), f"{compared}; wanted: {number(answer.target)}")
        cheaper = "free" if found.counted else f"{number(found.acceleration, 1)}×"
        yield Tile("Cheaper by", cheaper, f"than {findings.reference}, in counted multiply-accumulates (MACs)")
        if not found.counted:
            times = f"{number(found.seconds)} s a network instead of {number(findings.reference_seconds)} s"
            yield Tile(
                "Faster by the clock", f"{number(found.speedup, 1)}×", f"{times}, as measured in this run's workers"
            )
    yield Tile("Ceiling", number(answer.ceiling.value), _spread(answer.ceiling))
    times = "time" if findings.repeats == 1 else "times"
    often = (
        f"each trained {findings.repeats} {times} at the reference, once at each of {len(findings.leading)} settings"
    )
    yield Tile("Networks", str(len(findings.genotypes)), often)


def _spread(estimate: Estimate) -> str:
    return estimate.reason or f"95 % interval {number(estimate.low)} to {number(estimate.high)}"


def _shown(network: Network, findings: Findings) -> dict[str, Any]:
    """A network with its details."""
    name = f"network-{network.number}"
    return {
        "number": network.number,
        "heading": _network_heading(network, findings),
        "drawings": [Markup(one) for one in cells_svg(network.genotype, f"Network {network.number}")],
        "command": train_command(findings.about, network.genotype, name, findings.reference.e),
    }


def _candidate(found: Finding, findings: Findings) -> dict[str, Any]:
    """A candidate with its numbers and the command that searches by it."""
    score = found.score
    cheaper = "costs nothing" if found.counted else f"{number(found.acceleration, 1)}× cheaper (MACs)"
    faster = "" if found.counted or math.isnan(found.speedup) else f"{number(found.speedup, 1)}× faster (clock)"
    named = [("ρ", score.spearman), ("ρ beyond MACs", score.beyond), ("tolerant ρ", score.tolerant)]
    numbers = [f"{name} {interval(one)}" for name, one in (*named, ("Kendall τ", score.kendall))]
    numbers.insert(1, f"at least {number(found.bound)} for all candidates at once")
    failed = f"{score.failed} failed" if score.failed else ""
    return {
        "heading": f"{found.name}{' ★' if found is findings.chosen else ''}",
        "words": f"{found.words}, {'no training' if found.setting is None else 'of a cheap training'}",
        "numbers": [one for one in (*numbers, cheaper, faster, failed) if one],
        "command": search_by(findings, found),
    }


def _ends(ranked: Sequence[Network]) -> list[Network]:
    """The best and the worst, each once."""
    return [*ranked[:1], *ranked[1:][-1:]]


def _differences(findings: Findings) -> tuple[list[str], list[tuple[str, list[Estimate | None]]]]:
    """Signals, and of every setting how much better each ranks than accuracy; None where it was not recorded."""
    named = {found.name: found for found in findings.trained}
    cells: dict[str, dict[str, Estimate]] = {}
    for one in findings.differences:
        cells.setdefault(str(named[one.first].setting), {})[named[one.first].signal] = one.spearman
    signals = list(dict.fromkeys(signal for row in cells.values() for signal in row))
    return signals, [(setting, [row.get(signal) for signal in signals]) for setting, row in cells.items()]


def _network_heading(network: Network, findings: Findings) -> str:
    spread = ""
    if findings.repeats > 1 and math.isfinite(network.mean):
        spread = f" ({percent(network.low)} to {percent(network.high)} over {findings.repeats} trainings)"
    return f"Network {network.number}: {percent(network.mean)} at the reference{spread}"


def _run(findings: Findings) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows of name and value) of what was run, in the order of the page."""
    totals, about = findings.totals, findings.about
    seconds, scoring = totals.get("seconds", math.nan), totals.get("scoring_seconds", 0.0)
    yield (
        "Cost",
        [
            ("trainings", f"{totals.get('trainings', 0):.0f}, of which {totals.get('failed', 0):.0f} failed"),
            ("epochs", f"{totals.get('epochs', 0):.0f}"),
            ("hours", f"{number(seconds / 3600)} (all workers together)"),
            *([("hours of scores without training", number(scoring / 3600))] if scoring else []),
            ("networks measured at every setting", str(len(findings.genotypes))),
        ],
    )
    if said := about.get("looks"):
        yield "Looks", [(f"look {i}", sentence) for i, sentence in enumerate(said, start=1)]
    identity = about.get("identity", {})
    for heading, part in (
        ("Data", about.get("data")),
        ("Study", identity.get("strategy") if isinstance(identity, Mapping) else None),
        ("Training", identity.get("setup") if isinstance(identity, Mapping) else identity),
        ("Versions", about.get("versions")),
        ("Hardware", about.get("hardware")),
    ):
        if part:
            yield heading, list(facts(part))
