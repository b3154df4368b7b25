"""The benchmark of streamed supernets at a size that takes seconds."""

import pytest

pytestmark = pytest.mark.slow  # four processes that import torch


def test_both_sides_train_the_same_steps(benchmark):
    sizes = "--sizes 80 160 --resolution 8 --channels 2 --batch 16 --steps 2 --rounds 1 --loaders 0"
    result = benchmark("streamed_supernet", sizes)
    assert [row["images"] for row in result["rows"]] == [80, 160]
    for row in result["rows"]:
        assert row["throughput"] > 0
        assert row["streamed_mb"] > 0
    with pytest.raises(RuntimeError, match="channels must be at least 1"):
        benchmark("streamed_supernet", f"{sizes} --channels 0")
