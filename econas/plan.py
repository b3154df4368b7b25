"""A search on images as planned: what its settings cost, and which dearer ones audits go through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from econas.evaluator import SearchEvaluator
from econas.strategy.audit import Step
from econas.strategy.baselines import evolution_then_retrain, random_then_retrain
from econas.strategy.hierarchical import VERSION, HierarchicalSearch
from econas.strategy.parameters import Parameters
from zoo.commands.options import Bench
from zoo.data.image_set import ImageSet
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Evaluator
from zoo.spaces.cell_space import CellSpace, cell_space
from zoo.training import TrainingSetup

METHODS = ("hierarchical", "random", "evolution")
SAMPLE = 16
"""Random networks over which a setting's price is averaged."""
EIGHTH = 8
"""Population of the evolution that is compared with: an eighth of its trainings, at most 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides what a search does.

    Attributes:
        method: hierarchical, or what it is compared with: random networks or evolution at the same proxy, each with
            the same budget and the same retraining.
        space: name of the search space.
        parameters: of the search.
        bench: images and the setup of the search.
        final: setup of the retraining.
        group: trials per batch.
    """

    method: str
    space: str
    parameters: Parameters
    bench: Bench
    final: TrainingSetup
    group: int

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.bench.setup.seed

    def strategy(self) -> Any:
        """A fresh strategy; it has ``finalists`` when it has ended."""
        space, numbers = cell_space(self.space), self.parameters
        if self.method == "hierarchical":
            return HierarchicalSearch(space, numbers, self.seed)
        if self.method == "random":
            return random_then_retrain(space, numbers, self.seed)
        count = max(2, min(100, int(numbers.search_budget / numbers.setting.e / EIGHTH)))
        return evolution_then_retrain(space, numbers, self.seed, population=count, sample=max(2, count // 4))

    def evaluator(self, images: ImageSet) -> Evaluator:
        """A worker's evaluator."""
        return SearchEvaluator(self.bench.setup, self.final, images)

    def identity(self) -> dict[str, Any]:
        """What makes the run this run."""
        return {
            "strategy": {
                "name": "econas",
                "version": VERSION,
                "method": self.method,
                "space": self.space,
                "parameters": self.parameters.to_dict(),
                "seed": self.seed,
            },
            "data": self.bench.images.fingerprint,
            "setup": self.bench.setup.identity(),
            "final": self.final.identity(),
            "group": self.group,
        }


def stages(count: int, setting: ProxySetting) -> tuple[int, ...]:
    """The epochs at which ``count`` equal stages of a setting's schedule end.

    Raises:
        ValueError: where the epochs cannot be divided so.
    """
    if count < 1 or setting.e % count:
        raise ValueError(f"the {setting.e} epochs of {setting} cannot be divided into {count} equal stages")
    return tuple(setting.e // count * (i + 1) for i in range(count))


def dearer(setting: ProxySetting, bench: Bench) -> list[ProxySetting]:
    """Ever dearer settings, one level of channels and resolution at a time, then of samples, up to the original.

    Those that train the same thing on these images are left out.
    """
    found: list[ProxySetting] = []
    small = setting
    while (small.c, small.r, small.s) != (0, 0, 0):
        if small.c or small.r:
            small = replace(small, c=max(0, small.c - 1), r=max(0, small.r - 1))
        else:
            small = replace(small, s=small.s - 1)
        before = found[-1] if found else setting
        if _effect(small, bench) != _effect(before, bench):
            found.append(small)
    return found


def _effect(setting: ProxySetting, bench: Bench) -> tuple[int, int, int]:
    skeleton = setting.skeleton(bench.setup.skeleton)
    return skeleton.channels, skeleton.resolution, setting.s


def pricing(bench: Bench, space: CellSpace, base: ProxySetting) -> Callable[[ProxySetting], float]:
    """Says what an epoch at a setting costs in epochs of ``base``, averaged over random networks."""
    networks = [space.sample(np.random.default_rng((number, SAMPLE))) for number in range(SAMPLE)]

    def total(setting: ProxySetting) -> float:
        images = bench.images_at([setting])[setting.s]
        return sum(bench.epoch_price(network, setting, images) for network in networks)

    reference = total(base)
    return lambda setting: round(total(setting) / reference, 4)


def ladder(settings: Sequence[ProxySetting], price: Callable[[ProxySetting], float]) -> tuple[Step, ...]:
    """The settings with their costs."""
    return tuple(Step(setting, price(setting)) for setting in settings)
