"""One table of all claims: its rows, and what becomes of a benchmark that fails."""

import argparse
import importlib
from typing import Any

import pytest

from benchmarks import table
from benchmarks.table import PARTS, Part, costs, darts_steps, filled, managers, on_gpu
from tests.benchmarks.conftest import Benchmark

SHAPE = {"name", "ratio", "interval", "median", "median_of_the_other", "unit", "goal", "result"}
STEP = {
    "order": 1, "times_faster": 2.5, "low": 2.4, "high": 2.6, "seconds_ours": 1.0, "seconds_plain": 2.5,
    "difference_float64": 1e-12,
}  # fmt: skip
COST = {"us_alone": 1.5, "goal": 2.0, "us_in_a_population": 0.1, "goal_there": 0.2, "agree": True}
SIZES = "--only cost gpu --set cost '--genotypes 2 --counted 0' --set gpu '--device cuda'"


def pair(**more: Any) -> dict[str, Any]:
    timed = {"what": "a against b", "ratio": 2.0, "low": 1.9, "high": 2.1, "goal": 1.5, "reached": True}
    return timed | {"median_seconds": 1.0, "median_seconds_of_the_other": 2.0} | more


def rows_of(name: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    part = next(part for part in PARTS if part.name == name)
    return filled(part, {"name": name, "rows": list(rows)}, "")


def test_a_comparison_keeps_ratio_interval_and_both_medians() -> None:
    (row,) = rows_of("cotrain", pair(batch=384))
    assert row == {
        "name": "cotrain: batch 384, a against b", "ratio": 2.0, "interval": [1.9, 2.1], "median": 1.0,
        "median_of_the_other": 2.0, "unit": "s", "goal": "≥ 1.5", "result": "met",
    }  # fmt: skip
    assert [row["result"] for row in rows_of("cotrain", pair(reached=False))] == ["missed"]


def test_a_fast_way_to_other_numbers_is_not_a_goal_met() -> None:
    (step,) = rows_of("supernet_step", pair(loss_gap=1e-3))
    (darts,) = darts_steps("darts_step", {"rows": [STEP | {"difference_float64": 0.1}]})
    results = [step["result"], darts["result"]]
    results += [row["result"] for row in costs("cost", {"rows": [COST | {"space": "x", "agree": False}]})]
    assert all(result.startswith("wrong") for result in results)


def test_costs_show_the_slowest_space_alone_and_together() -> None:
    rows = list(costs("cost", {"rows": [COST | {"space": "quick"}, COST | {"space": "slow", "us_alone": 2.5}]}))
    assert [(row["median"], row["goal"], row["result"]) for row in rows] == [
        (2.5, "≤ 2", "missed"),
        (0.1, "≤ 0.2", "met"),
    ]
    assert "slow" in rows[0]["name"]


def test_a_manager_is_compared_with_jobs_of_ten_seconds() -> None:
    one = {"what": "ray", "workers": 2, "ms_per_trial": 1.0, "goal": 2.0, "reached": True}
    *_, last = managers("manager", {"rows": [one]})
    assert (last["ratio"], last["result"]) == (1e-4, "met")


def test_the_gpu_row_is_the_best_network_epoch_or_not_measured() -> None:
    (row,) = on_gpu("gpu", {"rows": [{"what": "population", "seconds": "not measured: no CUDA device here"}]})
    assert row["result"] == "not measured"
    epochs = [
        {"what": what, "seconds_per_network_epoch": s, "limit": 0.2} for what, s in (("eager", 0.3), ("graph", 0.1))
    ]
    (row,) = on_gpu("gpu", {"rows": [{"what": "ceiling"}, *epochs]})
    assert (row["median"], row["result"]) == (0.1, "met")


def test_a_benchmark_that_has_changed_is_a_row_that_says_so() -> None:
    (row,) = filled(Part("x", "x", darts_steps), {"rows": [{"order": 1}]}, "")
    assert row["result"].startswith("failed")
    assert row.keys() == SHAPE


def test_sizes_of_an_unknown_part_are_an_error(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="nothing"):
        benchmark("table", "--set nothing '--train 3'")


def test_parts_that_no_time_is_left_for_are_rows(benchmark: Benchmark) -> None:
    result = benchmark("table", "--minutes 0")
    assert [row["name"] for row in result["rows"]] == [part.name for part in PARTS]
    assert {row["result"] for row in result["rows"]} == {"failed: no time was left"}
    assert len(result["commands"]) == len(PARTS)


def test_every_part_is_a_command_that_its_benchmark_understands(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(name: str, options: list[str], seconds: float) -> tuple[None, str]:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"benchmarks.{name}").add_arguments(parser)
        parser.parse_args(options)
        return None, "parsed"

    monkeypatch.setattr(table, "measured", parsed)
    assert {row["result"] for row in benchmark("table")["rows"]} == {"failed: parsed"}


@pytest.mark.slow
def test_parts_run_in_processes_of_their_own(benchmark: Benchmark) -> None:
    result = benchmark("table", SIZES)
    assert all(row.keys() == SHAPE for row in result["rows"])
    assert [row["unit"] for row in result["rows"]] == ["µs", "µs", "s"]
    (row,) = benchmark("table", "--only cotrain --set cotrain '--batches nope'")["rows"]
    assert row["result"].startswith("failed: ")
    assert "nope" in row["result"]
