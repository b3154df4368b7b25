"""Stages in separate processes: 0→1, 1→2, 2→3 end with the bits of 0→3 in one.

This file is also the program that starts those processes: FOLDER.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.data import ImageSet
from zoo.data.image_set import Split
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import ECONAS_ZOO, Skeleton
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup

EPOCHS, STAGE = 3, 1
FORMATS = {"channels-last": True, "contiguous": False}


def images() -> ImageSet:
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int64) % 3
        return Split(images=rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8), labels=labels)

    return ImageSet(
        name="noise",
        classes=("a", "b", "c"),
        train=split(76),  # 38 at s1: three batches of 12, then one of 2
        validation=split(30),
        test=split(3),
        mean=(0.5,) * 3,
        std=(0.29,) * 3,
        flip=True,
    )


def train(channels_last: bool, start: int, stop: int, checkpoint: bytes | None) -> tuple[dict[str, float], bytes]:
    """One stage of a schedule at half of the samples, path dropout and auxiliary head on."""
    setup = TrainingSetup(
        skeleton=Skeleton(channels=3, cells=3, resolution=8, classes=3),
        recipe=Recipe(batch=12, path_dropout=0.3, auxiliary=0.4),
        precision=Precision(channels_last=channels_last),
        seed=5,
    )
    trial = Trial(
        index=10 + start,
        genotype=ECONAS_ZOO.sample(np.random.default_rng(4)),
        setting=ProxySetting(0, 0, 1, EPOCHS),
        start=start,
        stop=stop,
        resumes=10 + start - STAGE if start else None,
        keep=True,
    )
    ((record, weights),) = TrainingEvaluator(setup, images())([Job(trial, 10, checkpoint)])
    assert record.ok, record.reason
    assert weights is not None
    return dict(record.metrics), weights


def write_stage(folder: Path, start: int, stop: int) -> None:
    for name, channels_last in FORMATS.items():
        resumed = (folder / f"{name}-{start}").read_bytes() if start else None
        metrics, weights = train(channels_last, start, stop, resumed)
        (folder / f"{name}-{stop}").write_bytes(weights)
        (folder / f"{name}-{stop}.json").write_text(json.dumps(metrics))


def main(folder: Path) -> None:
    """One process after the other; what all of them import is imported once, which would take most of their time."""
    import torch._dynamo  # noqa: F401 - as an optimizer would

    for start in range(0, EPOCHS, STAGE):
        if not (child := os.fork()):
            write_stage(folder, start, start + STAGE)
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints and metrics that three processes left, one stage each."""
    folder: Path = tmp_path_factory.mktemp("stages")
    subprocess.run([sys.executable, __file__, str(folder)], check=True, cwd=Path(__file__).parents[2])
    return folder


def tensors(data: bytes) -> dict[str, Any]:
    state = torch.load(io.BytesIO(data), weights_only=True)
    momentum = {f"momentum {number}": buffer for number, buffer in enumerate(state["momentum"])}
    return state["network"] | momentum


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.slow  # test_distributed.py has two of them
def test_three_processes_end_with_the_bits_of_one(stages: Path, name: str) -> None:
    metrics, weights = train(FORMATS[name], 0, EPOCHS, None)
    staged = (stages / f"{name}-{EPOCHS}").read_bytes()
    whole, parts = tensors(weights), tensors(staged)
    assert whole.keys() == parts.keys()
    assert [n for n, tensor in whole.items() if tensor is not None and not torch.equal(tensor, parts[n])] == []
    assert json.loads((stages / f"{name}-{EPOCHS}.json").read_text()) == metrics
    assert staged == weights, "the same state has the same bytes, however it was reached"


@pytest.mark.parametrize("name", FORMATS)
def test_the_checkpoints_hold_momentum_and_moving_statistics(stages: Path, name: str) -> None:
    """Or the test above would say nothing about them."""
    first, last = (tensors((stages / f"{name}-{epoch}").read_bytes()) for epoch in (STAGE, EPOCHS))
    assert sum(n.startswith("momentum") and t is not None and bool(t.any()) for n, t in last.items()) > 20
    for part in ("running_mean", "weight", "momentum"):
        assert any(part in n and t is not None and not torch.equal(t, first[n]) for n, t in last.items())
    assert last["stem.1.num_batches_tracked"] == EPOCHS * 4


def test_a_chain_whose_weights_were_lost_ends_with_the_same_bits(stages: Path) -> None:
    _, weights = train(True, EPOCHS - STAGE, EPOCHS, None)
    assert weights == (stages / f"channels-last-{EPOCHS}").read_bytes()


def test_forgetting_the_momentum_would_be_seen(stages: Path) -> None:
    state = torch.load(io.BytesIO((stages / f"channels-last-{EPOCHS - STAGE}").read_bytes()), weights_only=True)
    state["momentum"] = [None] * len(state["momentum"])
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _, weights = train(True, EPOCHS - STAGE, EPOCHS, buffer.getvalue())
    assert weights != (stages / f"channels-last-{EPOCHS}").read_bytes()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
