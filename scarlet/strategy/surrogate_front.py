"""The search for a front with a surrogate: generations as small as a model learns, of networks that it believes in."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from scarlet.strategy.front_model import FrontModel
from scarlet.strategy.goal import Goal
from scarlet.strategy.imagination import chosen, imagined
from scarlet.strategy.nsga import Member, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from zoo.population.costs import Choices, Costs, with_costs
from zoo.population.front import Losses, front
from zoo.population.rounds import completed
from zoo.population.selection import survive
from zoo.population.trial import Record, Trial
from zoo.purposes import IMAGINED
from zoo.spaces.chain_space import ChainSpace
from zoo.spaces.genotype import ChainGenotype

Proposal = tuple[ChainGenotype, str | None]

START = 12
"""Networks of the start, from which the first model learns."""
LEAST, GROWTH = 5, 8
"""A generation has an eighth of what was measured, when the surrogate is fitted again, and at least so many."""
LEARNED = 200
"""Networks that a model learns from: half of them the first by rank and room, the others drawn from the rest."""
OTHER = 8
"""One child in so many comes from the side that has paid less: the model, or mutation and crossover."""
RECORD = 48
"""Children of a side by which it is judged: the last ones."""


class SurrogateFront(WeightedSearch):
    """Generations that a model proposes, as long as it finds more of the front than mutation and crossover do.

    A child that is on the front when its generation is over counts for who proposed it; the side with the larger
    share among its last children proposes the next generation, but for an eighth. What a generation asks for is read
    back from a journal and never decided again, for it rests on floating point.

    Args:
        space: of the networks.
        costs: what is known before evaluation, exactly.
        goal: objectives, weights, limits.
        parameters: sizes, shares, the kind of the surrogate. ``generations`` are counted as the evaluations that so
            many would have without a surrogate.
        seed: of everything random in the search.
        measured: what an evaluation measures, costs apart.

    Raises:
        ValueError: as :class:`WeightedSearch`, or for an unknown surrogate.
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
        super().__init__(space, costs, goal, parameters, seed, measured)
        self._model = FrontModel(space, costs, goal, parameters.surrogate, seed)  # type: ignore[arg-type]  # checks it
        self._seen: dict[int, tuple[ChainGenotype, dict[str, float]]] = {}
        self._found: dict[int, tuple[float, ...]] = {}  # losses of those that keep the limits
        self._imagined: dict[int, bool] = {}  # of every child whether the model proposed it
        self._paid_off = {side: deque[bool](maxlen=RECORD) for side in (True, False)}  # of the model, of the other
        self._told, self._proposed = 0, 0
        self._recalled: dict[int, list[Proposal]] = {}

    def tell(self, records: Sequence[Record]) -> None:
        """Take what was measured, of networks that miss a limit too."""
        for record in records:
            self._told += 1
            if record.ok:
                genotype = self._open[record.index]
                self._seen[record.index] = (genotype, dict(with_costs(self._costs, genotype, record.metrics)))
        before = len(self._children)
        super().tell(records)
        self._found |= {member.trial: member.losses for member in self._children[before:]}

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` networks of the current generation.

        Raises:
            Infeasible: if the start finds no network that keeps every limit.
        """
        trials = super().ask(n, first)
        if self._generation:
            self._imagined |= {trial.index: trial.parent is None for trial in trials}
        return trials

    def recall(self, trials: Sequence[Trial]) -> None:
        """The generations of a journal: whom they asked for."""
        for trial in trials:
            number, genotype = trial.tags.get("generation"), trial.genotype
            if isinstance(number, int) and number and isinstance(genotype, ChainGenotype):
                self._recalled.setdefault(number, []).append((genotype, trial.parent))

    # -------------------------------------------------------------- sizes

    @property
    def _target(self) -> int:
        if not self._generation:  # those that miss a limit teach the model too, but one must keep them all
            return 0 if self._children else min(START, 2 * self._parameters.population)
        return min(max(LEAST, -(-self._told // GROWTH)), self._parameters.population)

    @property
    def _rounds(self) -> int:
        return 1 if self._generation else self._parameters.rounds

    @property
    def _over(self) -> bool:
        return False

    @property
    def _barren(self) -> bool:
        return not self._proposed

    def _affordable(self, count: int) -> int:
        numbers = self._parameters
        most = numbers.population * (2 + numbers.generations)
        return min(super()._affordable(count), most - self._asked)

    # -------------------------------------------------------------- children

    def _propose(self, count: int) -> list[Proposal]:
        number, found = self._generation, list[Proposal]()
        if number and number + 1 in self._recalled:
            self._remember(count)  # the next generation may rest on what the model took
        else:
            found = super()._propose(count)
        if number and number in self._recalled:
            found = completed(self._recalled[number], found, key=lambda one: one[0])
            self._known |= {self._space.function_key(genotype) for genotype, _ in found}
        self._proposed = len(found)
        return found

    def _breed(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        """The model's children, then those of mutation and crossover; more of the side that has paid more."""
        found = self._believed(self._share(count))
        return [*found, *super()._breed(count - len(found), rng)]

    def _share(self, count: int) -> int:
        """How many of so many children are the model's."""
        fewer = count // OTHER
        return count - fewer if self._leads else fewer

    def _remember(self, count: int) -> None:
        """Let the model take what it took before this generation, which is not decided again."""
        if self._generation and self._share(count):
            self._take()

    def _believed(self, count: int) -> list[Proposal]:
        """Children that the model thinks will be on the front."""
        if not count:
            return []
        rng = self._take()
        trials, losses = self._losses()
        best = front(losses)
        parents = np.array([self._seen[trials[i]][0].choices for i in best], dtype=np.int64)
        candidates = imagined(self._model, self._space.options, parents, int(rng.integers(2**31)))
        candidates = self._new(self._cheapest_first(candidates))
        if not len(candidates):
            return []
        held = np.unique(losses[best], axis=0)
        rows = chosen(self._model.outlook(candidates), held, self._goal.weights, count)
        genotypes = [self._chain(candidates[row]) for row in rows]
        return [(genotype, None) for genotype in genotypes if self._admit(genotype)]

    def _cheapest_first(self, candidates: Choices) -> Choices:
        """Of networks that compute the same, the one is wanted that costs least."""
        wanted = [one for one in self._goal.objectives if one.metric in self._costs.names]
        priced = self._costs(candidates)
        keys = [-priced[one.metric] if one.maximize else priced[one.metric] for one in wanted]
        return candidates[np.lexsort(keys)] if keys else candidates

    def _take(self) -> np.random.Generator:
        """Let the model learn from some of what was measured, and return this generation's random numbers."""
        rng = np.random.default_rng((self._seed, self._generation, IMAGINED))
        learned = sorted(self._seen)
        if len(learned) > LEARNED:
            trials, losses = self._losses()
            best = survive(losses, self._goal.weights, min(LEARNED // 2, len(trials)), rng).numbers
            first = {trials[i] for i in best}
            rest = [trial for trial in learned if trial not in first]
            learned = sorted([*first, *rng.choice(rest, LEARNED - len(first), replace=False).tolist()])
        networks, metrics = zip(*(self._seen[trial] for trial in learned), strict=True)
        self._model.learn(networks, metrics, self._told)
        return rng

    def _losses(self) -> tuple[list[int], Losses]:
        """The trials of those that keep the limits, and their losses."""
        trials = sorted(self._found)
        return trials, np.array([self._found[trial] for trial in trials])

    # -------------------------------------------------------------- the record of both sides

    @property
    def _leads(self) -> bool:
        """Whether the model proposes most of the next generation; at first it does."""
        model, other = ((sum(record) + 1) / (len(record) + 1) for record in self._paid_off.values())
        return model >= other

    def _learn(self, everyone: Sequence[Member], losses: Losses) -> None:
        """Of the generation that is over, who is on the front of everything; then as without a surrogate."""
        super()._learn(everyone, losses)
        trials, found = self._losses()
        best = {trials[i] for i in front(found)}
        for trial in sorted(set(self._imagined) & set(self._seen)):
            self._paid_off[self._imagined[trial]].append(trial in best)
        self._imagined.clear()  # those that failed count for nobody
