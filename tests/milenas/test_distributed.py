"""Two processes search as one: the same architecture to the bit, and gradients that one process would have.

``program`` is what those processes run, with torchrun's variables in the environment.
"""

from pathlib import Path

import pytest
import torch

from milenas.supernet.operations import Norm
from milenas.supernet.supernet import build_supernet
from milenas.training.evaluator import SearchEvaluator
from milenas.training.material import HeldImages
from milenas.training.setup import SearchSetup
from milenas.training.training import Progress, check_equal, make_learners, train_steps
from tests.milenas.conftest import noise_images, small_setup
from tests.process_groups import run_ranks
from zoo.data import ImageSet
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import Skeleton
from zoo.training import Precision
from zoo.training.distributed import ALONE, ProcessGroup, ProcessGroupExecutor, joined_ranks
from zoo.training.epoch import Stage

SIZE = 2
RULES = ("milenas1", "darts2")


def images() -> ImageSet:
    return noise_images(train=46, validation=20, channels=3)


def setup(update: str) -> SearchSetup:
    skeleton = Skeleton(channels=2, cells=3, resolution=8, classes=2)
    return small_setup(
        topology="stretchable", update=update, precision=Precision(dtype="float64"), skeleton=skeleton, final=skeleton
    )


def without_statistics(ranks: ProcessGroup, update: str) -> dict[str, torch.Tensor]:
    """An epoch with batch normalisation at its initial statistics: nothing but gradients is shared."""
    one = setup(update)
    net = build_supernet(one.shape, one.skeleton, torch.Generator().manual_seed(0), dtype=torch.float64)
    net = net.to(memory_format=torch.channels_last)  # where the memory of weights and averaged gradients may differ
    for module in net.modules():
        if isinstance(module, Norm | torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None  # type: ignore[method-assign,assignment]
    held = images()
    stage = Stage(start=0, stop=2, epochs=2, seed=0, root=0)
    feed = HeldImages(one, held, ranks).feed(stage, 0, ranks)
    learners = make_learners(net, one.recipe, one.method)
    train_steps(learners, feed, one, stage, 0, range(len(feed)), Progress(), ranks)
    return dict(net.state_dict())


def program(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined_ranks("cpu") as ranks:
        states = {update: without_statistics(ranks, update) for update in RULES}
        torch.save(states, folder / f"{ranks.rank}.pt")
        evaluator = SearchEvaluator.of(setup("milenas1"), images(), ranks)
        if ranks.rank:
            ranks.follow(evaluator)
        else:
            executor, weights, metrics = ProcessGroupExecutor(evaluator, ranks), None, {}
            for epoch in range(2):
                trial = Trial(
                    index=epoch, genotype=setup("milenas1").shape.genotype(), setting=ProxySetting(0, 0, 0, 2),
                    start=epoch, stop=epoch + 1, resumes=epoch - 1 if epoch else None, role="supernet", keep=True,
                )  # fmt: skip
                executor.submit([Job(trial, 0, weights)])
                ((record, weights),) = executor.collect()
                metrics = dict(record.metrics)
            ranks.send(None)
            torch.save(metrics, folder / "metrics.pt")
        caught = ""
        try:
            check_equal([torch.tensor([1.0, 2.0 + ranks.rank])], ranks)
        except RuntimeError as error:
            caught = str(error)
        torch.save({"caught": caught}, folder / f"caught-{ranks.rank}.pt")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("process group")
    run_ranks(__file__, folder, SIZE)
    return {path.stem: torch.load(path) for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("update", RULES)
def test_two_processes_take_the_steps_of_one(together, update):
    """23 images of w in batches of 8, 8 and 7: weights, α and β, by sums in another order."""
    alone = without_statistics(ALONE, update)
    for rank in range(SIZE):
        for name, tensor in alone.items():
            torch.testing.assert_close(together[str(rank)][update][name], tensor, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.slow
def test_processes_hold_the_same_numbers_to_the_bit(together):
    for update in RULES:
        first, second = (together[str(rank)][update] for rank in range(SIZE))
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.slow
def test_a_search_of_two_processes_measures_and_derives(together):
    assert together["metrics"]["derived"] == 1
    assert 0 <= together["metrics"]["accuracy"] <= 1


@pytest.mark.slow
def test_gradients_that_differ_between_processes_are_caught(together):
    for rank in range(SIZE):
        assert "differ" in together[f"caught-{rank}"]["caught"]


def test_alone_nothing_is_compared():
    check_equal([torch.tensor([1.0])], ALONE)
