"""How sub-networks are measured on inherited weights: everything but the supernet and the images; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from zoo.training.recipe import DTYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSetup:
    """How sub-networks are measured.

    Attributes:
        device: where to measure.
        dtype: float32, float64 or bfloat16, of weights and maps.
        threads: CPU threads of a worker; another number gives other last bits.
        recalibration: training images from which every sub-network's batch-norm statistics are taken; 0: inherited.

    Raises:
        ValueError: for a dtype that is not known, or counts out of range.
    """

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    recalibration: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.threads < 1 or self.recalibration < 0 or self.recalibration == 1:
            raise ValueError(
                f"threads must be at least 1, recalibration 0 or at least 2 images; got {self.threads} and "
                f"{self.recalibration}"
            )

    @classmethod
    def of_identity(cls, data: Mapping[str, Any]) -> "SubnetSetup":
        """What a run's identity says of it; what it does not say has its default."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})
