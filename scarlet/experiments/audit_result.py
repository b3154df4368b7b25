"""What an audit has found: how well a supernet ranks networks that were trained alone, beside counting MACs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.population.front import Objective
from zoo.population.metric import LOSS
from zoo.population.trial import ALONE, Record, Trial
from zoo.reliability.correlation import resampled_kendall
from zoo.reliability.interval import Estimate, bootstrap
from zoo.training.comparison import is_compared

SEED = 0
"""Of the resamples; nothing else here is random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Rank correlations over the networks that were trained alone.

    Attributes:
        networks: trained to the end.
        wanted: that were to be trained.
        epochs: of each.
        metric: what the networks have alone is judged by.
        signal: what the search ranks them by on inherited weights.
        supernet: Kendall's τ of the signal on inherited weights with the metric alone.
        macs: τ of their MACs with the metric alone.
    """

    networks: int
    wanted: int
    epochs: int
    metric: str
    signal: str
    supernet: Estimate
    macs: Estimate

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        if self.networks < self.wanted:
            return f"Of {self.wanted} networks near the front {self.networks} are trained alone so far."
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        sample = f"of {self.networks} networks near the front, each trained alone for {epochs}"
        if np.isnan(self.supernet.value):
            return f"How well the supernet ranks is unknown: {self.metric} is the same for all {sample}."
        taus = f"τ {_written(self.supernet)} by the supernet, {_written(self.macs)} by MACs"
        if self.supernet.value > self.macs.value:
            return f"The supernet ranks better than counting MACs: {sample}, {taus}."
        return f"The supernet ranks no better than counting MACs: {sample}, {taus}."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers."""
        taus = {"supernet": self.supernet, "macs": self.macs}
        numbers = {
            f"tau_{name}{end}": None if np.isnan(value) else float(value)
            for name, tau in taus.items()
            for end, value in (("", tau.value), ("_low", tau.low), ("_high", tau.high))
        }
        judged = {"metric": self.metric, "signal": self.signal}
        return {"networks": self.networks, "epochs": self.epochs, **judged, **numbers}


def audit_result(
    trials: Sequence[Trial],
    records: Mapping[int, Record],
    objectives: Sequence[Objective],
    metric: str,
    wanted: int,
    epochs: int,
) -> AuditResult:
    """What a search's journal says of its audit, as far as it is.

    Args:
        trials: of the search, in order.
        records: by trial.
        objectives: of the search; the first that trainings measure too ranks on inherited weights.
        metric: what trainings are judged by where the signal is a loss.
        wanted: networks to train.
        epochs: of each.
    """

    def own(trial: Trial) -> bool:
        return trial.role == ALONE and not is_compared(trial)

    alone = {
        trial.genotype.key: records[trial.index].metrics
        for trial in trials
        if own(trial) and trial.stop == epochs and trial.index in records and records[trial.index].ok
    }
    inherited = {
        trial.genotype.key: records[trial.index].metrics
        for trial in trials
        if trial.role != ALONE and trial.genotype.key in alone and records[trial.index].ok
    }
    measured = [one for one in objectives if all(one.metric in metrics for metrics in alone.values())]
    signal = next((one for one in measured if one.metric not in ("macs", "params")), Objective("accuracy", True))
    judged = Objective(metric, True) if signal.metric == LOSS else signal
    pairs = [(inherited[key], alone[key]) for key in alone]
    truth = [-judged.loss(own[judged.metric]) for _, own in pairs]
    return AuditResult(
        networks=len(alone),
        wanted=min(wanted, len({trial.genotype.key for trial in trials if own(trial)}) or wanted),
        epochs=epochs,
        metric=judged.metric,
        signal=signal.metric,
        supernet=_tau([-signal.loss(before[signal.metric]) for before, _ in pairs], truth),
        macs=_tau([own["macs"] for _, own in pairs], truth),
    )


def _tau(x: Sequence[float], y: Sequence[float]) -> Estimate:
    return bootstrap(resampled_kendall, np.array(x), np.array(y), np.random.default_rng(SEED))


def _written(tau: Estimate) -> str:
    return f"{tau.value:.2f}" + ("" if np.isnan(tau.low) else f" [{tau.low:.2f}, {tau.high:.2f}]")
