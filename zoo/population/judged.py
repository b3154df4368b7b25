"""How a run's trials are compared where one is named as the best: how far it went, a metric, what decides ties."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from zoo.population.metric import LOSS, METRICS
from zoo.population.trial import RETRAIN, Trial

_WHOLE = (
    "IFNULL(json_extract(trial, '$.stop') >= CAST(substr(json_extract(trial, '$.setting'), "
    "instr(json_extract(trial, '$.setting'), 'e') + 1) AS INTEGER), 1)"
)
_RETRAINED = "IFNULL(json_extract(trial, '$.role'), '') = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A metric, and what decides between trials that are equal in it; at last the first one is taken.

    Before any metric counts how far a trial went (:func:`standing`).

    Attributes:
        metric: that counts.
        more: whether more of it is better.
        then: other metrics in their order, and whether more of them is better.
        limits: metrics, whether the bound is an upper one, and the bound; who breaks one is never the best.
    """

    metric: str = METRICS[0]
    more: bool = True
    then: tuple[tuple[str, bool], ...] = ()
    limits: tuple[tuple[str, bool, float], ...] = ()

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Self:
        """What a run is judged by: its objectives and limits where it names some, else its metric or accuracy.

        Raises:
            ValueError: for what is no objective or no limit.
        """
        strategy = identity.get("strategy")
        strategy = strategy if isinstance(strategy, Mapping) else {}
        named, kept = strategy.get("objectives"), strategy.get("limits")
        if not isinstance(named, list):
            metric = strategy.get("metric")
            return cls(metric=metric if metric in METRICS else METRICS[0])
        from zoo.population.front import Limit, Objective  # which imports numpy

        wanted = {one.metric: one.maximize for one in map(Objective.parse, map(str, named))}
        limits = [Limit.parse(str(text)) for text in (kept if isinstance(kept, list) else ())]
        metric = ranking(wanted)
        return cls(
            metric=metric,
            more=wanted.get(metric, metric != LOSS),
            then=tuple((name, more) for name, more in wanted.items() if name != metric),
            limits=tuple((one.metric, one.upper, one.bound) for one in limits),
        )

    def query(self, apart: str) -> tuple[str, tuple[Any, ...]]:
        """SQL over a journal's rows, and its values: the best one's number, metric and accuracy, a role apart."""
        value = "json_extract(record, ?)"
        kept = "".join(f" AND {value} {'<=' if upper else '>='} ?" for _, upper, _ in self.limits)
        order = ((self.metric, self.more), *self.then)
        ways = ", ".join(f"{value} {'DESC' if more else 'ASC'}" for _, more in order)
        text = (
            f"SELECT number, {value}, {value} FROM records JOIN trials USING (number) WHERE {value} IS NOT NULL "
            f"AND IFNULL(json_extract(trial, '$.role'), '') != ?{kept} "
            f"ORDER BY {_WHOLE} DESC, {_RETRAINED} DESC, {ways}, number LIMIT 1"
        )
        bounds = (part for name, _, bound in self.limits for part in (_path(name), bound))
        first = _path(self.metric)
        return text, (first, _path(METRICS[0]), first, apart, *bounds, RETRAIN, *(_path(name) for name, _ in order))


def standing(trial: Trial) -> tuple[bool, bool]:
    """What counts before any metric: a schedule that was trained to its end, then a network that was retrained.

    An epoch in the middle of a schedule is no result, and a cheap training is none once a network was retrained.
    """
    return trial.setting is None or trial.stop >= trial.setting.e, trial.role == RETRAIN


def ranking(metrics: Iterable[str]) -> str:
    """The first metric that says how good a network is, an accuracy or a loss; accuracy where there is none."""
    return next((name for name in metrics if name in (*METRICS, LOSS)), METRICS[0])


def _path(metric: str) -> str:
    return f'$.metrics."{metric}"'
