"""Results as JSON has them: numbers that it lacks, such as the τ of equal scores, are text."""

import math
from collections.abc import Mapping
from typing import Any


def finite(value: Any) -> Any:
    """The value, with NaN and infinities in it as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return value
