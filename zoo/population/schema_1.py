"""Trials of schema 1: they have no tags, and some of their roles spell what is a tag today."""

import re
from collections.abc import Sequence
from dataclasses import replace

from zoo.population.trial import Trial

_GENERATION = re.compile(r"generation (\d+)")


def converted(trial: Trial) -> Trial:
    """The trial as it is asked for today: "generation 7" is a child with a tag, "generation 0" one of the start."""
    match = _GENERATION.fullmatch(trial.role)
    if match is None:
        return trial
    number = int(match[1])
    role = "child" if number else "start"
    return replace(trial, role=role, tags={**trial.tags, "generation": number})


def same_requests(asked: Sequence[Trial], held: Sequence[Trial]) -> bool:
    """Whether a strategy of today asks for the same as one of schema 1 did.

    A tag counts where schema 1 knew it; it knew generations only.

    Args:
        asked: today.
        held: in the journal, converted.
    """
    today = [converted(trial) for trial in asked]  # a strategy may still spell its generations
    return len(today) == len(held) and all(
        replace(new, tags={name: value for name, value in new.tags.items() if name in old.tags}) == old
        for new, old in zip(today, held, strict=True)
    )
