"""Invented tables of one's own, and how tests read them."""

import numpy as np
import pandas as pd
import pytest

from zoo.reliability.own_table import Asked, OwnTable, read_own_table


def invented(networks: int = 40, seed: int = 0) -> pd.DataFrame:
    """Two repeats, a good proxy with two failures, a loss, a cost that matters, and noise."""
    rng = np.random.default_rng(seed)
    quality, macs = rng.normal(size=networks), rng.normal(size=networks)
    truth = quality + 0.7 * macs

    def near(noise: float) -> np.ndarray:
        return (truth + noise * rng.normal(size=networks)).round(3)

    frame = pd.DataFrame({
        "name": [f"net{i}" for i in range(networks)], "acc_1": near(0.1), "acc_2": near(0.1), "early": near(0.2),
        "early_loss": -near(0.15), "macs": macs.round(3), "noise": rng.normal(size=networks).round(3),
    })  # fmt: skip
    frame.loc[[3, 5], "early"] = np.nan
    return frame


def asked(**changes: object) -> Asked:
    usual = {"reference": ("acc_1", "acc_2"), "proxies": ("*",), "name": "name", "cost": "macs", "lower": ("*loss",)}
    return Asked(**{**usual, **changes})


def read(frame: object, **changes: object) -> OwnTable:
    return read_own_table(frame, asked(**changes))


def refused(frame: object, **changes: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read(frame, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def same(first: OwnTable, second: OwnTable) -> bool:
    np.testing.assert_array_equal(first.reference, second.reference)
    np.testing.assert_array_equal(first.cost, second.cost)
    for one, other in zip(first.candidates, second.candidates, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.values, other.values)
    return first.names == second.names
