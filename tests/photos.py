"""A small folder of photos for streams."""

from pathlib import Path

import numpy as np
from PIL import Image


def cats_and_dogs(root: Path) -> Path:
    """Two classes of 30 pictures of several sizes, one of them brighter, in folders of ``root``."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for index in range(30):
            shape = (12 + index % 5, 10 + index % 7, 3)
            pixels = rng.integers(0, 128, shape, dtype=np.uint8) + np.uint8(number * 100)
            Image.fromarray(pixels).save(root / name / f"{index:02}.png")
    return root
