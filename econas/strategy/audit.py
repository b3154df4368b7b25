"""Audits: whether the proxy still ranks the networks a search is working on as a dearer setting does.

The cheap side of an audit is what the search goes by, its signal; the dear side is what finals are judged by, the
metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from econas.strategy.population import Network
from econas.strategy.ranking import UNKNOWN
from zoo.population.proxy import ProxySetting
from zoo.purposes import AUDIT_INTERVALS
from zoo.reliability.correlation import resampled_spearman
from zoo.reliability.interval import FEWEST, Estimate, bootstrap

Mode = Literal["warn", "escalate"]
MODES: tuple[Mode, ...] = ("warn", "escalate")


@dataclass(frozen=True, slots=True)
class Step:
    """A dearer setting: audits train at it, and escalation goes to it.

    Attributes:
        setting: reductions and epochs.
        price: of one of its epochs, in epochs of the search's first setting.
    """

    setting: ProxySetting
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """When, how and at what price a search audits its proxy.

    Attributes:
        mode: what a bound below the limit leads to: a warning, or the next step of the ladder.
        cycles: before which an audit is held, ascending, from 1.
        ladder: ever dearer settings; the first is what audits of the search's own setting train at.
        networks: audited at a time, at most.
        limit: correlation that the lower bound must reach.
        share: of the search's budget that all audits together may take.

    Raises:
        ValueError: for numbers that do not fit together.
    """

    mode: Mode
    cycles: tuple[int, ...]
    ladder: tuple[Step, ...]
    networks: int = 16
    limit: float = 0.0
    share: float = 0.1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"audits warn or escalate, got {self.mode!r}")
        if not self.cycles or self.cycles[0] < 1 or any(a >= b for a, b in pairwise(self.cycles)):
            raise ValueError(f"the cycles of audits must ascend from 1 up, got {list(self.cycles)}")
        if not self.ladder or any(step.price <= 0 for step in self.ladder):
            raise ValueError("audits need a dearer setting with a positive price")
        if self.networks < FEWEST:
            raise ValueError(f"an audit needs at least {FEWEST} networks for an interval, got {self.networks}")
        if not -1 <= self.limit < 1 or not 0 < self.share < 1:
            raise ValueError(f"limit must lie in [-1, 1) and share in (0, 1), got {self.limit:g} and {self.share:g}")

    def affordable(self, money: float, step: int) -> int:
        """How many networks an audit may train for ``money`` epochs, at a step of the ladder."""
        one = self.ladder[step]
        return max(0, min(self.networks, int(money / (one.setting.e * one.price) + 1e-9)))

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON-ready data."""
        ladder = [{"setting": str(step.setting), "price": step.price} for step in self.ladder]
        return asdict(self) | {"cycles": list(self.cycles), "ladder": ladder}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Auditing":
        """Read :meth:`to_dict`'s form."""
        ladder = tuple(Step(ProxySetting.parse(one["setting"]), one["price"]) for one in data["ladder"])
        return cls(**{**data, "cycles": tuple(data["cycles"]), "ladder": ladder})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit found and what followed.

    Attributes:
        cycle: before which it was held.
        setting: audited.
        reference: setting it was compared with.
        networks: compared: those of this audit and of earlier ones of the same setting.
        rho: Spearman correlation of the scores after the first stage with the reference's metric; NaN where undefined.
        low: lower end of its 95 % interval.
        high: upper end.
        decision: trusted, warned, escalated, or why nothing followed.
    """

    cycle: int
    setting: ProxySetting
    reference: ProxySetting
    networks: int
    rho: float
    low: float
    high: float
    decision: str

    @property
    def sentence(self) -> str:
        """The verdict for a reader."""
        what = f"cycle {self.cycle}, {self.setting} against {self.reference}"
        if np.isnan(self.rho):
            return f"{what}: {self.decision}"
        interval = "" if np.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{what}: rank correlation {self.rho:.2f}{interval} over {self.networks} networks; {self.decision}"

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON-ready data; null where undefined."""
        numbers = {name: None if np.isnan(value) else value for name, value in
                   (("rho", self.rho), ("low", self.low), ("high", self.high))}  # fmt: skip
        return asdict(self) | {"setting": str(self.setting), "reference": str(self.reference)} | numbers


def stratified(networks: Sequence[Network], count: int, rng: np.random.Generator) -> list[Network]:
    """One network, drawn uniformly, from each of ``count`` equal parts of the ranking by first-stage score.

    All networks where there are no more than ``count``.
    """
    ranked = sorted(networks, key=lambda network: (-network.first, network.trial))
    if len(ranked) <= count:
        return ranked
    return [part[int(rng.integers(len(part)))] for part in _parts(ranked, count)]


def _parts(ranked: Sequence[Network], count: int) -> list[Sequence[Network]]:
    edges = [len(ranked) * i // count for i in range(count + 1)]
    return [ranked[low:high] for low, high in pairwise(edges)]


def estimate(pairs: Sequence[tuple[float, float]], seed: int, cycle: int) -> Estimate:
    """Spearman's correlation of (score at the proxy, metric at the reference) pairs, with its 95 % interval.

    The order of the pairs, which is that of their arrival, does not matter. Unknown scores rank below all others.
    """
    pairs = sorted(pairs)
    proxy = [np.nan if score == UNKNOWN else score for score, _ in pairs]
    reference = [metric for _, metric in pairs]
    return bootstrap(resampled_spearman, proxy, reference, np.random.default_rng((seed, cycle, AUDIT_INTERVALS)))
