"""The benchmarks of differentiable search at sizes that take seconds: they run, and say what they are read for."""

import argparse
import json

import pytest

from benchmarks import darts_search, darts_step, toy_bilevel


def run(module, *arguments):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args([str(argument) for argument in arguments]))


def test_a_step_is_the_plain_reference_faster():
    result = run(
        darts_step, "--channels", 2, "--cells", 3, "--nodes", 4, "--batch", 4, "--resolution", 8, "--repeats", 1
    )  # fmt: skip
    first, second = result["rows"]
    assert [row["order"] for row in (first, second)] == [1, 2]
    assert first["difference_float64"] < 1e-10
    assert second["difference_float64"] < 1e-8
    assert first["times_faster"] > 0
    assert second["times_faster"] > 0


def test_the_toy_problem_ranks_what_the_rules_find():
    result = run(
        toy_bilevel, "--images", 20, "--channels", 2, "--epochs", 1, "--repeats", 1, "--seeds", 1, "--batch", 20,
        "--updates", "single", "milenas2",
    )  # fmt: skip
    assert len(result["best"]) == 6
    assert result["best_accuracy"] >= result["median_accuracy"] >= result["worst_accuracy"]
    for row in result["rows"]:
        assert row["mean_regret_points"] >= 0
        assert 1 <= row["median_rank"] <= 64
    (row,) = result["order"]  # of the papers' claims, the only one about two rules that were run
    assert row["claim"] == "single level has a larger validation gap than mixed second order"


def test_the_papers_order_is_reproduced_contradicted_or_undecided():
    def searches(regret, gap):
        return toy_bilevel.Searches(networks=[], regret=regret, loss=[], gap=gap, seconds=0.0)

    rows = toy_bilevel.verdicts(
        {"milenas1": searches([1.0, 2, 3, 1], [0.5] * 4), "darts1": searches([2.0, 4, 4, 3], [0.7, 0.2, 0.6, 0.3]),
         "single": searches([9.0] * 4, [0.1, 0.2, 0.3, 0.4])}
    )  # fmt: skip
    assert [(row["margin"], row["verdict"]) for row in rows] == [
        (1.5, "reproduced"), (-0.2, "undecided"), (-0.25, "contradicted")
    ]  # fmt: skip


def test_the_search_benchmark_compares_retrained_networks():
    result = run(
        darts_search, "--resolution", 8, "--train", 80, "--val", 40, "--layers", 3, "--channels", 2, "--nodes", 4,
        "--stretchable-nodes", 4, "--epochs", 1, "--retrain-epochs", 1, "--params", 4000, "--seeds", 1, "--batch", 40,
        "--studies", "depth",
    )  # fmt: skip
    assert [row["topology"] for row in result["rows"]] == ["fixed", "stretchable"]
    assert all(row["params"] == pytest.approx(4000, rel=0.5) for row in result["rows"])
    assert json.loads(result["settings"])["retrain_epochs"] == 1
