"""Searches on images compared in pairs: by their method, or by the signal they go by."""

from pathlib import Path

import pytest

import thriftnas
from benchmarks.image_search import detectable
from tests.benchmarks.conftest import Benchmark

TINY = (
    "--train 40 --val 20 --channels 4 --cells 3 --resolution 8 --batch 20 --setting c0r0s0e2 --stages 2 --start 3 "
    "--parents 1,1 --promotions 1 --generations 1 --budget 12 --reference c0r0s0e1 --finalists 1 --audit off"
)


@pytest.mark.slow
def test_arms_are_compared_in_pairs_and_go_by_their_signals(
    benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (
        f"--data digits --seeds 2 --arms hierarchical,hierarchical:train_loss --options '{TINY}' --runs {tmp_path}"
    )
    rows = benchmark("image_search", options)["rows"]
    assert "2 seeds find a difference" in capsys.readouterr().err
    assert [row["arm"] for row in rows[:4]] == ["hierarchical"] * 2 + ["hierarchical:train_loss"] * 2
    assert [row["difference"] for row in rows[-2:]] == [
        f"hierarchical - hierarchical:train_loss, {measure}" for measure in ("validation", "test")
    ]
    signals = [thriftnas.load_run(tmp_path / f"{arm}-1").experiment.parameters.signal for arm in names(tmp_path)]
    assert signals == ["train_loss_late", "train_loss"]


def names(folder: Path) -> list[str]:
    return sorted({path.name.rpartition("-")[0] for path in folder.iterdir()})


def test_more_seeds_find_less() -> None:
    assert detectable(12, 1.9) == pytest.approx(1.69, abs=0.01)
    assert detectable(6, 1.9) == pytest.approx(2.71, abs=0.01)
