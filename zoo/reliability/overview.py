"""A study's findings in a terminal: a line for every setting, the scores without training, the ceiling, the answer."""

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zoo.pages.written import percent
from zoo.reliability.advice import notes, unfinished, use
from zoo.reliability.findings import Finding, Findings
from zoo.reliability.interval import Estimate
from zoo.reliability.signal import ACCURACY

COLUMNS = ("setting", "cheaper", "clock", "by acc.", "best signal", "rho [95 %]", "bound", "beyond", "best")
LEFT_OUT = ("by acc.", "beyond", "best")
"""Columns that a terminal of fewer than ``WIDE`` columns does without."""
WIDE = 95


def show_findings(findings: Findings, folder: Path, console: Console, page: str = "report.html") -> None:
    """Print the answer of the study in ``folder``, and a table of its settings; at most 100 columns wide."""
    answer = findings.recommendation
    if answer.warning:
        console.print(answer.warning, style="yellow", markup=False, soft_wrap=True)
    console.print(_table(findings, console.width))
    ceiling = _interval(answer.ceiling) if math.isfinite(answer.ceiling.value) else answer.ceiling.reason
    mean = f"the mean of {findings.repeats} trainings" if findings.repeats > 1 else "one training"
    console.print(f"Ceiling (reliability of {mean} of the reference): {ceiling}", soft_wrap=True)
    if answer.warning == "" or answer.index is None:
        console.print(answer.sentence, style="bold", markup=False, soft_wrap=True)
    if command := use(findings):
        console.print(f"  {command}", markup=False, soft_wrap=True)
    for note in notes(findings):
        console.print(note, markup=False, soft_wrap=True)
    if text := unfinished(findings):
        console.print(f"{text}; thriftnas run resume {folder} continues.", markup=False, soft_wrap=True)
    console.print(f"Report: {folder / page}", soft_wrap=True, markup=False)


def _table(findings: Findings, width: int) -> Table:
    """One line for every setting: ρ by accuracy, and everything about its recommended, else its best signal."""
    number = len(findings.genotypes)
    networks = f"{number} network{'' if number == 1 else 's'}"
    table = Table(title=f"{networks} against {findings.reference} × {findings.repeats}", box=None, padding=(0, 1, 0, 0))
    rows = [(found, _row(findings, found)) for found in (*findings.leading, *findings.free)]
    k = findings.candidates[0].score.k if findings.candidates else 1
    heads = {"cheaper": "cheaper\n(MACs)", "clock": "faster\n(clock)", "by acc.": "by\nacc."}
    heads |= {"best": f"best in {k}\n[95 %]", "beyond": "beyond\nMACs"}
    shown = [name for name in COLUMNS if width >= WIDE or name not in LEFT_OUT]
    for name in shown:
        table.add_column(
            heads.get(name, name), justify="left" if name in ("setting", "best signal") else "right", no_wrap=True
        )
    whole = {"setting": str(findings.reference), "clock": _seconds(findings.reference_seconds)}
    whole |= {"cheaper": "1×", "best signal": "(reference)"}
    table.add_row(*[whole.get(name, "") for name in shown])
    for found, row in rows:
        style = "dim" if found.setting is None else None
        style = "bold green" if found is findings.chosen else style
        table.add_row(*[row[name] for name in shown], style=style)
    return table


def _row(findings: Findings, found: Finding) -> dict[str, str]:
    """A line of the table, by column."""
    score, chance = found.score, found.score.holds_best
    accurate = [one.rho for one in findings.trained if (one.setting, one.signal) == (found.setting, ACCURACY)]
    best = percent(chance.value, 0)
    if math.isfinite(chance.low):
        best += f" [{100 * chance.low:.0f}, {100 * chance.high:.0f}]"
    return {
        "setting": found.signal if found.setting is None else str(found.setting),
        "cheaper": "free" if found.counted else _times(found.acceleration),
        "clock": "" if found.counted else _times(found.speedup),
        "by acc.": "" if found.setting is None else _number(*accurate or [math.nan]),
        "best signal": "no training" if found.setting is None else found.signal,
        "rho [95 %]": _interval(score.spearman),
        "bound": _number(found.bound),
        "beyond": _number(score.beyond.value),
        "best": best,
    }


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s" if math.isfinite(value) else "–"


def _times(acceleration: float) -> str:
    if math.isnan(acceleration):
        return "–"
    return f"{acceleration:.3g}×" if acceleration < 1000 else f"{acceleration:.0f}×"


def _interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "undefined"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
