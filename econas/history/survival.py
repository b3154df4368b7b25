"""Survival: how many of each population went on, and how well their rank predicted the next one. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from econas.history.history import History
from econas.history.trajectory import AUDIT, CHILD, PROMOTION, RENEWAL, RETRAIN, Level, Training
from zoo.population.proxy import ProxySetting
from zoo.purposes import PASSAGE_INTERVALS
from zoo.reliability.correlation import resampled_spearman
from zoo.reliability.interval import Estimate, bootstrap


@dataclass(frozen=True, slots=True)
class Pair:
    """A network's score at an earlier training and what a later one said; NaN where that failed."""

    network: int
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The way from one training to a longer or dearer one.

    Before it networks are known by their scores. A promotion is followed by another score; a retraining or an audit
    is judged by the metric.

    Attributes:
        source: name of the earlier training.
        target: of the later one.
        trained: networks that had the earlier one.
        passed: networks that were sent to the later one.
        pairs: those whose later training has ended.
        judged: whether the metric says what came after.
        rho: Spearman's correlation of before and after over ``pairs``, with its 95 % interval. Only chosen networks
            have both, so it speaks about order among the chosen, which is harder than among all.
    """

    source: str
    target: str
    trained: int
    passed: int
    pairs: tuple[Pair, ...]
    judged: bool
    rho: Estimate


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a cycle asked for: children, promotions into every population, audits, renewals, and failures of any.

    Full trainings belong to a cycle where a surrogate decides on them.
    """

    number: int
    children: int
    promoted: tuple[int, ...]
    audits: int
    renewals: int
    retrained: int
    failed: int


def passages(history: History) -> list[Passage]:
    """From population to population, and from the last one to the retraining."""
    found: list[Passage] = []
    for place, target in enumerate(history.levels):
        for source in history.levels[:place]:
            sent = [one for one in _into(history, target) if _before(history, one) == source]
            if sent:
                labels, size = (history.label(source), history.label(target)), _size(history, source)
                pairs = [Pair(o.network, _score(history, o.network, source), o.score) for o in _both(history, target)]
                found.append(_passage(history, labels, (size, len(sent)), pairs, len(found), judged=False))
    return found + ([_retraining(history, len(found))] if history.finalists else [])


def _retraining(history: History, stream: int) -> Passage:
    ends = [(one.network, history.networks[one.network].reached, one.curve[-1]) for one in history.finalists]
    known = [(number, one, end) for number, one, end in ends if one is not None]
    names = sorted({history.label(one.level) for _, one, _ in known if one.level})
    mature = {one.network for one in history.trainings if one.level and one.level.last and one.state == "ok"}
    pairs = [Pair(n, one.score, end.judged) for n, one, end in known if end.state == "failed" or _complete(end)]
    labels, count = (" and ".join(names) or "the search", "retraining"), len(history.finalists)
    return _passage(history, labels, (max(len(mature), count), count), pairs, stream, judged=True)


def audited(history: History) -> list[Passage]:
    """From the first stage at an audited setting to the audits' setting, for every step of the search."""
    groups: dict[tuple[ProxySetting, ProxySetting], list[tuple[Training, Training]]] = {}
    for one in history.of_role(AUDIT):
        # by place in the journal: the score the audit was to check is the newest before it
        earlier = [t for t in history.networks[one.network].trainings if t.trial.index < one.trial.index]
        first = [t for t in earlier if t.trial.start == 0 and t.state == "ok"]
        if first and first[-1].trial.setting and one.trial.setting:
            key = (first[-1].trial.setting, one.trial.setting)
            groups.setdefault(key, []).append((first[-1], one))
    found = []
    for place, ((source, target), pairs) in enumerate(groups.items()):
        level = min(level for level in history.levels if level.setting == source)
        done = [Pair(one.network, one.score, dear.judged) for one, dear in pairs if dear.state != "pending"]
        labels, counts = (history.label(level), str(target)), (_size(history, level), len(pairs))
        found.append(_passage(history, labels, counts, done, 100 + place, judged=True))
    return found


def cycles(history: History) -> list[Cycle]:
    """Cycle by cycle, the start first; empty where a strategy has none."""
    grouped: dict[int, list[Training]] = {}
    for one in history.trainings:
        if one.cycle is not None:
            grouped.setdefault(one.cycle, []).append(one)
    return [
        Cycle(
            number,
            _count(part, CHILD),
            tuple(sum(t.trial.role == PROMOTION and t.level == level for t in part) for level in history.levels),
            _count(part, AUDIT),
            _count(part, RENEWAL),
            sum(one.trial.role == RETRAIN and one.trial.start == 0 for one in part),
            sum(one.state == "failed" for one in part),
        )
        for number, part in sorted(grouped.items())
    ]


def _count(part: Sequence[Training], role: str) -> int:
    return sum(one.trial.role == role for one in part)


def _size(history: History, level: Level) -> int:
    """Networks that were ever in a population."""
    return len({one.network for one in history.trainings if one.level == level and one.state == "ok"})


def _into(history: History, level: Level) -> list[Training]:
    return [one for one in history.trainings if one.level == level and one.trial.role == PROMOTION]


def _both(history: History, level: Level) -> list[Training]:
    """Everyone whose training to a population has ended, renewed networks included."""
    return [one for one in history.trainings if one.level == level and one.state != "pending"]


def _before(history: History, training: Training) -> Level | None:
    """The population a network was promoted from."""
    earlier = [t for t in history.networks[training.network].trainings if t.trial.index < training.trial.index]
    return earlier[-1].level if earlier else None


def _score(history: History, network: int, level: Level) -> float:
    one = history.networks[network].at(level)
    return math.nan if one is None else one.score


def _complete(training: Training) -> bool:
    return training.trial.setting is not None and training.trial.stop == training.trial.setting.e


def _passage(
    history: History,
    labels: tuple[str, str],
    counts: tuple[int, int],
    ended: Sequence[Pair],
    stream: int,
    *,
    judged: bool,
) -> Passage:
    pairs = tuple(one for one in ended if math.isfinite(one.before))
    rng = np.random.default_rng((history.terms.seed, stream, PASSAGE_INTERVALS))
    rho = bootstrap(resampled_spearman, [one.before for one in pairs], [one.after for one in pairs], rng)
    (source, target), (trained, passed) = labels, counts
    return Passage(source=source, target=target, trained=trained, passed=passed, pairs=pairs, judged=judged, rho=rho)
