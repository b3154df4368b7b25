"""The study: a zoo of random networks scored, trained at a reference setting and at every setting of a grid."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, Self

from zoo.population.proxy import ProxySetting
from zoo.population.strategy import GenotypeSequence
from zoo.population.trial import TRAINING, Record, Trial
from zoo.reliability.looks import Decision, Look, Told
from zoo.spaces.cell_space import CellSpace

VERSION = 2
REFERENCE, PROXY, SCORE = "reference", "proxy", "score"
LOOK = "look"
"""Tag of the first trial after a look: what was decided there."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a study wants of a network.

    Attributes:
        network: its number.
        setting: at which it is trained, or scored.
        role: why.
        measure: "training", or the name of a score.
    """

    network: int
    setting: ProxySetting
    role: str
    measure: str = TRAINING


class Judging(Protocol):
    """Decides at looks whether a study goes on, and with which settings; :class:`zoo.reliability.looks.Judge` does."""

    @property
    def looks(self) -> Sequence[Look]:
        """By number of networks."""
        ...

    def decide(self, look: Look, told: Told, kept: Sequence[ProxySetting], repeats: int) -> Decision:
        """What is decided at a look, from everything measured before it."""
        ...


class Study:
    """Asks for every network's scores, for it at the reference, several times with other seeds, and at every setting.

    Networks go through one after the other, a batch of them at a time, so that a study stopped early has
    measured some networks completely. A batch never mixes settings. A study grows by more networks, or by more
    repeats of those it has, without asking anything else of them: ``growth`` and ``repeats`` are the history of its
    sizes. With a judge (:meth:`until`) it waits at every look until all its networks are measured, drops the settings
    that the judge drops and ends where the judge does; when it grows after its end, it goes on to the next look.

    Args:
        space: where the networks are drawn from.
        settings: the grid.
        reference: what the settings are proxies of.
        repeats: trainings per network at the reference; or as many numbers as there are sizes, none below the last.
        growth: numbers of networks, ascending; the last is the study's size.
        batch: networks trained as one batch.
        seed: of the networks drawn.
        scores: measured without training, at the reference.

    Raises:
        ValueError: for counts that are not positive, sizes that do not ascend, or an empty grid.
    """

    def __init__(
        self,
        space: CellSpace,
        settings: Sequence[ProxySetting],
        reference: ProxySetting,
        *,
        repeats: int | Sequence[int],
        growth: Sequence[int],
        batch: int = 1,
        seed: int = 0,
        scores: Sequence[str] = (),
    ) -> None:
        if not settings:
            raise ValueError("a study needs at least one proxy setting")
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self._sizes = _sizes(growth, repeats)
        self._settings, self._reference, self._scores = tuple(settings), reference, tuple(scores)
        self._batch = batch
        self._genotypes = GenotypeSequence(space, seed)
        self._judge: Judging | None = None
        self._start()

    def until(self, judge: Judging) -> Self:
        """The same study from its beginning, which ends where the judge says so."""
        judged = copy.copy(self)
        judged._judge = judge
        judged._start()
        return judged

    def _start(self) -> None:
        self._decisions: dict[int, Decision] = {}
        self._recalled: dict[int, Decision] = {}
        self._unsaid: Decision | None = None  # no trial of the journal has it yet
        self._steps = self._plan(hopeful=False)
        self._rest: list[Request] = []
        self._asked: list[Trial] = []
        self._told: dict[int, Record] = {}
        self._everything: tuple[int, tuple[Trial, ...]] | None = None

    # -------------------------------------------------------------- as a strategy

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` networks of one setting and measure; nothing while a look waits for what is being measured."""
        while not self._rest:
            step = next(self._steps, None)
            if step is None or (isinstance(step, _Pause) and len(self._told) < len(self._asked)):
                return []
            if isinstance(step, _Pause):
                self._decide(step)
            else:
                self._rest = step
        part, self._rest = self._rest[:n], self._rest[n:]
        trials = [self._trial(request, first + i) for i, request in enumerate(part)]
        if self._unsaid is not None:
            trials[0] = replace(trials[0], tags={LOOK: self._unsaid.to_dict()})
            self._unsaid = None
        self._asked += trials
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Remember what was measured, for looks."""
        self._told.update((record.index, record) for record in records)

    def resumable(self) -> set[int]:
        """A study keeps no weights."""
        return set()

    def recall(self, trials: Sequence[Trial]) -> None:
        """Take what was decided at looks from the trials after them."""
        found = [Decision.from_dict(trial.tags[LOOK]) for trial in trials if LOOK in trial.tags]  # type: ignore[arg-type]
        self._recalled = {decision.networks: decision for decision in found}

    # -------------------------------------------------------------- what it will ask, and has decided

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided at the looks so far."""
        return tuple(self._decisions.values())

    def everything(self) -> tuple[Trial, ...]:
        """Every trial of the whole study if no look that is left ends it; nothing is asked."""
        if self._everything is None or self._everything[0] != len(self._decisions):
            steps = self._plan(hopeful=True)
            requests = [request for step in steps if not isinstance(step, _Pause) for request in step]
            trials = tuple(self._trial(request, index) for index, request in enumerate(requests))
            self._everything = len(self._decisions), trials
        return self._everything[1]

    def _plan(self, *, hopeful: bool) -> Iterator["list[Request] | _Pause"]:
        """Groups of one setting and measure, and a pause at every look that nothing is decided at yet.

        Args:
            hopeful: pause nowhere, as if every such look let the study go on.
        """
        done, repeats, kept = 0, 0, self._settings
        looks = {look.networks: look for look in (self._judge.looks if self._judge else ())}
        for models, wanted in self._sizes:
            yield from self._groups(range(done), [(self._reference, REFERENCE, TRAINING)] * (wanted - repeats))
            repeats = wanted
            for stop in sorted({models, *(networks for networks in looks if done < networks < models)}):
                yield from self._groups(range(done, stop), self._wanted(kept, repeats))
                done = stop
                if stop not in looks:
                    continue
                while stop not in self._decisions and not hopeful:
                    yield _Pause(looks[stop], kept, repeats)
                decision = self._decisions.get(stop)
                if decision is not None:
                    kept = tuple(setting for setting in kept if str(setting) not in decision.dropped)
                    if decision.ends:
                        break

    def _wanted(self, kept: Sequence[ProxySetting], repeats: int) -> list["_Want"]:
        """What is measured of every network."""
        return [
            *((self._reference, SCORE, name) for name in self._scores),
            *[(self._reference, REFERENCE, TRAINING)] * repeats,
            *((setting, PROXY, TRAINING) for setting in kept),
        ]

    def _groups(self, networks: range, wanted: Sequence["_Want"]) -> Iterator[list[Request]]:
        """A batch of networks after the other, each batch by everything that is wanted in turn."""
        for first in range(networks.start, networks.stop, self._batch):
            block = range(first, min(first + self._batch, networks.stop))
            for setting, role, measure in wanted:
                yield [Request(network, setting, role, measure) for network in block]

    def _trial(self, request: Request, index: int) -> Trial:
        return Trial(
            index=index,
            genotype=self._genotypes[request.network],
            setting=request.setting,
            start=0,
            stop=request.setting.e if request.measure == TRAINING else 0,
            role=request.role,
            measure=request.measure,
        )

    def _decide(self, pause: "_Pause") -> None:
        """Decide at a look, or do as the journal says it was decided."""
        assert self._judge is not None
        look = pause.look
        decision = self._recalled.get(look.networks)
        if decision is None:
            told = Told(self._asked, self._told)
            decision = self._judge.decide(look, told, pause.kept, pause.repeats)
        self._decisions[look.networks] = self._unsaid = decision


_Want = tuple[ProxySetting, str, str]
"""A setting, a role and a measure."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """A look that waits for its networks: which one, and what they were measured by."""

    look: Look
    kept: tuple[ProxySetting, ...]
    repeats: int


def _sizes(growth: Sequence[int], repeats: int | Sequence[int]) -> list[tuple[int, int]]:
    """(networks, repeats) of every size a study had.

    Raises:
        ValueError: for numbers that are not positive, or do not ascend.
    """
    numbers = [repeats] * len(growth) if isinstance(repeats, int) else list(repeats)
    if min(numbers, default=1) < 1:
        raise ValueError(f"repeats must be at least 1, got {min(numbers)}")
    sizes = list(zip(growth, numbers, strict=True))
    if not sizes or growth[0] < 1 or any(a == b or a[0] > b[0] for a, b in pairwise(sizes)):
        raise ValueError(f"the numbers of networks must be positive and ascend, got {list(growth)}")
    if any(a > b for a, b in pairwise(numbers)):
        raise ValueError(f"the numbers of repeats must ascend, got {numbers}")
    return sizes
