"""A campaign of a few real faults."""

import pytest

from tests.benchmarks.conftest import Benchmark


def test_a_campaign_needs_numbers_that_are_not_negative(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        benchmark("faults", "--table-faults -1")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_campaign_loses_nothing(benchmark: Benchmark) -> None:
    sizes = "--table-faults 8 --table-trials 80 --training-faults 2 --training-trials 20 --ray-faults 0"
    result = benchmark("faults", f"--seed 3 {sizes}")
    assert [row["what"] for row in result["rows"]] == ["tables", "trainings"]
    assert [row["faults"] > 0 for row in result["rows"]] == [True, True]
    assert result["problems"] == []
