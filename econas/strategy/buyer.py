"""The buyer: what the next epochs of a search pay: children that a surrogate proposes, promotions, full trainings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from econas.history.trajectory import CHILD, PROMOTION, RETRAIN
from econas.strategy.belief import Belief, believe
from econas.strategy.known import Known, Slot
from econas.strategy.parameters import Parameters
from econas.strategy.proposals import Proposals
from econas.strategy.worth import improvement, top_slope
from zoo.purposes import AUDITED, CANDIDATES
from zoo.spaces.features import Featured
from zoo.surrogates.model import Array
from zoo.surrogates.scale import log_gaps
from zoo.surrogates.surrogate import Surrogate

POOL = 200
"""Candidates a round, of which the model proposes the best."""
PARENTS = 10
"""The best believed networks, of which candidates are mutants."""
RANDOM = 0.1
"""Share of the candidates that are random networks."""
PLAIN = 8
"""One child in so many is any candidate, whatever the model says of it."""
OPTIMISM = 0.5
"""Standard deviations on top of a candidate's mean: what the model does not know may be good."""

EARLY = 0.1
"""Share of the budget that the first full trainings may take at once."""
DOMINANT, TOGETHER = 10.0, 3
"""Where a full training is worth so many times more than children, so many are bought together."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a round trains, and whether it ends the search: the full trainings of the best."""

    slots: tuple[Slot, ...]
    last: bool = False


class Buyer:
    """Decides round by round from everything that is known.

    A round is half as many children as the paper's cycle has, promotions that keep half as many networks on every
    stage as on the one before, and the full training of one network where its expected improvement per epoch is more
    than that of the children. The epochs that the paper's search keeps for its finalists stay reserved, less what
    full trainings have taken already.

    Args:
        space: where networks are drawn from and mutated in.
        parameters: sizes, stages, settings, budget, kind of the surrogate.
        seed: of everything random in the search.
        surrogate: what predicts; None: what the parameters name.

    Raises:
        ValueError: for a surrogate that there is not.
    """

    def __init__(self, space: Featured, parameters: Parameters, seed: int, surrogate: Surrogate | None = None) -> None:
        self._parameters, self._seed = parameters, seed
        self._space = space
        self._proposals = Proposals(space, seed)
        named = parameters.surrogate
        self._surrogate = surrogate or Surrogate(named, seed)  # type: ignore[arg-type]  # it complains itself
        self._single = parameters.final == parameters.setting
        self._full = parameters.final.e * parameters.final_price

    def take(self, slots: Sequence[Slot]) -> None:
        """Note what is trained: no function twice."""
        for slot in slots:
            if slot.role == CHILD:
                self._proposals.take(slot.genotype)

    def remember(self, known: Sequence[Known], told: int) -> None:
        """Note what was known before a round that is not decided again: the next one may rest on it."""
        if known and self._surrogate.due(told):
            self._surrogate.learn(told, [one.features for one in known], self._believe(known).mean)

    def decide(self, known: Sequence[Known], number: int, spent: float, told: int) -> Purchase:
        """What a round buys; nothing where the search is over.

        Args:
            known: every network that did not fail, by its first trial.
            number: of the round, from 0.
            spent: epochs so far.
            told: trainings so far.
        """
        numbers, rng = self._parameters, np.random.default_rng((self._seed, number, CANDIDATES))
        if number == 0:
            drawn = self._proposals.candidates((), numbers.start, rng)
            return Purchase(tuple(Slot(CHILD, genotype) for genotype, _ in drawn))
        if not known:
            return Purchase(())
        left = (float("inf") if numbers.budget is None else numbers.budget) - spent
        belief = self._believe(known)
        kept = self._reserve(known, left)
        least = numbers.stages[0] if self._single else numbers.round_children * numbers.stages[0]
        proposed: list[Slot] = []
        if number <= 2 * numbers.cycles and left - kept >= least:
            self._surrogate.learn(told, [one.features for one in known], belief.mean)
            proposed, gain = self._children(known, belief, rng)
        if not proposed:
            return Purchase(tuple(self._finals(known, belief, left)), last=True)
        slots: list[Slot] = []
        for slot in self._worthwhile(known, belief, spent, gain, rng):
            if left >= max(self._full, kept):
                slots.append(slot)
                left, kept = left - self._full, max(0.0, kept - self._full)
        taken = {slot.genotype for slot in slots}
        promoted = [slot for slot in self._promotions(known, belief) if slot.genotype not in taken]
        return Purchase((*slots, *self._paid([*proposed, *promoted], known, left - kept)))

    def _believe(self, known: Sequence[Known]) -> Belief:
        return believe(np.array([one.scores for one in known]), [one.features for one in known], self._seed)

    # -------------------------------------------------------------- children and promotions

    def _children(self, known: Sequence[Known], belief: Belief, rng: np.random.Generator) -> tuple[list[Slot], float]:
        """The round's children, and how much better than the best believed network they are hoped to be, per epoch."""
        numbers = self._parameters
        order = np.argsort(-belief.mean, kind="stable")
        parents = [known[i].genotype for i in order[:PARENTS]]
        pool = self._proposals.candidates(parents, POOL, rng, RANDOM)
        if not pool:
            return [], 0.0
        mean, deviation = self._surrogate.predict([self._space.features(genotype) for genotype, _ in pool])
        ranked = np.argsort(-(mean + OPTIMISM * deviation), kind="stable")
        plain = numbers.round_children // PLAIN
        chosen = [int(i) for i in ranked[: numbers.round_children - plain]]
        others = [i for i in range(len(pool)) if i not in set(chosen)]
        chosen += [int(i) for i in rng.permutation(others)[:plain]]
        scores = log_gaps(belief.mean)
        hoped = improvement(mean[chosen], deviation[chosen], float(scores.max()))
        gain = top_slope(scores, belief.mean) * float(hoped.sum()) / (len(chosen) * numbers.stages[0])
        return [Slot(CHILD, pool[i][0], None if (parent := pool[i][1]) is None else parent.key) for i in chosen], gain

    def _promotions(self, known: Sequence[Known], belief: Belief) -> list[Slot]:
        """The best believed of every stage, so that half as many reach the next one."""
        found = []
        for level in range(len(self._parameters.stages) - 1):
            reached = [i for i, one in enumerate(known) if one.level >= level]
            beyond = sum(known[i].level > level for i in reached)
            waiting = [i for i in reached if known[i].level == level and not known[i].bought]
            waiting.sort(key=lambda i: (-belief.mean[i], i))
            found += [Slot(PROMOTION, known[i].genotype) for i in waiting[: max(0, len(reached) // 2 - beyond)]]
        return found

    def _paid(self, slots: Sequence[Slot], known: Sequence[Known], money: float) -> list[Slot]:
        """The slots that money pays, in order."""
        stages, levels = self._parameters.stages, {one.genotype: one.level for one in known}
        found = []
        for slot in slots:
            level = levels[slot.genotype] if slot.role == PROMOTION else -1
            price = stages[level + 1] - (stages[level] if level >= 0 else 0)
            if price <= money:
                found.append(slot)
                money -= price
        return found

    # -------------------------------------------------------------- full trainings

    def _reserve(self, known: Sequence[Known], left: float) -> float:
        """Epochs that full trainings must still get."""
        if self._single:
            return 0.0
        wanted = self._parameters.retrained - sum(one.bought for one in known)
        return self._full * max(wanted, 1 if left >= self._full else 0)

    def _worthwhile(
        self, known: Sequence[Known], belief: Belief, spent: float, gain: float, rng: np.random.Generator
    ) -> list[Slot]:
        """The networks whose full trainings are worth more than children: none, one, or several where far more.

        The first is the one hoped for most; the others are best in a draw from what is believed (Thompson sampling), so
        that they differ.
        """
        numbers = self._parameters
        waiting = [i for i, one in enumerate(known) if not one.bought]
        if self._single or numbers.budget is None or not waiting or len(known) < 2 * numbers.start:
            return []
        if not belief.linked:
            return self._audits(known, belief, waiting, spent)
        hoped = self._hoped(known, belief, waiting) / self._full
        if hoped.max() <= gain:
            return []
        chosen = [waiting[int(np.argmax(hoped))]]
        for _ in range(TOGETHER - 1 if hoped.max() > DOMINANT * gain else 0):
            drawn = rng.normal(belief.mean, belief.deviation)
            rest = [i for i in waiting if i not in chosen]
            chosen += [max(rest, key=lambda i: drawn[i])] if rest else []
        return [Slot(RETRAIN, known[i].genotype) for i in chosen]

    def _audits(self, known: Sequence[Known], belief: Belief, waiting: Sequence[int], spent: float) -> list[Slot]:
        """The first full trainings, which find out what cheap trainings say about full ones.

        They begin early, as far as a tenth of the budget or half of the share that the paper gives to retraining pays
        them. The first is of the best; the others are drawn from all, since the best alone say nothing about the rest,
        unless the budget pays fewer finalists than are wanted.
        """
        numbers, had = self._parameters, sum(one.bought for one in known)
        assert numbers.budget is not None
        early = (had + 1) * self._full <= EARLY * numbers.budget
        if not early and had * self._full >= numbers.final_share / 2 * spent:
            return []
        chosen = max(waiting, key=lambda i: belief.mean[i])
        if had and numbers.retrained == numbers.finalists:
            chosen = waiting[int(np.random.default_rng((self._seed, had, AUDITED)).integers(len(waiting)))]
        return [Slot(RETRAIN, known[chosen].genotype)]

    def _finals(self, known: Sequence[Known], belief: Belief, left: float) -> list[Slot]:
        """The full trainings that end the search: all that the budget pays, of the most promising."""
        numbers = self._parameters
        if self._single:
            return []
        count = numbers.retrained - sum(one.bought for one in known)
        if numbers.budget is not None:
            count = int(left / self._full + 1e-9)
        waiting = [i for i, one in enumerate(known) if not one.bought]
        hoped = self._hoped(known, belief, waiting) if belief.linked else belief.mean[waiting]
        order = np.argsort(-hoped, kind="stable")[: max(0, count)]
        return [Slot(RETRAIN, known[waiting[i]].genotype) for i in order]

    @staticmethod
    def _hoped(known: Sequence[Known], belief: Belief, waiting: Sequence[int]) -> Array:
        """Expected improvement over the best full training so far."""
        best = float(np.nanmax([one.scores[-1] for one in known]))
        return improvement(belief.mean[waiting], belief.deviation[waiting], best)
