"""Augmentation: pad, crop, flip, resize, normalise and cut out whole batches, on the device they are on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_PREPARE_CHUNK = 2048  # images prepared at once: bounds the temporary floats before resizing


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """padding: zeros around the base image, in pixels. flip: mirror half of the images.

    cutout: side of the square that is blanked, in pixels of the output resolution; 0: none.
    """

    padding: int
    flip: bool
    cutout: int

    def __post_init__(self) -> None:
        for name, value in (("padding", self.padding), ("cutout", self.cutout)):
            if value < 0:
                raise ValueError(f"{name}: expected 0 pixels or more, got {value}")

    @classmethod
    def scaled(
        cls, base: int, resolution: int, *, flip: bool, padding: int | None = None, cutout: int | None = None
    ) -> "Augmentation":
        """Padding 4 and cutout 16 at 32 pixels (E.2, Zhou 2020), scaled: 4/32 of `base`, 16/32 of
        `resolution`.

        Ties round up. `padding` and `cutout`, in pixels, override them.
        """
        return cls(
            padding=(4 * base + 16) // 32 if padding is None else padding,
            flip=flip,
            cutout=(16 * resolution + 16) // 32 if cutout is None else cutout,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpochDraws:
    """The random numbers of N images, one epoch in its order; int64 (N,) each, `mirrored` bool (N,).

    top, left: corner of the crop in the padded image. cut_row, cut_column: centre of the cutout in the
    output.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor
    cut_row: Tensor
    cut_column: Tensor

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, batch: slice) -> "EpochDraws":
        """The draws of a batch: views, no copies."""
        return EpochDraws(
            top=self.top[batch],
            left=self.left[batch],
            mirrored=self.mirrored[batch],
            cut_row=self.cut_row[batch],
            cut_column=self.cut_column[batch],
        )

    @classmethod
    def together(cls, parts: Sequence["EpochDraws"]) -> "EpochDraws":
        """The draws of several batches as those of one, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)})

    def to(self, device: torch.device | str) -> "EpochDraws":
        """The same draws on a device; once per epoch, so that no batch waits for a copy."""
        return EpochDraws(
            top=self.top.to(device),
            left=self.left.to(device),
            mirrored=self.mirrored.to(device),
            cut_row=self.cut_row.to(device),
            cut_column=self.cut_column.to(device),
        )


def draw(
    augmentation: Augmentation,
    rng: np.random.Generator,
    count: int,
    height: int,
    width: int,
    out_resolution: int,
) -> EpochDraws:
    """Draws for `count` images of (height, width), on the host, so that every device sees the same
    augmentation.

    Five uniform numbers per image, whatever the settings: two resolutions crop and flip alike from one rng
    state. Raises ValueError where a crop could lie in the padding alone.
    """
    if augmentation.padding >= min(height, width):
        raise ValueError(
            f"padding: expected less than the image's {min(height, width)} pixels, got {augmentation.padding}"
        )
    uniform = rng.random((5, count))
    offsets = 2 * augmentation.padding + 1

    def whole(row: int, bound: int) -> Tensor:
        return torch.from_numpy((uniform[row] * bound).astype(np.int64))  # 0 … bound - 1

    return EpochDraws(
        top=whole(0, offsets),
        left=whole(1, offsets),
        mirrored=torch.from_numpy((uniform[2] < 0.5) & augmentation.flip),
        cut_row=whole(3, out_resolution),
        cut_column=whole(4, out_resolution),
    )


def augment(
    images: Tensor,
    draws: EpochDraws,
    augmentation: Augmentation,
    resolution: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """uint8 (B, C, H, W) and the draws of these B images → float32 (B, C, resolution, resolution).

    Zero padding, crop to (H, W), flip, resize (antialiased bilinear, after the crop: E.2, Zhou 2020),
    normalise, cutout. mean and std: per channel, of pixels in [0, 1]. Each image's result depends on that
    image and its draws.
    """
    pixels = _resized(_crop(images, draws, augmentation.padding).float(), resolution)
    _normalise(pixels, mean, std)
    if augmentation.cutout:
        _cut_out(pixels, draws, augmentation.cutout)
    return pixels


def prepare(images: Tensor, resolution: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 (N, C, H, W) → float32 (N, C, resolution, resolution), resized and normalised, to evaluate on."""
    prepared = torch.empty((*images.shape[:2], resolution, resolution), device=images.device)
    for start in range(0, len(images), _PREPARE_CHUNK):
        chunk = images[start : start + _PREPARE_CHUNK].float()
        prepared[start : start + _PREPARE_CHUNK] = _resized(chunk, resolution)
    _normalise(prepared, mean, std)
    return prepared


def _crop(images: Tensor, draws: EpochDraws, padding: int) -> Tensor:
    """Pad, crop and flip (B, C, H, W) in one gather over flat positions, one set of them for all channels.

    Indexing by (row, column) takes 5 times as long, selecting windows and mirroring 2 (96 RGB images, CPU).
    """
    batch, channels, height, width = images.shape
    padded = F.pad(images, (padding, padding, padding, padding))
    rows = torch.arange(height, device=images.device) + draws.top[:, None]  # (B, H)
    straight = torch.arange(width, device=images.device)
    columns = torch.where(draws.mirrored[:, None], width - 1 - straight, straight)  # (B, W)
    columns = columns + draws.left[:, None]
    flat = rows[:, :, None] * padded.shape[3] + columns[:, None, :]  # (B, H, W)
    flat = flat.view(batch, 1, height * width).expand(batch, channels, height * width)
    return padded.flatten(2).gather(2, flat).view(batch, channels, height, width)


def _resized(pixels: Tensor, resolution: int) -> Tensor:
    if pixels.shape[2:] == (resolution, resolution):
        return pixels
    return F.interpolate(pixels, size=(resolution, resolution), mode="bilinear", antialias=True)


def _normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> None:
    """0 … 255 → (x / 255 - mean) / std, in place. By channel: plain numbers need no copy to a GPU."""
    for channel, (centre, scale) in enumerate(zip(mean, std, strict=True)):
        pixels[:, channel].mul_(1 / (255 * scale)).sub_(centre / scale)


def _cut_out(pixels: Tensor, draws: EpochDraws, side: int) -> None:
    """Set a square around the drawn centre to 0 (the mean), clipped at the border (DeVries & Taylor 2017)."""
    rows = _within(draws.cut_row, side, pixels.shape[2])
    columns = _within(draws.cut_column, side, pixels.shape[3])
    pixels.mul_(~(rows[:, None, :, None] & columns[:, None, None, :]))


def _within(centre: Tensor, side: int, length: int) -> Tensor:
    """(B, length): whether a position lies in the `side` pixels around each centre (B,)."""
    place = torch.arange(length, device=centre.device) - centre[:, None] + side // 2
    return (place >= 0) & (place < side)
