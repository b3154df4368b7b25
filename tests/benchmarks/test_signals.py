"""The choice of a signal: what ranks better is chosen, and tested on what did not choose."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import signals
from benchmarks._claims import CHANNELS, DROPOUT, SAMPLES, difference, pairs, verdict
from benchmarks.signals import OTHERS, Gain, choice, mean_draws, row
from tests.benchmarks.conftest import Benchmark
from zoo.population.proxy import ProxySetting, parse_grid


def gains(better: str, by: float, count: int = 2) -> list[Gain]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        draws = rng.normal(0, 0.02, (1001, len(OTHERS)))
        draws[0] = 0
        draws[:, OTHERS.index(better)] += by
        found.append(Gain(str(number), "space", True, 3, 0.9, 0.7, draws, draws))
    return found


def test_the_signal_that_gains_most_is_chosen() -> None:
    chosen, rows = choice(gains("loss", 0.1))
    assert chosen == "loss"
    (found,) = [one for one in rows if one["signal"] == "loss"]
    assert found["gain"] == pytest.approx(0.1)
    assert 0 < found["low"] < found["gain"] < found["high"]


def test_the_mean_of_independent_studies_is_surer_than_one() -> None:
    four = gains("train_loss", 0.05, 4)
    parts = (four[:1], four)
    one, all_of_them = (row("", "train_loss", mean_draws([study.draws for study in part])) for part in parts)
    ratio = (all_of_them["high"] - all_of_them["low"]) / (one["high"] - one["low"])
    assert ratio == pytest.approx(0.5, abs=0.1)


def test_a_claim_compares_settings_that_differ_in_nothing_else() -> None:
    grid = list(parse_grid("c{0,2}r{0,2}s0e{6,12} c0r0s1e{12,24}"))
    named = {claim: [f"{one} {other}" for one, other in pairs(claim, grid)] for claim in (SAMPLES, CHANNELS)}
    assert named[SAMPLES] == ["c0r0s0e6 c0r0s1e12", "c0r0s0e12 c0r0s1e24"]
    assert named[CHANNELS] == ["c2r0s0e6 c0r2s0e6", "c2r0s0e12 c0r2s0e12"]


def test_a_claim_is_the_mean_difference_of_its_pairs_or_nothing() -> None:
    rho = {ProxySetting.parse(text): np.array([value]) for text, value in (("c0r0s0e6", 0.8), ("c0r0s1e12", 0.5))}
    assert difference(SAMPLES, rho) == pytest.approx([0.3])
    assert np.isnan(difference(CHANNELS, rho)).all()


def test_what_is_said_of_a_claim_is_its_interval() -> None:
    spread = np.linspace(-0.05, 0.05, 1001)
    assert verdict(SAMPLES, spread + 0.1)["verdict"] == "reproduced"
    assert verdict(SAMPLES, spread - 0.1)["verdict"] == "contradicted"
    assert verdict(SAMPLES, spread + 0.01)["verdict"] == "no effect larger than 0.06"


def test_one_image_set_is_one_line(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="expected at least 2, got 'digits'"):
        benchmark("signals", "--data digits")


@pytest.mark.slow
def test_studies_are_trained_compared_and_continued(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "SPACES", ("econas-zoo",))
    options = (
        "--data digits,digits --models 5 --repeats 2 --train 160 --val 60 --cells 3 "
        f'--setting "c{{1,0}}r0s0e2 c0r1s0e2 c0r0s1e4" --reference c0r0s0e3 --runs {tmp_path} '
        "--ceiling 0.999 --most-repeats 3"
    )
    found = benchmark("signals", options)
    assert {one["signal"] for one in found["rows"]} == set(OTHERS)
    assert found["default_signal"] in ("accuracy", *OTHERS)
    assert [one["claim"] for one in found["claims"]] == [SAMPLES, CHANNELS, DROPOUT]
    assert [one["repeats"] for one in found["studies"]] == [3, 3]  # no reference of three epochs is so reliable
    assert benchmark("signals", options) == found
