"""Numbers as a report writes them."""

import math

from zoo.reliability.interval import Estimate

MISSING = "–"


def number(value: float | None, digits: int = 2) -> str:
    """Fixed digits with a true minus sign, a dash for NaN or None."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}f}".replace("-", "−")


def signed(estimate: Estimate) -> str:
    """As :func:`interval`, with a sign: `+0.05 [−0.01, 0.11]`."""
    return f"+{interval(estimate)}" if estimate.value >= 0 else interval(estimate)


def percent(value: float, digits: int = 1) -> str:
    """A fraction as a percentage, a dash for NaN."""
    return f"{number(100 * value, digits)} %" if math.isfinite(value) else MISSING


def interval(estimate: Estimate, digits: int = 2, scale: float = 1.0) -> str:
    """`0.83 [0.71, 0.91]`, without the brackets where there is no interval; every number times ``scale``."""
    value, low, high = (number(scale * one, digits) for one in (estimate.value, estimate.low, estimate.high))
    return value if MISSING in (low, high) else f"{value} [{low}, {high}]"


def sortable(value: float) -> str:
    """What a column is sorted by: the number, empty for NaN (sorted last)."""
    return repr(float(value)) if math.isfinite(value) else ""
