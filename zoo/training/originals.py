"""Originals: the settings of papers' tables, at which networks are trained to the end."""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.spaces.skeleton import Form
from zoo.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An original setting: what a network of a paper's tables is and how long it is trained.

    Attributes:
        recipe: batch, schedule, regularisation.
        epochs: of the schedule.
        form: of the skeleton.
        channels: initial ones.
        cells: of a network.
        resolution: pixels a side; None: the data's own.
        streamed: whether images are decoded while training, for they do not fit in memory.
    """

    recipe: Recipe
    epochs: int
    form: Form
    channels: int
    cells: int
    resolution: int | None
    streamed: bool


AUXILIARY = 0.4
"""Weight of the auxiliary head's loss, where one is wanted (Liu et al. 2019)."""

ORIGINALS: Mapping[str, Original] = {
    # Appendix E.2, Zhou 2020
    "cifar": Original(
        recipe=Recipe(path_dropout=0.2),
        epochs=600,
        form="cifar",
        channels=36,
        cells=20,
        resolution=None,
        streamed=False,
    ),
    # Appendix E.3, Zhou 2020; channels as in DARTS (Liu et al. 2019), on which the paper is silent
    "imagenet": Original(
        recipe=Recipe(batch=2048, lr=0.8, lr_min=0.0, weight_decay=3e-5, cutout=0.0, warmup=2, warmup_lr=0.2),
        epochs=150,
        form="imagenet",
        channels=48,
        cells=14,
        resolution=224,
        streamed=True,
    ),
}
