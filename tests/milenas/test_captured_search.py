"""Steps of a search on a GPU: nothing waits for it, a step is one graph, and replayed it gives the same."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from milenas.supernet.supernet import Supernet, build_supernet
from milenas.training import updates
from milenas.training.training import Progress, make_learners, train_steps
from tests.training.test_captured import Replayed
from zoo.training import Precision, graphs
from zoo.training.distributed import ALONE
from zoo.training.epoch import Stage

STEPS = 3


class Given:
    """The same batches in every epoch."""

    def __init__(self, setup, precision=torch.float32):
        size, generator = setup.skeleton.resolution, torch.Generator().manual_seed(1)
        made = [torch.randn(8, 1, size, size, generator=generator).to(precision) for _ in range(2 * STEPS)]
        self._batches = [(x, torch.arange(8) % 2, slice(0, 8)) for x in made]
        self.asked = []

    def __len__(self):
        return STEPS

    def part(self, steps):
        def ask(step, owner):
            self.asked.append(owner)
            return self._batches[2 * step + owner % 2]

        return ([lambda s=step, o=owner: ask(s, o) for owner in range(3)] for step in steps)


STAGE = Stage(start=0, stop=1, epochs=1, seed=0, root=0)


def trained(setup, feed=None):
    """The learners after an epoch."""
    dtype = setup.precision.storage
    net = build_supernet(setup.shape, setup.skeleton, torch.Generator().manual_seed(0), dtype=dtype)
    learners = make_learners(net, setup.recipe, setup.method)
    train_steps(learners, feed or Given(setup, precision=dtype), setup, STAGE, 0, range(STEPS), Progress(), ALONE)
    return learners


class Asked(TorchDispatchMode):
    """Notes how many steps were over whenever the host asks for a number."""

    def __init__(self, taken):
        super().__init__()
        self.taken, self.when = taken, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            self.when.append(len(self.taken))
        return func(*args, **(kwargs or {}))


def test_the_host_asks_for_one_number_at_the_end_of_an_epoch(setup, monkeypatch):
    one, taken = setup(update="milenas2", topology="stretchable"), []
    learners = trained(one)  # what is made once is there
    adam = torch.optim.Adam(learners.supernet.architecture(), fused=True)  # as on a GPU
    learners = replace(learners, architecture=adam)
    monkeypatch.setattr("milenas.training.training.stepped", lambda done, _: taken.append(done))
    monkeypatch.setattr(updates, "_at_hand", lambda number: number.double())  # as on a GPU
    monkeypatch.setattr(torch, "tensor", None)  # numbers that are copied to a device are waited for
    with Asked(taken) as asked:
        train_steps(learners, Given(one), one, STAGE, 0, range(STEPS), Progress(), ALONE)
    assert asked.when == [STEPS]


@pytest.mark.parametrize(
    "options",
    [{"update": "milenas1", "topology": "stretchable"}, {"update": "milenas2"}, {"update": "single"}],
    ids=str,
)
def test_replayed_steps_give_what_launched_ones_give(options, setup, monkeypatch):
    one = setup(precision=Precision(dtype="float64"), **options)
    plain = trained(one)
    monkeypatch.setattr(graphs, "unavailable", lambda _: "")
    monkeypatch.setattr(graphs, "Recorded", Replayed)
    monkeypatch.setattr(updates, "_at_hand", lambda number: number.double())  # as on a GPU
    captured = trained(one)
    assert (len(plain.graphs), len(captured.graphs)) == (0, 1)
    for name, wanted in plain.supernet.state_dict().items():
        torch.testing.assert_close(captured.supernet.state_dict()[name], wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("update", "looks"), [("milenas1", 1), ("darts1", 2)])
def test_a_drawn_step_looks_at_the_device_once_for_every_alpha(update, looks, setup, monkeypatch):
    seen, drawn = [], Supernet.drawn
    monkeypatch.setattr(Supernet, "drawn", lambda net, *given: seen.append(1) or drawn(net, *given))
    trained(setup(update=update, sampler="gumbel", topology="outputs"))
    assert len(seen) == looks * STEPS


@pytest.mark.parametrize(
    ("options", "owners"), [({"update": "single"}, 1), ({}, 2), ({"split": 3, "topology": "outputs"}, 3)], ids=str
)
def test_only_batches_that_a_rule_needs_are_augmented(options, owners, setup):
    one = setup(**options)
    feed = Given(one)
    trained(one, feed)
    assert feed.asked == [*range(owners)] * STEPS


def test_a_search_that_cannot_be_captured_says_so_in_its_records(run, setup, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(graphs.Graphs, "fallback", property(lambda made: made.eager))  # as on a GPU
    monkeypatch.setattr(graphs, "unavailable", lambda _: "")
    graphs.say.cache_clear()
    records = run(setup(sampler="gumbel", epochs=1), tmp_path).manager.records
    assert "the operations that were drawn" in records[0].notes["fallback"]
    assert ["operations that were drawn" in record.getMessage() for record in caplog.records] == [True]


def test_second_order_that_does_not_depend_on_the_step_adds_nothing(monkeypatch):
    w, alpha = (torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    problem = SimpleNamespace(
        topology=None, weights=[w], architecture=[alpha], gradient=updates.plain_gradient,
        train=lambda: (w * alpha).sum(), validation=lambda: alpha.square().sum(),
    )  # fmt: skip
    for at_hand in (updates._at_hand, lambda number: number.double()):  # also where nobody may look at the norm
        monkeypatch.setattr(updates, "_at_hand", at_hand)
        (found,) = updates.unrolled(problem, 0.0, 1.0, rate=0.1)
        assert found.tolist() == [2.0, 2.0]
