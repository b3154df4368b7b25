"""A strategy run in memory, to its end or to the middle of a call."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from zoo.population import Evaluator, Job, Journal, Manager, SerialExecutor, Strategy


class Killed(BaseException):
    """The end of a process."""


def searched(strategy: Strategy, evaluator: Evaluator, batch: int, journal: Journal | None = None) -> Manager:
    """The manager of a search that went to its end."""
    manager = Manager(strategy, Journal.memory({}) if journal is None else journal, batch=batch)
    manager.run(SerialExecutor(evaluator))
    return manager


def interrupted(strategy: Strategy, evaluator: Evaluator, batch: int, calls: int) -> Journal:
    """The journal of a search that ended in the middle of a call, after so many."""
    journal, left = Journal.memory({}), iter(range(calls))

    def mortal(jobs: Sequence[Job]) -> Any:
        if next(left, None) is None:
            raise Killed
        return evaluator(jobs)

    with pytest.raises(Killed):
        searched(strategy, mortal, batch, journal)
    return journal


@contextmanager
def broken_off(kind: type, calls: int) -> Iterator[None]:
    """While it lasts, evaluators of a kind are interrupted as by Ctrl-C in the call after so many."""
    real, left = kind.__call__, iter(range(calls))

    def torn(self: Any, jobs: Sequence[Job]) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return real(self, jobs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__call__", torn)
        yield
