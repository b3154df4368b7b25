"""The evaluator: trials to records in a worker, by training each network on the images the worker holds."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet, subset
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.planning import strangers
from zoo.networks.network import Network, build_any
from zoo.population.json_value import JSON
from zoo.population.proxy import ProxySetting, share_at
from zoo.population.steps import stretch
from zoo.population.trial import FALLBACK, TRAIN_LOSSES, TRAINING, Job, Outcome, Record, Trial
from zoo.purposes import INITIAL_WEIGHTS, SAMPLE_LEVEL
from zoo.scores.measuring import Unscored, measure_score
from zoo.scores.score import find_score
from zoo.scores.scored_images import ScoredImages
from zoo.spaces.chain_cost import network_cost
from zoo.spaces.genotype import CellGenotype, Genotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.cotraining import (
    evaluate_together,
    load_momenta,
    make_program,
    prefers_program,
    store_momenta,
    train_together,
)
from zoo.training.device import prepare_process
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.epoch import Examples, Stage, batch_slices
from zoo.training.memory import free_memory, out_of_memory
from zoo.training.setup import TrainingSetup
from zoo.training.trainer import (
    Diverged,
    evaluate,
    make_optimizer,
    train_stage,
)

_log = logging.getLogger("thriftnas")


def side_by_side(count: int, streams: int) -> list[slice]:
    """A batch of ``count`` networks shared out as evenly as possible, in order; no share is empty."""
    ends = [count * number // min(count, streams) for number in range(min(count, streams) + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


def make_evaluator(setup: TrainingSetup, images: ImageSet) -> "TrainingEvaluator":
    """The evaluator of a worker; with the setup bound, what an executor's factory must be."""
    return TrainingEvaluator(setup, images)


class Material(Protocol):
    """Where training and validation images come from; what differs between evaluators that train."""

    def train(
        self, network: Network, optimizer: torch.optim.Optimizer, setting: ProxySetting, stage: Stage
    ) -> tuple[list[float], int]:
        """Train for a stage: the mean loss of every epoch, and the images of an epoch."""
        ...

    def validate(self, network: Network) -> dict[str, float]:
        """Accuracy, balanced accuracy and loss on the validation images."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A job about to train: its network and optimizer as its last stage left them, and the stage that is next."""

    job: Job
    setting: ProxySetting
    network: Network
    optimizer: torch.optim.Optimizer
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """What a job gave: the metrics and notes of its record, the epochs it paid, and weights where they are kept."""

    metrics: Mapping[str, float]
    epochs: float
    weights: bytes | None
    notes: Mapping[str, JSON] = field(default_factory=dict)


def run_job(job: Job, setup: TrainingSetup, material: Material, ranks: ProcessGroup = ALONE) -> Outcome:
    """Train a job's network for its stage and measure it; divergence and lack of memory are failed records."""

    def work() -> Measurement:
        begun = begin(job, setup, ranks)
        losses, images = material.train(begun.network, begun.optimizer, begun.setting, begun.stage)
        weights = kept_weights(begun, ranks)
        parts = setup.parts(len(batch_slices(images, setup.recipe.batch, ranks.size)))
        validated = {} if begun.stage.stop % parts else material.validate(begun.network)
        return replace(measurement(begun, losses, validated, images, weights), epochs=len(losses) / parts)

    return guarded(job, work)


def guarded(job: Job, work: Callable[[], Measurement]) -> Outcome:
    """The outcome of ``work``; failures as :func:`run_job` says."""
    began = time.perf_counter()
    try:
        found = work()
    except (Diverged, Unscored) as error:
        return failed(job, str(error), time.perf_counter() - began)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        free_memory()
        return failed(job, "out of memory", time.perf_counter() - began)
    return measured(job, found, time.perf_counter() - began)


def begin(job: Job, setup: TrainingSetup, ranks: ProcessGroup = ALONE, device: str | None = None) -> Begun:
    """Build a job's network, with the weights it resumes where it has any, on a device; the precision's by default.

    Raises:
        ValueError: for a trial without a setting, one that is a score, or weights of another stage.
    """
    trial = job.trial
    if trial.measure != TRAINING:
        raise ValueError(f"trial {trial.index} asks for the score {trial.measure!r}; this evaluator only trains")
    if trial.setting is None:
        raise ValueError(f"trial {trial.index} has no proxy setting; this evaluator trains from scratch")
    network = ranks.prepare(_network(trial.genotype, job.root, trial.setting.skeleton(setup.skeleton), setup, device))
    optimizer = make_optimizer(network, setup.recipe)
    return Begun(job, trial.setting, network, optimizer, resumed(job, trial.setting, network, optimizer, setup.seed))


def resumed(job: Job, setting: ProxySetting, network: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> Stage:
    """The stage a job trains, its network and optimizer being put back to where that begins.

    Raises:
        ValueError: for weights of another stage or network.
    """
    trial = job.trial
    start = trial.start
    if start and job.checkpoint is None:
        start = 0  # the weights were lost: the whole chain is trained again, from the same seeds
    elif job.checkpoint is not None:
        done = load_checkpoint(job.checkpoint, network, optimizer)
        if done != start:
            raise ValueError(f"trial {trial.index} resumes at epoch {start}, its checkpoint is at {done}")
    return Stage(start=start, stop=trial.stop, epochs=setting.e, seed=seed, root=job.root)


def kept_weights(begun: Begun, ranks: ProcessGroup = ALONE) -> bytes | None:
    """The checkpoint of a trained network, where its trial keeps one."""
    # in a process group, the others' weights are the same and go nowhere
    keep = begun.job.trial.keep and ranks.rank == 0
    return save_checkpoint(begun.network, begun.optimizer, begun.stage.stop) if keep else None


def measurement(
    begun: Begun, losses: Sequence[float], validated: Mapping[str, float], images: int, weights: bytes | None
) -> Measurement:
    """What training and validation gave together: losses of every epoch, images of an epoch, what the network costs."""
    price = network_cost(begun.network.genotype, begun.network.skeleton)
    trained = {"train_loss": losses[-1], "macs": price.macs, "params": price.params, "images": images}
    # of a single epoch the metric says it all
    own = losses[begun.job.trial.start - begun.stage.start :]  # without epochs that lost weights made it train again
    notes: dict[str, JSON] = {TRAIN_LOSSES: list(own)} if len(own) > 1 else {}
    return Measurement(metrics={**validated, **trained}, epochs=len(losses), weights=weights, notes=notes)


def measured(job: Job, found: Measurement, seconds: float) -> Outcome:
    """The outcome of a job that ended with a measurement."""
    record = Record(
        index=job.trial.index,
        ok=True,
        metrics=found.metrics,
        epochs_paid=found.epochs,
        seconds=seconds,
        notes=found.notes,
    )
    return record, found.weights


def _outcome(
    begun: Begun,
    losses: list[float] | Diverged,
    metrics: dict[str, float] | Diverged,
    fallback: str,
    images: int,
    seconds: float,
) -> Outcome:
    """What became of one network of a program; ``fallback`` says why it took longer than it might have."""
    if isinstance(losses, Diverged):
        return failed(begun.job, str(losses), seconds)
    if isinstance(metrics, Diverged):
        return failed(begun.job, str(metrics), seconds)
    found = measurement(begun, losses, metrics, images, kept_weights(begun))
    if fallback:
        found = replace(found, notes={**found.notes, FALLBACK: fallback})
    return measured(begun.job, found, seconds)


def failed(job: Job, reason: str, seconds: float) -> Outcome:
    """The outcome of a job that did not."""
    trial = job.trial
    began = trial.start if job.checkpoint is not None else 0  # lost weights make it train the chain again
    record = Record(index=trial.index, ok=False, reason=reason, epochs_paid=trial.stop - began, seconds=seconds)
    return record, None


def _network(
    genotype: Genotype, root: int, skeleton: Skeleton, setup: TrainingSetup, device: str | None = None
) -> Network:
    precision = setup.precision
    seed = int(np.random.default_rng((setup.seed, root, INITIAL_WEIGHTS)).integers(2**63))
    network = build_any(
        genotype,
        skeleton,
        torch.Generator().manual_seed(seed),
        auxiliary=setup.recipe.auxiliary > 0,
        device=device or precision.device,
        dtype=precision.storage,
    )
    return network.to(memory_format=torch.channels_last) if precision.channels_last else network


class TrainingEvaluator:
    """Trains every job's network for its stage and measures it on the validation images.

    Holds the images on the device: the training images as they are, the validation images prepared once per
    resolution. The test images are never touched.
    """

    def __init__(self, setup: TrainingSetup, images: ImageSet, ranks: ProcessGroup = ALONE) -> None:
        prepare_process(setup.threads)
        self._setup, self._set, self._ranks = setup, images, ranks
        device = setup.precision.device
        self._train = torch.tensor(images.train.images, device=device)  # copies: shared arrays are read-only
        self._labels = torch.tensor(images.train.labels, device=device)
        self._validation_labels = torch.tensor(images.validation.labels, device=device)
        self._validation: dict[int, Tensor] = {}
        self._said: set[str] = set()  # operations that no program knows

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; divergence and lack of memory are failed records.

        Jobs of one setting and stage whose maps are small are trained together, as one program, unless the setup's
        engine is "plain". Jobs that ask for a score are measured without training, one by one.
        """
        groups: dict[tuple[object, ...], list[Job]] = {}
        for job in jobs:
            trial = job.trial
            lost = trial.start > 0 and job.checkpoint is None
            alone = trial.index if lost or not self._as_program(trial) else None
            groups.setdefault((trial.setting, trial.start, trial.stop, alone), []).append(job)
        outcomes: dict[int, Outcome] = {}
        for number, group in enumerate(groups.values()):
            with stretch(number, len(groups)):
                found = self._together(group) if self._as_program(group[0].trial) else [self._alone(group[0])]
                outcomes |= {outcome[0].index: outcome for outcome in found}
        return [outcomes[job.trial.index] for job in jobs]

    def _alone(self, job: Job) -> Outcome:
        if job.trial.measure != TRAINING:
            return guarded(job, lambda: self._scored(job))
        return run_job(job, self._setup, self, self._ranks)

    def _scored(self, job: Job) -> Measurement:
        """A score of a job's network at its initial weights, by training images at its setting's resolution."""
        trial, setup = job.trial, self._setup
        if trial.setting is None:
            raise ValueError(f"trial {trial.index} has no proxy setting, which says what surrounds the network")
        skeleton = trial.setting.skeleton(setup.skeleton)
        seen = self._examples(trial.setting.s, skeleton.resolution)
        images = ScoredImages(
            images=seen.images,
            labels=seen.labels,
            resolution=seen.resolution,
            mean=seen.mean,
            std=seen.std,
            seed=setup.seed,
            root=job.root,
            place=setup.precision.place,
        )

        def build() -> Network:
            return _network(trial.genotype, job.root, skeleton, setup)

        metrics = measure_score(find_score(trial.measure), trial.genotype, skeleton, build, images)
        return Measurement(metrics=metrics, epochs=0, weights=None)

    def _as_program(self, trial: Trial) -> bool:
        setup = self._setup
        if trial.measure != TRAINING or trial.setting is None:
            return False
        if not isinstance(trial.genotype, CellGenotype) or self._ranks.size > 1:
            return False
        resolution = trial.setting.skeleton(setup.skeleton).resolution
        wanted = prefers_program(setup.engine, resolution, setup.precision.device)
        return wanted and setup.every is None and not self._strange(trial.genotype)

    def _strange(self, genotype: CellGenotype) -> bool:
        """Whether a program does not know some operation of a genotype; says so, once for every operation."""
        unknown = strangers(genotype)
        for name in unknown:
            if name not in self._said:
                self._said.add(name)
                _log.warning("networks with the operation %r are trained one by one: no program knows it", name)
        return bool(unknown)

    def _together(self, jobs: Sequence[Job], why: str = "") -> list[Outcome]:
        """Jobs of one setting and stage as one program; a batch that does not fit in memory goes one by one.

        ``why`` they are fewer than they might be is noted in their records.
        """
        began = time.perf_counter()
        try:
            # built where the host can read and write them parameter by parameter, but for heads that autograd runs
            device = None if self._setup.recipe.auxiliary > 0 else "cpu"
            return self._co_train([begin(job, self._setup, device=device) for job in jobs], began, why)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        free_memory()
        if len(jobs) == 1:
            return [failed(jobs[0], "out of memory", time.perf_counter() - began)]
        why = f"trained one by one: {len(jobs)} networks together did not fit in memory"
        _log.warning(why)
        return [outcome for job in jobs for outcome in self._together([job], why)]

    def _co_train(self, begun: Sequence[Begun], began: float, why: str) -> list[Outcome]:
        setup, setting, skeleton = self._setup, begun[0].setting, begun[0].network.skeleton
        examples = self._examples(setting.s, skeleton.resolution)
        optimizers = [one.optimizer for one in begun]
        cells = [one.network for one in begun if isinstance(one.network, CellNetwork)]  # all: see _as_program
        parts = side_by_side(len(begun), setup.streams)
        programs = [make_program(cells[part], setup.precision, setup.recipe) for part in parts]
        for program, part in zip(programs, parts, strict=True):
            load_momenta(program, optimizers[part])
        stages = [[one.stage for one in begun[part]] for part in parts]
        trained = train_together(programs, examples, setup.recipe, setup.precision, stages)
        prepared, metrics = self._prepared(skeleton.resolution), list[dict[str, float] | Diverged]()
        for program, part in zip(programs, parts, strict=True):
            metrics += evaluate_together(program, prepared, self._validation_labels, skeleton.classes)
            store_momenta(program, optimizers[part])
            program.close()
        seconds = (time.perf_counter() - began) / len(begun)
        images, losses = len(examples.labels), chain.from_iterable(part.losses for part in trained)
        reasons = [part.fallback or why for part in trained for _ in part.losses]
        return [_outcome(*each, images, seconds) for each in zip(begun, losses, metrics, reasons, strict=True)]

    def train(
        self, network: Network, optimizer: torch.optim.Optimizer, setting: ProxySetting, stage: Stage
    ) -> tuple[list[float], int]:
        """Train for a stage; the mean loss of every epoch, and the images of an epoch."""
        setup, examples = self._setup, self._examples(setting.s, network.skeleton.resolution)
        how = setup.recipe, setup.precision, stage, self._ranks, setup.every
        losses = train_stage(network, optimizer, examples, *how)
        return losses, len(examples.labels)

    def validate(self, network: Network) -> dict[str, float]:
        """Accuracy, balanced accuracy and loss on the validation images."""
        images, shape = self._prepared(network.skeleton.resolution), network.skeleton
        return evaluate(network, images, self._validation_labels, shape.classes, self._setup.precision, self._ranks)

    def _examples(self, level: int, resolution: int) -> Examples:
        images, labels = self._train, self._labels
        if level:
            chosen = torch.from_numpy(sample(self._set.train.labels, level, self._setup.seed)).to(labels.device)
            images, labels = images[chosen], labels[chosen]
        return Examples(
            images=images,
            labels=labels,
            resolution=resolution,
            mean=self._set.mean,
            std=self._set.std,
            flip=self._set.flip,
        )

    def _prepared(self, resolution: int) -> Tensor:
        if resolution not in self._validation:
            images = torch.tensor(self._set.validation.images, device=self._setup.precision.device)
            self._validation[resolution] = prepare(images, resolution, self._set.mean, self._set.std)
        return self._validation[resolution]


def sample(labels: np.ndarray[Any, np.dtype[np.int64]], level: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Indices of the training images at a sample level: class-balanced, drawn once per seed, nested."""
    return subset(labels, share_at(level), np.random.default_rng((seed, SAMPLE_LEVEL)))
