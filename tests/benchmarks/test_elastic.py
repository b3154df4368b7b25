"""Nodes that come and go, beside nodes that stay."""

import pytest

from tests.benchmarks.conftest import Benchmark


def test_a_search_needs_trials_for_all_that_happens(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="at least 8 trials"):
        benchmark("elastic", "--trials 7")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_search_on_nodes_that_come_and_go_has_the_serial_digest(benchmark: Benchmark) -> None:
    found = benchmark("elastic", "--trials 60 --rounds 1")
    assert [row["equal digests"] for row in found["rows"]] == [1, 1]
    assert found["ratio"] > 1
