"""The benchmark of supernets' rankings at sizes that take seconds."""

import argparse

import numpy as np
import pytest

from benchmarks import supernet_ranking
from benchmarks._rank_quality import Judge, mean_of
from benchmarks._supernets import Arm
from zoo.population.table import read_table
from zoo.reliability.partial import placebo


def run(*options):
    parser = argparse.ArgumentParser()
    supernet_ranking.add_arguments(parser)
    return supernet_ranking.run(parser.parse_args([str(option) for option in options]))


SMALL_RANKING = (
    "--data", "digits", "--train", 60, "--val", 40, "--resolution", 8, "--channels", 2, "--epochs", 2, "--looks", 2,
    "--seeds", 1, "--count", 12, "--recalibration", 10, "--batch", 20,
)  # fmt: skip


def test_rankings_of_supernets_beside_macs_and_a_killed_one_goes_on(table, tmp_path, monkeypatch):
    asked = ("--table", table, *SMALL_RANKING, "--arms", "fair,sandwich:plain", "--runs", tmp_path)
    result = run(*asked)
    assert [row["arm"] for row in result["rows"]] == ["fair:stabilizers", "sandwich:plain"]
    assert all(-1 <= row["recalibrated_loss"] <= 1 for row in result["rows"])
    alone, both, own_mean, as_papers, placebo = result["rankings"][-5:]
    assert as_papers["ranking"] == "mean rank of macs and the plain supernet's accuracy"
    assert own_mean["ranking"] == "mean rank of macs and sandwich:plain"
    assert alone["tau"] > 0.5  # so the table is made
    assert both["tau_low"] <= both["tau"] <= both["tau_high"]
    assert placebo["beyond_macs_low"] < 0 < placebo["beyond_macs_high"]
    assert "sandwich:plain over fair:stabilizers" in [row["gain_in_tau"] for row in result["gains"]]
    assert [row["after_epochs"] for row in result["curves"]] == [1, 2, 1]  # a sandwich passes more MACs
    assert [row["gain_by_score"].split(" over ")[1] for row in result["scores"]] == [
        "accuracy", "loss", "recalibrated_accuracy",
    ] * 2  # fmt: skip
    kept = sorted(tmp_path.glob("*/*"))
    kept[0].unlink()  # scores of a look
    monkeypatch.setattr("benchmarks._supernets._trained", None)  # nothing is trained twice
    assert repr(run(*asked)) == repr(result)  # six steps are too few: with inherited statistics τ is undefined
    for weights in tmp_path.glob("*/weights-*.pt"):
        weights.unlink()  # scores alone are enough
    assert repr(run(*asked)) == repr(result)


def test_pilot_and_judged_networks_are_no_two_the_same_function(table):
    pilot, judged = (supernet_ranking.drawn(read_table(table), 50, part)[0] for part in (0, 1))
    functions = [supernet_ranking.CHAIN.function(tuple(path)) for path in (*pilot.tolist(), *judged.tolist())]
    assert len(set(functions)) == 100


def test_rules_are_given_as_many_macs_as_fair_training():
    assert Arm("fair").epochs(30) == 30
    assert Arm("uniform").epochs(30) == pytest.approx(90, abs=2)
    assert 18 <= Arm("sandwich").epochs(30) <= 26
    with pytest.raises(ValueError, match="sampling: expected fair"):
        Arm.of("greedy")
    with pytest.raises(ValueError, match="skips: expected stabilizers"):
        Arm.of("fair:none")


def test_a_better_ranking_is_better_by_more_than_its_interval_and_noise_says_nothing_beyond_macs():
    rng = np.random.default_rng(0)
    macs, rest = rng.normal(size=(2, 200))
    truth = macs + rest
    judge = Judge(truth, macs, rng)
    good = [macs + rest + 0.5 * rng.normal(size=200) for _ in range(3)]
    assert judge.gain(good, [macs]).low > 0.1
    assert judge.row(good)["beyond_macs_low"] > 0.5
    row = judge.row([placebo(macs, rng)])
    assert row["beyond_macs_low"] < 0 < row["beyond_macs_high"]
    assert mean_of(np.array([[0.2, 0.2, 0.2], [0.4, 0.4, 0.4]])).low < 0 < 0.3  # two seeds alone are no certainty
