"""The search with a surrogate as a strategy: rounds that a buyer decides, asked for, told and read back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from econas.history.trajectory import CHILD, CYCLE, RETRAIN
from econas.strategy.buyer import Buyer
from econas.strategy.finalist import Finalist
from econas.strategy.known import Known, Slot
from econas.strategy.parameters import Parameters
from econas.strategy.ranking import UNKNOWN, scorer
from zoo.population.rounds import completed
from zoo.population.trial import Record, Trial
from zoo.spaces.features import Featured
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space
from zoo.training.retraining import Retraining


class SurrogateSearch:
    """Asks round by round; what a round does depends on the records of the rounds before it only.

    An asynchronous search begins the next round as soon as nothing of the last one is left to ask for. What a round
    decides is read back from a journal and never decided again, for it rests on floating point.

    Args:
        space: where networks are drawn from and mutated in; it must know features.
        parameters: sizes, stages, settings, budget, kind of the surrogate.
        seed: of everything random in the search.
        buyer: what decides; None: the buyer of these parameters.

    Raises:
        ValueError: for a space without features, or parameters without a surrogate.
    """

    def __init__(self, space: Space, parameters: Parameters, seed: int, buyer: Buyer | None = None) -> None:
        if not isinstance(space, Featured):
            raise ValueError(f"the space {space.name!r} has no features to learn from, expected --surrogate none")
        self._space: Featured = space
        self._parameters = parameters
        self._score = scorer(parameters.signal)
        self._buyer = buyer or Buyer(space, parameters, seed)
        self._known: dict[Genotype, Known] = {}
        self._number, self._spent, self._told, self._ended = -1, 0.0, 0, False
        self._queue: list[Slot] = []
        self._retrainings: list[Retraining] = []
        self._open: dict[int, tuple[Slot, Trial, Retraining | None]] = {}
        self._recalled: dict[int, list[Slot]] = {}

    @property
    def finalists(self) -> Sequence[tuple[Finalist, int]]:
        """The networks trained fully, in the order they were, each with the trial of its weights."""
        done = [(one, one.retrained) for one in self._known.values() if one.retrained is not None]
        return [
            (Finalist(one.genotype, float(one.scores[one.level]), one.trial), trial)
            for one, trial in sorted(done, key=lambda pair: pair[1])
        ]

    def ask(self, n: int, first: int) -> list[Trial]:
        """Up to ``n`` trials of one setting and stage."""
        while n > 0:
            if trials := self._full(n, first) or self._cheap(n, first):
                return trials
            if not self._advance():
                break
        return []

    def tell(self, records: Sequence[Record]) -> None:
        """Remember what was trained; a network that failed is gone."""
        for record in records:
            slot, trial, retraining = self._open.pop(record.index)
            self._told += 1
            if retraining is not None:
                retraining.tell([record])
                self._tell_full(trial, record)
            elif not record.ok:
                self._known.pop(slot.genotype, None)
            else:
                self._tell_cheap(slot, record)

    def recall(self, trials: Sequence[Trial]) -> None:
        """The rounds of a journal: what they trained; nothing of one without tags, which tells no rounds."""
        numbers = [number for trial in trials if isinstance(number := trial.tags.get(CYCLE), int)]
        if len(numbers) < len(trials):
            return
        for trial, number in zip(trials, numbers, strict=True):
            if trial.role != RETRAIN or trial.start == 0:
                self._recalled.setdefault(number, []).append(Slot(trial.role, trial.genotype, trial.parent))

    def resumable(self) -> set[int]:
        """Trials of networks that can still be promoted, and the newest of those trained fully."""
        last = -1 if self._ended else len(self._parameters.stages) - 1
        found = {one.trial for one in self._known.values() if one.level < last and not one.bought}
        return found.union(*(retraining.resumable() for retraining in self._retrainings))

    # -------------------------------------------------------------- rounds

    def _advance(self) -> bool:
        """Begin the next round; False where the search is over or must wait for records."""
        if self._ended:
            return False
        waiting = bool(self._open)
        if waiting and not (self._parameters.asynchronous and self._known and self._number >= 0):
            return False
        number = self._number + 1
        slots = self._recalled.get(number, [])
        known = sorted(self._known.values(), key=lambda one: one.number)  # the order of arrival must not matter
        if number + 1 in self._recalled:
            self._buyer.remember(known, self._told)
        else:  # it may be that not all of the round was asked for
            purchase = self._buyer.decide(known, number, self._spent, self._told)
            if waiting and purchase.last:
                return False
            slots = completed(slots, purchase.slots, key=lambda slot: slot.genotype)
        if not slots:
            return False
        self._number = number
        self._buyer.take(slots)
        fulls = [slot.genotype for slot in slots if slot.role == RETRAIN]
        if fulls:
            every = self._parameters.final_every or self._parameters.final.e
            self._retrainings.append(Retraining(fulls, self._parameters.final, every, role=RETRAIN))
            for genotype in fulls:
                self._known[genotype].bought = True
            self._spent += len(fulls) * self._parameters.final.e * self._parameters.final_price
        self._queue = [slot for slot in slots if slot.role != RETRAIN]
        self._ended = not self._queue and not self._pays_another
        return True

    @property
    def _pays_another(self) -> bool:
        """Whether the budget pays another full training."""
        numbers = self._parameters
        full = numbers.final.e * numbers.final_price
        return numbers.budget is not None and self._spent + full <= numbers.budget + 1e-9

    # -------------------------------------------------------------- trials

    def _full(self, n: int, first: int) -> list[Trial]:
        """The next epochs of full trainings."""
        for retraining in self._retrainings:
            if trials := retraining.ask(n, first):
                trials = [replace(one, tags={CYCLE: self._number}) for one in trials]
                self._open |= {one.index: (Slot(RETRAIN, one.genotype), one, retraining) for one in trials}
                return trials
        return []

    def _cheap(self, n: int, first: int) -> list[Trial]:
        """The queue's next trials, as far as they share a stage."""
        trials: list[Trial] = []
        while self._queue and len(trials) < n:
            trial = self._trial(self._queue[0], first + len(trials))
            if trials and trial.stop != trials[0].stop:
                break
            self._open[trial.index] = (self._queue.pop(0), trial, None)
            self._spent += trial.stop - trial.start
            trials.append(trial)
        return trials

    def _trial(self, slot: Slot, index: int) -> Trial:
        stages, source = self._parameters.stages, self._known.get(slot.genotype)
        level = 0 if slot.role == CHILD or source is None else source.level + 1
        return Trial(
            index=index,
            genotype=slot.genotype,
            setting=self._parameters.setting,
            start=stages[level - 1] if level else 0,
            stop=stages[level],
            resumes=source.trial if source is not None and level else None,
            parent=slot.parent,
            role=slot.role,
            keep=level < len(stages) - 1,
            tags={CYCLE: self._number},
        )

    def _tell_cheap(self, slot: Slot, record: Record) -> None:
        score = self._score(record)
        if slot.role == CHILD:
            rungs = len(self._parameters.stages) + (self._parameters.final != self._parameters.setting)
            features = self._space.features(slot.genotype)
            self._known[slot.genotype] = Known.born(slot.genotype, features, rungs, score, record.index)
            return
        one = self._known[slot.genotype]
        one.level, one.trial = one.level + 1, record.index
        one.scores[one.level] = np.nan if score == UNKNOWN else score

    def _tell_full(self, trial: Trial, record: Record) -> None:
        one = self._known.get(trial.genotype)
        if one is not None and record.ok and trial.stop == self._parameters.final.e:
            one.retrained = trial.index
            one.scores[-1] = record.metrics.get(self._parameters.metric, np.nan)
