"""The hierarchical-proxy search as a strategy: three populations by epochs trained, tournaments, promotion, ageing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from econas.parameters import Parameters
from econas.proposals import Proposals
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space

TOURNAMENT = 602
"""Purpose of the random stream that chooses parents; every use of randomness has a number of its own."""

CHILD, PROMOTION, RETRAIN = "child", "promotion", "retrain"


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the population.

    Attributes:
        genotype: its architecture.
        level: which population it is in: 0 after the first stage, and so on.
        accuracy: validation accuracy after its last stage.
        trial: its last trial.
        trained: the cycle of that trial.
    """

    genotype: Genotype
    level: int
    accuracy: float
    trial: int
    trained: int


@dataclass(frozen=True, slots=True)
class _Slot:
    """A trial to be asked for: a child of a parent (None: a random network), a promotion, or a retraining."""

    role: str
    level: int
    source: Network | None


class HierarchicalSearch:
    """Asks cycle by cycle; what a cycle does depends on the records of the cycles before it only.

    Args:
        space: where networks are drawn from and mutated in.
        parameters: sizes, stages, settings, budget.
        seed: of everything random in the search.
    """

    def __init__(self, space: Space, parameters: Parameters, seed: int) -> None:
        self._parameters, self._seed = parameters, seed
        self._proposals = Proposals(space, seed)
        self._alive: list[Network] = []
        self._mature: list[Network] = []  # everyone ever trained to the last stage, the departed included
        self._cycle = 0
        self._spent = 0.0
        self._queue = self._affordable([_Slot(CHILD, 0, None)] * parameters.start)
        self._open: dict[int, tuple[_Slot, Genotype]] = {}
        self._retraining = False
        self._retrained: set[int] = set()

    @property
    def alive(self) -> Sequence[Network]:
        """The networks that may be parents or be promoted."""
        return self._alive

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` trials of one stage of the current cycle."""
        while n > 0:
            if not self._queue and not self._open and not self._retraining:
                self._next_cycle()
            trials = self._batch(n, first)
            if trials or self._open or self._retraining:
                return trials  # otherwise every slot of the cycle was given up
        return []

    def tell(self, records: Sequence[Record]) -> None:
        """Put what was trained into its population; a network that failed is gone."""
        for record in records:
            slot, genotype = self._open.pop(record.index)
            if slot.role == RETRAIN:
                continue
            if slot.source is not None and slot.role == PROMOTION:
                self._alive.remove(slot.source)
            if record.ok:
                network = Network(genotype, slot.level, record.metrics["accuracy"], record.index, self._cycle)
                self._alive.append(network)
                if slot.level == len(self._parameters.stages) - 1:
                    self._mature.append(network)
        self._alive.sort(key=lambda network: network.trial)  # the order of arrival must not matter

    def resumable(self) -> set[int]:
        """Trials of living networks that can still be promoted, and every retrained one."""
        last = len(self._parameters.stages) - 1
        return {network.trial for network in self._alive if network.level < last} | self._retrained

    # -------------------------------------------------------------- a cycle

    def _next_cycle(self) -> None:
        self._cycle += 1
        age = self._parameters.ageing
        self._alive = [network for network in self._alive if self._cycle - network.trained <= age]
        left = self._parameters.search_budget - self._spent
        if self._cycle > self._parameters.cycles or not self._alive or left < self._parameters.stages[0]:
            self._retraining = True
            best = sorted(self._mature, key=lambda network: (-network.accuracy, network.trial))
            self._queue = [_Slot(RETRAIN, 0, network) for network in best[: self._parameters.retrained]]
            return
        rng = np.random.default_rng((self._seed, self._cycle, TOURNAMENT))
        children = [_Slot(CHILD, 0, parent) for parent in self._parents(rng)]
        promotions = [
            _Slot(PROMOTION, level + 1, network)
            for level, most in enumerate(self._parameters.promotions)
            for network in self._promoted(level, most)
        ]
        self._queue = self._affordable(children + promotions)

    def _parents(self, rng: np.random.Generator) -> list[Network]:
        """Tournament winners; slots of an empty population go to the lowest one that is not."""
        populations = [
            [network for network in self._alive if network.level == level]
            for level in range(len(self._parameters.stages))
        ]
        lowest = next(population for population in populations if population)
        winners = []
        for population, slots in zip(populations, self._parameters.parents, strict=True):
            field = population or lowest
            for _ in range(slots):
                draws = rng.integers(len(field), size=len(field) // 4 + 1)
                winners.append(max((field[i] for i in draws), key=lambda one: (one.accuracy, -one.trial)))
        return winners

    def _promoted(self, level: int, most: int) -> list[Network]:
        population = [network for network in self._alive if network.level == level]
        population.sort(key=lambda network: (-network.accuracy, network.trial))
        return population[: min(most, len(population) // 2)]

    def _affordable(self, slots: list[_Slot]) -> list[_Slot]:
        """The slots the budget still pays, in order."""
        kept = []
        for slot in slots:
            if self._spent + self._price(slot) <= self._parameters.search_budget:
                self._spent += self._price(slot)
                kept.append(slot)
        return kept

    def _price(self, slot: _Slot) -> int:
        return self._parameters.stages[slot.level] - self._begin(slot.level)

    def _begin(self, level: int) -> int:
        """Epoch the stage of a population starts from."""
        return self._parameters.stages[level - 1] if level else 0

    # -------------------------------------------------------------- a trial

    def _batch(self, n: int, first: int) -> list[Trial]:
        """The queue's next trials, as far as they share a stage (retraining has a cycle of its own)."""
        trials: list[Trial] = []
        level = self._queue[0].level if self._queue else 0
        while self._queue and len(trials) < n and (not trials or self._queue[0].level == level):
            slot = self._queue.pop(0)
            level = slot.level
            trial = self._trial(slot, first + len(trials))
            if trial is None:
                self._spent -= self._price(slot)
            else:
                trials.append(trial)
                self._open[trial.index] = (slot, trial.genotype)
        return trials

    def _trial(self, slot: _Slot, index: int) -> Trial | None:
        """The trial of a slot; None if no child can be found that was never trained."""
        if slot.role == CHILD:
            genotype = self._proposals.draw(None if slot.source is None else slot.source.genotype, index)
            return None if genotype is None else self._staged(slot, genotype, index)
        assert slot.source is not None
        if slot.role == PROMOTION:
            return self._staged(slot, slot.source.genotype, index)
        setting = self._parameters.final
        self._retrained.add(index)
        return Trial(
            index=index,
            genotype=slot.source.genotype,
            setting=setting,
            start=0,
            stop=setting.e,
            role=RETRAIN,
            keep=True,
        )

    def _staged(self, slot: _Slot, genotype: Genotype, index: int) -> Trial:
        stages, parent = self._parameters.stages, slot.source
        promoted = slot.role == PROMOTION and parent is not None
        return Trial(
            index=index,
            genotype=genotype,
            setting=self._parameters.setting,
            start=self._begin(slot.level),
            stop=stages[slot.level],
            resumes=parent.trial if promoted and parent else None,
            parent=None if parent is None or promoted else parent.genotype.key,
            role=slot.role,
            keep=slot.level < len(stages) - 1,
        )
