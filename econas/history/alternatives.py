"""Alternatives: whom a search would have retrained by another signal of the same trainings. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from econas.history.history import History, descending
from econas.history.trajectory import PROMOTION, Training
from zoo.reliability.signal import SIGNALS, Signal
from zoo.spaces.genotype import Genotype


@dataclass(frozen=True, slots=True)
class Alternative:
    """The choice of finalists by another signal than the search's own.

    The search up to there is as it was: by the other signal it would have bred other networks, too.

    Attributes:
        signal: the other one.
        first: number of the network that would have come first.
        instead: number of the one that did.
        shared: how many of the retrained would have been retrained.
        count: how many were retrained.
    """

    signal: Signal
    first: int
    instead: int
    shared: int
    count: int

    @property
    def sentence(self) -> str:
        """The choice for a reader."""
        same, count = self.first == self.instead, self.count
        first = "the same one" if same else f"network {self.first} instead of {self.instead}"
        if count == 1:
            chosen = "the same network" if same else first
        else:
            part = "" if self.shared == count else f"{self.shared or 'none'} of "
            chosen = f"{part}the same {count} networks, with {first} first"
        comma = "," if "," in self.signal.words else ""
        return f"By {self.signal.words}{comma} the search would have retrained {chosen}."

    def to_dict(self) -> dict[str, Any]:
        """The choice as JSON-ready data."""
        return {"first": self.first, "same_first": self.first == self.instead, "shared": self.shared, "of": self.count}


def alternatives(history: History) -> list[Alternative]:
    """What the other signals that every candidate has say; nothing before all finalists were chosen.

    Nothing either where a surrogate chose: it does not go by a signal's order alone.
    """
    if history.terms.guided:
        return []
    candidates, own, found = _candidates(history), history.terms.signal, list[Alternative]()
    wanted = 0 if history.parameters is None else history.parameters.retrained
    retrained = [one.network for one in history.finalists]
    if not retrained or retrained != _chosen(candidates, own, wanted):
        return []
    for signal in SIGNALS.values():
        if signal != own and all(one.record and signal.read(one.record) is not None for one in candidates):
            chosen = _chosen(candidates, signal, wanted)
            shared = len(set(chosen) & set(retrained))
            found.append(Alternative(signal, chosen[0], retrained[0], shared, len(retrained)))
    return found


def _candidates(history: History) -> list[Training]:
    """The trainings that finalists were chosen by; whoever failed a promotion has none."""
    lost = {one.network for one in history.of_role(PROMOTION) if one.state == "failed"}
    return [one for one in history.trainings if one.level and one.state == "ok" and one.network not in lost]


def _chosen(candidates: Sequence[Training], signal: Signal, count: int) -> list[int]:
    """The networks that a search would have retrained, best first: none twice, the longest trained before others."""
    ranked = sorted(candidates, key=lambda one: (*_stage(one), *_rank(one, signal)))
    different: dict[Genotype, int] = {}
    for one in ranked:
        different.setdefault(one.trial.genotype, one.network)
    return list(different.values())[:count]


def _stage(one: Training) -> tuple[int, int]:
    return (0, 0) if one.level is None else (-one.level.stop, -one.level.place)


def _rank(one: Training, signal: Signal) -> tuple[float, int]:
    return (descending(float("nan") if one.record is None else signal.score(one.record)), one.trial.index)
