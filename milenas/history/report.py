"""The report: what a search found, as one self-contained HTML page."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from milenas.history.findings import Epoch, Findings
from milenas.strategy.search import Derived
from zoo.figures import Curve, Curves, cells_svg, curves_svg
from zoo.pages.chart import both
from zoo.pages.page import Step, Tile, called, facts, render_page
from zoo.pages.written import large, number, percent

FRAMES = 8
"""Cells of the filmstrip; a longer history is thinned evenly, its ends kept."""

PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Accuracy", "share of the validation images", (("accuracy", "validation"),)),
    ("Loss", "mean cross-entropy", (("train_loss", "training"), ("loss", "validation"))),
    (
        "How undecided operations are",
        "entropy of α, 1 is uniform",
        (("alpha_entropy_normal", "normal"), ("alpha_entropy_reduction", "reduction")),
    ),
    (
        "How undecided the topology is",
        "entropy of β, 1 is uniform",
        (("beta_entropy_normal", "normal"), ("beta_entropy_reduction", "reduction")),
    ),
    (
        "Invalid topologies",
        "penalty, unweighted",
        (("penalty_normal", "normal"), ("penalty_reduction", "reduction")),
    ),
    ("Size", "convolutions", (("convs_normal", "normal"), ("convs_reduction", "reduction"))),
    (
        "Skip connections and edges of the normal cell",
        "number",
        (("edges_normal", "edges"), ("skips_normal", "skip connections")),
    ),
    ("Depth", "operations on the longest path", (("depth_normal", "normal"), ("depth_reduction", "reduction"))),
    ("Evaluation network", "million parameters", (("params", "parameters"),)),
    ("Curvature of the validation loss in α", "dominant eigenvalue", (("eigenvalue", "eigenvalue"),)),
)
"""Title, y axis, and (metric, label) of every line."""


def search_page(findings: Findings, commands: Mapping[int, str], folder: Path | None = None) -> str:
    """The findings as one HTML page that needs nothing else; equal findings give equal pages.

    Args:
        findings: of the search.
        commands: retrain the final genotype and the best of every size, by the epoch each was derived in.
        folder: of the run, for the commands; None where there is none.
    """
    warnings = [f"{one[:1].upper()}{one[1:]}." for one in findings.warnings]
    contents = {
        "findings": findings,
        "kicker": "What has the differentiable search found?",
        "warning": " ".join(warnings),
        "answer": _answer(findings),
        "tiles": list(_tiles(findings)),
        "steps": list(_steps(findings, commands, folder)),
        "notes": list(_notes(findings)),
        "curves": both(partial(_curves, findings)) if findings.epochs else "",
        "cells": _drawings(findings.final) if findings.final else [],
        "frames": [(one, _drawings(one)[:1]) for one in filmstrip(findings.derived)],
        "reductions": [(one, _drawings(one)[1:]) for one in filmstrip(findings.derived)],
        "skeletons": {one.epoch: findings.evaluation_skeleton(one) for one in findings.derived},
        "others": [
            (one, commands[one.epoch])
            for one in findings.winners
            if one is not findings.final and one.epoch in commands
        ],
        "called": called(findings.facts),
        "run": list(_run(findings)),
    }
    return render_page("milenas.history/report.html", contents)


def filmstrip(derived: Sequence[Derived]) -> list[Derived]:
    """The genotypes at which the cells changed, at most :data:`FRAMES`, the first and the last among them."""
    changed: list[Derived] = []
    for one in derived:
        if not changed or changed[-1].genotype.key != one.genotype.key:
            changed.append(one)
    if len(changed) <= FRAMES:
        return changed
    return [changed[round(i * (len(changed) - 1) / (FRAMES - 1))] for i in range(FRAMES)]


def _answer(findings: Findings) -> str:
    final = findings.final
    if final is None:
        return "No genotype could be derived so far."
    skeleton, size = findings.evaluation_skeleton(final), final.size
    complete = [one for one in findings.retrained if one.complete]
    depths = f"{final.metrics['depth_normal']:.0f} and {final.metrics['depth_reduction']:.0f}"
    how = f"{size[0]} + {size[1]} convolutions, depth {depths}"
    if complete:
        return (
            f"The genotype of epoch {final.epoch} ({how}) reached {percent(complete[0].metrics['accuracy'])} "
            f"validation accuracy after retraining, the best of {len(complete)}."
        )
    return (
        f"The genotype of epoch {final.epoch}: {how}, {large(final.metrics['params'])} parameters with "
        f"{skeleton.channels} channels and {skeleton.cells} cells."
    )


def _tiles(findings: Findings) -> Iterator[Tile]:
    """The numbers on top."""
    final, planned = findings.final, findings.search.setup.epochs
    complete = [one for one in findings.retrained if one.complete]
    if complete:
        yield Tile("Validation accuracy", percent(complete[0].metrics["accuracy"]), "of the genotype after retraining")
    if findings.epochs:
        last = findings.epochs[-1].metrics
        yield Tile("Supernet", percent(last.get("accuracy", float("nan"))), "accuracy on the validation images")
    if final is not None:
        yield Tile("Parameters", large(final.metrics["params"]), "of the network that is trained next")
        yield Tile("Convolutions", f"{final.size[0]} + {final.size[1]}", "of the normal and the reduction cell")
    yield Tile("Epochs", f"{len(findings.epochs)}", f"of {planned} searched")


def _steps(findings: Findings, commands: Mapping[int, str], folder: Path | None) -> Iterator[Step]:
    """The commands that come next."""
    if folder is not None and not findings.failed and len(findings.epochs) < findings.search.setup.epochs:
        yield Step("Continue the search, unless it stopped early:", f"thriftnas run resume {shlex.quote(str(folder))}")
    if findings.final is None:
        return
    if command := commands.get(findings.final.epoch, ""):
        yield Step("Train it as long as papers do:", command)
    else:
        yield Step("Its images were held in memory: no command trains it as long as papers do, Python does.")


def _notes(findings: Findings) -> Iterator[str]:
    planned = findings.search.setup.epochs
    if findings.comparison:
        yield findings.comparison
    if findings.failed:
        yield f"The search broke off: {findings.failed}."
    elif len(findings.epochs) < planned:
        done, expected = len(findings.epochs), findings.search.expected_size
        size = sum(findings.derived[-1].size) if findings.derived else expected
        if size < expected:
            yield (
                f"Stopped early after {done} of {planned} epochs: the derived cells have {size} "
                f"convolutions, fewer than the {expected} expected."
            )
        else:
            yield f"{done} of {planned} epochs were searched."
    waiting = [one for one in findings.retrained if not one.complete]
    if waiting:
        yield f"{len(waiting)} networks are still being retrained."


def _curves(findings: Findings, narrow: bool = False) -> str:
    epochs = findings.epochs
    x = [float(epoch.number) for epoch in epochs]
    panels = []
    for title, ylabel, lines in PANELS:
        scale = 1.0
        if title == "Evaluation network":
            largest = max((value for epoch in epochs if (value := _value(epoch, "params")) > 0), default=0.0)
            scale, ylabel = (1e-6, "million parameters") if largest >= 1e6 else (1e-3, "thousand parameters")
        curves = [
            Curve(label=label, x=x, y=[scale * _value(epoch, name) for epoch in epochs])
            for name, label in lines
            if any(name in epoch.metrics for epoch in epochs)
        ]
        if curves:
            share = ylabel.startswith("entropy")
            low, high = (-0.02, 1.02) if share else (float("nan"), float("nan"))
            panels.append(
                Curves(
                    title=title,
                    xlabel="epoch",
                    ylabel=ylabel,
                    curves=curves,
                    low=low,
                    high=high,
                    percent=title == "Accuracy",
                )
            )
    return curves_svg(
        panels,
        name="search-narrow" if narrow else "search",
        description=f"Accuracy, losses, entropies and sizes over {len(epochs)} epochs. The table has the numbers.",
        marked=float(findings.final.epoch) if findings.final else float("nan"),
        narrow=narrow,
    )


def _value(epoch: Epoch, name: str) -> float:
    return float(epoch.metrics.get(name, float("nan")))


def _drawings(one: Derived) -> list[Markup]:
    return [Markup(drawing) for drawing in cells_svg(one.genotype, f"Epoch {one.epoch}")]


def _run(findings: Findings) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows of name and value) of what was run."""
    hours = sum(epoch.seconds for epoch in findings.epochs) / 3600
    yield "Cost", [("epochs searched", str(len(findings.epochs))), ("hours of the search", number(hours, 3))]
    search, about = findings.search, findings.facts
    strategy = {
        "name": search.name,
        "version": search.version,
        "epochs": search.setup.epochs,
        "per_epoch": search.per_epoch,
        "expected_size": search.expected_size,
        "retrain": search.retrain,
        "seed": search.seed,
    }
    for heading, part in (
        ("Images", about.get("data") or _asked(findings)),
        ("Search", strategy),
        ("Setup", search.setup.identity()),
        ("Versions", about.get("versions")),
        ("Hardware", about.get("hardware")),
    ):
        if part:
            yield heading, list(facts(part))


def _asked(findings: Findings) -> Mapping[str, Any]:
    """The images as an older run was asked for them."""
    return {} if findings.source is None else dataclasses.asdict(findings.source)
