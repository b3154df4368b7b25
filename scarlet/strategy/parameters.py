"""Every number of the weighted search, with the paper's as defaults."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from zoo.surrogates.option import NO_SURROGATE, check_surrogate


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParameters:
    """Sizes, shares and patience of the search (Table 1 of the supplementary, Chu 2019, unless said otherwise).

    Attributes:
        population: n; the start evaluates two populations.
        generations: after the start; ours, the paper gives no number.
        evaluations: networks evaluated at most; None: no limit but the generations.
        mutation: share of the children that come from mutation, the others from crossover ("mutation ratio").
        random: share of random mutations, p_rm.
        reinforced: share of mutations by the learned policy, p_re.
        prior: share of mutations by the choices of the first front, p_pr.
        single: share of mutations that change one layer, p_M; the others, p_KM, change several.
        several: layers the others change, K; ours.
        learning_rate: of the policy's logits; ours.
        rounds: times a generation's missing networks are drawn again after the accuracy check; ours.
        attempts: draws of a child that is new and keeps the limits, before it is given up; ours.
        surrogate: none: the paper's search; auto, forest or gp: a model proposes children, as long as that pays; ours.

    Raises:
        ValueError: for numbers out of range, shares of mutations that do not sum to 1, an unknown surrogate, or too
            few evaluations for one.
    """

    population: int = 70
    generations: int = 120
    evaluations: int | None = None
    mutation: float = 0.8
    random: float = 0.2
    reinforced: float = 0.65
    prior: float = 0.15
    single: float = 0.7
    several: int = 3
    learning_rate: float = 1.0
    rounds: int = 20
    attempts: int = 200
    surrogate: str = NO_SURROGATE

    def __post_init__(self) -> None:
        for name, least in (("population", 2), ("generations", 0), ("several", 1), ("rounds", 1), ("attempts", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.evaluations is not None and self.evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {self.evaluations}")
        most = self.population * (2 + self.generations) if self.evaluations is None else self.evaluations
        check_surrogate(self.surrogate, most, f"{most} evaluations")
        for name in ("mutation", "random", "reinforced", "prior", "single"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name):g}")
        kinds = self.random + self.reinforced + self.prior
        if not math.isclose(kinds, 1.0, abs_tol=1e-6):
            raise ValueError(f"random, reinforced and prior must sum to 1, got {kinds:g}")
        if not 0 <= self.learning_rate < math.inf:
            raise ValueError(f"the learning rate must be a number from 0 up, got {self.learning_rate:g}")

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON-ready data, for a run's identity; runs from before there were surrogates are the same."""
        data = asdict(self)
        return {name: value for name, value in data.items() if (name, value) != ("surrogate", NO_SURROGATE)}
