"""Strategies: who decides what to try next. The protocol, a fixed list, and random search."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.purposes import SAMPLED_NETWORKS
from zoo.spaces.cell_space import CellSpace
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space


class Strategy(Protocol):
    """Asks for trials and is told their records; keeps no state that replaying its events would not restore.

    Nothing may depend on when records arrive, except through :meth:`tell`; an empty answer changes nothing.
    """

    def ask(self, n: int, first: int) -> list[Trial]:
        """At most ``n`` trials of one setting, stage and measure, numbered from ``first``.

        Empty means: tell me more first; empty with nothing running means: finished.
        """
        ...

    def tell(self, records: Sequence[Record]) -> None:
        """Take the records of one batch, sorted by index; each record comes once."""
        ...

    def resumable(self) -> set[int]:
        """Indices of the trials whose weights may still be needed; the others' are deleted."""
        ...


@runtime_checkable
class Recalling(Protocol):
    """The fourth method, of a strategy that decides by floating point, which another processor may round otherwise."""

    def recall(self, trials: Sequence[Trial]) -> None:
        """Take from a journal's trials what was decided before they were asked for; called once, before any is asked.

        A decision that a trial was asked after is never made again; one that nothing follows is.
        """
        ...


class FixedList:
    """Asks for given trials, in order; those that resume others wait for them.

    Raises:
        ValueError: if a trial resumes one that is not in the list.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = list(trials)
        self._next = 0
        self._told: set[int] = set()
        self._kept = {trial.index for trial in trials if trial.keep}
        listed = {trial.index for trial in trials}
        for trial in trials:
            if trial.resumes is not None and trial.resumes not in listed:
                raise ValueError(f"trial {trial.index} resumes trial {trial.resumes}, which is not in the list")

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next trials of one setting, stage and measure, once everything they resume has been told."""
        batch: list[Trial] = []
        for trial in self._trials[self._next : self._next + n]:
            if batch and _kind(trial) != _kind(batch[0]):
                break
            batch.append(trial)
        if batch and batch[0].index != first:
            raise ValueError(f"the list numbers its next trial {batch[0].index}, expected {first}")
        if any(trial.resumes is not None and trial.resumes not in self._told for trial in batch):
            return []  # the whole batch waits: a part of it would depend on who finishes first
        self._next += len(batch)
        return batch

    def tell(self, records: Sequence[Record]) -> None:
        """Remember who has finished."""
        self._told.update(record.index for record in records)

    def resumable(self) -> set[int]:
        """Every trial that is kept."""
        return self._kept


def _kind(trial: Trial) -> tuple[object, ...]:
    """What the trials of a batch have in common."""
    return trial.setting, trial.start, trial.stop, trial.measure


class RandomSearch:
    """Trains ``count`` different random networks at one setting and keeps the best one's weights.

    Args:
        space: where genotypes are drawn from.
        setting: how each is trained, from epoch 0 to its last.
        count: networks; a larger count continues the same sequence.
        seed: of the draws.
        keep: whether weights are stored at all.
    """

    def __init__(self, space: CellSpace, setting: ProxySetting, count: int, seed: int, keep: bool = True) -> None:
        if count < 1:
            raise ValueError(f"the number of networks must be at least 1, got {count}")
        self._genotypes = GenotypeSequence(space, seed)
        self._setting, self._count, self._keep = setting, count, keep
        self._asked = 0
        self._best: tuple[float, int] | None = None
        self._pending: set[int] = set()

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next networks."""
        trials = [
            Trial(
                index=first + i,
                genotype=self._genotypes[self._asked + i],
                setting=self._setting,
                start=0,
                stop=self._setting.e,
                role="zoo",
                keep=self._keep,
            )
            for i in range(min(n, self._count - self._asked))
        ]
        self._asked += len(trials)
        self._pending |= {trial.index for trial in trials}
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Remember the network with the highest accuracy; the first one where several share it."""
        for record in records:
            self._pending.discard(record.index)
            if record.ok:
                rank = (-record.metrics["accuracy"], record.index)
                self._best = rank if self._best is None else min(self._best, rank)

    def resumable(self) -> set[int]:
        """The best network so far, and those still running; nothing where no weights are stored."""
        if not self._keep:
            return set()
        return self._pending | ({self._best[1]} if self._best else set())


class GenotypeSequence:
    """Random genotypes of a space in a fixed order, no two of which compute the same function.

    Genotype i depends on the seed and those before it only, so that a longer zoo begins with a shorter one.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._drawn: list[Genotype] = []
        self._functions: set[str] = set()

    def __getitem__(self, index: int) -> Genotype:
        while len(self._drawn) <= index:
            self._drawn.append(self._draw(len(self._drawn)))
        return self._drawn[index]

    def _draw(self, index: int) -> Genotype:
        rng = np.random.default_rng((self._seed, index, SAMPLED_NETWORKS))
        for _ in range(1000):
            genotype: Genotype = self._space.sample(rng)
            function = self._space.function_key(genotype)
            if function not in self._functions:
                self._functions.add(function)
                return genotype
        raise ValueError(f"the space {self._space.name!r} seems to have no more than {index} different functions")
