"""The pictures of a study's report: trust against cost, cheap against full training, ρ along every factor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from zoo.figures import Level, Panel, Point, Trace, acceleration_svg, factor_svg, scatter_svg
from zoo.pages.written import interval, number, percent
from zoo.reliability.findings import FactorLine, Finding, Findings, defined
from zoo.spaces.genotype import CellGenotype

FACTORS = {"c": "channels", "r": "resolution", "s": "training images", "e": "epochs"}
PERCENTAGES = ("accuracy", "balanced_accuracy")
"""Signals that are shares of images."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network of the zoo: its number in the study, mean and spread at the reference (fractions, NaN if failed)."""

    number: int
    genotype: CellGenotype
    mean: float
    low: float
    high: float


def networks_of(findings: Findings) -> list[Network]:
    """The networks, best at the reference first, those that failed there last."""
    found = []
    for i, (genotype, values) in enumerate(
        zip(findings.genotypes, findings.reference_accuracies, strict=True), start=1
    ):
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        found.append(Network(i, genotype, math.fsum(finite) / len(finite), min(finite), max(finite)))
    return sorted(found, key=lambda n: (-n.mean if math.isfinite(n.mean) else math.inf, n.number))


def trust(findings: Findings, narrow: bool = False) -> str:
    """ρ of every candidate against its acceleration; an interval for one signal of each setting, and the scores."""
    answer, ceiling, chosen = findings.recommendation, findings.recommendation.ceiling, findings.chosen
    shown = [found.name for found in (*findings.leading, *findings.free)]
    points = [
        replace(_point(found, with_interval=found.name in shown), of=f"candidate-{n}")
        for n, found in enumerate(findings.candidates, start=1)
    ]
    return acceleration_svg(
        points,
        name="acceleration-narrow" if narrow else "acceleration",
        description=f"Rank correlation with the reference against acceleration for {len(points)} candidates; "
        f"recommended: {'none' if chosen is None else chosen.name}. The table of candidates has the numbers.",
        marked=answer.index,
        target=answer.target,
        ceiling=Level(
            label=f"ceiling {number(ceiling.value)}", value=ceiling.value, low=ceiling.low, high=ceiling.high
        ),
        narrow=narrow,
    )


def _point(found: Finding, *, with_interval: bool) -> Point:
    rho, trained = found.score.spearman, found.setting is not None
    cheaper = "free" if found.counted else f"{number(found.acceleration, 1)}× cheaper (MACs)"
    return Point(
        label=str(found.setting) if trained else found.signal,
        x=found.acceleration if trained else math.inf,
        y=rho.value,
        low=rho.low if with_interval else math.nan,
        high=rho.high if with_interval else math.nan,
        note=f"{found.name}: ρ {interval(rho)}, {cheaper}",
        group=found.signal if trained else "",
    )


def subject(findings: Findings) -> Finding | None:
    """What the report looks at closely: the recommended candidate, else the one with the highest ρ."""
    return findings.chosen or findings.best_trained or max(defined(findings.free), key=_rho, default=None)


def scatter(findings: Findings, networks: Sequence[Network], narrow: bool = False) -> str:
    """The recommended (else best) candidate and the worst one against the reference, network by network."""
    first = subject(findings)
    worst = min(defined(findings.trained or findings.candidates), key=_rho, default=None)
    kinds = [(first, "recommended" if findings.chosen else "highest ρ")]
    kinds += [] if worst is first else [(worst, "lowest ρ")]
    panels = [_panel(found, kind, findings, networks) for found, kind in kinds if found is not None]
    if not panels:
        panels = [_panel(found, "", findings, networks) for found in findings.candidates[:1]]
    described = " and ".join(panel.title for panel in panels)
    described = f"One point per network, cheap against full training: {described}."
    return scatter_svg(panels, name=f"scatter{'-narrow' if narrow else ''}", description=described, narrow=narrow)


def _panel(found: Finding, kind: str, findings: Findings, networks: Sequence[Network]) -> Panel:
    values = [-value if found.lower else value for value in found.values]
    metric = findings.metric.replace("_", " ")
    points = [
        Point(
            label=f"network {n.number}",
            x=n.mean,
            y=found.values[n.number - 1],
            low=n.low,
            high=n.high,
            note=f"network {n.number}: {_value(found, values[n.number - 1])} here, {percent(n.mean)} at the reference",
            of=f"network-{n.number}",
        )
        for n in networks
    ]
    place = found.words if found.setting is None else f"{found.words} at {found.setting}"
    return Panel(
        title=f"{kind}: {found.name} (ρ {number(found.rho)})".removeprefix(": "),
        xlabel=f"{metric} at the reference {findings.reference}",
        ylabel=f"minus {place}" if found.lower else place,
        points=points,
    )


def _value(found: Finding, value: float) -> str:
    return percent(value) if found.signal in PERCENTAGES else number(value, 3)


def _rho(found: Finding) -> float:
    return found.rho


def factors(findings: Findings) -> list[str]:
    """ρ along every factor that varies while the others stay fixed."""
    return [_factor(lines, factor) for factor in FACTORS if (lines := _along(findings, factor))]


def _along(findings: Findings, factor: str) -> list[FactorLine]:
    return [line for line in findings.lines if line.factor == factor]


def _factor(lines: Sequence[FactorLine], factor: str) -> str:
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
