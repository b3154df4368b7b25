"""Sixty images that tell their class by their brightness, and options that make every job small."""

import numpy as np
import pytest

CELLS = {"channels": 4, "cells": 3, "batch": 16}
SMALL = {
    "study": {**CELLS, "models": 4, "setting": "c2r0s0e1", "reference": "c0r0s0e2"},
    "build": {**CELLS, "models": 2, "setting": "c0r0s0e1"},
    "train": {**CELLS, "epochs": 1},
    "econas": {
        **{**CELLS, "setting": "c2r1s0e3", "reference": "c0r0s0e1", "generations": 1, "start": 3, "finalists": 1},
        **{"parents": (1, 0, 0), "promotions": (0, 0), "final_batch": 16},
    },
    "supernet": {"space": "nas-bench-macro", "epochs": 1, "batch": 16, "channels": 4},
    "front": {"population": 3, "generations": 1},
    "darts": {
        **{**CELLS, "epochs": 1, "final_cells": 3, "final_channels": 4, "nodes": 4, "batch": 8},
        **{"operations": "skip_connect,sep_conv_3x3"},
    },
}
"""By job; with ``progress`` off."""


def pictures(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (60, 8, 8, 3) and labels of three classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 3
    images = rng.integers(0, 90, (60, 8, 8, 3)) + labels[:, None, None, None] * 60
    return images.astype(np.uint8), labels


def small(job: str, **options: object) -> dict[str, object]:
    """The options of a small job, with others where they are given."""
    return {**SMALL[job], "progress": False, **options}


@pytest.fixture(scope="session")
def data() -> tuple[np.ndarray, np.ndarray]:
    return pictures()
