"""Numbers as a page writes them."""

import math
from typing import Protocol

MISSING = "–"
COUNTS = ("macs", "params")
"""Metrics that are counts."""
SHARES = ("accuracy", "balanced_accuracy", "test_accuracy", "test_balanced_accuracy")
"""Metrics that are shares of images."""
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


class Interval(Protocol):
    """A value with the ends of its interval; NaN where there are none."""

    @property
    def value(self) -> float:
        """What is estimated."""

    @property
    def low(self) -> float:
        """Its lower end."""

    @property
    def high(self) -> float:
        """Its upper end."""


def number(value: float | None, digits: int = 2) -> str:
    """Fixed digits with a true minus sign, a dash for NaN or None."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}f}".replace("-", "−")


def signed(estimate: Interval) -> str:
    """As :func:`interval`, with a sign: `+0.05 [−0.01, 0.11]`."""
    return f"+{interval(estimate)}" if estimate.value >= 0 else interval(estimate)


def percent(value: float, digits: int = 1) -> str:
    """A fraction as a percentage, a dash for NaN."""
    return f"{number(100 * value, digits)} %" if math.isfinite(value) else MISSING


def interval(estimate: Interval, digits: int = 2, scale: float = 1.0) -> str:
    """`0.83 [0.71, 0.91]`, without the brackets where there is no interval; every number times ``scale``."""
    value, low, high = (number(scale * one, digits) for one in (estimate.value, estimate.low, estimate.high))
    return value if MISSING in (low, high) else f"{value} [{low}, {high}]"


def sortable(value: float) -> str:
    """What a column is sorted by: the number, empty for NaN (sorted last)."""
    return repr(float(value)) if math.isfinite(value) else ""


def large(value: float) -> str:
    """A count with three digits and a unit: `9.32 k`, `123 M`; small ones as they are."""
    if not math.isfinite(value):
        return MISSING
    for unit, letter in _LARGE:
        if abs(value) >= 0.9995 * unit:
            return f"{_three(value / unit)} {letter}"
    return f"{value:.0f}" if value == round(value) else _three(value)


def metric(name: str, value: float | None) -> str:
    """The value of a metric: a share in percent, a count with its unit, anything else with four digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    if name.removeprefix("inherited ") in SHARES:
        return percent(value, 2)
    if name in COUNTS or abs(value) >= 1e4:
        return large(value)
    return f"{value:.4g}".replace("-", "−")


def _three(value: float) -> str:
    """Three digits, and never an exponent."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return number(value, digits)
