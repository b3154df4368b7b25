"""Recipes and precisions: how a network is trained, where, and in which numbers. Torch is imported in use only."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ADDED = ("warmup", "warmup_lr", "smoothing")
"""Recipe fields that the first version did not have. A run's identity leaves them out at their defaults, where
they change nothing: so a run begun before they existed is still the same run, and can be continued."""

DTYPES = ("float32", "float64", "bfloat16")


def torch_dtype(name: str) -> "torch.dtype":
    """The dtype of one of :data:`DTYPES`."""
    import torch

    return {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained; the defaults are EcoNAS's reduced settings (Appendix E.2, Zhou 2020).

    Attributes:
        batch: images per step.
        lr: learning rate at the start of the cosine.
        lr_min: learning rate at its end.
        momentum: of SGD.
        weight_decay: of all parameters.
        clip: largest gradient norm.
        cutout: side of the blanked square as a share of the image's side; 0 for none.
        path_dropout: probability at the end of its linear ramp; the original setting has 0.2.
        auxiliary: weight of the auxiliary head's loss; 0 builds none.
        warmup: epochs of linear warm-up before the cosine, which takes the rest of the schedule.
        warmup_lr: learning rate the warm-up starts from.
        smoothing: share of the target spread over all classes in training (label smoothing, Szegedy 2016).

    Raises:
        ValueError: for a value out of range.
    """

    batch: int = 96
    lr: float = 0.025
    lr_min: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    cutout: float = 0.5
    path_dropout: float = 0.0
    auxiliary: float = 0.0
    warmup: int = 0
    warmup_lr: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError(f"the training batch must have at least 2 images, got {self.batch}")
        if not 0 <= self.lr_min <= self.lr:
            raise ValueError(f"learning rates must satisfy 0 <= lr_min <= lr, got {self.lr_min} and {self.lr}")
        for name in ("momentum", "cutout", "path_dropout", "smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        for name in ("weight_decay", "auxiliary", "warmup", "warmup_lr"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not self.clip > 0:
            raise ValueError(f"clip must be positive, got {self.clip}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Where and in which numbers a network is trained: a device, a dtype (bfloat16 by autocast), a memory format.

    Channels-last maps train about 1.5 times faster on CPUs and are what tensor cores want.
    """

    device: str = "cpu"
    dtype: str = "float32"
    channels_last: bool = True

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")

    @property
    def device_type(self) -> str:
        """The device without its number: "cuda" of "cuda:1"."""
        return self.device.partition(":")[0]

    @property
    def storage(self) -> "torch.dtype":
        """The dtype of weights and images: float64 where asked, float32 otherwise."""
        import torch

        return torch.float64 if self.dtype == "float64" else torch.float32

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision for bfloat16, nothing otherwise."""
        import torch

        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.dtype == "bfloat16")

    def place(self, images: "Tensor") -> "Tensor":
        """Images (B, C, H, W) in this dtype and memory format."""
        import torch

        return images.to(
            self.storage, memory_format=torch.channels_last if self.channels_last else torch.contiguous_format
        )
