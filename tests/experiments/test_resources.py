"""Resources: workers that share a GPU keep to their share of its memory, and what cannot be had is refused early."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.experiments import Resources
from zoo.training import memory


@pytest.mark.parametrize(("gpus", "claimed"), [(0.25, [0.25]), (1.0, []), (2.0, []), (0.0, [])])
def test_a_worker_with_a_part_of_a_gpu_keeps_to_that_part_of_its_memory(
    monkeypatch: pytest.MonkeyPatch, gpus: float, claimed: list[float]
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(memory, "claim", shares.append)

    def executor(make: Any, payload: Any, **_: Any) -> Any:
        assert shares == []  # it is claimed in the worker
        return make(payload)

    # Ray takes seconds to import
    monkeypatch.setitem(sys.modules, "zoo.population.ray_executor", SimpleNamespace(RayExecutor=executor))
    made: Any = Resources(workers=2, gpus=gpus).executor(lambda payload: [payload], "images", 1)  # type: ignore[list-item,return-value]
    assert made == ["images"]
    assert shares == claimed
