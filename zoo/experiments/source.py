"""Sources: where a run's material lies, as JSON, so that a run can be continued from its journal alone."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from zoo.data.sources import FOLDER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.image_set import ImageSet
    from zoo.data.stream import ImageStream
    from zoo.experiments.experiment import Experiment

Loading = Callable[[int, int], None]
"""Hears how many pictures of how many are decoded."""


class Source(Protocol):
    """Where a run's material lies."""

    def load(self, experiment: "Experiment", loading: Loading) -> Any:
        """The material: images, a table, a supernet with images.

        Raises:
            ValueError: if it cannot be read.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """The source as JSON-ready data, with absolute paths; its "kind" says which."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Images by name, and how many of them.

    Attributes:
        name: digits, cifar10, ..., or imagefolder:DIR.
        train: training images in total; None: all that remain.
        validation: of the training images; None: a fifth.
        resolution: pixels a side; None: the data's own.
        streamed: whether they are decoded while a network trains.
        skip_bad: whether files that cannot be read are left out instead of refused.
    """

    kind: ClassVar[str] = "images"

    name: str
    train: int | None = None
    validation: int | None = None
    resolution: int | None = None
    streamed: bool = False
    skip_bad: bool = False

    def load(self, experiment: "Experiment", loading: Loading) -> "ImageSet | ImageStream":
        """Read the images, split by the experiment's seed.

        Raises:
            ValueError: as :func:`zoo.data.load` and :func:`zoo.data.stream.open_stream`.
        """
        return (
            self._stream(experiment.seed, self.resolution) if self.streamed else self.images(experiment.seed, loading)
        )

    def _stream(self, seed: int, resolution: int | None) -> "ImageStream":
        from zoo.data.stream import open_stream

        side = 32 if resolution is None else resolution
        counts = {"train": self.train, "validation": self.validation, "skip_bad": self.skip_bad}
        return open_stream(self.name, resolution=side, seed=seed, **counts)  # type: ignore[arg-type]

    def images(
        self,
        seed: int,
        loading: Loading | None = None,
        resolution: int | None = None,
        training: "Callable[[int], NDArray[np.int64]] | None" = None,
    ) -> "ImageSet":
        """The images in memory, of another resolution where one is given; of a stream only what is needed of it.

        Args:
            seed: of the splits.
            loading: hears how it goes on.
            resolution: pixels a side; None: the source's.
            training: of a stream, which of so many training images to hold; None: one.

        Raises:
            ValueError: as :func:`zoo.data.load`.
        """
        if self.streamed:
            from zoo.data.stream import held_part

            stream = self._stream(seed, self.resolution if resolution is None else resolution)
            held = stream.train[:1] if training is None else stream.train[training(len(stream.train))]
            return held_part(stream, held)
        from zoo.data import load
        from zoo.data.sources import image_set, readable_pool

        if self.skip_bad:
            side = self.resolution if resolution is None else resolution
            counts = {"train": self.train, "validation": self.validation, "resolution": side}
            return image_set(self.name, readable_pool(self.name, loading), seed=seed, **counts)
        return load(
            self.name,
            resolution=self.resolution if resolution is None else resolution,
            train=self.train,
            validation=self.validation,
            seed=seed,
            progress=loading,
        )

    def to_dict(self) -> dict[str, Any]:
        """The source with the absolute path of its folder."""
        name = self.name
        if name.startswith(FOLDER) and name != FOLDER:
            name = FOLDER + str(Path(name.removeprefix(FOLDER)).expanduser().resolve())
        return {"kind": self.kind, **asdict(self), "name": name}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldSource:
    """Material that is in memory already.

    Attributes:
        material: what is held.
        origin: the source it was read from; None: only its maker can give it again.
    """

    kind: ClassVar[str] = "arrays"

    material: Any
    origin: Source | None = None

    def load(self, experiment: "Experiment", loading: Loading) -> Any:
        """What is held."""
        return self.material

    def to_dict(self) -> dict[str, Any]:
        """Where it was read from, or only that it was held in memory."""
        return {"kind": self.kind} if self.origin is None else self.origin.to_dict()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArraySource:
    """Images and labels in memory, which only their maker can give again.

    Attributes:
        images: uint8 (N, H, W, C) or (N, C, H, W), arrays or tensors.
        labels: (N,) whole numbers from 0.
        train: training images in total; None: all that remain.
        validation: of the training images; None: a fifth.
        resolution: pixels a side; None: the height of the images.
    """

    images: Any
    labels: Any
    train: int | None = None
    validation: int | None = None
    resolution: int | None = None

    def load(self, experiment: "Experiment", loading: Loading) -> "ImageSet":
        """The images, split by the experiment's seed.

        Raises:
            ValueError: as :func:`zoo.data.arrays.image_set_of`.
        """
        return self.split(experiment.seed)

    def split(self, seed: int, loading: Loading | None = None, resolution: int | None = None) -> "ImageSet":
        """The images split by a seed, of another resolution where one is given.

        Raises:
            ValueError: as :func:`zoo.data.arrays.image_set_of`.
        """
        from zoo.data.arrays import image_set_of

        return image_set_of(
            self.images,
            self.labels,
            resolution=self.resolution if resolution is None else resolution,
            train=self.train,
            validation=self.validation,
            seed=seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Only that they were held in memory, and how many were taken."""
        counts = {"train": self.train, "validation": self.validation, "resolution": self.resolution}
        return {"kind": HeldSource.kind, **counts}


def image_source(data: Mapping[str, Any]) -> Source:
    """Read the JSON form of a source of images.

    Raises:
        ValueError: for images that were made from arrays, and for another kind of source.
    """
    kind = data.get("kind")
    if kind == HeldSource.kind:
        raise ValueError("the run was made from arrays; resume in Python with images=")
    if kind != ImageSource.kind:
        raise ValueError(f"expected a source of images, got {kind!r}")
    return ImageSource(**{name: value for name, value in data.items() if name != "kind"})
