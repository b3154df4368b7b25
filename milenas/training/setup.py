"""The setup of a search: everything that decides what it gives, except the images."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from milenas.supernet.config import FINAL_CELLS, SupernetConfig
from milenas.training.rules import UPDATES, Update, second_order
from zoo.spaces.skeleton import Skeleton
from zoo.training.originals import ORIGINALS
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import read_fields

Sampler = Literal["mixed", "gumbel"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)

VERSION = 2
"""2: records note the derived genotype; images of w, α and β are divided by streams that no other search uses."""
SHOWN = {
    "lam": "lambda",
    "lr": "the learning rate of alpha and beta",
    "weight_decay": "the weight decay of alpha and beta",
    "bilevel_until": "epochs of the bilevel form",
}
"""What error messages call the fields of :class:`Method`, where not by their names."""
BILEVEL: dict[Update, Update] = {"milenas1": "darts1", "milenas2": "darts2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How α and β are learned; the defaults are those of MiLeNAS (He et al. 2020).

    Attributes:
        update: the rule, one of :data:`milenas.training.rules.UPDATES`.
        lam: λ of MiLeNAS, see :func:`milenas.training.rules.shares`.
        sampler: "mixed": every operation at its weight; "gumbel": one drawn operation per edge (Dong, Yang 2019).
        bilevel_until: epochs of the rule's bilevel form before it mixes levels.
        penalty: weight of the penalty on invalid topologies (10, Huang 2020).
        lr: learning rate of Adam on α and β.
        weight_decay: its weight decay.
        moments: its two decay rates.
        temperatures: τ of the Gumbel softmax in the first and in the last epoch, linear between them.

    Raises:
        ValueError: for a value out of range.
    """

    update: Update = "milenas1"
    lam: float = 1.0
    sampler: Sampler = "mixed"
    bilevel_until: int = 0
    penalty: float = 10.0
    lr: float = 3e-4
    weight_decay: float = 1e-3
    moments: tuple[float, float] = (0.5, 0.999)
    temperatures: tuple[float, float] = (10.0, 1.0)

    def __post_init__(self) -> None:
        if self.update not in UPDATES:
            raise ValueError(f"update must be one of {', '.join(UPDATES)}, got {self.update!r}")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {self.sampler!r}")
        for name in ("lam", "penalty", "lr", "weight_decay", "bilevel_until"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{SHOWN.get(name, name)} must be a number from 0 up, got {getattr(self, name):g}")
        if self.bilevel_until and self.update not in BILEVEL:
            raise ValueError(f"only {' and '.join(BILEVEL)} begin with a bilevel form, got {self.update!r}")
        if not min(self.temperatures) > 0:
            raise ValueError(f"temperatures must be positive, got {self.temperatures}")

    def update_in(self, epoch: int) -> Update:
        """The rule of an epoch, from 0."""
        return BILEVEL[self.update] if epoch < self.bilevel_until else self.update

    def temperature(self, epoch: int, epochs: int) -> float:
        """τ of an epoch, from 0, out of ``epochs``."""
        first, last = self.temperatures
        return first + (last - first) * epoch / max(1, epochs - 1)


CHANNELS, CELLS = 16, 8
"""Of the supernet (Liu et al. 2019)."""

FINAL_CHANNELS = 36
"""Of the evaluation network (Liu et al. 2019)."""

SEARCH_RECIPE = Recipe(batch=64, lr=0.025, lr_min=0.001, cutout=0.0)
"""How w is trained in a search: batch 64, cosine 0.025 to 0.001, momentum 0.9, decay 3e-4, clip 5 (He et al. 2020)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSetup:
    """Everything that decides a search, except its images; part of a run's identity.

    Attributes:
        shape: of the supernet's cells.
        skeleton: around them.
        final: skeleton that a derived genotype is costed, and retrained, on; its initial channels are chosen to
            come near ``params``, where that is given.
        params: parameters wanted in an evaluation network; None takes the channels of ``final``.
        recipe: of w.
        method: of α and β.
        epochs: of the search.
        every: steps between checkpoints; None: an epoch.
        split: 2: w and the architecture share the training images half and half; 3: w, α and β have a third each.
        eigenvalue: whether the dominant eigenvalue of ∇²_α L_val is measured every epoch.
        retrain: how per-size winners are trained.
        retrain_epochs: for how long; 0: not at all.
        precision: device, dtype, memory format.
        seed: of weights, splits, order, augmentation, noise.
        threads: CPU threads.

    Raises:
        ValueError: for a value out of range or values that do not go together.
    """

    shape: SupernetConfig = field(default_factory=SupernetConfig)
    skeleton: Skeleton = field(default_factory=lambda: Skeleton(channels=CHANNELS, cells=CELLS))
    final: Skeleton = field(default_factory=Skeleton)
    params: float | None = None
    recipe: Recipe = SEARCH_RECIPE
    method: Method = field(default_factory=Method)
    epochs: int = 50
    every: int | None = None
    split: int = 2
    eigenvalue: bool = False
    retrain: Recipe = ORIGINALS["cifar"].recipe
    retrain_epochs: int = 0
    precision: Precision = field(default_factory=Precision)
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.seed < 0 or self.threads < 1:
            raise ValueError(f"threads must be at least 1 and the seed at least 0, got {self.threads} and {self.seed}")
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {self.epochs}")
        if self.retrain_epochs < 0:
            raise ValueError(f"epochs of retraining must not be negative, got {self.retrain_epochs}")
        if self.every is not None and self.every < 1:
            raise ValueError(f"--every must be at least 1 step, got {self.every}")
        if self.split not in (2, 3):
            raise ValueError(f"the training images are split in 2 or 3, got {self.split}")
        if self.split == 3 and self.shape.topology == "fixed":
            raise ValueError("a split in 3 gives beta images of its own; the fixed topology has no beta")
        if self.split == 3 and second_order(self.method.update):
            raise ValueError(f"a split in 3 goes with first-order updates, got {self.method.update!r}")
        if self.method.bilevel_until > self.epochs:
            raise ValueError(
                f"the bilevel form must end within the {self.epochs} epochs, got {self.method.bilevel_until}"
            )
        if self.params is not None and not 0 < self.params < math.inf:
            raise ValueError(f"the wanted parameters must be a positive number, got {self.params:g}")
        if len(set(self.skeleton.reductions)) == self.skeleton.cells:
            raise ValueError(f"a search needs at least 3 cells, one of them normal, got {self.skeleton.cells}")

    def identity(self) -> dict[str, Any]:
        """The setup as JSON-ready data; the device counts by its type only."""
        data = dataclasses.asdict(self)
        data["precision"]["device"] = self.precision.device_type
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SearchSetup":
        """The setup that :meth:`identity` wrote; what was left out has its default, the device no number.

        Raises:
            ValueError: for fields that a setup does not have, or values out of range.
        """
        return read_fields(cls, data, PARTS)


def paper_setup(
    shape: SupernetConfig, sizes: Mapping[str, int | None], rates: Mapping[str, float | None], **numbers: Any
) -> SearchSetup:
    """The setup of a search, with what is given in other numbers than the papers'.

    Args:
        shape: of the supernet's cells.
        sizes: channels and cells of the supernet, final_channels and final_cells of the evaluation network; None or
            left out: the papers'. A learned topology keeps the supernet's number of cells.
        rates: batch and lr of w; None or left out: the recipe's.
        numbers: further fields of the setup.

    Raises:
        ValueError: for a value out of range.
    """
    usual = {"channels": CHANNELS, "cells": CELLS, "final_channels": FINAL_CHANNELS}
    found = usual | {name: size for name, size in sizes.items() if size is not None}
    cells = found["cells"]
    final_cells = found.get("final_cells", FINAL_CELLS if shape.topology == "fixed" else cells)
    given: dict[str, Any] = {name: rate for name, rate in rates.items() if rate is not None}
    if "lr" in given:
        given["lr_min"] = min(given["lr"], SEARCH_RECIPE.lr_min)
    return SearchSetup(
        shape=shape,
        skeleton=Skeleton(channels=found["channels"], cells=cells),
        final=Skeleton(channels=found["final_channels"], cells=final_cells),
        recipe=dataclasses.replace(SEARCH_RECIPE, **given),
        **numbers,
    )


PARTS = {
    "shape": SupernetConfig,
    "skeleton": Skeleton,
    "final": Skeleton,
    "recipe": Recipe,
    "method": Method,
    "retrain": Recipe,
    "precision": Precision,
}
"""The fields of :class:`SearchSetup` that have fields themselves."""
