"""Resizing: uint8 images of one size to another, a part of them at a time."""

import numpy as np
from numpy.typing import NDArray

CHUNK = 2048
"""Images resized at once: bounds the temporary floats."""


def resize(images: NDArray[np.uint8], resolution: int) -> NDArray[np.uint8]:
    """uint8 (N, C, H, W) → uint8 (N, C, resolution, resolution), antialiased bilinear, rounded to nearest."""
    if images.shape[2:] == (resolution, resolution):
        return images
    import torch  # here, as below: who only divides images does without the seconds it takes
    from torch.nn import functional

    resized = np.empty((*images.shape[:2], resolution, resolution), dtype=np.uint8)
    for start in range(0, len(images), CHUNK):
        pixels = torch.from_numpy(images[start : start + CHUNK]).float()
        pixels = functional.interpolate(pixels, size=(resolution, resolution), mode="bilinear", antialias=True)
        resized[start : start + CHUNK] = pixels.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return resized
