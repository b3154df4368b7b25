"""The report: what a study found, as one self-contained HTML page."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from zoo.figures import cells_svg
from zoo.files import write_text
from zoo.reliability.advice import notes, unfinished, use
from zoo.reliability.findings import Findings
from zoo.reliability.interval import Estimate
from zoo.reliability.pictures import FACTORS, Network, factors, networks_of, scatter, subject, trust
from zoo.reliability.written import interval, number, percent, signed, sortable

__all__ = ["facts", "findings_page", "interval", "number", "percent", "render_page", "sortable", "write_report"]

LISTED = 100
"""Failures listed one by one; thousands would bury the rest of the page."""


def write_report(findings: Findings, path: Path) -> None:
    """Write `findings` to `path` as one HTML page that needs nothing else: no network, no other file.

    Equal findings give equal bytes. Raises OSError if the file cannot be written; what was there is then left as it is.
    """
    write_text(path, findings_page(findings))


def findings_page(findings: Findings) -> str:
    """The page of a study; any number may be NaN, and any text may hold markup."""
    return render_page("zoo.reliability/report.html", _contents(findings))


def render_page(template: str, contents: Mapping[str, Any]) -> str:
    """Fill a template, named "package/file", with what it shows.

    Everything filled in is escaped; templates include each other by the same names.
    """
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {one.__name__: one for one in (number, percent, interval, signed, sortable)}
    return environment.get_template(template).render(contents)


def _template(name: str) -> str:
    package, _, file = name.partition("/")
    return files(package).joinpath(file).read_text(encoding="utf-8")


def _contents(findings: Findings) -> dict[str, Any]:
    """Everything the template shows."""
    networks = networks_of(findings)
    ranked = [network for network in networks if math.isfinite(network.mean)]
    first = findings.candidates[0].score if findings.candidates else None
    said = unfinished(findings)
    return {
        "findings": findings,
        "answer": findings.recommendation,
        "subject": subject(findings),
        "use": use(findings),
        "notes": [*([f"{said}."] if said else []), *notes(findings)],
        "acceleration": Markup(trust(findings)),
        "scatter": Markup(scatter(findings, networks)),
        "factors": [Markup(drawn) for drawn in factors(findings)],
        "levels": FACTORS,
        "differences": _differences(findings),
        "closely": [*findings.leading, *findings.free],
        "shown": [(_network_heading(n, findings), _drawings(n)) for n in _ends(ranked)],
        "others": [(_network_heading(n, findings), _drawings(n)) for n in networks if n not in _ends(ranked)],
        "command": shlex.join(["thriftnas", *map(str, findings.about.get("command") or [])]),
        "run": list(_run(findings)),
        "failures": findings.failures[:LISTED],
        "k": first.k if first else 1,
        "tolerance": first.tolerance if first else math.nan,
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


def _drawings(network: Network) -> list[Markup]:
    return [Markup(drawing) for drawing in cells_svg(network.genotype, f"Network {network.number}")]


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


def facts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested data as rows of a table: names joined with spaces, lists with commas."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from facts(inner, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(str, value))
    else:
        yield name, "none" if value is None else str(value)
