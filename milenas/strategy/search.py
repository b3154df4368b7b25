"""The strategy of a search: one supernet as a chain of trials, the best genotype per size, and their retraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from milenas.strategy.record import derived_genotype
from milenas.supernet.config import SupernetConfig
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.training.retraining import Retraining

ROLE = "supernet"
Size = tuple[int, int]
"""Convolutions of the normal and of the reduction cell (He et al. 2020)."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A genotype that was derived at the end of an epoch, from 1, with the metrics of that epoch's record."""

    epoch: int
    genotype: CellGenotype
    metrics: Mapping[str, float]

    @property
    def size(self) -> Size:
        """Convolutions of the normal and the reduction cell."""
        return int(self.metrics["convs_normal"]), int(self.metrics["convs_reduction"])


def winners(derived: Sequence[Derived], metric: str = "accuracy") -> list[Derived]:
    """The genotype of every size met whose epoch had the highest metric on validation images; of equals the first.

    Smallest size first, by sum and then by the normal cell's.
    """
    best: dict[Size, Derived] = {}
    for one in derived:
        held = best.get(one.size)
        if held is None or one.metrics[metric] > held.metrics[metric]:
            best[one.size] = one
    return [best[size] for size in sorted(best, key=lambda size: (sum(size), size))]


class SupernetSearch:
    """Trains one supernet part by part, then, if asked, retrains what it found.

    A trial's epochs count parts of an epoch, ``per_epoch`` of them; the records of an epoch's last part hold
    measurements and the derived genotype.

    Args:
        shape: of the supernet.
        epochs: of the search.
        per_epoch: trials an epoch is divided into.
        expected_size: the search stops early once the derived cells have fewer convolutions together (He et al. 2020);
            0: never.
        retrain: how many networks are retrained: the last one and the most accurate winners of other sizes; 0: none.
        retrain_epochs: for how long.
        metric: by which winners are chosen.

    Raises:
        ValueError: for counts out of range.
    """

    def __init__(
        self,
        shape: SupernetConfig,
        epochs: int,
        *,
        per_epoch: int = 1,
        expected_size: int = 0,
        retrain: int = 0,
        retrain_epochs: int = 0,
        metric: str = "accuracy",
    ) -> None:
        if expected_size < 0 or retrain < 0:
            raise ValueError(
                f"the expected size and the networks to retrain must not be negative, got {expected_size} and {retrain}"
            )
        if bool(retrain) != bool(retrain_epochs):
            raise ValueError(f"retraining needs networks and epochs, got {retrain} and {retrain_epochs}")
        self._shape, self._per_epoch, self._expected = shape, per_epoch, expected_size
        self._schedule = ProxySetting(0, 0, 0, epochs * per_epoch)
        self._retrain, self._retrain_epochs = retrain, retrain_epochs
        self._metric = metric
        self._part, self._open, self._newest = 0, False, -1
        self._retraining: Retraining | None = None
        self.derived: list[Derived] = []
        self.stopped = ""  # why the search ended before its last epoch
        self.failed = ""  # why there is no further epoch

    @property
    def over(self) -> bool:
        """Whether the supernet is trained as far as it will be."""
        return not self._open and (self._part == self._schedule.e or bool(self.stopped or self.failed))

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next part of the search, or the next epoch of networks being retrained."""
        if self._retraining is not None:
            return self._retraining.ask(n, first)
        if n < 1 or self._open or self.over:
            return []
        self._open = True
        trial = Trial(
            index=first,
            genotype=self._shape.genotype(),
            setting=self._schedule,
            start=self._part,
            stop=self._part + 1,
            resumes=self._newest if self._part else None,
            role=ROLE,
            keep=True,
        )
        return [trial]

    def tell(self, records: Sequence[Record]) -> None:
        """Note an epoch's genotype; see whether the search goes on."""
        if self._retraining is not None:
            self._retraining.tell(records)
            return
        (record,) = records
        self._open = False
        if not record.ok:
            self.failed = record.reason
        else:
            self._part, self._newest = self._part + 1, record.index
            self._note(record)
        if self.over and self.derived and self._retrain and not self.failed:
            setting = ProxySetting(0, 0, 0, self._retrain_epochs)
            self._retraining = Retraining([one.genotype for one in self.candidates()], setting)

    def resumable(self) -> set[int]:
        """The supernet's newest part, and what is being retrained."""
        held = {self._newest} if self._newest >= 0 else set()
        return held | (self._retraining.resumable() if self._retraining is not None else set())

    @property
    def retrained(self) -> dict[int, int]:
        """For every retrained candidate (by place) that is trained to the end, the trial that has its weights."""
        return self._retraining.finished if self._retraining is not None else {}

    def candidates(self) -> list[Derived]:
        """What is retrained: the last genotype, then the most accurate winners that build another graph."""
        if not self.derived:
            return []
        last = self.derived[-1]
        best = winners(self.derived, self._metric)
        ranked = sorted(best, key=lambda one: (-one.metrics[self._metric], one.epoch))
        distinct = {one.genotype.key: one for one in reversed([last, *ranked])}
        return sorted(distinct.values(), key=lambda one: [last, *ranked].index(one))[: self._retrain]

    def _note(self, record: Record) -> None:
        if self._part % self._per_epoch:
            return
        epoch = self._part // self._per_epoch
        genotype = derived_genotype(record, self._shape.operations)
        if genotype is None:
            return
        one = Derived(epoch, genotype, record.metrics)
        self.derived.append(one)
        if self._expected and sum(one.size) < self._expected and self._part < self._schedule.e:
            self.stopped = (
                f"after epoch {epoch} the derived cells have {sum(one.size)} convolutions, fewer than {self._expected}"
            )


def best_retrained(
    search: SupernetSearch, metric: str, measured: Mapping[int, tuple[Trial, Record]]
) -> CellGenotype | None:
    """The best of the networks that a search has retrained to the end; None where there is none.

    Args:
        search: that is over.
        metric: that judges them, on validation images.
        measured: its trials with their records.
    """
    ranked = sorted(search.retrained.values(), key=lambda trial: (-measured[trial][1].metrics[metric], trial))
    return require_cells(measured[ranked[0]][0].genotype) if ranked else None
