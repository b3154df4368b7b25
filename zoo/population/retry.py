"""Retrying: failed trials are taken out of a run's history, so that they are asked again when it goes on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from zoo.population.journal import Event, Journal
from zoo.population.strategy import Recalling, Strategy
from zoo.population.trial import Record, Trial


@dataclass(frozen=True, slots=True)
class Retried:
    """What was taken out.

    Attributes:
        trials: that are asked again as they are.
        dropped: how many trials the strategy decides anew, because it asked for them knowing of those failures.
    """

    trials: tuple[int, ...]
    dropped: int


def reopen(journal: Journal, make: Callable[[], Strategy], chosen: Collection[int]) -> Retried:
    """Take the batches of these trials out of what was told; whoever goes on sends them again whole.

    A strategy whose next questions depended on them asks others now: from there on the history is dropped.

    Args:
        journal: of the run; changed in one step. One of schema 1 cannot be.
        make: gives a fresh strategy of the run.
        chosen: indices of told trials.

    Raises:
        ValueError: for a journal of schema 1.
    """
    if journal.schema_1_trials:
        raise ValueError("a run that began under schema 1 cannot ask failed trials again")
    trials, records, events = journal.trials(), journal.records(), journal.events()
    tells = [set(event.numbers) for event in events if event.kind == "tell"]
    again = {number for numbers in tells if numbers & set(chosen) for number in numbers}
    cut = len(trials)
    while (first := _differing(_kept(events, again, cut), trials[:cut], records, make())) is not None:
        cut = first
    journal.rewrite(_kept(events, again, cut))
    return Retried(tuple(sorted(number for number in again if number < cut)), len(trials) - cut)


def _kept(events: Sequence[Event], again: Collection[int], cut: int) -> list[Event]:
    """The history without these tells, and without the trials from ``cut`` on."""
    told = [event for event in events if event.kind == "ask" or event.numbers[0] not in again]
    return [event for event in told if event.numbers[0] < cut]


def _differing(
    events: Sequence[Event], trials: Sequence[Trial], records: Mapping[int, Record], strategy: Strategy
) -> int | None:
    """The first trial of the first question that a strategy does not ask any more; None where it asks them all."""
    if trials and isinstance(strategy, Recalling):
        strategy.recall(trials)
    for event in events:
        if event.kind == "tell":
            strategy.tell([records[number] for number in event.numbers])
        elif strategy.ask(event.asked, event.numbers[0]) != [trials[number] for number in event.numbers]:
            return event.numbers[0]
    return None
