"""Fronts: what a search wants, as a user writes it, and which networks no other beats in everything.

Everything here counts in losses: an (n, m) array with a row per network and a column per objective, smaller being
better. An objective that is maximised counts with its sign changed.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.population.metric import METRICS

Losses = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Metrics = Mapping[str, float]

NOT_NEGATIVE = (*METRICS, "loss", "macs", "params", "latency")
"""Metrics that are never below 0."""
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric that should be large or small.

    Raises:
        ValueError: for something that is no name of a metric.
    """

    metric: str
    maximize: bool

    def __post_init__(self) -> None:
        if not re.fullmatch(_NAME, self.metric):
            raise ValueError(f"{self.metric!r} is no metric, expected a name like accuracy, macs or params")

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read what :meth:`__str__` writes, like ``max accuracy``.

        Raises:
            ValueError: for another form.
        """
        direction, _, metric = text.partition(" ")
        if direction not in ("max", "min"):
            raise ValueError(f"{text!r} is not an objective, expected a form like max accuracy or min macs")
        return cls(metric, direction == "max")

    def __str__(self) -> str:
        return f"{'max' if self.maximize else 'min'} {self.metric}"

    def loss(self, value: float) -> float:
        """The value as something to be made small."""
        return -value if self.maximize else value


@dataclass(frozen=True, slots=True)
class Limit:
    """A constraint on one metric, written ``macs<=500e6`` or ``accuracy>=0.4``; a value on the bound is allowed."""

    metric: str
    upper: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """Read a limit.

        Raises:
            ValueError: for another form or a bound that is no finite number.
        """
        match = re.fullmatch(rf"\s*({_NAME})\s*(<=|>=)\s*(\S+)\s*", text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise ValueError(f"{text!r} is not a limit, expected a form like macs<=500e6 or accuracy>=0.4")
        found = cls(match[1], match[2] == "<=", bound)
        found.check_possible()
        return found

    def check_possible(self) -> None:
        """Complain about a bound that no network can keep, whatever is searched.

        Raises:
            ValueError: for more than all images named right, such as accuracy>=75, or less than nothing.
        """
        if self.metric in METRICS and not self.upper and self.bound > 1:
            share = f"; {self.bound:g} % is {self.metric}>={self.bound / 100:g}" if self.bound <= 100 else ""
            raise ValueError(f"no network keeps {self}: {self.metric} is a share, 0 to 1{share}")
        if self.metric in NOT_NEGATIVE and self.upper and self.bound < 0:
            raise ValueError(f"no network keeps {self}: {self.metric} is never below 0")

    def __str__(self) -> str:
        short = f"{self.bound:g}"
        exact = short if float(short) == self.bound else repr(self.bound)
        return f"{self.metric}{'<=' if self.upper else '>='}{exact}"

    def excess(self, value: npt.ArrayLike) -> Losses:
        """How far values are beyond the bound, in the metric's unit; 0 or less where the limit holds."""
        values = np.asarray(value, dtype=np.float64)
        return values - self.bound if self.upper else self.bound - values

    def holds(self, value: float) -> bool:
        """Whether one value is allowed."""
        return bool(self.excess(value) <= 0)


def read_limits(texts: Sequence[str] | None) -> tuple[Limit, ...]:
    """Limits as a user writes them; none for None.

    Raises:
        ValueError: as :meth:`Limit.parse`.
    """
    return tuple(map(Limit.parse, texts or ()))


def blocking(limits: Sequence[Limit], rows: Sequence[Metrics]) -> tuple[list[Limit], str]:
    """Which limits keep every network out, and how near the nearest come.

    Args:
        limits: that no network keeps all together.
        rows: metrics of the networks, those of the limits among them; at least one network.

    Returns:
        The limits that nobody keeps by themselves, else all of them; and the reason in words.
    """
    alone = [limit for limit in limits if not any(limit.holds(row[limit.metric]) for row in rows)]
    if not alone:
        return list(limits), "each of them is kept by some, and all together by none"
    nearest = [(limit, min((row[limit.metric] for row in rows), key=limit.excess)) for limit in alone]
    return alone, f"the nearest has {', another '.join(f'{limit.metric} {value:.6g}' for limit, value in nearest)}"


class Infeasible(ValueError):
    """No network keeps the limits, as far as a bounded effort could tell.

    Attributes:
        limits: those that block: one, or several that exclude each other.
    """

    def __init__(self, limits: Sequence[Limit], effort: str) -> None:
        self.limits = tuple(limits)
        super().__init__(f"no network found with {' and '.join(map(str, limits))}: {effort}")


def objectives(maximize: Iterable[str], minimize: Iterable[str]) -> tuple[Objective, ...]:
    """The objectives of two lists of metrics, those to maximise first.

    Raises:
        ValueError: for none, or a metric named twice.
    """
    found = (*(Objective(name, True) for name in maximize), *(Objective(name, False) for name in minimize))
    names = [objective.metric for objective in found]
    if not found:
        raise ValueError("a search needs at least one objective to maximize or minimize, got none")
    if len(set(names)) < len(names):
        raise ValueError(f"every metric may be an objective once, got {', '.join(names)}")
    return found


def require_known(wanted: Iterable[Objective | Limit], known: Collection[str]) -> None:
    """Find out early whether every metric that is wanted is one that somebody measures.

    Raises:
        ValueError: naming the first that nobody measures.
    """
    for one in wanted:
        if one.metric not in known:
            raise ValueError(f"nobody measures {one.metric!r}, expected one of {', '.join(sorted(known))}")


def losses_of(metrics: Sequence[Metrics], wanted: Sequence[Objective]) -> Losses:
    """The (n, m) losses of n networks.

    Raises:
        ValueError: if a network lacks an objective's metric.
    """
    for objective in wanted:
        for row in metrics:
            if objective.metric not in row:
                raise ValueError(f"the objective {objective.metric!r} was not measured, got {', '.join(sorted(row))}")
    rows = [[objective.loss(row[objective.metric]) for objective in wanted] for row in metrics]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))


def front(losses: Losses) -> Numbers:
    """The rows that no other row dominates, ascending; equal rows are all in or all out."""
    if not len(losses):
        return np.zeros(0, dtype=np.int64)
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting  # here: pymoo takes more than a second

    found = NonDominatedSorting().do(losses, only_non_dominated_front=True)
    return np.sort(np.asarray(found, dtype=np.int64))


def scaled(losses: Losses, ideal: npt.ArrayLike, worst: npt.ArrayLike) -> Losses:
    """Losses with ``ideal`` at 0 and ``worst`` at 1 in every column; a column without a range is 0."""
    low = np.asarray(ideal, dtype=np.float64)
    span = np.asarray(worst, dtype=np.float64) - low
    return np.asarray((losses - low) / np.where(span > 0, span, 1.0), dtype=np.float64)


def hypervolume(losses: Losses, ideal: npt.ArrayLike, worst: npt.ArrayLike) -> float:
    """The share of the box from ``ideal`` to ``worst`` that is dominated: 1 where one point is ideal in everything.

    Points outside the box in some column add nothing.
    """
    points = scaled(losses, ideal, worst)
    points = np.maximum(points[(points < 1).all(axis=1)], 0.0)
    if not len(points):
        return 0.0
    from pymoo.indicators.hv import HV

    return float(HV(ref_point=np.ones(points.shape[1])).do(points))


def equispaced(losses: Losses, wanted: Sequence[Objective], count: int) -> Numbers:
    """``count`` rows of the front at equal distances along it, both ends included (end of Algorithm 1, Chu 2019).

    The front is walked by its first minimised objective (MACs), or the first of all where none is minimised; its
    length is counted with every objective scaled to the front's range. Of equal points the first is taken. One row
    alone is the one nearest the middle.

    Raises:
        ValueError: if ``count`` is below 1 or above the number of different points of the front.
    """
    found = front(losses)
    _, first = np.unique(losses[found], axis=0, return_index=True)
    found = found[np.sort(first)]
    if not 1 <= count <= len(found):
        raise ValueError(f"the front has {len(found)} different points, expected a count from 1 to that, got {count}")
    along = next((m for m, objective in enumerate(wanted) if not objective.maximize), 0)
    found = found[np.lexsort((*losses[found].T[::-1], losses[found, along]))]
    points = scaled(losses[found], losses[found].min(axis=0), losses[found].max(axis=0))
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    if count == 1:
        return found[[int(np.abs(length - length[-1] / 2).argmin())]]
    inner, places = length[1:-1], np.linspace(0.0, length[-1], count)[1:-1]
    from scipy.optimize import linear_sum_assignment  # here: it takes more than a second

    _, chosen = linear_sum_assignment(np.abs(places[:, None] - inner[None, :]))
    return found[np.concatenate([[0], 1 + np.sort(chosen), [len(found) - 1]]).astype(np.int64)]
