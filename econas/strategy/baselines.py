"""What EcoNAS is measured against, on the same manager: random networks, and ageing evolution at one setting."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np

from econas.history.trajectory import CHILD
from econas.strategy.finalist import Finalist, FinalRound
from econas.strategy.parameters import Parameters
from econas.strategy.proposals import Proposals
from econas.strategy.ranking import scorer
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Recalling, Strategy
from zoo.population.trial import Record, Trial
from zoo.purposes import AGEING_TOURNAMENT
from zoo.reliability.signal import ACCURACY
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space


def trainings(setting: ProxySetting, budget: float) -> int:
    """How many trainings at ``setting`` a budget in epochs pays.

    Raises:
        ValueError: if it pays none, or has no end.
    """
    if math.isinf(budget):
        raise ValueError("a search without cycles ends with its budget, got none")
    count = int(budget // setting.e)
    if count < 1:
        raise ValueError(f"a budget of {budget:g} epochs pays no training of {setting.e}")
    return count


@dataclass(eq=False, repr=False)
class RegularizedEvolution:
    """Ageing evolution (Algorithm 1, Real et al. 2019): the best of a sample has a child, and the oldest leaves.

    Asynchronous: a child's parent is chosen among those told when it is asked for, so a run with one worker and
    batches of one is the published algorithm, and more workers need not wait. After random networks as many as
    the population holds, every trial is a child.

    Args:
        space: where networks are drawn from and mutated in.
        setting: how each is trained, from epoch 0 to its last.
        budget: epochs in all.
        seed: of everything random.
        population: networks alive; the paper's 100 suit thousands of trainings.
        sample: draws, with replacement, the best of which is the parent; the paper's 25.
        distinct: whether a function is trained once only. As published, what is drawn twice is trained twice.
        keep: whether weights are stored: the best network's, and those of the running.
        signal: what ranks trainings.

    Raises:
        ValueError: for sizes below 1, a budget that pays no training, or an unknown signal.
    """

    space: Space
    setting: ProxySetting
    budget: float
    seed: int
    _: KW_ONLY
    population: int = 100
    sample: int = 25
    distinct: bool = False
    keep: bool = True
    signal: str = ACCURACY

    def __post_init__(self) -> None:
        for name, value in (("population", self.population), ("sample", self.sample)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self._proposals, self._score = Proposals(self.space, self.seed, self.distinct), scorer(self.signal)
        self._left = trainings(self.setting, self.budget)
        self._random = self.population  # networks still to be drawn at random
        self._alive: list[tuple[Genotype, float, int]] = []  # genotype, score, trial; oldest first
        self._running: dict[int, Genotype] = {}
        self._best: tuple[float, int] | None = None

    def ask(self, n: int, first: int) -> list[Trial]:
        """Random networks, then children of whoever is alive."""
        trials: list[Trial] = []
        while len(trials) < n and self._left:
            index, parent = first + len(trials), None
            if not self._random and (self._alive or self._running):
                if not self._alive:
                    break  # nobody has been told yet
                parent = self._parent(index)
            genotype = self._proposals.draw(parent, index)
            if genotype is None:  # every function near and far is known
                self._left = 0
                break
            self._random = max(0, self._random - 1)
            self._left -= 1
            self._running[index] = genotype
            trials.append(self._trial(genotype, parent, index))
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Let the trained in and the oldest out; a network that failed never was."""
        for record in records:
            genotype = self._running.pop(record.index)
            if record.ok:
                score = self._score(record)
                self._alive.append((genotype, score, record.index))
                rank = (-score, record.index)
                self._best = rank if self._best is None else min(self._best, rank)
        del self._alive[: -self.population]

    def resumable(self) -> set[int]:
        """The best network so far and those still running, where weights are stored."""
        if not self.keep:
            return set()
        return {*self._running, *([] if self._best is None else [self._best[1]])}

    def _parent(self, index: int) -> Genotype:
        rng = np.random.default_rng((self.seed, index, AGEING_TOURNAMENT))
        draws = rng.integers(len(self._alive), size=self.sample)
        genotype, _, _ = max((self._alive[int(i)] for i in draws), key=lambda one: (one[1], -one[2]))
        return genotype

    def _trial(self, genotype: Genotype, parent: Genotype | None, index: int) -> Trial:
        return Trial(
            index=index,
            genotype=genotype,
            setting=self.setting,
            start=0,
            stop=self.setting.e,
            parent=None if parent is None else parent.key,
            role=CHILD,
            keep=self.keep,
        )


class RandomBaseline:
    """Random networks, as many as the budget pays: evolution that never leaves its first population.

    Args:
        space: where networks are drawn from.
        setting: how each is trained, from epoch 0 to its last.
        budget: epochs in all.
        seed: of the draws.
        distinct: whether a function is trained once only, as in the search.
        keep: whether weights are stored: the best network's, and those of the running.
        signal: what ranks trainings.

    Raises:
        ValueError: for a budget that pays no training, or an unknown signal.
    """

    def __init__(
        self,
        space: Space,
        setting: ProxySetting,
        budget: float,
        seed: int,
        *,
        distinct: bool = True,
        keep: bool = True,
        signal: str = ACCURACY,
    ) -> None:
        everyone = trainings(setting, budget)
        self._evolution = RegularizedEvolution(
            space, setting, budget, seed, population=everyone, sample=1, distinct=distinct, keep=keep, signal=signal
        )

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next networks."""
        return self._evolution.ask(n, first)

    def tell(self, records: Sequence[Record]) -> None:
        """Remember the best."""
        self._evolution.tell(records)

    def resumable(self) -> set[int]:
        """The best network so far, and those still running."""
        return self._evolution.resumable()


class ThenRetrain:
    """A search at the proxy, then the best of all it trained to the end are retrained, by EcoNAS's own rule.

    What EcoNAS's hierarchy and cycles add can be read off the difference. The search may be asynchronous; the
    retraining waits for its end.

    Args:
        strategy: the search, of trainings at ``parameters.setting`` that cost ``parameters.search_budget`` at most.
        parameters: setting, final setting, budget, finalists and their share, signal; the rest is not used.
    """

    def __init__(self, strategy: Strategy, parameters: Parameters) -> None:
        self._strategy, self._parameters, self._score = strategy, parameters, scorer(parameters.signal)
        self._running: dict[int, Trial] = {}
        self._trained: list[Finalist] = []
        self._final: FinalRound | None = None  # once the search is over

    @property
    def finalists(self) -> Sequence[tuple[Finalist, int]]:
        """The networks that were retrained to the end, best of the search first, each with the trial of its weights."""
        return [] if self._final is None else self._final.finished

    def ask(self, n: int, first: int) -> list[Trial]:
        """Trials of the search; when all of them are told, the retraining."""
        if self._final is None:
            trials = self._strategy.ask(n, first)
            self._running |= {trial.index: trial for trial in trials}
            if trials or self._running or n < 1:
                return trials
            self._final = FinalRound(sorted(self._trained, key=lambda one: (-one.score, one.trial)), self._parameters)
        return self._final.ask(n, first)

    def tell(self, records: Sequence[Record]) -> None:
        """Tell the search, and remember everyone it trained to the end."""
        if self._final is not None:
            self._final.tell(records)
            return
        self._strategy.tell(records)
        for record in records:
            trial = self._running.pop(record.index)
            if record.ok and (trial.setting, trial.stop) == (self._parameters.setting, self._parameters.setting.e):
                self._trained.append(Finalist(trial.genotype, self._score(record), record.index))

    def recall(self, trials: Sequence[Trial]) -> None:
        """Let the search read back what it decided, where it does."""
        if isinstance(self._strategy, Recalling):
            self._strategy.recall(trials)

    def resumable(self) -> set[int]:
        """What the search needs; at the end the retrained."""
        return self._strategy.resumable() if self._final is None else self._final.resumable()


def evolution_sizes(count: int, part: int) -> tuple[int, int]:
    """Population and sample of an evolution of ``count`` trainings.

    The published 100 and 25 are for 20,000; here one in ``part`` trainings is a random network, at most 100, and the
    sample is a quarter of the population as there.
    """
    population = max(2, min(100, count // part))
    return population, max(2, population // 4)


def evolution_then_retrain(
    space: Space, parameters: Parameters, seed: int, *, population: int = 100, sample: int = 25
) -> ThenRetrain:
    """Ageing evolution at the proxy, no function twice, the best retrained.

    Raises:
        ValueError: for sizes below 1 or no budget.
    """
    budget = parameters.search_budget
    evolution = RegularizedEvolution(
        space, parameters.setting, budget, seed,
        population=population, sample=sample, distinct=True, keep=False, signal=parameters.signal,
    )  # fmt: skip
    return ThenRetrain(evolution, parameters)


def random_then_retrain(space: Space, parameters: Parameters, seed: int) -> ThenRetrain:
    """Random networks at the proxy, no function twice, the best retrained.

    Raises:
        ValueError: for no budget.
    """
    random = RandomBaseline(
        space, parameters.setting, parameters.search_budget, seed, keep=False, signal=parameters.signal
    )
    return ThenRetrain(random, parameters)
