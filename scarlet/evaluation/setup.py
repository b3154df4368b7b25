"""How sub-networks are measured on inherited weights: everything but the supernet and the images; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from zoo.training.recipe import DTYPES

RECALIBRATION = 512
"""Training images that every sub-network's batch-norm statistics are taken from, or all where there are fewer; ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSetup:
    """How sub-networks are measured.

    Attributes:
        device: where to measure.
        dtype: float32, float64 or bfloat16, of weights and maps.
        threads: CPU threads of a worker; another number gives other last bits.
        recalibration: training images from which every sub-network's batch-norm statistics are taken; 0: inherited;
            None: :data:`RECALIBRATION`, or all where there are fewer.

    Raises:
        ValueError: for a dtype that is not known, or counts out of range.
    """

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    recalibration: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.threads < 1 or (self.recalibration is not None and (self.recalibration < 0 or self.recalibration == 1)):
            raise ValueError(
                f"threads must be at least 1, recalibration 0 or at least 2 images; got {self.threads} and "
                f"{self.recalibration}"
            )

    def recalibrating(self, available: int) -> int:
        """Images to take statistics from, where there are so many training images."""
        if self.recalibration is not None:
            return self.recalibration
        return min(RECALIBRATION, available) if available > 1 else 0  # of one image there is no variance

    @classmethod
    def of_identity(cls, data: Mapping[str, Any]) -> "SubnetSetup":
        """What a run's identity says of it; what it does not say has its default."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})
