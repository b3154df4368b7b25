"""What is compared on tables, by name: our search, what it was before, it with parts taken out, and its peers.

All of them go through the same manager at the same prices; Optuna's samplers run by themselves, see `_optuna_peers`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks._sequential_peers import Bananas, LocalSearch, Sequential
from econas.strategy.baselines import RandomBaseline, RegularizedEvolution, ThenRetrain, evolution_sizes, trainings
from econas.strategy.belief import Belief
from econas.strategy.buyer import Buyer
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.known import Known, Slot
from econas.strategy.surrogate_search import SurrogateSearch
from econas.table_experiment import TableExperiment, table_parameters
from zoo.population import ProxySetting, Strategy
from zoo.population.table import Table
from zoo.spaces.features import Features
from zoo.surrogates.model import Array
from zoo.surrogates.surrogate import Surrogate

Method = Callable[[Table, float, int], Strategy]


def setting(epochs: int) -> ProxySetting:
    """A training of the table: nothing is reduced but the epochs."""
    return ProxySetting(0, 0, 0, epochs)


def full(table: Table) -> ProxySetting:
    """The table's longest training."""
    return setting(table.epochs[-1])


def experiment(table: Table, budget: float, seed: int, method: str, surrogate: str) -> Strategy:
    """The strategy of `econas search --table`."""
    numbers = table_parameters(table, budget=budget, surrogate=surrogate)
    return TableExperiment(method=method, space=table.space.name, parameters=numbers, seed=seed).strategy()


def econas(table: Table, budget: float, seed: int) -> Strategy:
    """The search with its defaults."""
    return experiment(table, budget, seed, "hierarchical", "auto")


def today(table: Table, budget: float, seed: int) -> Strategy:
    """The search without a surrogate: the paper's."""
    return experiment(table, budget, seed, "hierarchical", "none")


class NoModel(Surrogate):
    """In place of a surrogate: every candidate is as good as the next, so children are mutants of the best."""

    def due(self, trainings: int) -> bool:
        """Never."""
        return False

    def predict(self, networks: Sequence[Features]) -> tuple[Array, Array]:
        """Nothing is known of anybody."""
        return np.zeros(len(networks)), np.ones(len(networks))


class FixedShare(Buyer):
    """Full trainings at the end only: as many as the paper's search keeps epochs for."""

    def _worthwhile(
        self, known: Sequence[Known], belief: Belief, spent: float, gain: float, rng: np.random.Generator
    ) -> list[Slot]:
        return []


def ablation_no_surrogate(table: Table, budget: float, seed: int) -> Strategy:
    """Mutants of the best, and full trainings as they are worth."""
    numbers = table_parameters(table, budget=budget, surrogate="auto")
    return SurrogateSearch(table.space, numbers, seed, Buyer(table.space, numbers, seed, NoModel("forest", seed)))


def ablation_fixed_share(table: Table, budget: float, seed: int) -> Strategy:
    """A surrogate, and full trainings at the end only."""
    numbers = table_parameters(table, budget=budget, surrogate="auto")
    return SurrogateSearch(table.space, numbers, seed, FixedShare(table.space, numbers, seed))


def ablation_neither(table: Table, budget: float, seed: int) -> Strategy:
    """Mutants of the best, and full trainings at the end only."""
    numbers = table_parameters(table, budget=budget, surrogate="auto")
    return SurrogateSearch(table.space, numbers, seed, FixedShare(table.space, numbers, seed, NoModel("forest", seed)))


def random(table: Table, budget: float, seed: int) -> Strategy:
    """Random networks, trained fully, no function twice."""
    return RandomBaseline(table.space, full(table), budget, seed)


def regularized_evolution(table: Table, budget: float, seed: int) -> Strategy:
    """Ageing evolution on full trainings, as published."""
    population, sample = evolution_sizes(trainings(full(table), budget), TableExperiment.random_part)
    return RegularizedEvolution(table.space, full(table), budget, seed, population=population, sample=sample)


def asha(table: Table, budget: float, seed: int) -> Strategy:
    """Successive halving over the table's trainings; each rung costs the same, which sets eta."""
    rungs = [Rung(setting(epochs), epochs) for epochs in (table.epochs[0], table.epochs[-1])]
    return SuccessiveHalving(table.space, rungs, budget, seed, eta=table.epochs[-1] / table.epochs[0])


def single_fidelity_evolution(table: Table, budget: float, seed: int) -> Strategy:
    """Ageing evolution on cheap trainings, the best retrained."""
    return experiment(table, budget, seed, "evolution", "none")


def local_search(table: Table, budget: float, seed: int) -> Strategy:
    """Local search on full trainings."""
    return Sequential(LocalSearch(table.space, seed), full(table), budget)


def local_search_cheap(table: Table, budget: float, seed: int) -> Strategy:
    """Local search on cheap trainings, the best retrained."""
    numbers = table_parameters(table, budget=budget)
    return ThenRetrain(Sequential(LocalSearch(table.space, seed), numbers.setting, numbers.search_budget), numbers)


def bananas(table: Table, budget: float, seed: int) -> Strategy:
    """The BANANAS-like search on full trainings."""
    return Sequential(Bananas(table.space, seed), full(table), budget)


def bananas_cheap(table: Table, budget: float, seed: int) -> Strategy:
    """The BANANAS-like search on cheap trainings, the best retrained."""
    numbers = table_parameters(table, budget=budget)
    return ThenRetrain(Sequential(Bananas(table.space, seed), numbers.setting, numbers.search_budget), numbers)


STRATEGIES: dict[str, Method] = {
    one.__name__: one
    for one in (
        econas, today, ablation_no_surrogate, ablation_fixed_share, ablation_neither, random, regularized_evolution,
        asha, single_fidelity_evolution, local_search, local_search_cheap, bananas, bananas_cheap,
    )
}  # fmt: skip
ABLATIONS = ("ablation_no_surrogate", "ablation_fixed_share", "ablation_neither")
NEED_CHEAP = (
    "ablation_fixed_share",
    "ablation_neither",
    "asha",
    "single_fidelity_evolution",
    "local_search_cheap",
    "bananas_cheap",
)
BATCH = dict.fromkeys(("econas", *ABLATIONS), 8) | {"today": 16}
"""Children of a round or a cycle; the asynchronous methods run as published, one after another."""
