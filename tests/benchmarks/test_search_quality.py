"""Searches on tables: the peers are what they say, results are kept, and differences are paired."""

import gzip

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks._planted import KINDS, planted
from benchmarks._search_methods import STRATEGIES
from benchmarks._sequential_peers import Bananas, LocalSearch
from benchmarks.search_quality import Found, differences
from tests.benchmarks.conftest import Benchmark
from zoo.spaces.chain_space import NAS_BENCH_201
from zoo.spaces.genotype import ChainGenotype

SIZES = "--table planted:good:0 --seeds 2 --budgets 650 --methods econas today random local_search_cheap"


def test_rows_and_differences_and_what_is_kept(benchmark: Benchmark, tmp_path) -> None:  # type: ignore[no-untyped-def]
    kept = tmp_path / "runs.jsonl.gz"
    result = benchmark("search_quality", f"{SIZES} --runs {kept}")
    assert [row["method"] for row in result["rows"]] == ["econas", "today", "random", "local_search_cheap"]
    assert all(row["regret_mean"] >= 0 and row["epochs_paid"] <= 650 and row["seeds"] == 2 for row in result["rows"])
    assert [row["method"] for row in result["differences"]] == ["today", "random", "local_search_cheap"]
    with gzip.open(kept, "rt") as file:
        lines = file.read()
    assert len(lines.splitlines()) == 8
    older = tmp_path / "older.jsonl"  # of another code, which is said to be as good as this one
    older.write_text(lines.replace(result["code"], "0123456789ab"))
    for file, more in ((kept, ""), (older, "--same-as 0123456789ab")):
        before = file.read_bytes()
        again = benchmark("search_quality", f"{SIZES} --runs {file} {more}")
        assert again["rows"] == result["rows"]
        assert file.read_bytes() == before  # nothing was run again
    assert "results of code 0123456789ab count as this one's" in again["notes"]


@pytest.mark.slow  # a table is planted
def test_a_planted_table_is_what_it_is_called() -> None:
    rho = {}
    for kind in KINDS:
        rows = list(planted(kind, 0).accuracies.values())
        cheap, full = ([row[epochs] for row in rows] for epochs in (12, 200))
        rho[kind] = spearmanr(cheap, full).statistic
    assert rho["perfect"] == pytest.approx(1)
    assert 0.8 < rho["good"] < 0.99
    assert 0.4 < rho["biased"] < 0.99
    assert rho["inverted"] > 0.4
    assert abs(rho["useless"]) < 0.9


def test_equal_functions_have_equal_accuracies_in_a_planted_table() -> None:
    table = planted("good", 1)
    by_function: dict[str, set[float]] = {}
    for cell, row in table.accuracies.items():
        function = NAS_BENCH_201.function_key(ChainGenotype("nas-bench-201", cell))
        by_function.setdefault(function, set()).add(round(row[200], 9))
    assert all(len(found) == 1 for found in by_function.values())


def test_local_search_moves_to_the_best_neighbour_and_begins_anew_at_an_optimum() -> None:
    search, known = LocalSearch(NAS_BENCH_201, 0), []

    def quality(one: ChainGenotype) -> float:
        return sum(choice == 3 for choice in one.choices) / 6

    best = 0.0
    for index in range(150):
        genotype = search.propose(known, index)
        assert genotype not in {one for one, _ in known}
        known.append((genotype, quality(genotype)))
        best = max(best, known[-1][1])
        if best == 1:
            break
    assert best == 1  # a ladder of six steps of 24 neighbours
    assert sum(a != b for a, b in zip(known[0][0].choices, known[1][0].choices, strict=True)) == 1


def test_bananas_proposes_what_nobody_has_trained() -> None:
    search, known = Bananas(NAS_BENCH_201, 0), []
    rng = np.random.default_rng(0)
    for index in range(30):
        genotype = search.propose(known, index)
        known.append((genotype, float(rng.random())))
    assert len({one for one, _ in known[10:]} & {one for one, _ in known[:10]}) == 0


def test_a_peer_is_better_only_where_its_interval_says_so() -> None:
    def runs(regrets: list[float]) -> dict[int, Found]:
        return {seed: Found(regret, 1.0, 1) for seed, regret in enumerate(regrets)}

    rng = np.random.default_rng(0)
    ours = [1 + x for x in rng.random(30)]
    found = {("econas", 1): runs(ours), ("better", 1): runs([x - 0.5 for x in ours]), ("same", 1): runs(ours)}
    rows = {row["method"]: row for row in differences(found, ["econas", "better", "same"], [1])}
    assert rows["better"]["better_than_ours"]
    assert rows["better"]["less_ours"] == pytest.approx(-0.5)
    assert not rows["same"]["better_than_ours"]
    assert rows["same"]["p_holm"] == 1


def test_bad_input_is_refused(benchmark: Benchmark) -> None:
    for words, message in (
        ("--table planted:odd:0", "expected a planted table of perfect"),
        ("--table planted:good:0 --budgets 5", "pays no training of 12"),
        ("--table planted:good:0 --seeds 0", "at least 1 seed"),
    ):
        with pytest.raises(ValueError, match=message):
            benchmark("search_quality", words)
    assert "econas" in STRATEGIES
