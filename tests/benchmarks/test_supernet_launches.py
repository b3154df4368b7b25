"""What could be captured of a supernet's training: shares of what comes back a third time, launches of a step."""

from collections import Counter

from benchmarks.supernet_launches import replayed
from tests.benchmarks.conftest import Benchmark


def test_the_first_time_is_launched_and_the_second_recorded() -> None:
    assert replayed(Counter("aaab")) == 1 / 4


def test_paths_hardly_come_back_and_blocks_do(benchmark: Benchmark) -> None:
    (row,) = benchmark("supernet_launches", "--space nas-bench-macro --sampling uniform --epochs 2 --batch 512")["rows"]
    assert row["paths"] == "3^8"
    assert row["replayed_in_an_epoch"] == 0
    assert row["blocks_replayed"] > 0.9
    assert row["launches"] > 2 * row["launches_by_block"]
