"""Peers that choose one network after the other from all trained so far: local search, and a method like BANANAS."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from econas.history.trajectory import CHILD
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.purposes import PEER_PROPOSALS
from zoo.spaces.chain_space import ChainSpace
from zoo.spaces.genotype import ChainGenotype
from zoo.surrogates.forest import fit_forest
from zoo.surrogates.surrogate import columns, matrix

Scored = tuple[ChainGenotype, float]


class Proposer(Protocol):
    """Says which network comes next."""

    def propose(self, known: Sequence[Scored], index: int) -> ChainGenotype:
        """The next network, of all that is known in order."""
        ...


class Sequential:
    """A strategy of one training at a time at one setting, until its budget is spent.

    Args:
        proposer: who chooses.
        setting: of every training.
        budget: in epochs.
    """

    def __init__(self, proposer: Proposer, setting: ProxySetting, budget: float) -> None:
        self._proposer, self._setting = proposer, setting
        self._left = int(budget // setting.e)
        self._known: list[Scored] = []
        self._running: dict[int, ChainGenotype] = {}

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next network."""
        if n < 1 or self._running or not self._left:
            return []
        genotype = self._running[first] = self._proposer.propose(self._known, first)
        self._left -= 1
        return [Trial(index=first, genotype=genotype, setting=self._setting, start=0, stop=self._setting.e, role=CHILD)]

    def tell(self, records: Sequence[Record]) -> None:
        """Remember what was trained."""
        self._known += [(self._running.pop(one.index), one.metrics["accuracy"]) for one in records if one.ok]

    def resumable(self) -> set[int]:
        """No weights are stored."""
        return set()


class LocalSearch:
    """Local search (White et al. 2021, "Exploring the loss landscape in neural architecture search").

    All neighbours of a network are trained in a random order; the search moves to the best of them while it is better,
    and begins at a new random network where none is.
    """

    def __init__(self, space: ChainSpace, seed: int) -> None:
        self._space, self._seed = space, seed
        self._waiting: list[ChainGenotype] = []
        self._center: Scored | None = None
        self._since = 0  # how many were known when the neighbourhood was begun

    def propose(self, known: Sequence[Scored], index: int) -> ChainGenotype:
        """The next neighbour, or a random network."""
        rng = np.random.default_rng((self._seed, index, PEER_PROPOSALS))
        trained = {one for one, _ in known}
        if not self._waiting:
            fresh = known[self._since :]
            self._since = len(known)
            best = max(fresh, key=lambda one: one[1], default=None)
            if best is not None and (self._center is None or best[1] > self._center[1]):
                self._center = best
                self._waiting = [one for one in self._neighbours(best[0], rng) if one not in trained]
            else:
                self._center = None
        if self._waiting:
            return self._waiting.pop()
        while (genotype := self._space.sample(rng)) in trained and len(trained) < self._space.size:
            pass
        return genotype

    def _neighbours(self, center: ChainGenotype, rng: np.random.Generator) -> list[ChainGenotype]:
        found = [
            ChainGenotype(center.space, (*center.choices[:place], other, *center.choices[place + 1 :]))
            for place, count in enumerate(self._space.options)
            for other in range(count)
            if other != center.choices[place]
        ]
        return [found[i] for i in rng.permutation(len(found))]


class Bananas:
    """A method like BANANAS (White et al. 2021): an ensemble on path counts, and independent Thompson sampling.

    Deviation: the ensemble is of regression trees on bootstrap samples, where the paper's is of five networks. Ten
    random networks; then ten at a time, of a hundred mutants of the ten best, those whose drawn accuracies are highest.
    """

    ROUND, POOL = 10, 100

    def __init__(self, space: ChainSpace, seed: int) -> None:
        self._space, self._seed = space, seed
        self._waiting: list[ChainGenotype] = []

    def propose(self, known: Sequence[Scored], index: int) -> ChainGenotype:
        """The next of the round."""
        if not self._waiting:
            rng = np.random.default_rng((self._seed, index, PEER_PROPOSALS))
            trained = {one for one, _ in known}
            self._waiting = (
                self._round(known, trained, rng) if known else [self._space.sample(rng) for _ in range(self.ROUND)]
            )
        return self._waiting.pop()

    def _round(
        self, known: Sequence[Scored], trained: set[ChainGenotype], rng: np.random.Generator
    ) -> list[ChainGenotype]:
        best = [one for one, _ in sorted(known, key=lambda one: -one[1])[: self.ROUND]]
        mutants = (self._space.mutate(best[i % len(best)], rng) for i in range(self.POOL))
        pool = [one for one in dict.fromkeys(mutants) if one not in trained]
        while len(pool) < self.ROUND:
            pool.append(self._space.sample(rng))
        features = [self._space.features(one) for one, _ in known]
        places = columns(features)
        accuracy = np.array([score for _, score in known])
        predict = fit_forest(matrix(features, places), accuracy, int(rng.integers(2**31)))
        mean, deviation = predict(matrix([self._space.features(one) for one in pool], places))
        drawn = rng.normal(mean, deviation)
        return [pool[i] for i in np.argsort(drawn)[-self.ROUND :]]
