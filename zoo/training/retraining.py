"""Retraining: networks trained to the end at the original setting, as chains of one-epoch trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import Genotype
from zoo.spaces.skeleton import Form
from zoo.training.trainer import Recipe

VERSION = 1
ROLE = "retrain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An original setting: what a network of a paper's tables is and how long it is trained.

    Attributes:
        recipe: batch, schedule, regularisation.
        epochs: of the schedule.
        form: of the skeleton.
        channels: initial ones.
        cells: of a network.
        resolution: pixels a side; None: the data's own.
        streamed: whether images are decoded while training, for they do not fit in memory.
    """

    recipe: Recipe
    epochs: int
    form: Form
    channels: int
    cells: int
    resolution: int | None
    streamed: bool


AUXILIARY = 0.4
"""Weight of the auxiliary head's loss, where one is wanted (Liu et al. 2019)."""

ORIGINALS: Mapping[str, Original] = {
    # Appendix E.2, Zhou 2020
    "cifar": Original(
        recipe=Recipe(path_dropout=0.2),
        epochs=600,
        form="cifar",
        channels=36,
        cells=20,
        resolution=None,
        streamed=False,
    ),
    # Appendix E.3, Zhou 2020; channels as in DARTS (Liu et al. 2019), on which the paper is silent
    "imagenet": Original(
        recipe=Recipe(batch=2048, lr=0.8, lr_min=0.0, weight_decay=3e-5, cutout=0.0, warmup=2, warmup_lr=0.2),
        epochs=150,
        form="imagenet",
        channels=48,
        cells=14,
        resolution=224,
        streamed=True,
    ),
}


class Retraining:
    """Trains every network epoch by epoch; a network that fails ends, the others go on.

    All networks are at the same epoch: the next one begins when the records of the last are told, so that what
    is asked does not depend on who finishes first. The weights of the last epoch are a network's result: none
    is chosen by an accuracy.

    Args:
        genotypes: what to train.
        setting: how; its epochs are the schedule's.
        role: of the trials.

    Raises:
        ValueError: if there is nothing to train.
    """

    def __init__(self, genotypes: Sequence[Genotype], setting: ProxySetting, role: str = ROLE) -> None:
        if not genotypes:
            raise ValueError("expected at least one genotype to train, got none")
        self._genotypes, self._setting, self._role = list(genotypes), setting, role
        self._newest: dict[int, int] = {}  # chain -> its newest trial that was told
        self._chain: dict[int, int] = {}  # open trial -> its chain
        self._epoch, self._waiting = 0, list(range(len(self._genotypes)))  # chains still to be asked at this epoch

    @property
    def finished(self) -> dict[int, int]:
        """For every network (by place) that is trained to the end, the trial that has its weights."""
        done = self._epoch == self._setting.e and not self._chain
        return dict(self._newest) if done else {}

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next epoch of up to ``n`` networks."""
        if self._epoch == self._setting.e:
            return []
        chosen, self._waiting = self._waiting[:n], self._waiting[n:]
        trials = [
            Trial(
                index=first + i,
                genotype=self._genotypes[chain],
                setting=self._setting,
                start=self._epoch,
                stop=self._epoch + 1,
                resumes=self._newest[chain] if self._epoch else None,
                role=self._role,
                keep=True,
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
            self._epoch += 1
            self._waiting = sorted(self._newest)
            if not self._waiting:
                self._epoch = self._setting.e  # everyone has failed

    def resumable(self) -> set[int]:
        """The newest epoch of every network that has not failed."""
        return set(self._newest.values())
