"""A study's findings in a terminal: the table of settings, the ceiling, the recommendation."""

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zoo.reliability.findings import Findings
from zoo.reliability.interval import Estimate


def show_findings(findings: Findings, folder: Path, console: Console) -> None:
    """Print the answer of the study in ``folder``, and a table of its settings."""
    answer = findings.recommendation
    networks = f"{len(findings.genotypes)} network{'' if len(findings.genotypes) == 1 else 's'}"
    title = f"{networks} against {findings.reference} × {findings.repeats}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for column in ("setting", "faster", "rho [95 %]", "bound", "toler.", "Kend.", "top-k", "acc.", "sec."):
        table.add_column(column, justify="left" if column == "setting" else "right", no_wrap=True)
    for i, found in enumerate(findings.settings):
        measured = found.score
        table.add_row(
            str(found.setting),
            f"{found.acceleration:.3g}×" if found.acceleration < 1000 else f"{found.acceleration:.0f}×",
            _interval(measured.spearman),
            _number(found.bound),
            _number(measured.tolerant.value),
            _number(measured.kendall.value),
            _number(measured.top_k.value),
            _number(found.accuracy, 3),
            f"{found.seconds:.1f}",
            style="bold green" if i == answer.index else None,
        )
    for one in findings.baselines:
        table.add_row(one.setting, "free", _interval(one.spearman), "", _number(one.tolerant.value),
                      _number(one.kendall.value), _number(one.top_k.value), "", "", style="dim")  # fmt: skip
    if answer.warning:
        console.print(answer.warning, style="yellow", markup=False)
    console.print(table)
    ceiling = _interval(answer.ceiling) if math.isfinite(answer.ceiling.value) else answer.ceiling.reason
    console.print(f"Ceiling (two trainings of the reference agree): {ceiling}")
    if answer.warning == "" or answer.index is None:
        console.print(answer.sentence, style="bold", markup=False)
    if findings.about["planned"] > len(findings.genotypes):
        console.print(
            f"Not finished: {len(findings.genotypes)} of {findings.about['planned']} networks are measured at every "
            f"setting so far; thriftnas run resume {folder} continues.",
            markup=False,
        )
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True, markup=False)


def _interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "undefined"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
