"""The pictures of a search's report: a history as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from econas.history.history import History
from econas.history.lineage import Ancestor
from econas.history.survival import Passage
from econas.history.terms import Terms
from econas.history.trajectory import RENEWAL, Level, Training
from zoo.figures import Mark, Member, Point, Series, Stage, family_svg, flow_svg, series_svg
from zoo.figures.axes import NARROW, WIDE
from zoo.figures.chart import Level as Line
from zoo.population.metric import METRICS
from zoo.reliability.signal import Signal, find_signal

MARKS = 10
"""Moments of a chart that still have room for a name each."""


def progress(history: History, narrow: bool = False) -> str:
    """Accuracy against what had been paid, for every population, with its best so far."""
    series = []
    for level in history.levels:
        ended = sorted(
            (one for one in history.trainings if one.level == level and one.state == "ok"), key=lambda one: one.paid
        )
        points = [_point(one) for one in ended]
        series.append(Series(label=history.label(level), points=points, line="best"))
    if history.terms.guided:  # full trainings are part of such a search
        full = sorted((one.curve[-1] for one in history.finalists if one.done), key=lambda one: one.paid)
        points = [_point(one) for one in full]
        series.append(Series(label="trained fully", points=points, line="best"))
    return series_svg(
        series,
        xlabel=f"paid, in {history.unit}{', audits included' if history.terms.audited else ''}",
        ylabel=history.terms.accuracy,
        description=f"{history.terms.accuracy.capitalize()} of every training of the search against the epochs "
        "paid until it ended, by population; lines are the best so far.",
        marks=list(_moments(history))[:MARKS],
        size=_size(narrow, 420.0),
    )


def _size(narrow: bool, height: float) -> tuple[float, float]:
    """Of a chart for a screen as wide as a hand, and of any other."""
    return (NARROW, 320.0) if narrow else (WIDE, height)


def _moments(history: History) -> Iterator[Mark]:
    """Where the setting was raised."""
    for level in history.levels:
        first = next(one for one in history.trainings if one.level == level)
        if level.place and level == _lowest(history, level) and first.trial.role == RENEWAL:
            before = [one.paid for one in history.trainings[: first.trial.index] if math.isfinite(one.paid)]
            yield Mark(max(before, default=0.0), f"setting raised to {level.setting}")


def _lowest(history: History, level: Level) -> Level:
    return min(one for one in history.levels if one.setting == level.setting)


def _point(one: Training) -> Point:
    note = _note(one, one.accuracy)
    return Point(label="", x=one.paid, y=one.accuracy, note=note, of=f"network-{one.network}")


def _note(one: Training, value: float) -> str:
    return f"trial {one.trial.index}: {100 * value:.1f} % after {one.trial.stop} epochs at {one.trial.setting}"


def family(history: History, line: Sequence[Ancestor], narrow: bool = False) -> str:
    """Every network by birth and first accuracy, the winner's ancestors in front."""
    numbers = sorted(history.networks)
    places = {number: place for place, number in enumerate(numbers)}
    members = []
    for number in numbers:
        one = history.networks[number]
        accuracy = f"{100 * one.first:.1f} %" if math.isfinite(one.first) else "failed"
        origin = "random" if one.parent is None else f"mutant of {one.parent}"
        members.append(
            Member(
                x=places[number],
                y=one.first,
                parent=None if one.parent is None else places[one.parent],
                note=f"network {number}, {origin}: {accuracy}",
                of=f"network-{number}",
            )
        )
    return family_svg(
        members,
        [places[one.network.number] for one in line],
        xlabel="networks in the order of their birth",
        ylabel="accuracy after the first training",
        description=f"All {len(members)} networks, each joined to its parent; the {len(line)} of the winner's lineage "
        "are numbered, and listed below.",
        size=_size(narrow, 400.0),
    )


def flows(history: History, ways: Sequence[Passage]) -> list[list[Stage]]:
    """How many were promoted: the stages of every chain of populations that promotions join."""
    reached = {way.target: way for way in ways}
    chains: list[list[Stage]] = []
    for place, level in enumerate(history.levels):
        name = history.label(level)
        count = len({one.network for one in history.trainings if one.level == level and one.state == "ok"})
        way = reached.get(name)
        length = "1 epoch" if level.stop == 1 else f"{level.stop} epochs"
        stage = Stage(f"P{level.stop}", count, f"trained {length}, {level.factors}", place)
        if way is None or not chains:
            chains.append([stage])
        else:
            chains[-1].append(stage)
    if history.finalists:
        chains[-1].append(Stage("finalists", len(history.finalists), "retrained", 3))
        if history.retrained:
            chains[-1].append(Stage("winner", 1, "best on validation", 1))
    return chains


def flow(chain: Sequence[Stage], narrow: bool = False) -> str:
    """A chain of populations as a picture."""
    return flow_svg(chain, "; ".join(f"{one.label}: {one.count} networks {one.note}" for one in chain), narrow)


def passage(way: Passage, terms: Terms, winner: int | None, narrow: bool = False) -> str:
    """One point per network that went on: its score before, and its score or the metric after; up is better."""
    before = _measure(terms.signal)
    after = _measure(find_signal(terms.metric)) if way.judged else before
    others = [one for one in way.pairs if one.network != winner]
    points = [
        Point(label="", x=one.before, y=one.after, note=f"network {one.network}: {before.text(one.before)} before, "
              f"{after.text(one.after)} after", of=f"network-{one.network}")
        for one in others
    ]  # fmt: skip
    chosen = [
        Point(
            label="", x=one.before, y=one.after, note=f"the winner, network {one.network}", of=f"network-{one.network}"
        )
        for one in way.pairs
        if one.network == winner
    ]
    known = any(math.isfinite(one.y) for one in chosen)
    series = [Series(label="networks" if known else "", points=points)]
    if known:
        series.append(Series(label="the winner", points=chosen))
    return series_svg(
        series,
        xlabel=f"{before.name}, {way.source}",
        ylabel=f"{after.name}, {way.target}",
        description=f"{after.name.capitalize()} at {way.target} against {before.name} at {way.source} of "
        f"{len(way.pairs)} networks.",
        shares=("x" if before.share else "") + ("y" if after.share else ""),
        size=(NARROW, 320.0) if narrow else (470.0, 360.0),
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    """What an axis shows: its name, and whether it is a share."""

    name: str
    share: bool

    def text(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.share else f"{value:.4g}"


def _measure(signal: Signal) -> _Measure:
    """A signal on an axis, turned as in its scores."""
    share = signal.name in METRICS
    words = signal.name.replace("_", " ") if share else signal.words
    return _Measure(f"minus {words}" if signal.lower else words, share)


def curves(history: History, narrow: bool = False) -> str:
    """What judges the finalists, epoch by epoch; empty where nothing but the end is known."""
    if not any(len(one.curve) > 1 for one in history.finalists):
        return ""
    series = []
    for rank, finalist in enumerate(history.finalists, start=1):
        known = [one for one in finalist.curve if one.state == "ok"]
        points = [Point(label="", x=one.trial.stop, y=one.judged, note=_note(one, one.judged)) for one in known]
        winner = history.winner is not None and history.winner.network == finalist.network
        star = " ★" if winner and history.retrained else ""
        series.append(
            Series(
                label=f"{rank}: network {finalist.network}{star}",
                points=points,
                line="straight",
                dots=len(points) <= 1,
                emphasis=winner,
            )
        )
    return series_svg(
        series,
        xlabel="epochs of retraining",
        ylabel=history.terms.judged,
        description=f"{history.terms.judged.capitalize()} of {len(series)} finalists over the epochs of their "
        "retraining.",
        size=_size(narrow, 380.0),
    )


def verdicts(history: History, narrow: bool = False) -> str:
    """ρ of every audit with its interval against the limit; empty without an audit that has one."""
    series = []
    for setting in dict.fromkeys(one.get("setting") for one in history.audits):
        points = [
            Point(
                label="",
                x=float(one["cycle"]),
                y=_number(one.get("rho")),
                low=_number(one.get("low")),
                high=_number(one.get("high")),
                note=f"before cycle {one['cycle']}: {one.get('decision')}",
            )
            for one in history.audits
            if one.get("setting") == setting
        ]
        series.append(Series(label=f"{setting}", points=points))
    if not any(math.isfinite(point.y) for one in series for point in one.points):
        return ""
    limit = history.parameters.audit.limit if history.parameters and history.parameters.audit else math.nan
    return series_svg(
        series,
        xlabel="cycle",
        ylabel="rank correlation ρ with the dearer setting",
        description=f"Rank correlation found by {len(history.audits)} audits, with 95 % intervals. "
        "The table below has the numbers.",
        shares="",
        levels=[Line(label=f"limit {limit:g}", value=limit)],
        size=_size(narrow, 320.0),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
