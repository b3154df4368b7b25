"""The weighted, constrained search as a strategy: Algorithm 1 of the supplementary (Chu et al. 2019)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scarlet.strategy.goal import Goal
from scarlet.strategy.initial_population import pool, spread
from scarlet.strategy.mutation import Policy, frequencies, mutated
from scarlet.strategy.parameters import SearchParameters
from zoo.population.costs import Choices, Costs, costs_of, with_costs
from zoo.population.front import (
    Infeasible,
    Losses,
    blocking,
    front,
    losses_of,
    require_known,
)
from zoo.population.selection import Survivors, crossed, survive, tournament
from zoo.population.trial import Record, Trial
from zoo.purposes import BREEDING, FIRST_GENERATION, SURVIVAL
from zoo.spaces.chain_space import ChainSpace
from zoo.spaces.genotype import ChainGenotype

VERSION = 3
"""3: trials are tagged with their generation (`tags`), which 2 spelled into `role`; otherwise the same."""

ENOUGH = 4
"""Candidates per network of the start, to choose evenly from."""
PAIRS = 64
"""Pairs of parents drawn at a time."""
FARTHER = 20
"""Attempts after which a child's mutations go one step farther."""


@dataclass(frozen=True, slots=True)
class Member:
    """A network that was evaluated and keeps every limit.

    Attributes:
        genotype: the network.
        losses: one per objective.
        trial: index of its trial.
    """

    genotype: ChainGenotype
    losses: tuple[float, ...]
    trial: int


class WeightedSearch:
    """Asks generation by generation; what a generation does depends on the records of those before it only.

    A child is checked against the limits on costs before it is asked for, and against the others when its record
    comes; what is missing then is drawn again in rounds. No two networks that compute the same function are
    evaluated.

    Deviation: where the space or the patience is exhausted, a generation goes on with the children it has.

    Args:
        space: of the networks.
        costs: what is known before evaluation: limits on it cost nothing.
        goal: objectives, weights, limits.
        parameters: sizes and shares.
        seed: of everything random in the search.
        measured: what an evaluation measures, costs apart.

    Raises:
        ValueError: for an objective or a limit on something that is neither priced nor measured.
    """

    def __init__(
        self,
        space: ChainSpace,
        costs: Costs,
        goal: Goal,
        parameters: SearchParameters,
        seed: int,
        measured: Sequence[str] = ("accuracy",),
    ) -> None:
        require_known((*goal.objectives, *goal.limits), {*costs.names, *measured})
        self._space, self._costs, self._goal, self._parameters = space, costs, goal, parameters
        self._free = [limit for limit in goal.limits if limit.metric in costs.names]
        self._paid = [limit for limit in goal.limits if limit.metric not in costs.names]
        self._seed = seed
        self._policy = Policy(space.options, parameters.learning_rate)
        self._known: set[str] = set()
        self._parents: list[Member] = []  # P
        self._children: list[Member] = []  # Q
        self._refused: list[dict[str, float]] = []  # what limits are on, of networks that broke one
        self._generation, self._round, self._asked = 0, 0, 0
        self._queue: list[tuple[ChainGenotype, str | None]] = []
        self._open: dict[int, ChainGenotype] = {}
        self._survivors: Survivors | None = None
        self._history: list[list[Member]] = []
        self._finished = False

    @property
    def population(self) -> Sequence[Member]:
        """P, the parents, and Q, their children so far."""
        return [*self._parents, *self._children]

    @property
    def survivors(self) -> Sequence[Sequence[Member]]:
        """Of every generation that is over, the start being number 0: those of P ∪ Q that are parents of the next."""
        return tuple(self._history)

    @property
    def over(self) -> bool:
        """Whether it asks for nothing more, and all it has asked for is told."""
        return self._finished and not self._open

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` networks of the current round.

        Raises:
            Infeasible: if the start finds no network that keeps every limit.
        """
        if n > 0 and not self._queue and not self._open and not self._finished:
            self._advance()
        batch, self._queue = self._queue[:n], self._queue[n:]
        trials = [
            Trial(
                index=first + i,
                genotype=genotype,
                setting=None,
                start=0,
                stop=1,
                parent=parent,
                role="child" if self._generation else "start",
                tags={"generation": self._generation},
            )
            for i, (genotype, parent) in enumerate(batch)
        ]
        self._open |= {first + i: genotype for i, (genotype, _) in enumerate(batch)}
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Let those that keep every limit join the generation."""
        for record in records:
            genotype = self._open.pop(record.index)
            if not record.ok:
                continue
            broken = [limit for limit in self._paid if not limit.holds(record.metrics[limit.metric])]
            if broken:
                self._refused.append({limit.metric: record.metrics[limit.metric] for limit in self._paid})
            else:
                metrics = with_costs(self._costs, genotype, record.metrics)
                losses = losses_of([metrics], self._goal.objectives)[0]
                self._children.append(Member(genotype, tuple(losses.tolist()), record.index))

    def resumable(self) -> set[int]:
        """Nothing: networks are evaluated with inherited weights, and keep none."""
        return set()

    # -------------------------------------------------------------- a generation

    def _advance(self) -> None:
        """The next round of this generation, or the first of the next one."""
        while not self._finished and not self._queue:
            missing = self._affordable(self._target - len(self._children))
            if missing > 0 and self._round < self._rounds:
                self._queue = self._propose(missing)
                self._round += 1
            if not self._queue:
                self._next_generation()
        self._asked += len(self._queue)

    @property
    def _target(self) -> int:
        """Children of this generation; P_0 and Q_0 each hold n."""
        return self._parameters.population * (1 if self._generation else 2)

    @property
    def _rounds(self) -> int:
        """How often this generation's children are asked for, until enough of them keep the limits."""
        return self._parameters.rounds

    def _affordable(self, count: int) -> int:
        budget = self._parameters.evaluations
        return count if budget is None else min(count, budget - self._asked)

    def _next_generation(self) -> None:
        """P_{i+1} from P_i ∪ Q_i; where there is nothing more to do, finished, and P_i and Q_i stay the population."""
        if not self._parents and not self._children:
            raise self._infeasible()
        everyone = sorted((*self._parents, *self._children), key=lambda member: member.trial)
        losses = np.array([member.losses for member in everyone])
        rng = np.random.default_rng((self._seed, self._generation + 1, SURVIVAL))
        survivors = survive(losses, self._goal.weights, self._parameters.population, rng)
        self._history.append([everyone[i] for i in survivors.numbers])
        exhausted = self._barren or self._affordable(1) < 1
        if exhausted or self._over:
            self._finished = True
            return
        self._generation, self._round = self._generation + 1, 0
        self._survivors, self._parents, self._children = survivors, self._history[-1], []
        self._learn(everyone, losses)

    @property
    def _barren(self) -> bool:
        """Whether this generation got no child."""
        return not self._children

    @property
    def _over(self) -> bool:
        """Whether this generation is the last."""
        return self._generation >= self._parameters.generations

    def _learn(self, everyone: Sequence[Member], losses: Losses) -> None:
        """REINFORCE on everyone's rank, before those who do not survive are forgotten."""
        ranked = survive(losses, self._goal.weights, len(everyone), np.random.default_rng(0))
        self._policy.learn(_choices([everyone[i] for i in ranked.numbers]), ranked.rank)

    def _infeasible(self) -> Infeasible:
        if not self._refused:
            raise ValueError(f"none of {self._asked} networks could be evaluated")
        limits, why = blocking(self._paid, self._refused)
        return Infeasible(limits, f"none of {self._asked} networks kept {'it' if len(limits) == 1 else 'them'}; {why}")

    # -------------------------------------------------------------- networks to try

    def _propose(self, count: int) -> list[tuple[ChainGenotype, str | None]]:
        """Up to ``count`` new networks with their parents' keys, alike ones next to each other.

        Sorted by choices, so that whoever evaluates them can share what they have in common.
        """
        if self._generation == 0:
            found = self._begin(count)
        else:
            found = self._breed(count, np.random.default_rng((self._seed, self._generation, self._round, BREEDING)))
        return sorted(found, key=lambda one: one[0].choices)

    def _begin(self, count: int) -> list[tuple[ChainGenotype, str | None]]:
        rng = np.random.default_rng((self._seed, self._round, FIRST_GENERATION))
        candidates = self._new(pool(self._space.options, self._costs, self._free, ENOUGH * count, rng))
        along = next((o.metric for o in self._goal.objectives if o.metric in self._costs.names), None)
        price = None if along is None or not len(candidates) else self._costs(candidates)[along]
        chosen = candidates[spread(candidates, price, count, rng)]
        genotypes = [self._chain(choices) for choices in chosen]
        self._known |= {self._space.function_key(genotype) for genotype in genotypes}
        return [(genotype, None) for genotype in genotypes]

    def _new(self, candidates: Choices) -> Choices:
        """Those whose function nobody has tried, each function once."""
        fresh: dict[str, npt.NDArray[np.int64]] = {}
        for choices in candidates:
            function = self._space.function_key(self._chain(choices))
            if function not in self._known:
                fresh.setdefault(function, choices)
        return np.array(list(fresh.values()), dtype=np.int64).reshape(-1, len(self._space.options))

    def _breed(self, count: int, rng: np.random.Generator) -> list[tuple[ChainGenotype, str | None]]:
        """Children of the survivors by mutation or crossover, within the limits on costs, each function once."""
        survivors = self._survivors
        assert survivors is not None
        parents = _choices(self._parents)
        best = front(np.array([member.losses for member in self._parents]))
        learned, liked = self._policy.chances, frequencies(parents[best], self._space.options)
        found = list[tuple[ChainGenotype, str | None]]()
        pairs = (pair for _ in itertools.count() for pair in tournament(survivors, PAIRS, rng))
        for _ in range(count):
            for attempt in range(self._parameters.attempts):
                one, other = next(pairs)
                if rng.random() < self._parameters.mutation:
                    child, parent = parents[one], self._parents[one].genotype.key
                    for _ in range(1 + attempt // FARTHER):
                        child = mutated(child, learned, liked, self._space.options, self._parameters, rng)
                else:
                    child = crossed(parents[one], parents[other], rng)
                    parent = self._parents[one].genotype.key
                genotype = self._chain(child)
                if self._admit(genotype):
                    found.append((genotype, parent))
                    break
        return found

    def _admit(self, genotype: ChainGenotype) -> bool:
        """Whether a child is new and keeps the limits on costs; if so, its function is known from now on."""
        function = self._space.function_key(genotype)
        if function in self._known:
            return False
        if self._free:
            priced = costs_of(self._costs, genotype)
            if not all(limit.holds(priced[limit.metric]) for limit in self._free):
                return False
        self._known.add(function)
        return True

    def _chain(self, choices: npt.NDArray[np.int64]) -> ChainGenotype:
        return ChainGenotype(self._space.name, tuple(int(choice) for choice in choices))


def _choices(members: Sequence[Member]) -> Choices:
    return np.array([member.genotype.choices for member in members], dtype=np.int64)
