"""Two searches on a made-up table, done in a moment, and a run that somebody holds."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.commands.conftest import Call, call

IDENTITY = {"strategy": {"name": "study", "seed": 0}}
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def thriftnas() -> Call:
    """Runs a command."""
    return call


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three runs, ``evolution``, ``other`` and ``front``, with their reports."""
    folder = tmp_path_factory.mktemp("runs")
    rows = ["arch,mean_acc,params,flops"]
    for choices in np.ndindex((3,) * 8):
        size = sum(choice * (1 + i % 3) for i, choice in enumerate(choices))
        row = f"{100 * (1 - np.exp(-size / 9)):.3f},{1000 + 10 * size},{1e6 * (1 + size)}"
        rows.append(f"{''.join(map(str, choices))},{row}")
    table = folder / "macro.csv.gz"
    with gzip.open(table, "wt") as file:
        file.write("\n".join(rows))
    for name, parents in (("evolution", 2), ("other", 3)):
        words = ("econas", "search", "--table", table, "--start", 4, "--parents", parents, "--generations", 3)
        words += ("--surrogate", "none")
        assert call(*words, "--out", folder / name).code == 0
    words = ("scarlet", "search", "--table", table, "--population", 8, "--generations", 3, "--group", 4)
    assert call(*words, "--limit", "macs<=12e6", "--surrogate", "none", "--out", folder / "front").code == 0
    return folder
