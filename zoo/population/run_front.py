"""A run's front: what was measured, seen in the objectives of the run or of whoever asks, out of its journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.population.front import Limit, Losses, Numbers, Objective, blocking, front, hypervolume, losses_of
from zoo.population.journal import Journal
from zoo.population.objectives import complete
from zoo.population.trial import ALONE, TRAINING, Record, Trial
from zoo.spaces.genotype import SpaceGenotype

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = (Objective("accuracy", True), Objective("macs", False))
GENERATION = "generation"
"""Tag of trials that says which generation they are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFront:
    """The networks a run has measured, and which of them no other beats within the limits.

    Attributes:
        name: of the run's strategy.
        objectives: what counts.
        limits: what a network of the front keeps.
        trials: one per network, by index.
        records: theirs.
        losses: (n, objectives).
        allowed: (n,) whether a network keeps every limit.
        generations: (n,) which generation it was of; 0 everywhere for runs without generations.
        front: rows of the front, ascending.
    """

    name: str
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    trials: tuple[Trial, ...]
    records: tuple[Record, ...]
    losses: Losses
    allowed: npt.NDArray[np.bool_]
    generations: Numbers
    front: Numbers

    @property
    def corners(self) -> tuple[Losses, Losses]:
        """The best and the worst loss of all networks in every objective: the box of the hypervolume."""
        return self.losses.min(axis=0), self.losses.max(axis=0)

    def frame(self) -> "pd.DataFrame":
        """A row per network with its metrics, and whether it is on the front."""
        import pandas as pd  # as in the journal: who only asks whether there is a front does without

        rows = []
        on_front = set(self.front.tolist())
        for row, (trial, record) in enumerate(zip(self.trials, self.records, strict=True)):
            about: dict[str, Any] = {
                "trial": trial.index,
                "generation": int(self.generations[row]),
                "front": row in on_front,
                "allowed": bool(self.allowed[row]),
            }
            rows.append(
                about | dict(record.metrics) | {"key": trial.genotype.key, "genotype": trial.genotype.to_json()}
            )
        return pd.DataFrame(rows)

    def growth(self) -> "pd.DataFrame":
        """The hypervolume after every generation: the share of the box of everything measured that is dominated.

        Runs without generations count in tenths of what was measured.
        """
        import pandas as pd

        best, worst = self.corners
        if self.generations.any():
            stops = [(int(g), int((self.generations <= g).sum())) for g in np.unique(self.generations)]
        else:
            count = len(self.trials)
            stops = [(tenth, -(-count * tenth // 10)) for tenth in range(1, 11)]
        rows = []
        for generation, stop in stops:
            kept = self.losses[:stop][self.allowed[:stop]]
            volume = hypervolume(kept, best, worst)
            rows.append(
                {"generation": generation, "evaluations": stop, "hypervolume": volume, "front": len(front(kept))}
            )
        return pd.DataFrame(rows)


def has_front(identity: Mapping[str, Any]) -> bool:
    """Whether a run is a search for several objectives."""
    return "objectives" in identity.get("strategy", {})


def identity_of(objectives: Sequence[Objective], limits: Sequence[Limit]) -> dict[str, list[str]]:
    """Objectives and limits for a run's identity, from where :func:`read_front` takes them."""
    return {"objectives": [str(one) for one in objectives], "limits": [str(limit) for limit in limits]}


def read_front(
    journal: Journal, objectives: Sequence[Objective] = (), limits: Sequence[Limit] = (), like: int | None = None
) -> RunFront:
    """The front of a run as far as it is.

    Of runs that train networks at several settings only the longest training at the least reduced setting counts. A
    supernet is no network, a score is no training, and what only checks a search is none of its results. Metrics that
    installed packages add (:mod:`zoo.population.objectives`) are computed where they were not recorded.

    Args:
        journal: of the run.
        objectives: what counts; none: the run's own, or accuracy and MACs.
        limits: what the front keeps besides the run's own limits.
        like: a trial that ended well: networks trained as it was count instead.

    Raises:
        ValueError: if nothing comparable was measured, no network keeps the limits, or a metric is missing.
    """
    strategy = journal.identity.get("strategy", {})
    wanted = tuple(objectives) or tuple(map(Objective.parse, strategy.get("objectives", ()))) or DEFAULT
    kept = (*map(Limit.parse, strategy.get("limits", ())), *limits)
    return front_among(str(strategy.get("name", "run")), journal.trials(), journal.records(), wanted, kept, like)


def front_among(
    name: str,
    asked: Sequence[Trial],
    held: dict[int, Record],
    wanted: tuple[Objective, ...],
    kept: tuple[Limit, ...],
    like: int | None = None,
) -> RunFront:
    """The front among a run's trials, as :func:`read_front`.

    Args:
        name: of the run's strategy.
        asked: its trials.
        held: their records.
        wanted: the objectives.
        kept: the limits.
        like: as of :func:`read_front`.

    Raises:
        ValueError: as :func:`read_front`.
    """
    trials, records = _comparable(asked, held, like)
    if not trials:
        if any(isinstance(one.genotype, SpaceGenotype) and _ended(one, held) for one in asked):
            raise ValueError(
                "the run has trained a supernet and no network: search with it, or train a genotype that it has found "
                "with thriftnas zoo train"
            )
        raise ValueError("the run has measured no network completely yet")
    records = complete(trials, records, [*(one.metric for one in wanted), *(limit.metric for limit in kept)])
    metrics = [record.metrics for record in records]
    for limit in kept:
        if any(limit.metric not in row for row in metrics):
            raise ValueError(f"the limit {limit} is on something that was not measured, got {', '.join(metrics[0])}")
    losses = losses_of(metrics, wanted)
    allowed = np.array([all(limit.holds(row[limit.metric]) for limit in kept) for row in metrics])
    if not allowed.any():
        those, why = blocking(kept, metrics)
        raise ValueError(f"none of {len(trials)} networks keeps {' and '.join(map(str, those))}: {why}")
    rows = np.flatnonzero(allowed)
    return RunFront(
        name=name,
        objectives=wanted,
        limits=kept,
        trials=trials,
        records=records,
        losses=losses,
        allowed=allowed,
        generations=np.array([_generation(trial) for trial in trials], dtype=np.int64),
        front=rows[front(losses[rows])],
    )


def _generation(trial: Trial) -> int:
    number = trial.tags.get(GENERATION)
    return number if isinstance(number, int) else 0


def _ended(trial: Trial, records: Mapping[int, Record]) -> bool:
    """Whether a trial has a record, and a good one."""
    return trial.index in records and records[trial.index].ok


def _comparable(
    trials: Sequence[Trial], records: dict[int, Record], like: int | None
) -> tuple[tuple[Trial, ...], tuple[Record, ...]]:
    """The networks that ended well and are as complete as any, or as ``like``, with their records; each counts once."""
    good = [
        trial
        for trial in trials
        if _ended(trial, records)
        and trial.measure == TRAINING
        and trial.role != ALONE
        and not isinstance(trial.genotype, SpaceGenotype)
    ]

    def completeness(trial: Trial) -> tuple[float, ...]:
        setting = trial.setting
        return (0, trial.stop) if setting is None else (-(setting.c + setting.r + setting.s), trial.stop)

    wanted = max((completeness(trial) for trial in good if like in (None, trial.index)), default=None)
    first: dict[str, Trial] = {}
    for trial in good:
        if completeness(trial) == wanted:
            first.setdefault(trial.genotype.key, trial)
    chosen = tuple(first.values())
    return chosen, tuple(records[trial.index] for trial in chosen)
