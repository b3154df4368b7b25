"""The grouped engine's kernels: what its modules give, in Triton's interpreter; one line where Triton is missing."""

import importlib.util

import pytest

from benchmarks import triton_kernels
from tests.benchmarks.conftest import Benchmark


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is no dependency")
def test_the_kernels_give_what_modules_give(benchmark: Benchmark) -> None:
    found = benchmark("triton_kernels", "--no-compiler --maps 1 --images 20")
    (row,) = found["rows"]
    assert all(0 < row[name] <= 1e-5 for name in triton_kernels.RESULTS)
    assert not found["failed"]


def test_without_triton_it_says_so_and_does_nothing(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert benchmark("triton_kernels")["note"] == "triton is not installed: nothing was compiled"
