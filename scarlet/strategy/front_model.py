"""What a search believes of networks it has not measured: costs exactly, everything else by surrogates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scarlet.strategy.goal import Goal
from zoo.population.costs import Choices, Costs
from zoo.population.front import Losses
from zoo.spaces.chain_space import ChainSpace
from zoo.spaces.features import Features
from zoo.spaces.genotype import ChainGenotype
from zoo.surrogates.scale import LogGap
from zoo.surrogates.surrogate import Kind, Surrogate

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is believed of n networks.

    Attributes:
        priced: by name the (n,) costs.
        mean: by name the (n,) means of what is measured, on the scale of its surrogate.
        deviation: by name their standard deviations.
        model: who believes it.
    """

    priced: Mapping[str, Values]
    mean: Mapping[str, Values]
    deviation: Mapping[str, Values]
    model: "FrontModel"

    def metrics(self, optimism: float) -> dict[str, Values]:
        """By name the (n,) values, measured ones better than their means by so many standard deviations."""
        found = dict(self.priced)
        for name, mean in self.mean.items():
            found[name] = self.model.value(name, mean + optimism * self.deviation[name])
        return found

    def losses(self, optimism: float) -> Losses:
        """(n, objectives) losses; infinite where a limit would be missed even so."""
        goal, metrics = self.model.goal, self.metrics(optimism)
        losses = np.stack([-metrics[o.metric] if o.maximize else metrics[o.metric] for o in goal.objectives], axis=1)
        for limit in goal.limits:
            losses[~(limit.excess(metrics[limit.metric]) <= 0)] = np.inf
        return losses


class FrontModel:
    """A surrogate for everything that is measured and that the goal names.

    Args:
        space: of the networks.
        costs: known exactly; they are features of the surrogates too.
        goal: objectives and limits.
        kind: of the surrogates.
        seed: of the surrogates.
    """

    def __init__(self, space: ChainSpace, costs: Costs, goal: Goal, kind: Kind, seed: int) -> None:
        self.goal = goal
        self._space, self._costs = space, costs
        self._up = {name: _wants_more(name, goal) for name in goal.metrics if name not in costs.names}
        self._surrogates = {name: Surrogate(kind, seed, scale=lambda scaled: scaled) for name in self._up}
        self._scales: dict[str, LogGap] = {}

    def learn(self, networks: Sequence[ChainGenotype], metrics: Sequence[Mapping[str, float]], told: int) -> None:
        """Take what was measured.

        Args:
            networks: the networks to learn from.
            metrics: of each.
            told: how many were measured so far in all.
        """
        features = self._features(np.array([one.choices for one in networks], dtype=np.int64))
        for name, surrogate in self._surrogates.items():
            if surrogate.due(told):
                quality = np.array([row[name] if self._up[name] else -row[name] for row in metrics])
                self._scales[name] = LogGap.of(quality)
                surrogate.learn(told, features, self._scales[name].to(quality))

    def outlook(self, choices: Choices) -> Outlook:
        """What is believed of (n, layers) networks.

        Raises:
            ValueError: if nothing was learned yet.
        """
        features = self._features(choices)
        believed = {name: surrogate.predict(features) for name, surrogate in self._surrogates.items()}
        mean, deviation = ({name: pair[i] for name, pair in believed.items()} for i in (0, 1))
        return Outlook(self._costs(choices), mean, deviation, self)

    def value(self, name: str, scaled: Values) -> Values:
        """A metric's values from the scale of its surrogate."""
        quality = self._scales[name].back(scaled)
        return quality if self._up[name] else -quality

    def _features(self, choices: Choices) -> list[Features]:
        """Of the genotypes, and what they cost."""
        priced = {f"cost {name}": np.log1p(values) for name, values in self._costs(choices).items()}
        return [
            {
                **self._space.features(ChainGenotype(self._space.name, tuple(row))),
                **{name: float(values[i]) for name, values in priced.items()},
            }
            for i, row in enumerate(choices.tolist())
        ]


def _wants_more(metric: str, goal: Goal) -> bool:
    """Whether more of a metric is better: as an objective has it, else as its limit has."""
    for objective in goal.objectives:
        if objective.metric == metric:
            return objective.maximize
    return not next(limit.upper for limit in goal.limits if limit.metric == metric)
