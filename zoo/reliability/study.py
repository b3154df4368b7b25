"""The study: a zoo of random networks trained at a reference setting and at every setting of a grid."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from zoo.population.proxy import ProxySetting
from zoo.population.strategy import GenotypeSequence
from zoo.population.trial import Record, Trial
from zoo.spaces.cell_space import CellSpace

VERSION = 1
REFERENCE, PROXY = "reference", "proxy"


class Study:
    """Asks for every network at the reference, several times with different seeds, and once at every setting.

    Networks go through one after the other, a batch of them at a time, so that a study stopped early has
    measured some networks completely. A batch never mixes settings. A study grows by more networks without
    asking anything else of those it has: ``growth`` is the history of its sizes.

    Args:
        space: where the networks are drawn from.
        settings: the grid.
        reference: what the settings are proxies of.
        repeats: trainings per network at the reference.
        growth: numbers of networks, ascending; the last is the study's size.
        batch: networks trained as one batch.
        seed: of the networks drawn.

    Raises:
        ValueError: for counts that are not positive, sizes that do not ascend, or an empty grid.
    """

    def __init__(
        self,
        space: CellSpace,
        settings: Sequence[ProxySetting],
        reference: ProxySetting,
        *,
        repeats: int,
        growth: Sequence[int],
        batch: int = 1,
        seed: int = 0,
    ) -> None:
        if not settings:
            raise ValueError("a study needs at least one proxy setting")
        if repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {repeats}")
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if not growth or growth[0] < 1 or any(a >= b for a, b in pairwise(growth)):
            raise ValueError(f"the numbers of networks must be positive and ascend, got {list(growth)}")
        self._space, self._settings, self._reference = space, tuple(settings), reference
        self._repeats, self._growth, self._batch = repeats, tuple(growth), batch
        self._seed = seed
        self._genotypes = GenotypeSequence(space, seed)
        self._groups = self._plan()
        self._rest: list[tuple[int, ProxySetting, str]] = []

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` networks at one setting."""
        if not self._rest:
            self._rest = next(self._groups, [])
        part, self._rest = self._rest[:n], self._rest[n:]
        return [
            Trial(
                index=first + i,
                genotype=self._genotypes[network],
                setting=setting,
                start=0,
                stop=setting.e,
                role=role,
            )
            for i, (network, setting, role) in enumerate(part)
        ]

    def tell(self, records: Sequence[Record]) -> None:
        """Nothing to decide: a study measures what it was told to."""

    def resumable(self) -> set[int]:
        """A study keeps no weights."""
        return set()

    def everything(self) -> Iterator[Trial]:
        """Every trial of the whole study, from a copy: nothing is asked."""
        copy = Study(
            self._space,
            self._settings,
            self._reference,
            repeats=self._repeats,
            growth=self._growth,
            batch=self._batch,
            seed=self._seed,
        )
        count = 0
        while trials := copy.ask(self._batch, count):
            yield from trials
            count += len(trials)

    def _plan(self) -> Iterator[list[tuple[int, ProxySetting, str]]]:
        """Groups of (network, setting, role), each of one setting."""
        asked = [(self._reference, REFERENCE)] * self._repeats + [(setting, PROXY) for setting in self._settings]
        for size, following in pairwise((0, *self._growth)):
            for block in range(size, following, self._batch):
                networks = range(block, min(block + self._batch, following))
                for setting, role in asked:
                    yield [(network, setting, role) for network in networks]
