"""Retraining: networks trained to the end at the original setting, as chains of short trials."""

from collections.abc import Mapping, Sequence

from zoo.population.json_value import JSON
from zoo.population.proxy import ProxySetting
from zoo.population.trial import RETRAIN, Record, Trial
from zoo.spaces.genotype import Genotype

VERSION = 1


class Retraining:
    """Trains every network a few epochs at a time; a network that fails ends, the others go on.

    All networks are at the same epoch: they go on when the records of the last are told, so that what is
    asked does not depend on who finishes first. The weights of the last epoch are a network's result: none
    is chosen by an accuracy.

    Args:
        genotypes: what to train.
        setting: how; its epochs are the schedule's.
        every: epochs a trial, after which the weights are kept.
        role: of the trials.
        tags: of the trials of every network; none by default.

    Raises:
        ValueError: if there is nothing to train, or for trials without epochs.
    """

    def __init__(
        self,
        genotypes: Sequence[Genotype],
        setting: ProxySetting,
        every: int = 1,
        role: str = RETRAIN,
        tags: Sequence[Mapping[str, JSON]] = (),
    ) -> None:
        if not genotypes:
            raise ValueError("expected at least one genotype to train, got none")
        if every < 1:
            raise ValueError(f"a trial trains at least 1 epoch, got {every}")
        self._genotypes, self._setting, self._every, self._role = list(genotypes), setting, every, role
        self._tags = list(tags) or [{}] * len(self._genotypes)
        self._newest: dict[int, int] = {}  # chain -> its newest trial that was told
        self._chain: dict[int, int] = {}  # open trial -> its chain
        self._epoch, self._waiting = 0, list(range(len(self._genotypes)))  # chains still to be asked at this epoch

    @property
    def over(self) -> bool:
        """Whether every network is trained to the end or has failed."""
        return self._epoch == self._setting.e and not self._chain

    @property
    def finished(self) -> dict[int, int]:
        """For every network (by place) that is trained to the end, the trial that has its weights."""
        return dict(self._newest) if self.over else {}

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next epochs of up to ``n`` networks."""
        if self._epoch == self._setting.e:
            return []
        chosen, self._waiting = self._waiting[:n], self._waiting[n:]
        trials = [
            Trial(
                index=first + i,
                genotype=self._genotypes[chain],
                setting=self._setting,
                start=self._epoch,
                stop=self._next_epoch,
                resumes=self._newest[chain] if self._epoch else None,
                role=self._role,
                keep=True,
                tags=self._tags[chain],
            )
            for i, chain in enumerate(chosen)
        ]
        self._chain |= {trial.index: chain for trial, chain in zip(trials, chosen, strict=True)}
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Note who has done its epoch; with the last of them the next epoch begins."""
        for record in records:
            chain = self._chain.pop(record.index)
            if record.ok:
                self._newest[chain] = record.index
            else:
                self._newest.pop(chain, None)
        if not self._chain and not self._waiting:
            self._epoch = self._next_epoch
            self._waiting = sorted(self._newest)
            if not self._waiting:
                self._epoch = self._setting.e  # everyone has failed

    def resumable(self) -> set[int]:
        """The newest epoch of every network that has not failed."""
        return set(self._newest.values())

    @property
    def _next_epoch(self) -> int:
        return min(self._epoch + self._every, self._setting.e)
