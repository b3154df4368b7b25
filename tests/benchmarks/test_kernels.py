"""Launches of a training step on a GPU: as few as the engine is made for, and counted as torch launches them."""

import pytest
import torch

from benchmarks.kernels import _Launches, launches
from tests.benchmarks.conftest import Benchmark


@pytest.mark.slow
def test_a_step_of_28_networks_is_at_most_5000_kernels() -> None:
    assert launches("econas-search", 28).total() <= 5000


def test_a_step_of_four_networks() -> None:
    assert launches("econas-search", 4).total() <= 2700


def test_a_step_of_one_network_and_what_the_host_does_beside(benchmark: Benchmark) -> None:
    found = benchmark("kernels", "--space econas-search --networks 1 --rounds 1")
    ((row,), (host,)) = found["rows"], found["host"]
    assert row["kernels"] <= 1600
    assert min(host["build_s"], host["plan_s"], host["checkpoint_s"]) > 0


def test_views_cost_nothing_and_lists_as_many_as_fit_into_a_kernel() -> None:
    rows = list(torch.empty(100, 10, device="meta"))
    with _Launches() as counted:
        torch.stack(rows + rows)  # 200 tensors, 128 at a time
        rows[0].view(2, 5).t()
        torch._foreach_add_(rows, rows)  # 100 tensors, 64 at a time
        torch._foreach_add_([torch.empty(65_536 * 200, device="meta")] * 3, 1.0)  # 320 pieces at a time
    assert counted.found == {"stack": 2, "_foreach_add_": 2 + 2}
