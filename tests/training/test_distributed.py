"""Several processes train one network as one process would; alone, nothing changes.

``program`` is what those processes run, with torchrun's variables in the environment.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.process_groups import run_ranks
from zoo.data import ImageSet
from zoo.data.image_set import Split
from zoo.networks import build_network
from zoo.networks.cell_network import CellNetwork
from zoo.population import Job, Outcome, ProxySetting, Record, Trial
from zoo.spaces import Cell, CellGenotype, Edge, Skeleton
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup
from zoo.training.distributed import ALONE, ProcessGroup, ProcessGroupExecutor, joined_ranks, process_place
from zoo.training.epoch import Examples, Stage
from zoo.training.trainer import evaluate, make_optimizer, train_stage

SIZE = 2
DOUBLE = Precision(dtype="float64")
SKELETON = Skeleton(channels=3, cells=3, resolution=8, classes=3)
RECIPE = Recipe(batch=8, auxiliary=0.4, smoothing=0.1, clip=0.5)
SETUP = TrainingSetup(skeleton=SKELETON, recipe=RECIPE, precision=DOUBLE, seed=5)

# Node 3 is read by nobody, node 0 of the normal cell neither: parameters without a gradient.
CELL = Cell(((Edge("sep_conv_3x3", 1), Edge("conv_3x3", 1)), (Edge("conv_3x3", 0), Edge("conv_1x1", 0))), (2,))
WITH_UNUSED = CellGenotype(CELL, CELL)


def images() -> ImageSet:
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int64) % 3
        return Split(images=rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8), labels=labels)

    return ImageSet(
        name="noise", classes=("a", "b", "c"), train=split(23), validation=split(31), test=split(3),
        mean=(0.5,) * 3, std=(0.29,) * 3, flip=True,
    )  # fmt: skip


def without_statistics(ranks: ProcessGroup) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Two epochs with batch normalisation switched to its initial statistics: nothing but gradients is shared."""
    network: CellNetwork = build_network(
        WITH_UNUSED, SKELETON, torch.Generator().manual_seed(0), auxiliary=True, dtype=torch.float64
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None  # type: ignore[method-assign,assignment]
    held, recipe = images(), RECIPE
    examples = Examples(
        images=torch.tensor(held.train.images), labels=torch.tensor(held.train.labels), resolution=8,
        mean=held.mean, std=held.std, flip=True,
    )  # fmt: skip
    loss = train_stage(
        network, make_optimizer(network, recipe), examples, recipe, DOUBLE,
        Stage(start=0, stop=2, epochs=3, seed=0, root=0), ranks,
    )[-1]  # fmt: skip
    pixels, labels = torch.tensor(held.validation.images).double() / 255, torch.tensor(held.validation.labels)
    return dict(network.state_dict()), {
        "train_loss": loss,
        **evaluate(network, pixels, labels, 3, DOUBLE, ranks),
    }


def trial(epoch: int) -> Trial:
    return Trial(
        index=epoch, genotype=WITH_UNUSED, setting=ProxySetting(0, 0, 0, 2), start=epoch, stop=epoch + 1,
        resumes=epoch - 1 if epoch else None, role="retrain", keep=True,
    )  # fmt: skip


def chain(executor: ProcessGroupExecutor) -> list[Outcome]:
    """Two epochs, the second from the checkpoint of the first."""
    outcomes: list[Outcome] = []
    for epoch in range(2):
        executor.submit([Job(trial(epoch), 0, outcomes[-1][1] if outcomes else None)])
        outcomes += executor.collect()
    return outcomes


def program(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined_ranks("cpu") as ranks:
        state, metrics = without_statistics(ranks)
        torch.save({"state": state, "metrics": metrics}, folder / f"{ranks.rank}.pt")
        done: list[Record] = []
        evaluator = TrainingEvaluator(SETUP, images(), ranks)

        def noting(jobs: Sequence[Job]) -> list[Outcome]:
            outcomes = evaluator(jobs)
            done.extend(record for record, _ in outcomes)
            return outcomes

        if ranks.rank:
            ranks.follow(noting)
        else:
            torch.save(chain(ProcessGroupExecutor(noting, ranks))[-1][1], folder / "weights.pt")
            ranks.send(None)
        torch.save([dict(record.metrics) for record in done], folder / f"records-{ranks.rank}.pt")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("process group")
    run_ranks(__file__, folder, SIZE)
    return {path.stem: torch.load(path) for path in folder.iterdir()}


# ---------------------------------------------------------------- two processes


def test_two_processes_take_the_steps_of_one(together):
    """23 images in batches of 8, 8 and 7, the last shared 3 to 4; unused parameters, auxiliary head, clipping."""
    state, metrics = without_statistics(ALONE)
    for rank in range(SIZE):
        found = together[str(rank)]
        assert found["metrics"] == pytest.approx(metrics, rel=1e-9)
        for name, tensor in state.items():
            torch.testing.assert_close(found["state"][name], tensor, rtol=1e-7, atol=1e-9, msg=name)


def test_processes_hold_the_same_weights_to_the_bit(together):
    first, second = (together[str(rank)]["state"] for rank in range(SIZE))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_others_follow_and_measure_what_the_first_measures(together):
    assert len(together["records-0"]) == 2
    assert together["records-1"] == together["records-0"]
    assert isinstance(together["weights"], bytes)


def test_batch_normalisation_of_each_process_changes_little_but_something(together):
    record, _ = chain(ProcessGroupExecutor(TrainingEvaluator(SETUP, images())))[-1]
    found = together["records-0"][-1]["train_loss"]
    assert found == pytest.approx(record.metrics["train_loss"], rel=0.2)
    assert found != record.metrics["train_loss"]


# ---------------------------------------------------------------- one process


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_make_up_the_batch(size):
    for first, last in ((0, 24), (40, 61), (5, 8)):
        shares = [ProcessGroup(rank, size).share(slice(first, last)) for rank in range(size)]
        assert [i for part in shares for i in range(part.start, part.stop)] == list(range(first, last))
        counts = [part.stop - part.start for part in shares]
        assert max(counts) - min(counts) <= 1


def test_weighed_losses_average_to_the_mean_over_the_batch():
    losses, batch = torch.arange(7.0, dtype=torch.float64) ** 2, slice(16, 23)
    teams = [ProcessGroup(rank, 3) for rank in range(3)]
    shares = [ranks.share(slice(0, 7)) for ranks in teams]
    weighed = [t.weigh(losses[s].mean(), s.stop - s.start, batch) for t, s in zip(teams, shares, strict=True)]
    assert sum(weighed).item() / 3 == pytest.approx(losses.mean().item())


def test_torchruns_variables(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert process_place() == (0, 1, 0)
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert process_place() == (5, 8, 1)
    for value in ("8", "x", "-1"):
        monkeypatch.setenv("RANK", value)
        with pytest.raises(ValueError, match="expected those torchrun sets"):
            process_place()


def test_there_is_nobody_to_synchronise_with():
    with (
        pytest.raises(ValueError, match="--sync-bn needs several processes"),
        joined_ranks("cpu", sync_norm=True),
    ):
        pass


def answering(reason: str):
    ok = not reason
    return lambda jobs: [(Record(index=job.trial.index, ok=ok, reason=reason), b"w" if ok else None) for job in jobs]


@pytest.mark.parametrize("reason", ["", "diverged: the training loss is nan in epoch 1"])
def test_divergence_is_a_record(reason):
    executor = ProcessGroupExecutor(answering(reason))
    assert executor.free == 1
    executor.submit([Job(trial(0), 0, None)])
    assert executor.free == 0
    ((record, _),) = executor.collect()
    assert (record.reason, record.batch, record.host) == (reason, 0, socket.gethostname())


def test_a_circumstance_is_raised_so_that_the_trial_stays_pending():
    executor = ProcessGroupExecutor(answering("out of memory"))
    executor.submit([Job(trial(0), 0, None)])
    with pytest.raises(ValueError, match="out of memory; the same command tries it again"):
        executor.collect()
