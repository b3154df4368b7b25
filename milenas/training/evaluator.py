"""The evaluator of a search: a part of an epoch of a supernet, or an epoch of retraining, to a record."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from milenas.strategy.record import genotype_notes
from milenas.strategy.size import final_skeleton
from milenas.supernet.config import read_config
from milenas.supernet.derivation import NoNodeLeftError
from milenas.supernet.supernet import Supernet, build_supernet
from milenas.training.checkpoint import load_search, save_search
from milenas.training.material import HeldImages, Material
from milenas.training.monitors import architecture_metrics, dominant_eigenvalue, size_metrics
from milenas.training.setup import SearchSetup
from milenas.training.training import Learners, Progress, make_learners, train_steps
from zoo.data.image_set import ImageSet
from zoo.population.json_value import JSON
from zoo.population.trial import FALLBACK, Evaluator, Job, Outcome, Record
from zoo.purposes import POWER_ITERATION, SUPERNET_WEIGHTS
from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype, SpaceGenotype
from zoo.training import TrainingSetup
from zoo.training.device import prepare_process
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.epoch import Stage
from zoo.training.trainer import Diverged


class SearchEvaluator:
    """Trains supernets by parts of an epoch and, at an epoch's end, measures them and what they stand for.

    A job of another genotype is a derived one, to be retrained on its evaluation skeleton.

    Args:
        setup: of the search.
        material: its images.
    """

    def __init__(self, setup: SearchSetup, material: Material) -> None:
        prepare_process(setup.threads)
        self._setup, self._material, self._ranks = setup, material, material.ranks
        self._steps = material.steps
        self._retrainers: dict[int, Evaluator] = {}  # by initial channels

    @classmethod
    def of(cls, setup: SearchSetup, images: ImageSet, ranks: ProcessGroup = ALONE) -> "SearchEvaluator":
        """The evaluator of images in memory."""
        return cls(setup, HeldImages(setup, images, ranks))

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; divergence is a failed record."""
        return [self._one(job) for job in jobs]

    def _one(self, job: Job) -> Outcome:
        genotype = job.trial.genotype
        if isinstance(genotype, SpaceGenotype):
            return self._search(job)
        if not isinstance(genotype, CellGenotype):
            raise ValueError(f"trial {job.trial.index} is neither a supernet nor made of cells")
        skeleton = final_skeleton(genotype, self._setup.final, self._setup.params)
        if skeleton.channels not in self._retrainers:
            setup = retraining_setup(self._setup, genotype)
            self._retrainers[skeleton.channels] = self._material.retrainer(setup)
        return self._retrainers[skeleton.channels]([job])[0]

    def _search(self, job: Job) -> Outcome:
        began, trial = time.perf_counter(), job.trial
        per_epoch = parts_per_epoch(self._setup, self._steps)
        learners = self._learners(job)
        start, progress = trial.start, Progress()
        if start and job.checkpoint is None:
            start = 0  # the weights were lost: trained again, from the same seeds
        elif job.checkpoint is not None:
            done, progress = load_search(job.checkpoint, learners)
            if done != start:
                raise ValueError(f"trial {trial.index} resumes at part {start}, its checkpoint is at {done}")

        try:
            for part in range(start, trial.stop):
                progress = self._part(learners, job.root, part, progress)
            weights = save_search(learners, trial.stop, progress) if trial.keep and self._ranks.rank == 0 else None
            metrics: dict[str, float] = {"train_loss": progress.loss / progress.images}
            notes: dict[str, JSON] = {}
            if trial.stop % per_epoch == 0:
                measured, notes = self._measure(learners.supernet, job.root, trial.stop // per_epoch - 1)
                metrics |= measured
            if learners.graphs.fallback:
                notes = notes | {FALLBACK: learners.graphs.fallback}
            record = Record(index=trial.index, ok=True, metrics=metrics, notes=notes)
        except Diverged as error:
            record, weights = Record(index=trial.index, ok=False, reason=str(error)), None
        paid = (trial.stop - start) / per_epoch
        return replace(record, epochs_paid=paid, seconds=time.perf_counter() - began), weights

    def _learners(self, job: Job) -> Learners:
        setup, precision = self._setup, self._setup.precision
        seed = int(np.random.default_rng((setup.seed, job.root, SUPERNET_WEIGHTS)).integers(2**63))
        supernet = build_supernet(
            read_config(job.trial.genotype),
            setup.skeleton,
            torch.Generator().manual_seed(seed),
            discrete=setup.method.sampler == "gumbel",
            device=precision.device,
            dtype=precision.storage,
        )
        if precision.channels_last:
            supernet = supernet.to(memory_format=torch.channels_last)
        return make_learners(supernet, setup.recipe, setup.method, self._ranks.size)

    def _part(self, learners: Learners, root: int, part: int, progress: Progress) -> Progress:
        """Train one part of an epoch; an epoch's first part begins a new sum of losses."""
        setup, per_epoch = self._setup, parts_per_epoch(self._setup, self._steps)
        epoch, place = divmod(part, per_epoch)
        every = setup.every or self._steps
        steps = range(place * every, min((place + 1) * every, self._steps))
        progress = Progress() if place == 0 else progress
        stage = self._stage(root)
        feed = self._material.feed(stage, epoch, self._ranks)
        train_steps(learners, feed, setup, stage, epoch, steps, progress, self._ranks)
        return progress

    def _stage(self, root: int) -> Stage:
        return Stage(start=0, stop=self._setup.epochs, epochs=self._setup.epochs, seed=self._setup.seed, root=root)

    def _measure(self, supernet: Supernet, root: int, epoch: int) -> tuple[dict[str, float], dict[str, JSON]]:
        """The supernet on the validation images, its architecture, and the genotype it stands for, which is a note."""
        setup, metrics = self._setup, self._material.measured(supernet)
        metrics |= architecture_metrics(supernet)
        if setup.eigenvalue:
            metrics["eigenvalue"] = self._eigenvalue(supernet, root, epoch)
        try:
            genotype = supernet.derive()
        except NoNodeLeftError:
            return metrics | {"derived": 0}, {}
        price = cost(genotype, final_skeleton(genotype, setup.final, setup.params))
        metrics |= {"derived": 1, "params": price.params, "macs": price.macs}
        return metrics | size_metrics(genotype), genotype_notes(genotype)

    def _eigenvalue(self, supernet: Supernet, root: int, epoch: int) -> float:
        """On the first batch of α's images of this epoch; every process computes the same."""
        setup = self._setup
        ((_, alphas, *_),) = self._material.feed(self._stage(root), epoch, ALONE).part(range(1))
        pixels, labels, _ = alphas()
        seed = int(np.random.default_rng((setup.seed, root, POWER_ITERATION, epoch)).integers(2**63))
        supernet.train()
        supernet.track(False)
        try:
            loss = partial(_mean_loss, supernet, setup.precision.place(pixels), labels)
            return dominant_eigenvalue(loss, supernet.alphas(), torch.Generator().manual_seed(seed))
        finally:
            supernet.track(True)


def _mean_loss(supernet: Supernet, pixels: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(supernet(pixels, supernet.mixed()), labels)


def parts_per_epoch(setup: SearchSetup, steps: int) -> int:
    """How many trials an epoch of ``steps`` steps is journaled in: checkpoints every ``setup.every`` steps."""
    return 1 if setup.every is None else -(-steps // setup.every)


def retraining_setup(setup: SearchSetup, genotype: CellGenotype) -> TrainingSetup:
    """How a derived genotype is retrained."""
    return TrainingSetup(
        skeleton=final_skeleton(genotype, setup.final, setup.params),
        recipe=setup.retrain,
        precision=setup.precision,
        seed=setup.seed,
        threads=setup.threads,
    )
