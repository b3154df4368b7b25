"""A small search on simulated workers: the rows there are, and that who waits for nobody is less idle."""

from pathlib import Path

import pytest

from tests.benchmarks.conftest import Benchmark


@pytest.mark.slow
def test_scale_has_a_row_per_size_and_searches_that_wait_are_idle_longer(benchmark: Benchmark, tmp_path: Path) -> None:
    sizes = f"--workers 20 --trials 200 --idle-workers 8 --plot {tmp_path / 'idle.svg'}"
    *many, generational, asynchronous = benchmark("scale", sizes)["rows"]
    assert "asynchronous search" in (tmp_path / "idle.svg").read_text()
    assert [row["trials"] for row in many] == [20, 200]
    assert all(row["ms_per_trial"] > 0 and row["resume_s"] >= 0 and row["status_s"] >= 0 for row in many)
    assert 0 < asynchronous["idle_share"] < generational["idle_share"] < 1
