"""Where the material of a weighted search lies: a published table, or a supernet with the images it was trained on."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from scarlet.evaluation.setup import RECALIBRATION, SubnetSetup
from scarlet.experiments.measurement import Measurement, know_supernet, supernet_measurement, table_measurement
from zoo.experiments import table_source
from zoo.experiments.source import ArraySource, HeldSource, ImageSource, Loading, Source, image_source

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.experiments.experiment import Experiment

NO_IMAGES = (
    "a supernet needs the images it was trained on: --data (in Python images=), with the same number of them for "
    "training and validation"
)


class TableSource(table_source.TableSource):
    """A published table, with the latencies that a search may price networks by."""

    def load(self, experiment: "Experiment", loading: Loading) -> Measurement:  # type: ignore[override]
        """Read the table and the latencies; a search has more to know of a table than its rows.

        Raises:
            ValueError: if one of them cannot be read as what it should be.
            OSError: if one of them cannot be read.
        """
        return table_measurement(self.table, self.latency)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetSource:
    """A trained supernet and the images it was trained on.

    Attributes:
        supernet: path of its file, or of the run folder that it was trained in.
        images: those it was trained on.
        latency: path of a CSV file with columns layer, choice, latency; None: there is none.
    """

    kind: ClassVar[str] = "supernet"

    supernet: Path
    images: ImageSource | ArraySource | HeldSource
    latency: Path | None = None

    def load(self, experiment: "Experiment", loading: Loading) -> Measurement:
        """Read supernet, images and latencies; images are split by the supernet's seed.

        Raises:
            ValueError: if one of them cannot be used, or the images are not the supernet's.
            OSError: if one of them cannot be read.
        """
        setup = getattr(experiment, "setup", None)
        if not isinstance(setup, SubnetSetup):
            raise ValueError(f"a weighted search measures with a supernet, got a {experiment.name}")
        known = know_supernet(self.supernet)
        most = RECALIBRATION if setup.recalibration is None else setup.recalibration
        images = self.read_images(known.seed, known.skeleton.resolution, most, loading)
        return supernet_measurement(known, images, self.latency, setup)

    def read_images(self, seed: int, resolution: int, recalibration: int, loading: Loading | None = None) -> "ImageSet":
        """The images alone; of a stream those to validate and to recalibrate on.

        Raises:
            ValueError: if they were in memory and are gone, or as :func:`zoo.data.load`.
        """
        if isinstance(self.images, ImageSource):
            return held_images(self.images, seed, resolution, recalibration, loading)
        if isinstance(self.images, ArraySource):
            return self.images.split(seed, loading, resolution)
        if self.images.material is None:
            image_source(self.images.to_dict())  # says that only their maker can give them again
        return cast("ImageSet", self.images.material)

    def to_dict(self) -> dict[str, Any]:
        """The source with the absolute path of the supernet's file."""
        return {
            "kind": self.kind,
            "supernet": str(supernet_file(self.supernet).resolve()),
            "images": self.images.to_dict(),
            "latency": None if self.latency is None else os.path.abspath(self.latency.expanduser()),
        }


def front_source(data: Mapping[str, Any]) -> Source:
    """Read the JSON form of a source of a weighted search; images that were in memory are missing in it.

    Raises:
        ValueError: for another kind of source.
    """
    kind = data.get("kind")
    if kind == TableSource.kind:
        return TableSource.from_dict(data)
    if kind == SupernetSource.kind:
        lost = data["images"]["kind"] == HeldSource.kind  # who only needs the supernet does without
        images = HeldSource(material=None) if lost else cast(ImageSource, image_source(data["images"]))
        latency = None if data.get("latency") is None else Path(data["latency"])
        return SupernetSource(supernet=Path(data["supernet"]), images=images, latency=latency)
    raise ValueError("the run does not say where its supernet is: run its command again, then it does")


def held_images(
    images: ImageSource, seed: int, resolution: int, recalibration: int = 0, loading: Loading | None = None
) -> "ImageSet":
    """The images of a supernet in memory; of a stream those to validate and to recalibrate on.

    Args:
        images: where they lie.
        seed: of the supernet's training, which divided them.
        resolution: pixels a side.
        recalibration: training images to take statistics from.
        loading: hears how it goes on.

    Raises:
        ValueError: as :func:`zoo.data.load`.
    """
    from scarlet.evaluation.subnets import calibration_numbers

    return images.images(seed, loading, resolution, partial(calibration_numbers, recalibration, seed))


def supernet_file(path: Path) -> Path:
    """A supernet's file: the path itself, or the file in this run folder."""
    from scarlet.supernet.file import NAME

    return path / NAME if path.is_dir() else path


def supernet_images(
    supernet: Path, data: str | None = None, train: int | None = None, validation: int | None = None
) -> ImageSource:
    """The images of a supernet: those named, or those that the run it lies in was trained on.

    Args:
        supernet: its file, or its run folder.
        data: name of the images; None: those of its run.
        train: training images; None: all of the named ones, or as many as its run had.
        validation: of them; as ``train``.

    Raises:
        ValueError: where no images are named and the supernet lies in no run, or in one made from arrays.
    """
    from zoo.experiments.run import Run

    if data is not None:
        return ImageSource(name=data, train=train, validation=validation)
    try:
        run = Run.open(supernet_file(supernet).parent)
        found = run.source if run.kind == "supernet" else None
    except ValueError:
        found = None
    if not isinstance(found, ImageSource):
        raise ValueError(NO_IMAGES)
    return dataclasses.replace(
        found,
        train=found.train if train is None else train,
        validation=found.validation if validation is None else validation,
    )
