"""SCARLET's benchmarks at sizes that take seconds: they run, and what must hold at any size holds."""

import argparse
from pathlib import Path

import pytest
import torch

from benchmarks import front_quality, subnet_eval
from scarlet.strategy import imagination
from zoo.surrogates import forest

TABLE = Path(__file__).parents[2].parent / "shared" / "data" / "nas_bench_macro_cifar10.csv.gz"


@pytest.fixture
def run():
    """What a benchmark returns for options; the threads of this process are put back."""
    threads = torch.get_num_threads()

    def call(module, *options):
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        return module.run(parser.parse_args([str(option) for option in options]))

    yield call
    torch.set_num_threads(threads)


@pytest.mark.parametrize("params", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_method_pays_its_budget_and_finds_a_share_of_the_front(run, table, params, monkeypatch):
    monkeypatch.setattr(imagination, "GENERATIONS", 4)  # most of the time of our first method, and the next most
    monkeypatch.setattr(forest, "TREES", 5)
    names = ["scarlet", "scarlet_paper_weighted", "pymoo_nsga2", "random"]
    sizes = ["--seeds", 2, "--evaluations", "40,80", "--methods", *names, *(["--params"] if params else [])]
    result = run(front_quality, "--table", table, *sizes)
    assert result["objectives"].count("max") == 1 + params
    assert [(row["method"], row["evaluations"]) for row in result["rows"]] == [(n, e) for n in names for e in (40, 80)]
    for row in result["rows"]:
        assert 0 < row["low"] <= row["hypervolume_ratio"] <= row["high"] <= 1
        assert row["paid"] == row["evaluations"] >= row["different_functions"]
        assert row["different_functions"] == row["paid"] or row["method"] not in names[:2]  # never pays twice
    ours, random = ([row["missing_percent"] for row in result["rows"] if row["method"] == name] for name in names[::3])
    assert ours[1] < ours[0] < random[0]


@pytest.mark.skipif(not TABLE.exists(), reason="the published table is not here")
def test_the_published_tables_front_is_the_known_one(run):
    result = run(front_quality, "--table", TABLE, "--seeds", 1, "--evaluations", 70, "--methods", "random")
    assert (result["front_networks"], result["front_points"], result["front_hypervolume"]) == (66, 35, 0.90277)
    assert result["one_row_per_function_misses_percent"] == 0


@pytest.mark.slow
def test_evaluation_shares_more_the_narrower_a_population_is(run):
    sizes = ["--images", 4, "--resolution", 8, "--channels", 4, "--rounds", 1, "--genomes", 20]
    result = run(subnet_eval, *sizes)
    model = [row["sharing_model"] for row in result["rows"]]
    assert 1 < model[0] < model[1] < model[2]
    assert all(row["agreement_float32"] == 1 for row in result["rows"])
    assert all(row[key] > 0 for row in result["rows"] for key in ("sharing", "float32", "bfloat16"))
