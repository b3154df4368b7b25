"""Asynchronous successive halving: many cheap trainings, the best of which are trained longer."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from econas.history.trajectory import CHILD, PROMOTION
from econas.strategy.proposals import Proposals
from econas.strategy.ranking import scorer
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.reliability.signal import ACCURACY
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space


@dataclass(frozen=True, slots=True)
class Rung:
    """How far networks are trained on one rung: until ``stop`` in the schedule of ``setting``.

    A rung of the same setting as the one below continues its trainings; one of another setting is a schedule of
    its own, and whoever climbs there is trained from epoch 0.

    Raises:
        ValueError: for no epochs, or more than the setting's.
    """

    setting: ProxySetting
    stop: int

    def __post_init__(self) -> None:
        if not 0 < self.stop <= self.setting.e:
            raise ValueError(f"a rung of {self.setting} ends after 1 to {self.setting.e} epochs, got {self.stop}")


@dataclass(frozen=True, slots=True)
class _Job:
    """What to do next: a training of a rung, of a network from the rung below or (None) a random one."""

    rung: int
    source: int | None


class SuccessiveHalving:
    """ASHA (Algorithm 2, Li et al. 2020): a free worker promotes from the highest rung it can, else starts anew.

    Whoever is among the best 1/eta of its rung so far is promoted once. Asynchronous: what is asked depends on
    what has been told. It ends when the budget does not pay what it would do next.

    Args:
        space: where networks are drawn from.
        rungs: from the cheapest to the fullest training.
        budget: epochs in all.
        seed: of the draws.
        eta: 1/eta of a rung are promoted; the paper's experiments use 4.
        distinct: whether a function is drawn once only, as in the search.
        signal: what ranks the networks of a rung.

    Raises:
        ValueError: for no rungs, rungs of one setting that do not ascend, eta of 1 or less, a budget that pays no
            training, or an unknown signal.
    """

    def __init__(
        self,
        space: Space,
        rungs: Sequence[Rung],
        budget: float,
        seed: int,
        *,
        eta: float = 4,
        distinct: bool = True,
        signal: str = ACCURACY,
    ) -> None:
        if not rungs:
            raise ValueError("successive halving needs at least one rung, got none")
        if any(low.setting == high.setting and low.stop >= high.stop for low, high in pairwise(rungs)):
            stops = ", ".join(str(rung.stop) for rung in rungs)
            raise ValueError(f"rungs of one setting must ascend, got {stops} epochs")
        if eta <= 1:
            raise ValueError(f"eta must be above 1, got {eta:g}")
        if budget < rungs[0].stop:
            raise ValueError(f"a budget of {budget:g} epochs pays no training of {rungs[0].stop}")
        self._rungs, self._eta, self._left = tuple(rungs), eta, budget
        self._proposals, self._score = Proposals(space, seed, distinct), scorer(signal)
        self._ended: list[list[tuple[float, int]]] = [[] for _ in rungs]  # minus score and trial, best first
        self._promoted: set[int] = set()
        self._genotypes: dict[int, Genotype] = {}
        self._running: dict[int, int] = {}  # trial to rung
        self._exhausted = False

    def ask(self, n: int, first: int) -> list[Trial]:
        """Trials of one rung."""
        trials: list[Trial] = []
        rung: int | None = None
        while len(trials) < n and not self._exhausted:
            job = self._next()
            if rung not in (None, job.rung) or self._price(job.rung) > self._left:
                break
            index = first + len(trials)
            genotype = self._proposals.draw(None, index) if job.source is None else self._genotypes[job.source]
            if genotype is None:
                self._exhausted = True
                break
            rung = job.rung
            self._left -= self._price(job.rung)
            if job.source is not None:
                self._promoted.add(job.source)
            self._genotypes[index] = genotype
            self._running[index] = job.rung
            trials.append(self._trial(job, genotype, index))
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Put the trained on their rungs; a network that failed is on none."""
        for record in records:
            rung = self._running.pop(record.index)
            if record.ok:
                insort(self._ended[rung], (-self._score(record), record.index))

    def resumable(self) -> set[int]:
        """Whoever may still climb within a schedule, the best of the last rung, and the running of both kinds."""
        held = {index for index, rung in self._running.items() if self._keeps(rung)}
        for rung, ended in enumerate(self._ended[:-1]):
            if self._keeps(rung):
                held |= {index for _, index in ended} - self._promoted
        return held | ({self._ended[-1][0][1]} if self._ended[-1] else set())

    def _next(self) -> _Job:
        """The promotion from the highest rung that has one, else a random network."""
        for rung in reversed(range(len(self._rungs) - 1)):
            for _, index in self._ended[rung][: int(len(self._ended[rung]) / self._eta)]:
                if index not in self._promoted:
                    return _Job(rung + 1, index)
        return _Job(0, None)

    def _continues(self, rung: int) -> bool:
        return rung > 0 and self._rungs[rung].setting == self._rungs[rung - 1].setting

    def _keeps(self, rung: int) -> bool:
        """Whether weights of a rung are of use: the next one continues them, or they are final."""
        return rung == len(self._rungs) - 1 or self._continues(rung + 1)

    def _start(self, rung: int) -> int:
        return self._rungs[rung - 1].stop if self._continues(rung) else 0

    def _price(self, rung: int) -> int:
        return self._rungs[rung].stop - self._start(rung)

    def _trial(self, job: _Job, genotype: Genotype, index: int) -> Trial:
        return Trial(
            index=index,
            genotype=genotype,
            setting=self._rungs[job.rung].setting,
            start=self._start(job.rung),
            stop=self._rungs[job.rung].stop,
            resumes=job.source if self._continues(job.rung) else None,
            role=CHILD if job.source is None else PROMOTION,
            keep=self._keeps(job.rung),
        )
