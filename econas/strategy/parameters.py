"""The numbers of the EcoNAS search: populations, stages, promotions, ageing, settings, budget."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from econas.strategy.audit import Auditing
from zoo.pages.written import percent
from zoo.population.metric import Metric, check_metric
from zoo.population.proxy import ProxySetting
from zoo.reliability.interval import FEWEST
from zoo.reliability.signal import ACCURACY, find_signal
from zoo.surrogates.option import NO_SURROGATE, check_surrogate

SEARCH, ORIGINAL = ProxySetting(4, 4, 0, 60), ProxySetting(0, 0, 0, 600)
"""The paper's settings: of the search, and of the final training."""
CHOSEN = ("signal", "metric")
"""Fields that came later: what is chosen by."""


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
        finalists: networks retrained at most; with a surrogate and a budget at least, as far as the share pays them.
        final_share: share of the whole budget that is kept for retraining at most; with a surrogate more may be spent.
        final_price: price of an epoch at ``final`` in epochs of ``setting``.
        final_every: epochs of retraining a trial; None: all of them.
        budget: epochs of ``setting`` in all, retraining and audits included; None: no limit but ``cycles``.
        asynchronous: whether a free worker starts at once with what is known, instead of waiting for a cycle's end.
        audit: how the search audits itself; None: not at all.
        signal: what ranks cheap trainings, by name (`zoo/reliability/signal.py`); accuracy is EcoNAS's own.
        surrogate: none: the paper's search; auto, forest or gp: a model proposes, and decides who is trained fully.
        metric: accuracy or balanced_accuracy: what judges the retrained, and the dear trainings of audits; auto until
            a search is fitted to its images.

    Raises:
        ValueError: for numbers that do not fit together, or a budget too small for one cycle or for a surrogate.
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
    final_every: int | None = None
    budget: float | None = None
    asynchronous: bool = False
    audit: Auditing | None = None
    signal: str = ACCURACY
    metric: Metric | Literal["auto"] = "accuracy"
    surrogate: str = NO_SURROGATE

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
        if self.final_every is not None and self.final_every < 1:
            raise ValueError(f"final_every must be at least 1, got {self.final_every}")
        if self.final != self.setting and self.retrained < 1:
            raise ValueError(
                f"{percent(self.final_share, 0)} of a budget of {self.budget:g} epochs pays no training at "
                f"{self.final}, which costs {self.final.e * self.final_price:g}"
            )
        self._check_audits()
        find_signal(self.signal)
        check_metric(self.metric)
        check_surrogate(self.surrogate, self.search_budget / self.stages[0], f"{self.search_budget:g} epochs")

    def _check_audits(self) -> None:
        if self.audit is None:
            return
        for step in self.audit.ladder:
            if step.setting.e != self.setting.e:
                raise ValueError(f"audits train for the search's {self.setting.e} epochs, got {step.setting}")
            if step.setting == self.setting:
                raise ValueError(f"audits train at another setting than the search's, got {step.setting}")
        if self.audit.cycles[-1] > self.cycles:
            raise ValueError(f"an audit before cycle {self.audit.cycles[-1]} of {self.cycles} cycles")
        money, count = self.audit_money, len(self.audit.cycles)
        if self.audit.affordable(money / count, 0) < FEWEST:
            one = self.audit.ladder[0]
            raise ValueError(
                f"{percent(self.audit.share, 0)} of the search is {money:.4g} epochs; "
                f"{count} audit{'s' if count > 1 else ''} of {FEWEST} networks at {one.setting} "
                f"cost {count * FEWEST * one.setting.e * one.price:.4g}"
            )

    @property
    def children(self) -> int:
        """Children a cycle."""
        return sum(self.parents)

    @property
    def round_children(self) -> int:
        """Children a round of a search with a surrogate: half of a cycle's, since a model is soon out of date."""
        return -(-self.children // 2)

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
    def most_retrained(self) -> int:
        """How many networks may be retrained: with a surrogate all that the budget pays beside the first networks."""
        if self.budget is None or self.surrogate == NO_SURROGATE or not self.retrained:
            return self.retrained
        left = self.budget - self.start * self.stages[0]
        return max(self.retrained, int(left / (self.final.e * self.final_price)))

    @property
    def search_budget(self) -> float:
        """Epochs left for the search."""
        if self.budget is None:
            return float("inf")
        return self.budget - self.retrained * self.final.e * self.final_price

    @property
    def planned_cycles(self) -> int:
        """Cycles that the start, the budget and full cycles leave room for, at most."""
        if self.budget is None:
            return self.cycles
        return max(1, min(self.cycles, int((self.search_budget - self.start * self.stages[0]) // self.cycle_price)))

    @property
    def cycle_price(self) -> int:
        """Epochs of a full cycle."""
        lengths = [stop - start for start, stop in zip((0, *self.stages), self.stages, strict=False)]
        return self.children * lengths[0] + sum(n * p for n, p in zip(lengths[1:], self.promotions, strict=True))

    @property
    def search_total(self) -> float:
        """Epochs the search may cost, audits included: what the budget leaves it, or all cycles."""
        if self.budget is not None:
            return self.search_budget
        cycles = self.start * self.stages[0] + self.cycles * self.cycle_price
        return cycles if self.audit is None else cycles / (1 - self.audit.share)

    @property
    def total(self) -> float:
        """Epochs of ``setting`` that search and retraining may cost."""
        return self.search_total + self.retrained * self.final.e * self.final_price

    @property
    def audit_money(self) -> float:
        """Epochs of ``setting`` that all audits may cost: a share of the search's, so less of the whole budget."""
        return 0.0 if self.audit is None else self.audit.share * self.search_total

    def price(self, setting: ProxySetting) -> float:
        """Of an epoch at a setting of the search, in epochs of its first one.

        Raises:
            ValueError: for a setting that the search does not use.
        """
        ladder = () if self.audit is None else self.audit.ladder
        known = {step.setting: step.price for step in ladder} | {self.final: self.final_price, self.setting: 1.0}
        if setting not in known:
            raise ValueError(f"the search trains at {', '.join(map(str, known))}, got {setting}")
        return known[setting]

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON-ready data, for a run's identity.

        Signal and metric are left out where they are accuracy, the surrogate where there is none: runs from before they
        could be chosen are the same.
        """
        audit = None if self.audit is None else self.audit.to_dict()
        data = asdict(self) | {"setting": str(self.setting), "final": str(self.final), "audit": audit}
        before = dict.fromkeys(CHOSEN, ACCURACY) | {"surrogate": NO_SURROGATE}
        return {name: value for name, value in data.items() if name not in before or value != before[name]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Parameters":
        """Read :meth:`to_dict`'s form; fields of others are left out.

        Raises:
            ValueError: as the class, or for data of another form.
        """
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        try:
            for name in ("setting", "final"):
                known[name] = ProxySetting.parse(known[name])
            for name in ("parents", "promotions", "stages"):
                known[name] = tuple(known[name])
            if known.get("audit") is not None:
                known["audit"] = Auditing.from_dict(known["audit"])
            return cls(**known)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"these are no parameters of a search: {error!r}") from None


def usual_surrogate(method: str, named: str | None = None) -> str:
    """The surrogate that was named, else auto; what EcoNAS is compared with has none unless one is named."""
    return named or ("auto" if method == "hierarchical" else NO_SURROGATE)


def usual_signal(named: str | None = None) -> str:
    """The signal of a search on images: the one that was named, else the one that ranked best in `benchmarks signals`.

    Accuracies that are looked up in a table come with no other signal, so there accuracy stays.
    """
    return named or "train_loss_late"


def paper_parameters(
    setting: str | None = None, final: str | None = None, stages: int | None = None, **changes: Any
) -> Parameters:
    """EcoNAS's numbers for a search on images, before it is known what its final setting costs there.

    Args:
        setting: the cheap one; None: the paper's.
        final: of the retraining; None: the paper's.
        stages: equal ones of the cheap schedule; None: as many as the paper's.
        changes: other numbers than the paper's.

    Raises:
        ValueError: for a setting that cannot be read, or numbers that do not fit together.
    """
    cheap = SEARCH if setting is None else ProxySetting.parse(setting)
    return Parameters(
        **changes,
        setting=cheap,
        stages=equal_stages(len(Parameters().stages) if stages is None else stages, cheap),
        final=ORIGINAL if final is None else ProxySetting.parse(final),
        final_every=1,
        final_price=1e-9,  # known with the images; anything else is complained about before they load
    )


def equal_stages(count: int, setting: ProxySetting) -> tuple[int, ...]:
    """The epochs at which ``count`` equal stages of a setting's schedule end.

    Raises:
        ValueError: where the epochs cannot be divided so.
    """
    if count < 1 or setting.e % count:
        raise ValueError(f"the {setting.e} epochs of {setting} cannot be divided into {count} equal stages")
    return tuple(setting.e // count * (i + 1) for i in range(count))
