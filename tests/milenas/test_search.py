"""A search as a chain of trials: identical continuation, who is stepped by whom, winners, early stop, splits."""

import dataclasses
import io
import math

import numpy as np
import pytest
import torch

from milenas.history.warnings import warnings
from milenas.strategy.record import derived_genotype, genotype_notes, shown_metrics
from milenas.strategy.search import Derived, SupernetSearch, winners
from milenas.supernet.supernet import Supernet, build_supernet
from milenas.training.batches import divide_images
from milenas.training.checkpoint import load_search, save_search
from milenas.training.evaluator import SearchEvaluator
from milenas.training.material import steps_per_epoch
from milenas.training.monitors import cell_size, dominant_eigenvalue
from milenas.training.setup import Method, SearchSetup
from milenas.training.training import Learners, Progress, make_learners
from zoo.population import Job, Journal, Record, SerialExecutor, Trial
from zoo.spaces import DARTS, Skeleton
from zoo.training import Precision, Recipe
from zoo.training.retraining import Retraining


def slow(**options):
    """The parts of such a rule are in those of others."""
    return pytest.param(options, marks=pytest.mark.slow)


RULES = [
    slow(update="single"),
    {"update": "darts1", "sampler": "gumbel"},
    slow(update="darts2"),
    {"update": "milenas1", "topology": "stretchable", "split": 3, "bilevel_until": 1},
    {"update": "milenas2", "topology": "outputs"},
    slow(update="milenas1", topology="inputs", sampler="gumbel"),
]


def state(data):
    return torch.load(io.BytesIO(data), weights_only=True)


class Killed(BaseException):
    """The process is gone."""


def dying(evaluator, lives):
    left = iter(range(lives))

    def evaluate(jobs):
        if next(left, None) is None:
            raise Killed
        return evaluator(jobs)

    return evaluate


@pytest.mark.parametrize("options", RULES, ids=lambda options: " ".join(map(str, options.values())))
def test_a_killed_search_continues_to_the_same_bits(options, run, setup, images, tmp_path):
    """w, α, β, both optimizers, statistics, order, augmentation and noise: the last checkpoints are equal bytes."""
    one = setup(every=1, **options)
    whole = run(one, tmp_path / "whole")
    assert len(whole.manager.records) > 3
    journal = Journal.memory({})
    evaluator = dying(SearchEvaluator.of(one, images()), 3)
    with pytest.raises(Killed):
        run(one, tmp_path / "killed", executor=SerialExecutor(evaluator), journal=journal)
    again = run(one, tmp_path / "killed", journal=journal)
    assert again.weights() == whole.weights()
    assert again.journal.digest() == whole.journal.digest()


def test_a_search_begins_with_its_bilevel_form(run, setup, tmp_path):
    begun = run(setup(update="milenas1", bilevel_until=1), tmp_path / "1").manager.records
    bilevel = run(setup(update="darts1"), tmp_path / "2").manager.records
    mixed = run(setup(update="milenas1"), tmp_path / "3").manager.records
    assert dict(begun[0].metrics) == dict(bilevel[0].metrics) != dict(mixed[0].metrics)
    assert dict(begun[1].metrics) != dict(bilevel[1].metrics)


def test_operations_are_mixed_in_full_precision_whatever_maps_are_in(run, setup, tmp_path, monkeypatch):
    forward, seen = Supernet.forward, []

    def noting(self, x, mixing=None):
        if mixing is not None:
            with torch.autocast("cpu", enabled=False):
                seen.extend(torch.equal(mixing[kind].weights, self.edge_weights(kind)) for kind in mixing)
        return forward(self, x, mixing)

    monkeypatch.setattr(Supernet, "forward", noting)
    run(setup(topology="stretchable", epochs=1, precision=Precision(dtype="bfloat16")), tmp_path)
    assert len(seen) > 4
    assert all(seen)


def test_finer_checkpoints_change_nothing_but_their_number(run, setup, tmp_path):
    options = {"update": "milenas1", "topology": "stretchable", "sampler": "gumbel"}
    coarse, fine = run(setup(**options), tmp_path / "1"), run(setup(every=1, **options), tmp_path / "2")
    assert len(fine.manager.records) > len(coarse.manager.records)
    first, second = state(coarse.weights()), state(fine.weights())
    assert all(torch.equal(tensor, second["supernet"][name]) for name, tensor in first["supernet"].items())
    assert all(map(torch.equal, first["adam"]["exp_avg"], second["adam"]["exp_avg"]))
    assert dict(fine.manager.records[-1].metrics) == pytest.approx(dict(coarse.manager.records[-1].metrics))
    assert sum(r.epochs_paid for r in fine.manager.records) == pytest.approx(2)
    assert "accuracy" not in fine.manager.records[0].metrics


def test_lost_weights_are_trained_again(run, setup, images, tmp_path):
    one = setup()
    whole = run(one, tmp_path)
    trial = whole.manager.trials[-1]
    ((record, weights),) = SearchEvaluator.of(one, images())([Job(trial, 0, None)])
    assert weights == whole.weights()
    assert record.epochs_paid == 2


def test_the_optimizers_share_nothing_and_each_steps_its_own(run, setup, tmp_path):
    one = setup(update="milenas1", topology="stretchable")
    net = build_supernet(one.shape, one.skeleton, torch.Generator().manual_seed(0))
    learners = make_learners(net, one.recipe, one.method)
    own = {id(p) for group in learners.weights.param_groups for p in group["params"]}
    others = {id(p) for group in learners.architecture.param_groups for p in group["params"]}
    assert not own & others
    assert own == {id(p) for p in net.weights()}
    still = run(setup(update="milenas1", topology="stretchable", lr=0.0, weight_decay=0.0), tmp_path / "still")
    states = [state(still.weights(i))["supernet"] if still.weights(i) else None for i in (0, 1)]
    kept = [s for s in states if s is not None][-1]
    seed = int(np.random.default_rng((0, 0, 709)).integers(2**63))
    fresh = build_supernet(one.shape, one.skeleton, torch.Generator().manual_seed(seed)).state_dict()
    for name, tensor in fresh.items():  # with a rate of 0, α and β are where they began; w is not
        if name.startswith(("alpha", "beta")):
            assert torch.equal(tensor, kept[name])
    assert not torch.equal(fresh["classifier.weight"], kept["classifier.weight"])


def test_clipping_bounds_the_step_of_w_and_not_of_alpha(run, setup, tmp_path):
    """With a tiny bound w hardly moves, while Adam's step of α is what it is without."""
    tight = Recipe(batch=8, cutout=0.0, clip=1e-6, weight_decay=0.0)
    clipped = state(run(setup(recipe=tight), tmp_path / "1").weights())["supernet"]
    seed = int(np.random.default_rng((0, 0, 709)).integers(2**63))
    one = setup()
    fresh = build_supernet(one.shape, one.skeleton, torch.Generator().manual_seed(seed)).state_dict()
    moved = {name: float((clipped[name] - fresh[name]).abs().max()) for name in ("classifier.weight", "alpha_normal")}
    assert moved["classifier.weight"] < 1e-5
    assert moved["alpha_normal"] > 0.05


def test_checkpoints_of_another_supernet_or_no_checkpoint_are_refused(setup):
    def fresh(**options) -> Learners:
        one = setup(**options)
        return make_learners(
            build_supernet(one.shape, one.skeleton, torch.Generator().manual_seed(0)), one.recipe, one.method
        )

    data = save_search(fresh(), 1, Progress(1.0, 2))
    assert load_search(data, fresh()) == (1, Progress(1.0, 2))
    with pytest.raises(ValueError, match="another supernet"):
        load_search(data, fresh(topology="stretchable"))
    other, kept = state(data), fresh()
    before = {name: tensor.clone() for name, tensor in kept.supernet.state_dict().items()}
    changes = ({"supernet": {**other["supernet"], "stem.1.running_mean": torch.ones(1)}}, {"supernet": {}},
               {"adam": {**other["adam"], "step": [torch.ones(3)]}})  # fmt: skip
    for change in changes:
        buffer = io.BytesIO()
        torch.save({**other, **change}, buffer)
        with pytest.raises(ValueError, match="another supernet"):
            load_search(buffer.getvalue(), kept)
        assert all(torch.equal(tensor, before[name]) for name, tensor in kept.supernet.state_dict().items())
    for junk in (b"", b"junk", data[:1000]):
        with pytest.raises(ValueError, match="cannot be read safely"):
            load_search(junk, fresh())
    buffer = io.BytesIO()
    torch.save({"schema": 1, "epoch": 3}, buffer)
    with pytest.raises(ValueError, match="must be of a search"):
        load_search(buffer.getvalue(), fresh())


# ---------------------------------------------------------------- metrics


def test_a_record_says_what_a_report_needs(run, setup, tmp_path):
    last = run(setup(topology="stretchable", eigenvalue=True), tmp_path).manager.records[-1]
    metrics = last.metrics
    for name in ("accuracy", "loss", "train_loss", "params", "macs", "convs_normal", "skips_reduction", "depth_normal",
                 "alpha_entropy_normal", "beta_entropy_reduction", "penalty_normal", "eigenvalue"):  # fmt: skip
        assert math.isfinite(metrics[name])
    genotype = derived_genotype(last, setup(topology="stretchable").shape.operations)
    assert genotype is not None
    assert genotype.to_dict() == last.notes["genotype"]
    assert cell_size(genotype.normal).edges == metrics["edges_normal"]
    assert not [name for name in metrics if "_from_" in name]


def edges(genotype):
    """A genotype as metrics of schema 1."""
    cells = {"normal": genotype.normal, "reduction": genotype.reduction}
    return {
        f"{kind}_{node}_from_{edge.source}": DARTS.operations.index(edge.op)
        for kind, cell in cells.items()
        for node, edge in cell.edges()
    }


def test_a_genotype_survives_in_a_record():
    measured = {"derived": 1, "accuracy": 0.5}
    for seed in range(10):
        genotype = DARTS.sample(np.random.default_rng(seed))
        noted = Record(index=0, ok=True, metrics=measured, notes=genotype_notes(genotype))
        assert derived_genotype(Record.from_dict(noted.to_dict()), DARTS.operations) == genotype
        old = Record(index=0, ok=True, metrics=measured | edges(genotype))
        assert derived_genotype(old, DARTS.operations).key == genotype.key
        assert shown_metrics(noted) == shown_metrics(old) == measured
    assert derived_genotype(Record(index=0, ok=True, metrics={"derived": 0}), DARTS.operations) is None


def test_the_dominant_eigenvalue_is_numpys():
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    hessian = half + half.T - 4 * torch.eye(6, dtype=torch.float64)
    alphas = [torch.randn(4, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)][:1]
    alphas += [torch.randn(2, generator=generator, dtype=torch.float64).requires_grad_()]

    def loss():
        x = torch.cat(alphas)
        return x @ hessian @ x / 2

    wanted = max(np.linalg.eigvalsh(hessian.numpy()), key=abs)
    assert dominant_eigenvalue(loss, alphas, generator) == pytest.approx(wanted, rel=0.05)


def test_warnings_name_a_collapse():
    healthy = {"derived": 1, "skips_normal": 1, "edges_normal": 8, "convs_normal": 6}
    assert warnings([]) == []
    assert warnings([healthy]) == []
    assert "skip connections" in warnings([healthy, healthy | {"skips_normal": 5}])[0]
    assert "no convolution" in warnings([healthy | {"convs_normal": 0}])[0]
    assert "no valid cell" in warnings([{"derived": 0}])[0]
    rising = [healthy | {"eigenvalue": value} for value in (1, 1, 1, 1, 1, 1, 2, 3, 4, 5)]
    assert "grown 3.0 times" in warnings(rising)[0]
    assert warnings(rising[:9]) == []


# ---------------------------------------------------------------- the strategy


def record(index, accuracy, genotype, **sizes):
    metrics = {"accuracy": accuracy, "train_loss": 1.0, "derived": 1, **sizes}
    return Record(index=index, ok=True, metrics=metrics, notes=genotype_notes(genotype))


def told(strategy, values):
    """Tell a strategy epochs of (accuracy, normal convolutions, reduction convolutions)."""
    for i, (accuracy, normal, reduction) in enumerate(values):
        (trial,) = strategy.ask(3, i)
        assert (trial.start, trial.resumes) == (i, i - 1 if i else None)
        genotype = DARTS.sample(np.random.default_rng(i))
        strategy.tell([record(i, accuracy, genotype, convs_normal=normal, convs_reduction=reduction)])
    return strategy


EPOCHS = [(0.3, 8, 4), (0.5, 6, 2), (0.4, 6, 2), (0.6, 2, 6), (0.45, 3, 1)]


def test_the_best_genotype_of_every_size():
    strategy = told(SupernetSearch(SearchSetup().shape, 5), EPOCHS)
    found = [(one.size, one.epoch) for one in winners(strategy.derived)]
    assert found == [((3, 1), 5), ((2, 6), 4), ((6, 2), 2), ((8, 4), 1)]
    assert strategy.over
    assert strategy.ask(1, 5) == []


def test_equal_accuracies_go_to_the_earlier_epoch():
    cell = DARTS.sample(np.random.default_rng(0))
    sizes = {"convs_normal": 1, "convs_reduction": 1}
    derived = [Derived(epoch, cell, {"accuracy": 0.5, **sizes}) for epoch in (1, 2)]
    assert winners(derived) == derived[:1]


def test_the_search_stops_below_the_expected_size():
    strategy = told(SupernetSearch(SearchSetup().shape, 9, expected_size=7), [*EPOCHS[:2], (0.7, 6, 0)])
    assert "6 convolutions, fewer than 7" in strategy.stopped
    assert strategy.ask(1, 3) == []
    assert not told(SupernetSearch(SearchSetup().shape, 9, expected_size=6), [(0.7, 6, 0)]).stopped


def test_the_last_one_and_the_best_sizes_are_retrained_as_trials():
    strategy = told(SupernetSearch(SearchSetup().shape, 5, retrain=3, retrain_epochs=2), EPOCHS)
    assert [one.epoch for one in strategy.candidates()] == [5, 4, 2]
    trials = strategy.ask(9, 5)
    assert [trial.genotype.key for trial in trials] == [one.genotype.key for one in strategy.candidates()]
    assert {trial.role for trial in trials} == {"retrain"}
    assert strategy.resumable() == {4}
    assert isinstance(trials[0], Trial)
    assert Retraining([trials[0].genotype], trials[0].setting).ask(1, 0)[0].setting.e == 2


def test_retraining_needs_both_numbers():
    for numbers in ({"retrain": 2}, {"retrain_epochs": 2}, {"retrain": -1, "retrain_epochs": 1}):
        with pytest.raises(ValueError, match="retrain"):
            SupernetSearch(SearchSetup().shape, 5, **numbers)


def test_winners_are_retrained_and_compared(run, setup, tmp_path):
    ran = run(setup(retrain_epochs=2), tmp_path, retrain=2)
    again = [trial for trial in ran.manager.trials if trial.role == "retrain"]
    assert len(again) == 2 * len(ran.strategy.candidates())
    assert set(ran.strategy.retrained.values()) == {t.index for t in again if t.stop == 2}
    accuracies = [ran.manager.records[t.index].metrics["accuracy"] for t in again]
    assert all(0 <= value <= 1 for value in accuracies)


# ---------------------------------------------------------------- images and setups


@pytest.mark.parametrize("split", [2, 3])
def test_shares_are_disjoint_equal_and_have_all_classes(images, split):
    held = images(train=50, classes=4)
    parts = divide_images(held.train.labels, held.classes, split, seed=1)
    assert len(parts) == split
    assert sorted(np.concatenate(parts).tolist()) == list(range(50))
    assert max(map(len, parts)) - min(map(len, parts)) <= split
    for part in parts:
        assert set(held.train.labels[part]) == {0, 1, 2, 3}
    assert not np.array_equal(parts[1], divide_images(held.train.labels, held.classes, split, seed=2)[1])


def test_a_share_without_a_class_is_refused(images):
    held = images(train=20, classes=2)
    labels = np.array([1] * 18 + [0] * 2)
    scarce = dataclasses.replace(held, train=type(held.train)(images=held.train.images, labels=labels))
    divide_images(scarce.train.labels, scarce.classes, 2, seed=0)
    with pytest.raises(ValueError, match="class 'a' has 2 training images, expected at least 3"):
        divide_images(scarce.train.labels, scarce.classes, 3, seed=0)


def test_a_class_that_no_image_is_left_of_is_refused(images):
    with pytest.raises(ValueError, match="class 'c' has 0 training images"):
        divide_images(images().train.labels, ("a", "b", "c"), 2, seed=0)


def test_too_few_images_for_a_batch_are_refused(setup, images):
    with pytest.raises(ValueError, match="at least 8 images"):
        steps_per_epoch(setup(), images(train=12), processes=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": -0.1}, "lambda must be a number from 0 up, got -0.1"),
        ({"lam": float("nan")}, "lambda"),
        ({"update": "darts3"}, "one of single, darts1"),
        ({"sampler": "beam"}, "one of mixed, gumbel"),
        ({"update": "darts1", "bilevel_until": 3}, "milenas1 and milenas2"),
        ({"temperatures": (0.0, 1.0)}, "positive"),
    ],
)
def test_bad_methods_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Method(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"every": 0}, "--every"),
        ({"split": 4}, "in 2 or 3"),
        ({"split": 3}, "no beta"),
        ({"params": -1.0}, "positive"),
        ({"bilevel_until": 3}, "within the 2 epochs"),
        ({"skeleton": Skeleton(cells=2, channels=2)}, "at least 3 cells"),
        ({"split": 3, "topology": "stretchable", "update": "darts2"}, "first-order"),
    ],
)
def test_bad_setups_are_refused(options, message, setup):
    with pytest.raises(ValueError, match=message):
        setup(**options)


def test_the_rule_and_the_temperature_of_an_epoch():
    method = Method(update="milenas2", bilevel_until=35)
    assert [method.update_in(epoch) for epoch in (0, 34, 35)] == ["darts2", "darts2", "milenas2"]
    assert [Method().temperature(epoch, 10) for epoch in (0, 9)] == [10.0, 1.0]
    assert Method().temperature(0, 1) == 10.0
