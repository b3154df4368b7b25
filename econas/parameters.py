"""The numbers of the EcoNAS search: populations, stages, promotions, ageing, settings, budget."""

from dataclasses import asdict, dataclass
from typing import Any

from zoo.population.proxy import ProxySetting

SEARCH, ORIGINAL = ProxySetting(4, 4, 0, 60), ProxySetting(0, 0, 0, 600)
"""The paper's settings: of the search, and of the final training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """EcoNAS's numbers (Appendix E.1, Zhou 2020, and the authors' code); all may be changed.

    Attributes:
        start: random networks to begin with.
        parents: tournaments a cycle in each population; their sum is the number of children.
        promotions: networks promoted a cycle from each population but the last, at most half of it.
        stages: epochs trained at the end of each stage; the last is the setting's.
        ageing: cycles without training after which a network leaves.
        cycles: at most.
        setting: reductions of the search; its epochs are the last stage's.
        final: setting the best are retrained at.
        finalists: networks retrained at most.
        final_share: share of the whole budget that retraining may take at most.
        final_price: price of an epoch at ``final`` in epochs of ``setting``.
        budget: epochs of ``setting`` in all, retraining included; None: no limit but ``cycles``.

    Raises:
        ValueError: for numbers that do not fit together, or a budget too small for one cycle.
    """

    start: int = 16
    parents: tuple[int, ...] = (6, 5, 5)
    promotions: tuple[int, ...] = (8, 4)
    stages: tuple[int, ...] = (20, 40, 60)
    ageing: int = 10
    cycles: int = 100
    setting: ProxySetting = SEARCH
    final: ProxySetting = ORIGINAL
    finalists: int = 5
    final_share: float = 1 / 3
    final_price: float = 1.0
    budget: float | None = None

    def __post_init__(self) -> None:
        for name in ("start", "ageing", "cycles", "finalists"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.stages or any(a >= b for a, b in zip((0, *self.stages), self.stages, strict=False)):
            raise ValueError(f"stages must be positive and ascend, got {list(self.stages)}")
        if self.stages[-1] != self.setting.e:
            raise ValueError(f"the last stage must end at the setting's {self.setting.e} epochs, got {self.stages[-1]}")
        if len(self.parents) != len(self.stages) or min(self.parents) < 0 or not sum(self.parents):
            raise ValueError(f"parents needs one number per stage, some above 0, got {list(self.parents)}")
        if len(self.promotions) != len(self.stages) - 1 or any(p < 0 for p in self.promotions):
            raise ValueError(f"promotions needs one number per stage but the last, got {list(self.promotions)}")
        if any(p > self.start + sum(self.parents) for p in self.promotions):
            raise ValueError(f"more promotions than networks: {max(self.promotions)}")
        if not 0 < self.final_share < 1 or self.final_price <= 0:
            raise ValueError("final_share must lie between 0 and 1 and final_price be positive")
        least = (self.start + self.children) * self.stages[0]
        if self.search_budget < least:
            raise ValueError(
                f"a budget of {self.budget:g} epochs leaves {self.search_budget:g} to search, "
                f"the start and one cycle need {least}"
            )

    @property
    def children(self) -> int:
        """Children a cycle."""
        return sum(self.parents)

    @property
    def retrained(self) -> int:
        """How many networks are retrained: as many as the budget's share pays, at most ``finalists``.

        None where the search trains at the final setting already.
        """
        if self.final == self.setting:
            return 0
        if self.budget is None:
            return self.finalists
        return min(self.finalists, int(self.final_share * self.budget / (self.final.e * self.final_price)))

    @property
    def search_budget(self) -> float:
        """Epochs left for the search."""
        if self.budget is None:
            return float("inf")
        return self.budget - self.retrained * self.final.e * self.final_price

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON-ready data, for a run's identity."""
        return asdict(self) | {"setting": str(self.setting), "final": str(self.final)}
