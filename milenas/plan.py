"""The plan of a search: setup, images, processes; what makes a run this run, and what it will cost."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from milenas.strategy.search import SupernetSearch
from milenas.strategy.size import check_params
from milenas.supernet.supernet import Supernet, build_supernet
from milenas.training.batches import Batches, divide_images, owned_examples
from milenas.training.evaluator import SearchEvaluator, parts_per_epoch, steps_per_epoch
from milenas.training.setup import VERSION, SearchSetup
from milenas.training.training import Progress, make_learners, train_steps
from zoo.data.image_set import ImageSet
from zoo.population.trial import Evaluator
from zoo.spaces.skeleton import Skeleton
from zoo.training.distributed import ALONE, ProcessGroup, joined_ranks
from zoo.training.epoch import Stage

TIMED = 3
"""Steps that a dry run times, after one to warm up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is searched, on what, and by how many processes.

    Attributes:
        setup: fitted to the images.
        images: of the run.
        processes: of the process group.
        per_epoch: trials an epoch is divided into.
        expected_size: below which the search stops.
        retrain: networks to retrain.
        asked: the images as the user asked for them.
    """

    setup: SearchSetup
    images: ImageSet
    processes: int
    per_epoch: int
    expected_size: int
    retrain: int
    asked: Mapping[str, Any]

    @classmethod
    def fitted(
        cls,
        setup: SearchSetup,
        images: ImageSet,
        *,
        processes: int,
        expected_size: int,
        retrain: int,
        asked: Mapping[str, Any],
    ) -> "Plan":
        """The plan, its skeletons fitted to the images.

        Raises:
            ValueError: for images that cannot be searched on (too few, or a class that one share would miss), or
                a number of parameters that no cell can have.
        """
        setup = dataclasses.replace(setup, skeleton=_fitted(setup.skeleton, images), final=_fitted(setup.final, images))
        if setup.params is not None:
            check_params(setup.shape, setup.final, setup.params)
        steps = steps_per_epoch(setup, images, processes)
        return cls(
            setup=setup,
            images=images,
            processes=processes,
            per_epoch=parts_per_epoch(setup, steps),
            expected_size=expected_size,
            retrain=retrain,
            asked=asked,
        )

    def identity(self) -> dict[str, Any]:
        """What makes the run this run: also the number of processes, which changes what batch normalisation sees."""
        return {
            "strategy": {
                "name": "darts",
                "version": VERSION,
                "epochs": self.setup.epochs,
                "per_epoch": self.per_epoch,
                "expected_size": self.expected_size,
                "retrain": self.retrain,
                "seed": self.setup.seed,
            },
            "data": self.images.fingerprint,
            "setup": self.setup.identity(),
            "group": 1,
            "processes": self.processes,
        }

    def strategy(self) -> SupernetSearch:
        """A fresh strategy."""
        return SupernetSearch(
            self.setup.shape,
            self.setup.epochs,
            per_epoch=self.per_epoch,
            expected_size=self.expected_size,
            retrain=self.retrain,
            retrain_epochs=self.setup.retrain_epochs,
        )

    @property
    def trials(self) -> int:
        """How many trials the run has at most."""
        return self.setup.epochs * self.per_epoch + self.retrain * self.setup.retrain_epochs

    @contextmanager
    def ranks(self) -> Iterator[tuple[ProcessGroup, Evaluator]]:
        """The processes that train together, and this one's evaluator."""
        with joined_ranks(self.setup.precision.device) as ranks:
            yield ranks, SearchEvaluator(self.setup, self.images, ranks)


def _fitted(skeleton: Skeleton, images: ImageSet) -> Skeleton:
    return dataclasses.replace(
        skeleton, resolution=images.resolution, in_channels=images.channels, classes=len(images.classes)
    )


def estimate(plan: Plan) -> dict[str, float]:
    """Steps, hours and megabytes of the search, from timing a few steps; retraining is not in it."""
    setup, images = plan.setup, plan.images
    torch.set_num_threads(setup.threads)
    supernet = _supernet(setup)
    learners = make_learners(supernet, setup.recipe, setup.method)
    parts = divide_images(images, setup.split, setup.seed)
    stage = Stage(start=0, stop=setup.epochs, epochs=setup.epochs, seed=setup.seed, root=0)
    batches = [
        Batches(examples, owner, setup.recipe, stage, 0, ALONE)
        for owner, examples in enumerate(owned_examples(images, parts, setup.precision.device))
    ]
    epoch = setup.epochs - 1  # the rule that is used in the end
    count = min(TIMED, len(batches[0]))
    train_steps(learners, batches, setup, stage, epoch, range(1), Progress(), ALONE)
    began = time.perf_counter()
    train_steps(learners, batches, setup, stage, epoch, range(count), Progress(), ALONE)
    per_step = (time.perf_counter() - began) / count
    steps = steps_per_epoch(setup, images, plan.processes) * setup.epochs
    weights = sum(parameter.numel() for parameter in supernet.parameters())
    return {
        "steps": steps,
        "seconds/step": per_step,
        "hours": steps * per_step / 3600 / plan.processes,
        "parameters": weights,
        "disk_mb": weights * 2 * 2 * 4 / 1e6,  # two checkpoints of weights and momentum for a moment
    }


def _supernet(setup: SearchSetup) -> Supernet:
    precision = setup.precision
    supernet = build_supernet(
        setup.shape,
        setup.skeleton,
        torch.Generator().manual_seed(setup.seed),
        device=precision.device,
        dtype=precision.storage,
    )
    return supernet.to(memory_format=torch.channels_last) if precision.channels_last else supernet
