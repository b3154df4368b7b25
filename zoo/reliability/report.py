"""The report: what a study found, as one self-contained HTML page."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from zoo.figures import Level, Panel, Point, Trace, acceleration_svg, cell_svg, factor_svg, scatter_svg
from zoo.files import write_text
from zoo.reliability.findings import FactorLine, Findings, SettingFinding
from zoo.reliability.interval import Estimate
from zoo.spaces.genotype import CellGenotype

FREE = {"macs": "counting MACs", "params": "counting parameters"}
FACTORS = {"c": "channels", "r": "resolution", "s": "training images", "e": "epochs"}
MISSING = "–"
LISTED = 100
"""Failures listed one by one; thousands would bury the rest of the page."""


@dataclass(frozen=True, slots=True)
class _Network:
    """One network of the zoo: its number in the study, mean and spread at the reference (fractions, NaN if failed)."""

    number: int
    genotype: CellGenotype
    mean: float
    low: float
    high: float


def write_report(findings: Findings, path: Path) -> None:
    """Write `findings` to `path` as one HTML page that needs nothing else: no network, no other file.

    Any number may be NaN, and any text may hold markup. Equal findings give equal bytes. Raises OSError if the
    file cannot be written; what was there is then left as it is.
    """
    write_page(path, "zoo.reliability/report.html", _contents(findings))


def write_page(path: Path, template: str, contents: Mapping[str, Any]) -> None:
    """Fill a template, named "package/file", with what it shows, and write the page whole or not at all.

    Everything filled in is escaped; templates include each other by the same names. Raises OSError if the file
    cannot be written; what was there is then left as it is.
    """
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"number": number, "percent": percent, "interval": interval, "sortable": sortable}
    page = environment.get_template(template).render(contents)
    write_text(path, page)


def _template(name: str) -> str:
    package, _, file = name.partition("/")
    return files(package).joinpath(file).read_text(encoding="utf-8")


def number(value: float | None, digits: int = 2) -> str:
    """Fixed digits with a true minus sign, a dash for NaN or None."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}f}".replace("-", "−")


def percent(value: float) -> str:
    """A fraction as a percentage, a dash for NaN."""
    return f"{number(100 * value, 1)} %" if math.isfinite(value) else MISSING


def interval(estimate: Estimate) -> str:
    """`0.83 [0.71, 0.91]`, without the brackets where there is no interval."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return number(estimate.value)
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def sortable(value: float) -> str:
    """What a column is sorted by: the number, empty for NaN (sorted last)."""
    return repr(float(value)) if math.isfinite(value) else ""


def _contents(findings: Findings) -> dict[str, Any]:
    """Everything the template shows."""
    answer = findings.recommendation
    index = answer.index if answer.index is not None else _best(findings.settings)
    subject = None if index is None else findings.settings[index]
    networks = _networks(findings)
    ranked = [network for network in networks if math.isfinite(network.mean)]
    return {
        "findings": findings,
        "answer": answer,
        "subject": subject,
        "recommended": answer.index is not None,
        "notes": list(_notes(findings, subject)),
        "acceleration": Markup(_acceleration(findings)),
        "scatter": Markup(_scatter(findings, networks, index)),
        "factors": [Markup(_factor(findings, factor)) for factor in FACTORS if _along(findings, factor)],
        "levels": FACTORS,
        "free": FREE,
        "networks": networks,
        "shown": [(_network_heading(n, findings), _cells(n)) for n in _ends(ranked)],
        "others": [(_network_heading(n, findings), _cells(n)) for n in networks if n not in _ends(ranked)],
        "command": shlex.join(["thriftnas", *map(str, findings.about.get("command") or [])]),
        "run": list(_run(findings)),
        "failures": findings.failures[:LISTED],
        "planned": _planned(findings),
        "k": findings.settings[0].score.k if findings.settings else 1,
        "tolerance": findings.settings[0].score.tolerance if findings.settings else math.nan,
    }


def _networks(findings: Findings) -> list[_Network]:
    """The networks, best at the reference first, those that failed there last."""
    found = []
    for i, (genotype, values) in enumerate(
        zip(findings.genotypes, findings.reference_accuracies, strict=True), start=1
    ):
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        found.append(_Network(i, genotype, math.fsum(finite) / len(finite), min(finite), max(finite)))
    return sorted(found, key=lambda n: (-n.mean if math.isfinite(n.mean) else math.inf, n.number))


def _ends(ranked: Sequence[_Network]) -> list[_Network]:
    """The best and the worst, each once."""
    return [*ranked[:1], *ranked[1:][-1:]]


def _best(settings: Sequence[SettingFinding]) -> int | None:
    """The setting with the highest ρ, the first of equals; None where ρ is defined at none."""
    known = [i for i, found in enumerate(settings) if math.isfinite(found.score.spearman.value)]
    return max(known, key=lambda i: (settings[i].score.spearman.value, -i), default=None)


def _worst(settings: Sequence[SettingFinding]) -> int | None:
    """The setting with the lowest ρ, the first of equals: where all are equal it is the best one."""
    known = [i for i, found in enumerate(settings) if math.isfinite(found.score.spearman.value)]
    return min(known, key=lambda i: (settings[i].score.spearman.value, i), default=None)


def _notes(findings: Findings, subject: SettingFinding | None) -> Iterator[str]:
    """Sentences below the answer that nobody should overlook."""
    if planned := _planned(findings):
        yield f"Not finished: {len(findings.genotypes)} of {planned} networks are measured at every setting so far."
    rivals = [
        f"{FREE.get(one.setting, one.setting)} (ρ {number(one.spearman.value)})"
        for one in findings.baselines
        if subject and one.spearman.value >= subject.score.spearman.value  # False for NaN
    ]
    if subject and rivals:
        kind = "recommended" if findings.recommendation.index is not None else "best"
        verb, start = ("ranks" if len(rivals) == 1 else "rank"), " and ".join(rivals)
        yield (
            f"{start[0].upper()}{start[1:]} {verb} these networks as well as or better than the {kind} setting "
            f"{subject.setting} (ρ {number(subject.score.spearman.value)}), and that takes no training at all."
        )
    needed = findings.recommendation.needed_networks
    if needed:
        yield f"A study of about {needed} networks could settle it: run the command again with --models {needed}."
    left_out = max((found.score.left_out for found in findings.settings), default=0)
    if left_out:
        yield f"{left_out} of the networks failed at the reference and could not be compared."


def _planned(findings: Findings) -> int | None:
    """How many networks the study is to have, if fewer have been measured."""
    planned: int = findings.about.get("planned", 0)
    return planned if planned > len(findings.genotypes) else None


def _acceleration(findings: Findings) -> str:
    answer = findings.recommendation
    ceiling = answer.ceiling
    points = [
        Point(
            label=str(found.setting),
            x=found.acceleration,
            y=found.score.spearman.value,
            low=found.score.spearman.low,
            high=found.score.spearman.high,
            note=f"{found.setting}: ρ {interval(found.score.spearman)}, {number(found.acceleration, 1)}× cheaper",
        )
        for found in findings.settings
    ]
    chosen = "none" if answer.index is None else points[answer.index].label
    return acceleration_svg(
        points,
        name="acceleration",
        description=f"Rank correlation with the reference against acceleration for {len(points)} settings; "
        f"recommended: {chosen}. The table of settings has the numbers.",
        marked=answer.index,
        target=answer.target,
        ceiling=Level(
            label=f"ceiling {number(ceiling.value)}", value=ceiling.value, low=ceiling.low, high=ceiling.high
        ),
        baselines=[
            Level(
                label=f"{FREE.get(one.setting, one.setting)} {number(one.spearman.value)}",
                value=one.spearman.value,
            )
            for one in findings.baselines
        ],
    )


def _scatter(findings: Findings, networks: Sequence[_Network], index: int | None) -> str:
    """Accuracy at the recommended (else best) setting and at the worst one against the reference."""
    kind = "recommended" if findings.recommendation.index is not None else "highest ρ"
    worst = _worst(findings.settings)
    titles = {
        i: f"{name}: {findings.settings[i].setting}"
        for i, name in ((worst, "lowest ρ"), (index, kind))
        if i is not None
    }
    if not titles and findings.settings:
        titles = {0: str(findings.settings[0].setting)}
    panels = []
    for i in sorted(titles, key=lambda i: i != index):
        found = findings.settings[i]
        points = [
            Point(
                label=f"network {n.number}",
                x=n.mean,
                y=found.accuracies[n.number - 1],
                low=n.low,
                high=n.high,
                note=f"network {n.number}: {percent(found.accuracies[n.number - 1])} here, "
                f"{percent(n.mean)} at the reference",
            )
            for n in networks
        ]
        panels.append(
            Panel(
                title=f"{titles[i]} (ρ {number(found.score.spearman.value)})",
                xlabel=f"{_metric(findings)} at the reference {findings.reference}",
                ylabel=f"{_metric(findings)} at {found.setting}",
                points=points,
            )
        )
    described = " and ".join(panel.title for panel in panels)
    return scatter_svg(
        panels, name="scatter", description=f"One point per network, cheap against full training: {described}."
    )


def _metric(findings: Findings) -> str:
    return findings.metric.replace("_", " ")


def _along(findings: Findings, factor: str) -> list[FactorLine]:
    return [line for line in findings.lines if line.factor == factor]


def _factor(findings: Findings, factor: str) -> str:
    lines = _along(findings, factor)
    ordered = sorted({getattr(setting, factor) for line in lines for setting in line.settings})
    return factor_svg(
        FACTORS[factor],
        [
            Trace(
                label=f"{line.fixed}: {number(line.entropy.value)}",
                ticks=[f"{factor}{getattr(setting, factor)}" for setting in line.settings],
                values=line.spearman,
                trend=line.entropy.value,
            )
            for line in lines
        ],
        ticks=[f"{factor}{level}" for level in ordered],
        xlabel="epochs" if factor == "e" else f"level of {FACTORS[factor]}, 0 is the original",
        name=f"factor-{factor}",
        description=f"Rank correlation along {FACTORS[factor]}, one line for each of {len(lines)} combinations "
        "of the other factors. The table below has the numbers.",
    )


def _network_heading(network: _Network, findings: Findings) -> str:
    spread = ""
    if findings.repeats > 1 and math.isfinite(network.mean):
        spread = f" ({percent(network.low)} to {percent(network.high)} over {findings.repeats} trainings)"
    return f"Network {network.number}: {percent(network.mean)} at the reference{spread}"


def _cells(network: _Network) -> list[Markup]:
    return [
        Markup(cell_svg(cell, f"Network {network.number}, {kind} cell"))
        for kind, cell in (("normal", network.genotype.normal), ("reduction", network.genotype.reduction))
    ]


def _run(findings: Findings) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows of name and value) of what was run, in the order of the page."""
    totals, about = findings.totals, findings.about
    seconds = totals.get("seconds", math.nan)
    yield (
        "Cost",
        [
            ("trainings", f"{totals.get('trainings', 0):.0f}, of which {totals.get('failed', 0):.0f} failed"),
            ("epochs", f"{totals.get('epochs', 0):.0f}"),
            ("hours", f"{number(seconds / 3600)} (all workers together)"),
            ("networks measured at every setting", str(len(findings.genotypes))),
        ],
    )
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


def facts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested data as rows of a table: names joined with spaces, lists with commas."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from facts(inner, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(str, value))
    else:
        yield name, "none" if value is None else str(value)
