"""The training of a supernet as an experiment: a chain of one-epoch trials that ends with one file."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from scarlet.supernet.form import SupernetForm
from scarlet.supernet.setup import VERSION, SupernetSetup
from zoo.experiments.estimate import JOURNAL_BYTES, Estimate, disk, hours
from zoo.experiments.experiment import Experiment
from zoo.experiments.folder import WEIGHTS
from zoo.experiments.kinds.on_images import describe_images, fitted_skeleton
from zoo.experiments.kinds.trained import training_report
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.pages.written import large, percent
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Strategy
from zoo.population.trial import Evaluator, Record
from zoo.population.weights import LostWeights, WeightStore
from zoo.spaces.genotype import genotype_from_json
from zoo.training.retraining import Retraining

if TYPE_CHECKING:
    from scarlet.supernet.file import TrainedSupernet
    from zoo.data.image_set import ImageSet
    from zoo.data.stream import ImageStream
    from zoo.experiments.run import Run
    from zoo.training.distributed import ProcessGroup

ROLE = "supernet"
"""Role of a supernet's epochs as trials."""

COLUMNS = (
    "ok", "train_loss", "loss", "accuracy", "balanced_accuracy", "block_similarity", "skip_similarity", "seconds",
)  # fmt: skip
PANELS = (
    ("Accuracy", "mean of a few random paths", ("accuracy", "balanced_accuracy")),
    ("Loss", "mean cross-entropy", ("train_loss", "loss")),
    ("Similarity", "mean cosine of feature maps", ("block_similarity", "skip_similarity")),
)


@dataclass(frozen=True, kw_only=True)
class SupernetExperiment(Experiment):
    """A supernet, trained epoch by epoch and kept as one file, in which networks are searched afterwards.

    Attributes:
        form: of the supernet.
        setting: without reductions; its epochs are the schedule's.
        setup: of the training; its skeleton is fitted to the images.
        processes: that train together; torchrun starts them.
        loaders: processes that decode streamed images.
        per_epoch: trials of an epoch, which :meth:`fitted` finds out.

    Raises:
        ValueError: for a warm-up that takes the whole schedule, or a value out of range.
    """

    name: ClassVar[str] = "supernet"
    version: ClassVar[int] = VERSION
    distributed: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ("data", "setup", "group", "processes")
    adjustable: ClassVar[tuple[str, ...]] = ("loaders", "per_epoch")

    form: SupernetForm
    setting: ProxySetting
    setup: SupernetSetup
    processes: int = 1
    loaders: int = 2
    per_epoch: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0 or self.threads < 1:
            raise ValueError(f"threads must be at least 1 and the seed at least 0, got {self.threads} and {self.seed}")
        if self.loaders < 0:
            raise ValueError(f"loaders must be at least 0, got {self.loaders}")
        warmup = self.setup.training.recipe.warmup
        if warmup >= self.setting.e:
            raise ValueError(f"the warm-up must be shorter than the {self.setting.e} epochs, got {warmup}")

    def identity(self) -> dict[str, Any]:
        """What makes the run this run; the form is written as the genotype that its trials carry."""
        found = super().identity()
        del found["strategy"]["form"]
        found["strategy"]["genotype"] = self.form.genotype.to_json()
        return found

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Read what :meth:`identity` wrote.

        Raises:
            ValueError: for data of another kind of run, or of another form.
        """
        strategy = dict(identity.get("strategy", {}))
        if strategy.get("name") == cls.name and "genotype" in strategy:
            form = SupernetForm.of(genotype_from_json(strategy.pop("genotype")))
            strategy["form"] = dataclasses.asdict(form)
        return super().from_identity({**identity, "strategy": strategy}, options)

    @property
    def seed(self) -> int:
        """Of weights, splits, paths, order and augmentation."""
        return self.setup.training.seed

    @property
    def threads(self) -> int:
        """CPU threads of a process."""
        return self.setup.training.threads

    @property
    def device(self) -> str:
        """Of a worker."""
        return self.setup.training.precision.device

    def fitted(self, material: "ImageSet | ImageStream", say: Say) -> Self:
        """The training with a skeleton for these images.

        Raises:
            ValueError: for images that the skeleton cannot read, or too few of them for one batch.
        """
        from zoo.training.epoch import batch_slices

        training = self.setup.training
        skeleton = fitted_skeleton(training.skeleton, material)
        steps = len(batch_slices(len(material.train), training.recipe.batch, self.processes))
        setup = dataclasses.replace(self.setup, training=dataclasses.replace(training, skeleton=skeleton))
        return dataclasses.replace(self, data=material.fingerprint, setup=setup, per_epoch=setup.parts(steps))

    def describe(self, material: "ImageSet | ImageStream") -> Mapping[str, Any]:
        """Names and sizes of the images."""
        return describe_images(material, {0: len(material.train)})

    def strategy(self) -> Retraining:
        """One chain of epochs, or of parts of them."""
        parts = dataclasses.replace(self.setting, e=self.setting.e * self.per_epoch)
        return Retraining([self.form.genotype], parts, role=ROLE)

    def evaluator(self, material: "ImageSet | ImageStream") -> Evaluator:
        """Trains in this process alone; streams need :meth:`joined`."""
        from scarlet.supernet.training import SupernetEvaluator

        return SupernetEvaluator.of(self.setup, cast("ImageSet", material))

    @contextmanager
    def joined(self, material: "ImageSet | ImageStream") -> "Iterator[tuple[ProcessGroup, Evaluator]]":
        """The processes that train together, and this one's evaluator."""
        from scarlet.supernet.material import StreamedImages
        from scarlet.supernet.training import SupernetEvaluator
        from zoo.data.image_set import ImageSet
        from zoo.data.stream import Reader
        from zoo.training.device import own_precision
        from zoo.training.distributed import joined_ranks

        training = self.setup.training
        training = dataclasses.replace(training, precision=own_precision(training.precision))
        setup = dataclasses.replace(self.setup, training=training)
        with joined_ranks(training.precision.device) as ranks:
            if isinstance(material, ImageSet):
                yield ranks, SupernetEvaluator.of(setup, material, ranks)
                return
            pin = training.precision.device.startswith("cuda")
            with Reader(material, self.loaders, pin=pin) as reader:
                yield ranks, SupernetEvaluator(setup, StreamedImages(training, material, reader, ranks), ranks)

    def total(self, strategy: Strategy) -> float:
        """Epochs, or their parts."""
        return self.setting.e * self.per_epoch

    def estimate(self, material: "ImageSet | ImageStream", workers: int) -> Estimate:
        """Epochs, parameters, hours and megabytes, from timing a few steps."""
        from scarlet.supernet.timing import epoch_seconds, parameter_count

        training, validation = epoch_seconds(self.form, self.setup, material, self.loaders)
        params = parameter_count(self.form, self.setup.training.skeleton)
        epochs = self.setting.e
        seconds = (training / self.processes + validation) * epochs
        # three checkpoints of weights and momentum for a moment, and the supernet
        megabytes = (params * (3 * 8 + 4) + epochs * JOURNAL_BYTES) / 1e6
        numbers = {"epochs": epochs, "parameters": params, "hours": seconds / 3600, "disk_mb": megabytes}
        lines = (
            ("epochs", str(epochs)), ("parameters", f"{params:,}"), hours(seconds / 3600), disk(megabytes),
        )  # fmt: skip
        return Estimate(numbers=numbers, lines=lines)

    def finish(self, run: "Run", material: "ImageSet | ImageStream") -> Mapping[str, Any]:
        """Keep the supernet of the last epoch as a file.

        Raises:
            LostWeights: if the weights of the last epoch are missing.
            ValueError: if the training failed; the table of its epochs is written then too.
        """
        from scarlet.supernet.file import NAME, save_supernet
        from scarlet.supernet.training import trained_supernet

        with run.journal() as journal:
            last = journal.trials()[-1]
            record = journal.records()[last.index]
        if not record.ok:
            self.report(run).write(run.folder)
            raise ValueError(f"the training failed in epoch {-(-last.stop // self.per_epoch)}: {record.reason}")
        record = run.restored(record)
        held = self._held(run.folder / NAME, record)
        if held is None:
            store = WeightStore(run.folder / WEIGHTS)
            weights = store.get(record.checkpoint) if record.checkpoint else None
            if weights is None:
                raise LostWeights(last.index, store.folder)
            notes = {"accuracy": record.metrics["accuracy"]}
            held = trained_supernet(self.form, self.setup, material, weights, notes, self.per_epoch)
            save_supernet(held, run.folder / NAME)
        count = sum(parameter.numel() for parameter in held.network.parameters())
        return {"supernet": str(run.folder / NAME), "params": count, **held.notes}

    def _held(self, path: Path, record: Record) -> "TrainedSupernet | None":
        """The supernet that is kept already, where it is this one and whole: its weights are needed no more."""
        from scarlet.supernet.file import load_supernet

        try:
            held, _ = load_supernet(path)
        except (OSError, ValueError):
            return None
        wanted = {
            "data": self.data, "seed": self.seed, "epochs": self.setting.e, "sampling": self.setup.sampling,
            "accuracy": record.metrics["accuracy"],
        }  # fmt: skip
        return held if held.network.form == self.form and held.notes == wanted else None

    def report(self, run: "Run") -> Report:
        """The table of epochs and its curves.

        Raises:
            ValueError: if nothing has been measured yet.
        """
        from scarlet.supernet.file import NAME

        path, epochs = run.folder / NAME, self.setting.e
        with run.journal() as journal:
            trials, records = journal.trials(), journal.records()
        if not path.exists():
            parts = max((trial.setting.e for trial in trials if trial.setting is not None), default=epochs)
            trained = epochs * len(records) / parts
            return training_report(run, COLUMNS, PANELS, [f"{trained:g} of {epochs} epochs are trained"], {})
        from scarlet.supernet.timing import parameter_count

        accuracy = records[trials[-1].index].metrics["accuracy"]
        count = parameter_count(self.form, self.setup.training.skeleton)
        sentences = [
            f"{large(count)} parameters; after {epochs} epochs random paths have a validation accuracy of "
            f"{percent(accuracy, 2)} on average",
            f"Supernet: {path}",
        ]
        more = {"supernet": str(path), "params": count, "accuracy": accuracy}
        from zoo.pages.page import Step

        search = f"thriftnas scarlet search --supernet {shlex.quote(str(run.folder))}"
        steps = [Step("Search it for the networks that no other beats:", search)]
        return training_report(run, COLUMNS, PANELS, sentences, more, steps)
