"""Benchmarks at tiny sizes: rows of the declared shape, and what is compared is the same work."""

from pathlib import Path

import pytest
import torch

from benchmarks._pairs import compared, genotypes, share
from benchmarks._population_gpu import on_gpu, traffic
from tests.benchmarks.conftest import Benchmark

PAIR = {
    "what",
    "ratio",
    "low",
    "high",
    "median_seconds",
    "median_seconds_of_the_other",
    "rounds",
    "networks",
    "reached",
}
TIMES = [{"a": [1.0, 1.0, 1.0], "b": [4.0, 4.0, 5.0]}, {"a": [1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0]}]


def test_a_ratio_is_the_geometric_mean_of_networks_and_lies_in_its_interval() -> None:
    row = compared(TIMES, "a", "b", 2.0)
    assert (row["ratio"], row["median_seconds"], row["median_seconds_of_the_other"], row["reached"]) == (
        2,
        1,
        2.5,
        True,
    )
    assert (row["low"], row["high"]) == (2, pytest.approx(5**0.5, abs=1e-3))
    assert not compared(TIMES, "a", "b", 2.01)["reached"]


def test_a_share_is_at_most_its_limit() -> None:
    row = share(TIMES, "a", "b", 0.5)
    assert (row["ratio"], row["median_seconds"], row["reached"]) == (0.5, 1, True)
    assert not share(TIMES, "a", "b", 0.49)["reached"]


def test_data_compares_both_sizes_and_gives_the_share_of_a_step(benchmark: Benchmark) -> None:
    result = benchmark("data", "--images 16 --batch 16 --networks 1 --rounds 1")
    assert [row.get("pixels") for row in result["rows"]] == [32, 8, None]
    assert all(row.keys() >= PAIR for row in result["rows"])
    assert 0 < result["rows"][2]["ratio"] < 1


def test_a_supernet_step_has_the_losses_of_the_plain_loop(benchmark: Benchmark) -> None:
    sizes = "--samplings fair --spaces nas-bench-macro --resolution 8 --channels 4 --batch 2 --rounds 1"
    (row,) = benchmark("supernet_step", sizes)["rows"]
    assert row.keys() >= PAIR
    assert (row["space"], row["sampling"]) == ("nas-bench-macro", "fair")
    assert row["loss_gap"] < 1e-9


def test_layout_times_both_ways(benchmark: Benchmark) -> None:
    rows = benchmark("layout", "--calls 1")["rows"]
    assert {row["what"].split(":")[0] for row in rows} >= {"batch norm", "product", "max pool 3×3"}
    assert all(row["ratio"] > 0 for row in rows)


def test_depthwise_computes_the_same_both_ways(benchmark: Benchmark) -> None:
    rows = benchmark("depthwise", "--batch 4 --rounds 1")["rows"]
    assert all(row.keys() >= PAIR and row["gap"] < 1e-4 for row in rows)


def test_a_normalisation_inside_its_convolution_has_torchs_gradients(benchmark: Benchmark) -> None:
    rows = benchmark("one_pass", "--batch 2 --rounds 1 --most 2")["rows"]
    assert all(row.keys() >= PAIR and row["gap"] < 1e-4 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cells", "cells-together", "scarlet", "darts"])
def test_operators_of_a_step(benchmark: Benchmark, kind: str) -> None:
    rows = benchmark("operators", f"--batch 2 --resolution 8 --images 4 --group 2 --most 5 --of {kind}")["rows"]
    assert [row["of"] for row in rows] == [kind] * 5
    assert all(0 < row["share"] <= 1 for row in rows)


def test_a_placement_is_three_positive_numbers(benchmark: Benchmark) -> None:
    for place in ("2x1", "axbxc", "0x1x1"):
        with pytest.raises(ValueError, match="placement"):
            benchmark("population", f"--train 4 --val 4 --networks 1 --places {place}")


@pytest.mark.slow
def test_population_trains_the_same_networks_in_both_ways(benchmark: Benchmark) -> None:
    sizes = "--train 8 --val 4 --networks 1 --plain 1 --passes 2 --rounds 1 --cores 1 --dtypes float32 --places 1x1x1"
    (row,) = benchmark("population", sizes)["rows"]
    assert row.keys() >= PAIR | {"workers", "threads", "group", "per_hour"}
    assert row["what"] == "1x1x1 against plain loop"


def test_population_on_a_missing_gpu_says_so(benchmark: Benchmark) -> None:
    (row,) = benchmark("population", "--device cuda")["rows"]
    assert "not measured" in row["seconds"]


@pytest.mark.slow
def test_scaling_has_a_row_per_size_and_side_and_draws_them(benchmark: Benchmark, tmp_path: Path) -> None:
    sizes = "--networks 2 --channels --pixels 8 --workers 1 --shared 1 --cells 3 --train 8 --val 4 --batch 4"
    plot = tmp_path / "scaling.svg"
    rows = benchmark("scaling", f"{sizes} --rounds 1 --plot {plot}")["rows"]
    sides = ["plain loop", "engine plain", "engine auto"]
    expected = [(along, size, side) for along, size in (("networks", 2), ("pixels", 8)) for side in sides]
    expected += [("workers", 1, side) for side in sides[1:]]
    assert [(row["along"], row["size"], row["side"]) for row in rows] == expected
    assert all(0 < row["least"] <= row["seconds"] <= row["most"] for row in rows)
    text = plot.read_text()
    assert text.startswith("<svg")
    assert all(along in text for along in ("networks", "pixels", "workers"))


def test_scaling_complains_of_a_missing_folder_before_it_works(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        benchmark("scaling", f"--plot {tmp_path}/missing/a.svg")


@pytest.mark.slow
def test_a_search_pays_the_same_epochs_with_every_engine(benchmark: Benchmark) -> None:
    options = (
        "--train 60 --val 60 --channels 4 --cells 3 --batch 20 --setting c0r0s0e2 --stages 2 --start 3 --parents 2,2 "
        "--promotions 1 --cycles 1 --budget 14 --final c0r0s0e1 --finalists 1 --final-batch 20 --audit off"
    )
    rows = benchmark("engine_search", f"--data digits --group 2 --options '{options}'")["rows"]
    assert [(row["engine"], row["group"]) for row in rows] == [("plain", 1), ("auto", 1), ("auto", 2)]
    assert rows[0]["times_faster"] == 1
    assert all(row["search_epochs"] == rows[0]["search_epochs"] > 0 and row["trials"] > 0 for row in rows)
    assert all(0 <= row["validation"] <= 1 and 0 <= row["test"] <= 1 and row["seconds"] > 0 for row in rows)


@pytest.mark.slow
def test_rows_of_a_gpu_where_there_is_none(benchmark: Benchmark) -> None:
    (row,) = benchmark("population", "--device cuda")["rows"] if not torch.cuda.is_available() else [{"seconds": "not"}]
    assert row["seconds"].startswith("not")
    rows = on_gpu("cpu", genotypes(3), ["float32"], streams=2, batch=4)
    assert [row["what"] for row in rows[:2]] == ["ceiling", "plain steps, one network"]
    programs = rows[2:]
    assert [row["networks"] for row in programs] == [1, 1, 3, 3, 3, 3]
    assert all(row["seconds_per_network_epoch"] > 0 and row["gb_per_second"] >= 0 for row in programs)
    assert all("CUDA" in row["eager_because"] or row["eager_because"] == "asked for" for row in programs)


def test_traffic_is_what_operators_read_and_write() -> None:
    a, b = torch.zeros(3, 4), torch.zeros(3, 4)
    assert traffic(lambda: (a + b).view(12)) == 3 * 12 * 4
