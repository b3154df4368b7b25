"""Two processes search as one: the same architecture to the bit, and gradients that one process would have.

This file is also the program those processes run: FOLDER, with torchrun's variables in the environment.
"""

import sys
from pathlib import Path

import pytest
import torch

from darts.evaluator import SearchEvaluator
from darts.feed import Feed, divide_images, owned_examples
from darts.operations import Norm
from darts.setup import SearchSetup
from darts.supernet import build_supernet
from darts.training import Progress, check_equal, make_learners, train_steps
from tests.darts.conftest import noise_images, small_setup
from tests.teams import run_team
from zoo.data import ImageSet
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import Skeleton
from zoo.training import Precision
from zoo.training.distributed import ALONE, Team, TeamExecutor, joined_team
from zoo.training.trainer import Stage

SIZE = 2
RULES = ("milenas1", "darts2")


def images() -> ImageSet:
    return noise_images(train=46, validation=20, channels=3)


def setup(update: str) -> SearchSetup:
    skeleton = Skeleton(channels=2, cells=3, resolution=8, classes=2)
    return small_setup(
        topology="stretchable", update=update, precision=Precision(dtype="float64"), skeleton=skeleton, final=skeleton
    )


def without_statistics(team: Team, update: str) -> dict[str, torch.Tensor]:
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
    examples = owned_examples(held, divide_images(held, 2, 0), "cpu")
    feeds = [Feed(part, owner, one.recipe, stage, 0, team) for owner, part in enumerate(examples)]
    learners = make_learners(net, one.recipe, one.method)
    train_steps(learners, feeds, one, stage, 0, range(len(feeds[0])), Progress(), team)
    return dict(net.state_dict())


def program(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined_team("cpu") as team:
        states = {update: without_statistics(team, update) for update in RULES}
        torch.save(states, folder / f"{team.rank}.pt")
        evaluator = SearchEvaluator(setup("milenas1"), images(), team)
        if team.rank:
            team.follow(evaluator)
        else:
            executor, weights, metrics = TeamExecutor(evaluator, team), None, {}
            for epoch in range(2):
                trial = Trial(
                    index=epoch, genotype=setup("milenas1").shape.genotype(), setting=ProxySetting(0, 0, 0, 2),
                    start=epoch, stop=epoch + 1, resumes=epoch - 1 if epoch else None, role="supernet", keep=True,
                )  # fmt: skip
                executor.submit([Job(trial, 0, weights)])
                ((record, weights),) = executor.collect()
                metrics = dict(record.metrics)
            team.send(None)
            torch.save(metrics, folder / "metrics.pt")
        caught = ""
        try:
            check_equal([torch.tensor([1.0, 2.0 + team.rank])], team)
        except RuntimeError as error:
            caught = str(error)
        torch.save({"caught": caught}, folder / f"caught-{team.rank}.pt")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("team")
    run_team(__file__, folder, SIZE)
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


if __name__ == "__main__":
    program(Path(sys.argv[1]))
