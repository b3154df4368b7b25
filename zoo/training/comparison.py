"""A comparison at a search's end: its winner and a baseline of as many MACs, both trained anew, several times each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from zoo.population.json_value import JSON
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Recalling, Strategy
from zoo.population.trial import ALONE, Evaluator, Job, Outcome, Record, Trial
from zoo.spaces.baseline import baseline_of
from zoo.spaces.genotype import CellGenotype, ChainGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.by_setup import BySetup
from zoo.training.retraining import Retraining
from zoo.training.setup import TrainingSetup

WINNER, BASELINE = "winner", "baseline"
SIDE, REPEAT, REPEATS, CHANNELS = "side", "repeat", "of", "channels"
"""Tags of a comparison's trials: whose network, its number, how many there were to be, channels of its skeleton."""
FEWEST_REPEATS = 2
"""One training a side says nothing about chance."""
USUAL_REPEATS = 3
SHARE = 0.2
"""A comparison that costs less than this share of a run is held unasked."""


def is_compared(trial: Trial) -> bool:
    """Whether a trial is one of a comparison's."""
    return SIDE in trial.tags


def check_repeats(repeats: int) -> None:
    """Complain about a number of repeats that says nothing.

    Raises:
        ValueError: for fewer than :data:`FEWEST_REPEATS`, but for none.
    """
    if repeats != 0 and repeats < FEWEST_REPEATS:
        raise ValueError(f"expected --compare {FEWEST_REPEATS} or more repeats, or 0 for none, got {repeats}")


def affordable_repeats(training: float, run: float) -> int:
    """The usual repeats where they cost less than their share of everything; else none.

    Args:
        training: price of one training.
        run: price of the run without a comparison.
    """
    price = 2 * USUAL_REPEATS * training
    return USUAL_REPEATS if price < SHARE * (run + price) else 0


def compared_setup(setup: TrainingSetup, trial: Trial) -> TrainingSetup:
    """The setup of one of a comparison's trials: a skeleton of as many channels as its tags say."""
    channels = int(trial.tags[CHANNELS])  # type: ignore[arg-type]  # ours
    return replace(setup, skeleton=replace(setup.skeleton, channels=channels))


class WithComparison:
    """Trains the networks of a comparison, each with as many channels as its tags say; others do the rest.

    Args:
        rest: evaluates every other trial.
        setup: of the trainings.
        make: makes the evaluator that trains by a setup, with the first network to train: images take memory.
    """

    def __init__(self, rest: Evaluator, setup: TrainingSetup, make: Callable[[TrainingSetup], Evaluator]) -> None:
        self._rest, self._setup, self._trained = rest, setup, BySetup(make)

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; a batch is of one kind."""
        first = jobs[0].trial
        return self._trained(compared_setup(self._setup, first))(jobs) if is_compared(first) else self._rest(jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTerms:
    """How the two are trained.

    Attributes:
        repeats: of each.
        setting: of the training; its epochs are the schedule's.
        every: epochs a trial.
        skeleton: of the winner, before the setting reduces it.
        sized: gives the channels of a winner where they depend on it; None: those of the skeleton.
    """

    repeats: int
    setting: ProxySetting
    every: int
    skeleton: Skeleton
    sized: Callable[[CellGenotype | ChainGenotype], int] | None = None

    def channels(self, winner: CellGenotype | ChainGenotype) -> int:
        """Of the skeleton that a winner is trained on."""
        return self.skeleton.channels if self.sized is None else self.sized(winner)

    def around(self, channels: int) -> Skeleton:
        """What is trained, with so many channels."""
        return self.setting.skeleton(replace(self.skeleton, channels=channels))


class Compared:
    """Asks what a search asks; when that is over, repeated trainings of its winner and of a baseline.

    Every training starts from weights of its own, as every chain of trials does. Repeats may be added: the tags of a
    journal's trials say how many there were to be, and those are asked first, as they were.

    Args:
        search: whose winner is compared.
        winner: the genotype that the search has found, out of its trials with their records; None: nothing.
        terms: of the trainings.
    """

    def __init__(
        self,
        search: Strategy,
        winner: Callable[[Mapping[int, tuple[Trial, Record]]], CellGenotype | ChainGenotype | None],
        terms: ComparisonTerms,
    ) -> None:
        self.search = search
        self._winner, self._terms = winner, terms
        self._measured: dict[int, tuple[Trial, Record]] = {}
        self._running: dict[int, Trial] = {}
        self._rounds: list[Retraining] | None = None  # once the search is over
        self._owners: dict[int, Retraining] = {}
        self._targets = [terms.repeats]

    def ask(self, n: int, first: int) -> list[Trial]:
        """Trials of the search; then the next epochs of one network of the comparison."""
        if self._rounds is None:
            trials = self.search.ask(n, first)
            self._running |= {trial.index: trial for trial in trials}
            if trials or self._running or n < 1:
                return trials
            self._rounds = self._planned()
        for retraining in self._rounds:  # the next one waits, so that workers change nothing
            if trials := retraining.ask(min(n, 1), first):
                self._owners |= {trial.index: retraining for trial in trials}
                return trials
            if not retraining.over:
                return []
        return []

    def tell(self, records: Sequence[Record]) -> None:
        """Hand records to who asked for them."""
        own = [record for record in records if record.index in self._owners]
        others = [record for record in records if record.index not in self._owners]
        for record in own:
            self._owners.pop(record.index).tell([record])
        if others:
            self._measured |= {record.index: (self._running.pop(record.index), record) for record in others}
            self.search.tell(others)

    def recall(self, trials: Sequence[Trial]) -> None:
        """What the search decided, and how many repeats were begun."""
        begun = {int(trial.tags[REPEATS]) for trial in trials if is_compared(trial)}  # type: ignore[arg-type]  # ours
        self._targets = sorted({*begun, max(self._terms.repeats, *begun, 0)})
        if isinstance(self.search, Recalling):
            self.search.recall([trial for trial in trials if not is_compared(trial)])

    def resumable(self) -> set[int]:
        """What the search needs, and the newest epochs of the comparison."""
        return self.search.resumable().union(*(one.resumable() for one in self._rounds or ()))

    def _planned(self) -> list[Retraining]:
        """The trainings, in as many rounds as there were numbers of repeats."""
        found = self._winner(self._measured)
        if found is None:
            return []
        terms, done = self._terms, 0
        rounds: list[Retraining] = []
        own = terms.channels(found)
        baseline = baseline_of(found, own, terms.around)
        sides = ((WINNER, found, own), (BASELINE, baseline.genotype, baseline.channels))
        for target in self._targets:
            plan: list[tuple[CellGenotype | ChainGenotype, Mapping[str, JSON]]] = [
                (genotype, {SIDE: side, REPEAT: repeat, REPEATS: target, CHANNELS: channels})
                for side, genotype, channels in sides
                for repeat in range(done, target)
            ]
            genotypes, tags = [genotype for genotype, _ in plan], [one for _, one in plan]
            rounds.append(Retraining(genotypes, terms.setting, terms.every, role=ALONE, tags=tags))
            done = target
        return rounds
