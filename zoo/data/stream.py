"""A stream: images of a folder that are decoded when they are needed, by worker processes, and never all held."""

import hashlib
import math
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.data.checking import known_bad, require_good, say_left_out
from zoo.data.decoded import default_cache
from zoo.data.folder import open_folder
from zoo.data.image_set import ImageSet, Split, balanced_prefix, channel_statistics
from zoo.data.picture import decode_picture, open_picture
from zoo.data.pool import Pool
from zoo.data.sources import FOLDER, divide
from zoo.purposes import STREAM_STATISTICS

STATISTICS_IMAGES = 1000
DECODED_IMAGES = 200
"""Validation and test images that are decoded before a training, at most."""
_SIDE = 8  # pixels a side where a picture is decoded only to see whether it can be

AREA, RATIO, ATTEMPTS = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Share of a picture's area that a crop takes, its width over its height, and how often both are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageStream:
    """Three splits of a folder's images by number, divided as those of an image set are, and not read.

    files: paths below directory; labels: int64 (N,). mean, std: per channel, of at most 1000 training images,
    class-balanced, as validation sees them. fingerprint: SHA-256 of names, sizes and labels of the training and
    validation files and of the statistics: whole contents would take as long to read as an epoch, and a test image
    that is repaired makes no other training. former: the fingerprint of earlier releases, with the test images in it.
    """

    name: str
    directory: Path
    files: Sequence[str]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    fingerprint: str
    former: str = ""

    @property
    def channels(self) -> int:
        """3: RGB, whatever the files hold."""
        return 3


def open_stream(
    name: str,
    *,
    resolution: int,
    train: int | None = None,
    validation: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
) -> ImageStream:
    """The images of "imagefolder:DIR" as a stream, with the splits that `load` would make.

    Every header is read, and some images are decoded. Raises ValueError, one line, for another name, a count out of
    range, a folder that cannot be read, or images that cannot; with skip_bad those are left out.
    """
    if not name.startswith(FOLDER) or name == FOLDER:
        raise ValueError(f"data set to stream: expected {FOLDER}DIR, got {name!r}")
    if resolution < 1 or seed < 0:
        raise ValueError(f"expected a positive resolution and a seed of 0 or more, got {resolution} and {seed}")
    directory = Path(name.removeprefix(FOLDER)).expanduser()
    pool = open_folder(directory, cache=default_cache())
    bad = known_bad(pool.files, directory, default_cache())
    if bad and skip_bad:
        say_left_out(directory, bad)
        pool = open_folder(directory, cache=default_cache(), without=bad)
    else:
        require_good(bad)
    train_indices, validation_indices = divide(pool, train, validation, seed)
    rng = np.random.default_rng((seed, STREAM_STATISTICS))
    labels = pool.labels[train_indices]
    sample = train_indices[balanced_prefix(labels, min(STATISTICS_IMAGES, len(labels)), rng)]
    unseen = np.concatenate([validation_indices, pool.test])
    _decode(pool.files, directory, unseen[:: -(-len(unseen) // DECODED_IMAGES)], _SIDE)
    mean, std = channel_statistics(_decode(pool.files, directory, sample, resolution))
    known = repr((pool.classes, pool.flip, resolution, mean, std)).encode()
    sizes = [os.stat(directory / file).st_size for file in pool.files]
    return ImageStream(
        name=name,
        directory=directory,
        files=pool.files,
        labels=pool.labels,
        classes=pool.classes,
        train=train_indices,
        validation=validation_indices,
        test=pool.test,
        resolution=resolution,
        mean=mean,
        std=std,
        flip=pool.flip,
        fingerprint=_fingerprint(known, pool, sizes, (train_indices, validation_indices)),
        former=_former(known, pool, sizes, (train_indices, validation_indices, pool.test)),
    )


def _decode(files: Sequence[str], directory: Path, numbers: NDArray[np.int64], resolution: int) -> NDArray[np.uint8]:
    """The pixels (N, 3, resolution, resolution) of some images; ValueError that names all that cannot be decoded."""
    pixels, bad = [], {}
    for number in numbers.tolist():
        path = directory / files[number]
        try:
            pixels.append(decode_picture(path, resolution))
        except ValueError as error:
            bad[str(path)] = str(error)
    require_good(bad)
    return np.stack(pixels)


def held_part(stream: ImageStream, training: NDArray[np.int64]) -> ImageSet:
    """The validation images of a stream and some of its training images, in memory; no test images.

    Args:
        stream: whose fingerprint they keep.
        training: numbers of the training images.

    Raises:
        ValueError: naming all images that cannot be decoded.
    """

    def split(numbers: NDArray[np.int64]) -> Split:
        pixels = _decode(stream.files, stream.directory, numbers, stream.resolution)
        return Split(images=pixels, labels=stream.labels[numbers])

    train = split(training)
    return ImageSet(
        name=stream.name, classes=stream.classes, train=train, validation=split(stream.validation),
        test=Split(images=train.images[:0], labels=train.labels[:0]), mean=stream.mean, std=stream.std,
        flip=stream.flip, part_of=stream.fingerprint,
    )  # fmt: skip


Splits = tuple[NDArray[np.int64], ...]


def _fingerprint(known: bytes, pool: Pool, sizes: Sequence[int], splits: Splits) -> str:
    digest = hashlib.sha256(known)
    for split in splits:
        digest.update(f"split of {len(split)}\n".encode())
        for number in split.tolist():
            line = f"{pool.files[number]}\0{sizes[number]}\0{pool.labels[number]}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _former(known: bytes, pool: Pool, sizes: Sequence[int], splits: Splits) -> str:
    """What earlier releases took, so that their runs can be continued."""
    digest = hashlib.sha256(known)
    for file, size, label in zip(pool.files, sizes, pool.labels.tolist(), strict=True):
        digest.update(f"{file}\0{size}\0{label}\n".encode(errors="surrogateescape"))
    for split in splits:
        digest.update(repr(split.shape).encode() + np.ascontiguousarray(split, dtype="<i8").tobytes())
    return digest.hexdigest()


class Request(NamedTuple):
    """An image to read: its number, pixels a side, and the seed of its random crop; None: the centre square."""

    number: int
    resolution: int
    crop: tuple[int, ...] | None = None


class Reader:
    """Reads the images of a stream in worker processes that live as long as it does.

    What comes back depends on the requests only, not on the number of workers. Use it in a `with` block.

    loaders: worker processes; 0 reads in this one. pin: whether batches lie in page-locked memory, from which
    copies to a GPU overlap with its work.
    """

    def __init__(self, stream: ImageStream, loaders: int = 0, *, pin: bool = False) -> None:
        if loaders < 0:
            raise ValueError(f"loaders: expected 0 or more, got {loaders}")
        self._plan = _Plan()
        self._loader: DataLoader[tuple[Tensor, int]] | None = DataLoader(
            _Pictures(stream),  # type: ignore[arg-type]
            batch_sampler=self._plan,
            num_workers=loaders,
            persistent_workers=loaders > 0,
            # A fork of this process, which has threads, could wait for a lock that nobody holds any more.
            multiprocessing_context=multiprocessing.get_context("forkserver") if loaders else None,
            pin_memory=pin,
            generator=torch.Generator(),  # the loader draws a seed; the global stream stays as it is
        )

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._loader = None  # ends the workers

    def batches(self, plan: Iterable[Sequence[Request]]) -> Iterator[tuple[Tensor, Tensor]]:
        """uint8 (B, 3, resolution, resolution) and labels int64 (B,) of every batch of requests, in order.

        Raises ValueError, naming the file, where one cannot be read.
        """
        if self._loader is None:
            raise ValueError("the reader is closed")
        self._plan.batches = plan
        try:
            yield from self._loader
        except ValueError as error:  # a worker's error arrives with its traceback as the message
            raise ValueError(str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from None


class _Plan:
    """The batches a loader is to read next; it takes them when its iteration begins."""

    def __init__(self) -> None:
        self.batches: Iterable[Sequence[Request]] = ()

    def __iter__(self) -> Iterator[list[Request]]:
        return (list(batch) for batch in self.batches)


class _Pictures:
    """torch's map-style data set by its protocol: a request to pixels and label."""

    def __init__(self, stream: ImageStream) -> None:
        self._directory, self._labels = str(stream.directory), stream.labels
        # one array of bytes: a list of a million strings would be copied string by string to every worker
        self._files = np.array([os.fsencode(file) for file in stream.files])

    def __getitem__(self, request: Request) -> tuple[Tensor, int]:
        path = os.path.join(self._directory, os.fsdecode(self._files[request.number]))
        label = int(self._labels[request.number])
        if request.crop is None:
            return torch.from_numpy(decode_picture(path, request.resolution)), label
        from torchvision.transforms.v2 import functional  # here: a second that other data sets need not pay

        picture = open_picture(path)
        rng = np.random.default_rng(request.crop)
        top, left, height, width = crop_box(picture, rng)
        side = [request.resolution, request.resolution]
        cropped = functional.resized_crop(picture, top, left, height, width, side, antialias=True)
        return functional.pil_to_tensor(cropped), label

    def __len__(self) -> int:
        return len(self._labels)


def crop_box(picture: Image.Image, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop: 8 to 100 % of the area, 3:4 to 4:3 (Szegedy et al. 2015).

    As torchvision's RandomResizedCrop, with the randomness as an argument: the first of ten draws that fits,
    else the largest centred box whose ratio is allowed.
    """
    width, height = picture.size
    for _ in range(ATTEMPTS):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    w, h = min(width, round(height * RATIO[1])), min(height, round(width / RATIO[0]))
    return (height - h) // 2, (width - w) // 2, h, w
