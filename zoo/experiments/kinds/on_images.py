"""What experiments that train cells on images share: fitting to the images, the price of a trial, its workers."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoo.experiments.estimate import epoch_price, images_at
from zoo.experiments.experiment import Experiment
from zoo.experiments.resources import Say
from zoo.population.proxy import ProxySetting
from zoo.population.trial import TRAINING, Evaluator, Trial
from zoo.spaces.blueprint import Blueprint
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.spaces.skeleton import Skeleton
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.data.stream import ImageStream
    from zoo.experiments.run import Run


SPLIT_WORDS = {"train": "training", "validation": "validation", "test": "test"}
IMAGES_OF_A_SCORE = 128
"""By which a score is priced: one or two mini-batches."""
NAMED_CLASSES = 10
"""Classes that the line about the images names; it counts more of them."""
TO_CHANGE = (
    "--resolution for the pixels; --train and --val for the counts. Validation images are a fifth of the training "
    "images where the data have none of their own, and so are test images of a folder: DIR/train, DIR/val and DIR/test "
    "with a folder per class say otherwise."
)


def fitted_skeleton(skeleton: Skeleton, images: "ImageSet | ImageStream") -> Skeleton:
    """The skeleton for the size, the colours and the classes of the images."""
    return dataclasses.replace(
        skeleton, resolution=images.resolution, in_channels=images.channels, classes=len(images.classes)
    )


def describe_images(images: "ImageSet | ImageStream", counts: Mapping[int, int]) -> dict[str, Any]:
    """Facts about images: names, sizes, and the training images of an epoch by sample level."""
    return {
        "name": images.name,
        "classes": list(images.classes),
        "train": len(images.train),
        "validation": len(images.validation),
        "images": {str(level): count for level, count in counts.items()},
        "resolution": images.resolution,
        "channels": images.channels,
        "mean": list(images.mean),
        "std": list(images.std),
        "test": len(images.test),
        "class_counts": class_counts(images),
        "decided": decided(images),
        "to_change": TO_CHANGE,
    }


def decided(images: "ImageSet | ImageStream") -> str:
    """What is trained on, in one line: images of every split, classes, pixels."""
    counts = class_counts(images)
    sizes = ", ".join(f"{sum(counts[name])} {word}" for name, word in SPLIT_WORDS.items())
    few = len(images.classes) <= NAMED_CLASSES
    names = f" ({', '.join(images.classes)})" if few else ""
    spread = (
        f"{min(counts['train'])} to {max(counts['train'])}" if len(set(counts["train"])) > 1 else counts["train"][0]
    )
    colours = "grey" if images.channels == 1 else "RGB"
    return (
        f"{images.name}: {len(images.classes)} classes{names} of {spread} training images each; {sizes} images; "
        f"{images.resolution} × {images.resolution} pixels, {colours}"
    )


def class_counts(images: "ImageSet | ImageStream") -> dict[str, list[int]]:
    """Images of every class, in their order, by split."""
    found = {}
    for name in ("train", "validation", "test"):
        split = getattr(images, name)
        labels = split.labels if hasattr(split, "labels") else images.labels[split]  # type: ignore[union-attr]
        found[name] = [int((labels == number).sum()) for number in range(len(images.classes))]
    return found


def blueprint_of(run: "Run", trial: Trial, original: Skeleton) -> Blueprint:
    """Everything that builds the network of a trial of a run on images.

    Args:
        run: whose journal says what :func:`describe_images` found; statistics are missing in those of earlier releases.
        trial: at a setting that reduces ``original``.
        original: skeleton of the run, fitted to its images.
    """
    about = run.value("data") or {}
    skeleton = original if trial.setting is None else trial.setting.skeleton(original)
    classes, mean, std = (tuple(about.get(name, ())) for name in ("classes", "mean", "std"))
    return Blueprint(genotype=trial.genotype, skeleton=skeleton, classes=classes, mean=mean, std=std)


@dataclass(frozen=True, kw_only=True)
class OnImages(Experiment):
    """An experiment that trains cells from scratch on images, at proxy settings.

    Attributes:
        setup: of the training; its skeleton is fitted to the images.
        counts: training images of an epoch by sample level, which :meth:`fitted` finds out.
        choose_group: whether the group is the run's own or, of a new run, found by trying: see
            :func:`zoo.experiments.grouping.grouped`.
    """

    beside: ClassVar[tuple[str, ...]] = ("data", "setup", "group")
    requested: ClassVar[tuple[str, ...]] = ("counts", "choose_group")

    setup: TrainingSetup = field(default_factory=TrainingSetup)
    counts: Mapping[int, int] = field(default_factory=dict)
    choose_group: bool = False

    def settings_used(self) -> list[ProxySetting]:
        """The settings of the run's trials: the field ``setting``, where an experiment has one."""
        found = getattr(self, "setting", None)
        return [found] if isinstance(found, ProxySetting) else []

    @property
    def seed(self) -> int:
        """Of networks, weights, splits and order."""
        return self.setup.seed

    @property
    def threads(self) -> int:
        """CPU threads of a worker."""
        return self.setup.threads

    @property
    def device(self) -> str:
        """Of a worker."""
        return self.setup.precision.device

    def fitted(self, material: "ImageSet", say: Say) -> Self:
        """The experiment with a skeleton for these images.

        Raises:
            ValueError: for images that the skeleton cannot read.
        """
        setup = dataclasses.replace(self.setup, skeleton=fitted_skeleton(self.setup.skeleton, material))
        counts = images_at(self.settings_used(), material, self.seed)
        return dataclasses.replace(self, data=material.fingerprint, setup=setup, counts=counts)

    def describe(self, material: "ImageSet") -> Mapping[str, Any]:
        """Names and sizes of the images."""
        return describe_images(material, self.counts)

    def evaluator(self, material: "ImageSet") -> Evaluator:
        """Trains networks from scratch on the images."""
        from zoo.training import evaluator

        return evaluator.make_evaluator(self.setup, material)

    def blueprints(self, run: "Run") -> Callable[[Trial], Blueprint]:
        """The networks of trials on the run's images."""
        return lambda trial: blueprint_of(run, trial, self.setup.skeleton)

    def price(self, trial: Trial) -> float:
        """Forward MACs of all images the trial trains on, or is scored by, with a floor."""
        assert trial.setting is not None
        genotype = require_cells(trial.genotype)
        if trial.measure != TRAINING:
            return epoch_price(genotype, trial.setting, self.setup.skeleton, IMAGES_OF_A_SCORE)
        return self.epoch_price(genotype, trial.setting) * (trial.stop - trial.start)

    def epoch_price(self, genotype: CellGenotype, setting: ProxySetting) -> float:
        """Price of an epoch of a network at a setting."""
        return epoch_price(genotype, setting, self.setup.skeleton, self.counts[setting.s])

    def seconds_of(self, setting: ProxySetting, genotype: CellGenotype, images: "ImageSet") -> float:
        """Seconds of a network's whole training at a setting, validation included, from timing a few steps."""
        from zoo.training.speed import seconds_per_image

        speed = seconds_per_image(self.setup, images, setting, genotype)
        return speed.training * self.counts[setting.s] * setting.e + speed.validation * len(images.validation)
