"""Steps: what an evaluator says while its batch runs, so that progress and deadlines reach inside long trainings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

HearShare = Callable[[float], None]
"""Hears which share of a batch is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a batch, and who hears of it."""

    hear: HearShare
    start: float = 0.0
    width: float = 1.0


_SPAN: ContextVar[_Span | None] = ContextVar("span", default=None)


def stepped(done: int, total: int) -> None:
    """Say that ``done`` of ``total`` steps of the present stretch are over; whoever listens may end the batch here.

    Raises:
        OutOfTime: if the run's time and its grace are over.
    """
    span = _SPAN.get()
    if span is not None:
        span.hear(span.start + span.width * done / total)


@contextmanager
def stretch(number: int, count: int) -> Iterator[None]:
    """Steps within are those of stretch ``number``, from 0, of ``count`` equal ones; its end is a step too."""
    span = _SPAN.get()
    if span is None:
        yield
        return
    width = span.width / count
    token = _SPAN.set(replace(span, start=span.start + number * width, width=width))
    try:
        yield
        stepped(1, 1)
    finally:
        _SPAN.reset(token)


@contextmanager
def heard(hear: HearShare) -> Iterator[None]:
    """Steps within are heard."""
    token = _SPAN.set(_Span(hear))
    try:
        yield
    finally:
        _SPAN.reset(token)
