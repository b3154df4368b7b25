"""What one's own table says: how well every proxy ranks its networks, and which one to rank with."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.files import write_text
from zoo.pages.written import percent
from zoo.purposes import STUDY_INTERVALS
from zoo.reliability.asymptotic import compare_many, ranks
from zoo.reliability.comparison import Comparison, Score, compare
from zoo.reliability.correlation import Array
from zoo.reliability.interval import Estimate
from zoo.reliability.own_table import OwnTable, mean_of
from zoo.reliability.recommendation import Recommendation

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from zoo.pages.page import Tile

RESAMPLED = 1_000
"""Networks up to which intervals are resampled: what that takes grows with their square."""
DRAWN = 1_000
"""Networks that a picture shows at most."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """What a table says.

    Attributes:
        table: it.
        comparison: the proxies, the highest ρ first; the recommendation's index counts in this order, too.
        sentence: the answer.
        interval: how intervals were made: bootstrap, or asymptotic.
        notices: what was left out, and how intervals were made where it is not the usual way.
    """

    table: OwnTable
    comparison: Comparison
    sentence: str
    interval: str
    notices: tuple[str, ...]

    @property
    def recommendation(self) -> Recommendation:
        """The answer with its numbers; the index is a row of ``frame``."""
        return self.comparison.recommendation

    @property
    def chosen(self) -> Score | None:
        """The recommended proxy."""
        index = self.recommendation.index
        return None if index is None else self.comparison.scores[index]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a proxy, the highest ρ first, JSON-ready."""
        answer = self.recommendation
        return [
            {
                "proxy": one.name,
                "faster": self.table.asked.faster.get(one.name),
                "spearman": _known(one.spearman.value),
                "low": _known(one.spearman.low),
                "high": _known(one.spearman.high),
                "bound": _known(float(answer.bounds[i])),
                "corrected": _known(one.corrected),
                "beyond": _known(one.beyond.value),
                "beyond_low": _known(one.beyond.low),
                "beyond_high": _known(one.beyond.high),
                "holds_best": _known(one.holds_best.value),
                "regret": _known(one.regret.value),
                "k": one.k,
                "networks": one.networks,
                "failed": one.failed,
                "interval": self.interval,
                "recommended": i == answer.index,
                "reason": one.spearman.reason,
            }
            for i, one in enumerate(self.comparison.scores)
        ]

    @property
    def frame(self) -> "pd.DataFrame":
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    @property
    def summary(self) -> dict[str, Any]:
        """The answer as JSON-ready data, None where a number is undefined or unknown."""
        answer, asked, chosen = self.recommendation, self.table.asked, self.chosen
        best = int(np.argmax(mean_of(self.table.reference)))
        return {
            "proxy": chosen and chosen.name,
            "faster": chosen and asked.faster.get(chosen.name),
            "spearman": chosen and chosen.spearman.value,
            "promised": answer.promised,
            "target": answer.target,
            "sentence": self.sentence,
            "warning": answer.warning,
            "ceiling": _estimate(answer.ceiling),
            "needed_networks": answer.needed_networks,
            "table": self.table.title,
            "networks": len(self.table.names),
            "best": self.table.names[best],
            "reference": list(self.table.repeats),
            "cost": asked.cost,
            "placebo": None if asked.cost is None else _estimate(self.comparison.placebo),
            "interval": self.interval,
            "seed": asked.seed,
            "notices": list(self.notices),
        }

    @property
    def page(self) -> str:
        """One HTML page that needs nothing else."""
        from markupsafe import Markup

        from zoo.pages.page import render_page

        scores = self.comparison.scores
        shown = {0: "the highest ρ", len(scores) - 1: "the lowest ρ"}
        if (index := self.recommendation.index) is not None:
            shown = {index: "recommended"} | {i: said for i, said in shown.items() if i != index}
        drawn = {one.name: one.values for one in self.table.candidates}
        return render_page(
            "zoo.reliability/analysis.html",
            {
                "found": self,
                "kicker": f"Which proxy ranks networks as {_joined(self.table.repeats)} does?",
                "warning": self.recommendation.warning,
                "answer": self.sentence,
                "notes": self.notices,
                "tiles": list(self._tiles()),
                "answer_of": self.recommendation,
                "asked": self.table.asked,
                "reference": _joined(self.table.repeats),
                "pictures": [
                    Markup(_picture(self.table, scores[i], drawn[scores[i].name], said)) for i, said in shown.items()
                ],
            },
        )

    def _tiles(self) -> "Iterator[Tile]":
        from zoo.pages.page import Tile
        from zoo.pages.written import number

        answer, faster = self.recommendation, self.table.asked.faster
        one = self.chosen or self.comparison.scores[0]
        cheaper = "how much cheaper was not said"
        if one.name in faster:
            cheaper = f"{number(faster[one.name], 1)} times cheaper than the reference"
        yield Tile("Recommended" if self.chosen else "Highest ρ, not recommended", one.name, cheaper)
        for name, found in (("Rank correlation ρ", one.spearman), ("Ceiling", answer.ceiling)):
            spread = found.reason or f"95 % interval {number(found.low)} to {number(found.high)}"
            yield Tile(name, number(found.value), spread)
        yield Tile("Networks", str(len(self.table.names)), f"of {self.table.title.rpartition('/')[2]}")

    def write(self, folder: Path) -> None:
        """Write tables, answer and page into a folder, each whole or not at all.

        Raises:
            OSError: if a file cannot be written.
        """
        files = {
            "analysis.csv": self.frame.to_csv(index=False),
            "analysis.json": json.dumps(self.rows, indent=2, allow_nan=False) + "\n",
            "recommendation.json": json.dumps(self.summary, indent=2, allow_nan=False) + "\n",
            "analysis.html": self.page,
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_text(folder / name, text)

    def notify(self, console: "Console") -> None:
        """Print what was left out."""
        for notice in self.notices:
            console.print(notice, style="dim", markup=False, soft_wrap=True)

    def show(self, console: "Console") -> None:
        """Print the proxies by ρ, the ceiling and the answer."""
        from rich.markup import escape as plain
        from rich.table import Table

        asked, answer = self.table.asked, self.recommendation
        scores = self.comparison.scores
        columns = [*(["faster"] if asked.faster else []), "rho [95 %]", "bound", *(["beyond"] if asked.cost else [])]
        columns += [f"best in {scores[0].k}", "regret", *(["failed"] if any(one.failed for one in scores) else [])]
        title = f"{len(self.table.names)} networks against {_joined(self.table.repeats)}"
        table = Table(title=plain(title), box=None, padding=(0, 1, 0, 0))
        table.add_column("proxy", overflow="fold")
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        for i, one in enumerate(scores):
            cells = {
                "faster": f"{asked.faster[one.name]:.3g}×" if one.name in asked.faster else "–",
                "rho [95 %]": _written(one.spearman),
                "bound": _number(float(answer.bounds[i])),
                "beyond": _number(one.beyond.value),
                f"best in {one.k}": percent(one.holds_best.value, 0),
                "regret": f"{one.regret.value:.3g}",
                "failed": str(one.failed),
            }
            style = "bold green" if i == answer.index else None
            table.add_row(plain(one.name), *[cells[name] for name in columns], style=style)
        self.notify(console)
        if answer.warning:
            console.print(answer.warning, style="yellow", markup=False, soft_wrap=True)
        console.print(table)
        k = scores[0].k
        console.print(
            f"Best in {k}: the chance that the {k} best by a proxy hold the best; regret: what they miss.",
            soft_wrap=True,
        )
        ceiling = _written(answer.ceiling) if _finite(answer.ceiling.value) else f"unknown, {answer.ceiling.reason}"
        console.print(f"Ceiling (reliability of the reference): {ceiling}", markup=False, soft_wrap=True)
        if asked.cost:
            said = _written(self.comparison.placebo)
            console.print(
                f"Beyond {asked.cost}, a placebo ({asked.cost} with noise) says {said}.", markup=False, soft_wrap=True
            )
        console.print(self.sentence, style="bold", markup=False, soft_wrap=True)

    def _repr_html_(self) -> str:
        texts = [*self.notices, self.sentence]
        return "".join(f"<p>{escape(text)}</p>" for text in texts) + str(self.frame.to_html(index=False))


def check_out(folder: Path | None) -> None:
    """Find out, without touching it, whether files can be written into a folder, if there is to be one.

    Raises:
        ValueError: if not.
    """
    if folder is None:
        return
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} is a file or cannot be written, expected a folder")


def judge(table: OwnTable) -> Analysis:
    """Judge the proxies of a table.

    Up to ``RESAMPLED`` networks as a study does, by resampling them. Above, ρ is as exact, but intervals and bounds are
    asymptotic, and the short list's values have none.
    """
    asked, networks = table.asked, len(table.names)
    rng = np.random.default_rng((asked.seed, STUDY_INTERVALS))
    few = networks <= RESAMPLED
    by = partial(compare, tolerance=0.0) if few else compare_many
    found = by(table.candidates, table.reference, rng, target=asked.target, control=table.cost)
    order = sorted(range(len(found.scores)), key=lambda i: (-found.scores[i].spearman.value, i))
    answer = found.recommendation
    answer = replace(
        answer, index=None if answer.index is None else order.index(answer.index), bounds=answer.bounds[order]
    )
    sorted_scores = tuple(found.scores[i] for i in order)
    notices = list(table.notices)
    if not few:
        errors = "the larger of Bonett and Wright's error and the jackknife's"
        notices.append(f"{networks} networks: intervals and bounds are asymptotic ({errors}), not resampled")
    sentence = _sentence(answer, sorted_scores, table)
    return Analysis(
        table=table,
        comparison=replace(found, scores=sorted_scores, recommendation=replace(answer, sentence=sentence)),
        sentence=sentence,
        interval="bootstrap" if few else "asymptotic",
        notices=tuple(notices),
    )


def _sentence(answer: Recommendation, scores: Sequence[Score], table: OwnTable) -> str:
    """The recommendation's, but for a proxy of which nobody said how cheap it is."""
    if answer.index is None or answer.promised is None or scores[answer.index].name in table.asked.faster:
        return answer.sentence
    chosen = scores[answer.index]
    sentence = (
        f"Rank with {chosen.name}: it orders networks as {_joined(table.repeats)} does with rho of at least "
        f"{answer.promised:.2f} (estimate {chosen.spearman.value:.2f}; {percent(LEVEL, 0)} confidence over "
        f"{len(scores)} candidate{'s' if len(scores) > 1 else ''} and {chosen.networks} networks)."
    )
    return sentence if _finite(answer.ceiling.value) else f"{sentence} The ceiling is unknown: {answer.ceiling.reason}."


# ---------------------------------------------------------------- how it is written


def _picture(table: OwnTable, score: Score, values: Array, said: str) -> str:
    """Ranks by the reference against those by a proxy; of thousands an even choice."""
    from zoo.figures import Point, Series, series_svg

    known = np.flatnonzero(~np.isnan(values))
    known = known[np.argsort(values[known], kind="stable")]
    places, heights = ranks(values[known]), ranks(mean_of(table.reference))
    chosen = np.unique(np.linspace(0, len(known) - 1, min(DRAWN, len(known))).astype(int))
    points = [
        Point(label=table.names[known[i]], x=float(places[i]), y=float(heights[known[i]]), note=table.names[known[i]])
        for i in chosen
    ]
    title = f"{said}: {score.name}, ρ {_written(score.spearman)}"
    return series_svg(
        [Series(label=title, points=points)],
        xlabel=f"rank by {score.name}, the best on the right",
        ylabel="rank by the reference, best on top",
        description=f"One point per network, {score.name} against the reference; {title}.",
        shares="",
        size=(480.0, 360.0),
    )


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"the mean of {', '.join(names[:-1])} and {names[-1]}"


def _estimate(estimate: Estimate) -> dict[str, Any]:
    numbers = {name: _known(getattr(estimate, name)) for name in ("value", "low", "high")}
    return {**numbers, "reason": estimate.reason}


def _known(value: float) -> float | None:
    return value if _finite(value) else None


def _finite(value: float) -> bool:
    return math.isfinite(value)


def _written(estimate: Estimate) -> str:
    if not _finite(estimate.value):
        return estimate.reason
    if not _finite(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _number(value: float) -> str:
    return f"{value:.2f}" if _finite(value) else "–"
