"""A campaign of a few real faults."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Benchmark


def test_a_campaign_needs_numbers_that_are_not_negative(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        benchmark("faults", "--table-faults -1")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_campaign_loses_nothing(tmp_path: Path) -> None:
    """In a process of its own: it forks, and this one has trained."""
    sizes = "--table-faults 8 --table-trials 80 --training-faults 2 --training-trials 20 --ray-faults 0"
    out = tmp_path / "faults.json"
    command = [sys.executable, "-m", "benchmarks", "faults", "--seed", "3", *sizes.split(), "--json", str(out)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert [row["what"] for row in result["rows"]] == ["tables", "trainings"]
    assert all(row["faults"] > 0 for row in result["rows"])
    assert result["problems"] == []
    assert [row["met NaNs"] > 0 for row in result["rows"]] == [False, True]
