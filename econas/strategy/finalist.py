"""Finalists: the networks a search ends with, chosen by their scores in it and retrained."""

from collections.abc import Sequence
from dataclasses import dataclass

from econas.history.trajectory import RETRAIN
from econas.strategy.parameters import Parameters
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import Genotype
from zoo.training.retraining import Retraining


@dataclass(frozen=True, slots=True)
class Finalist:
    """A network that a search chose.

    Attributes:
        genotype: its architecture.
        score: in the search, by its signal: what it was chosen for.
        trial: the search's trial that measured it.
    """

    genotype: Genotype
    score: float
    trial: int


class FinalRound:
    """Retrains finalists by a search's numbers; over at once where there are none.

    Args:
        chosen: best first; no more of them than the numbers allow are retrained, and no network twice.
        parameters: setting, number and stages of the retraining.
    """

    def __init__(self, chosen: Sequence[Finalist], parameters: Parameters) -> None:
        different: dict[Genotype, Finalist] = {}
        for one in chosen:
            different.setdefault(one.genotype, one)
        self._chosen = list(different.values())[: parameters.retrained]
        self._retraining: Retraining | None = None
        if self._chosen:
            genotypes = [one.genotype for one in self._chosen]
            every = parameters.final_every or parameters.final.e
            self._retraining = Retraining(genotypes, parameters.final, every, role=RETRAIN)

    @property
    def finished(self) -> list[tuple[Finalist, int]]:
        """Who was retrained to the end, best of the search first, each with the trial that has its weights."""
        newest = {} if self._retraining is None else self._retraining.finished
        return [(self._chosen[place], trial) for place, trial in sorted(newest.items())]

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next epochs of up to ``n`` finalists."""
        return [] if self._retraining is None else self._retraining.ask(n, first)

    def tell(self, records: Sequence[Record]) -> None:
        """Note who has done its epochs."""
        assert self._retraining is not None
        self._retraining.tell(records)

    def resumable(self) -> set[int]:
        """The newest weights of every finalist that has not failed."""
        return set() if self._retraining is None else self._retraining.resumable()
