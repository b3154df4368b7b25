"""A weighted search whose end is checked: a sample of its last networks is trained alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scarlet.strategy.nsga import Member, WeightedSearch
from scarlet.supernet.recipe import RECIPE
from zoo.population.costs import Costs, costs_of
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Recalling
from zoo.population.trial import ALONE, Record, Trial
from zoo.purposes import TRAINED_ALONE
from zoo.spaces.genotype import ChainGenotype
from zoo.training.recipe import Recipe
from zoo.training.retraining import Retraining


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Networks of the front's neighbourhood that are trained alone, to see how well the supernet ranks them.

    Attributes:
        networks: that are trained; at least 5, fewer say nothing.
        epochs: of each; 0: as many as the supernet was trained.
        recipe: of their training.

    Raises:
        ValueError: for fewer networks, or a negative number of epochs.
    """

    networks: int
    epochs: int = 0
    recipe: Recipe = RECIPE

    def __post_init__(self) -> None:
        if self.networks < 5 or self.epochs < 0:
            raise ValueError(
                f"an audit trains at least 5 networks, for 0 epochs (as many as the supernet) or more; got "
                f"{self.networks} networks and {self.epochs} epochs"
            )


class AuditedSearch:
    """Asks what the search asks; when that is over, epochs of a few of its networks, each trained alone.

    They are drawn from the last population and its children: as many strata of ascending MACs as networks, one from
    each. One network goes to a worker at a time.

    Args:
        search: whose networks are checked.
        audit: how many, and how long.
        costs: of the networks.
        seed: of the draw.
    """

    def __init__(self, search: WeightedSearch, audit: Audit, costs: Costs, seed: int) -> None:
        self.search = search
        self._audit, self._costs, self._seed = audit, costs, seed
        self._alone: Retraining | None = None

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` networks of the search, or the next epoch of one network alone."""
        if self._alone is None:
            trials = self.search.ask(n, first)
            if trials or n < 1 or not self.search.over:
                return trials
            setting = ProxySetting(0, 0, 0, self._audit.epochs)
            self._alone = Retraining(self._sample(), setting, role=ALONE)
        return self._alone.ask(min(n, 1), first)

    def tell(self, records: Sequence[Record]) -> None:
        """Hand records to who asked for them: the search is over before the first network is trained alone."""
        (self.search if self._alone is None else self._alone).tell(records)

    def resumable(self) -> set[int]:
        """The newest epochs of the networks that are trained alone."""
        return set() if self._alone is None else self._alone.resumable()

    def recall(self, trials: Sequence[Trial]) -> None:
        """What the search decided, out of a journal."""
        if isinstance(self.search, Recalling):
            self.search.recall([trial for trial in trials if trial.role != ALONE])

    def _sample(self) -> list[ChainGenotype]:
        def macs(member: Member) -> tuple[float, int]:
            return costs_of(self._costs, member.genotype).get("macs", 0.0), member.trial

        members = sorted(self.search.population, key=macs)
        rng = np.random.default_rng((self._seed, TRAINED_ALONE))
        strata = np.array_split(np.arange(len(members)), min(self._audit.networks, len(members)))
        return [members[int(rng.choice(stratum))].genotype for stratum in strata]
