"""Update rules against exact gradients of the objectives they approximate, on a tiny supernet in float64."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from milenas.supernet.config import DARTS_OPERATIONS, SupernetConfig, learned
from milenas.supernet.supernet import build_supernet
from milenas.supernet.topology import penalty
from milenas.training.rules import shares
from milenas.training.updates import Problem, direction, first_order, plain_gradient, unrolled
from zoo.spaces import Skeleton

RATE = 0.025
SMALL = ("skip_connect", "sep_conv_3x3", "avg_pool_3x3")


def supernet(topology="fixed", nodes=5, operations=SMALL, seed=3):
    shape = SupernetConfig(topology=topology, nodes=nodes, operations=operations)
    skeleton = Skeleton(channels=2, cells=3, resolution=8, in_channels=1, classes=3)
    net = build_supernet(shape, skeleton, torch.Generator().manual_seed(seed), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in net.architecture():
            parameter.normal_(0, 0.5, generator=generator)
    return net


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(16, 1, 8, 8, generator=generator, dtype=torch.float64),
        torch.randint(3, (16,), generator=generator),
    )


def problem_of(net, penalised=False):
    net.track(False)

    def loss(seed):
        pixels, labels = batch(seed)
        return lambda: functional.cross_entropy(net(pixels), labels)

    paid = (lambda: sum(10 * penalty(net.shape.cell, beta) for beta in net.betas())) if penalised else None
    return Problem(
        weights=net.weights(),
        alphas=net.alphas(),
        betas=net.betas(),
        train=loss(10),
        validation=loss(20),
        penalty=paid,
    )


def exact(net, train, validation, rate):
    """The gradient of the unrolled objective by differentiating through the step of w twice."""
    net.track(False)
    apart = {id(p) for p in net.architecture()}
    names = {name: p for name, p in net.named_parameters() if id(p) not in apart}
    arch = {name: p for name, p in net.named_parameters() if id(p) in apart}
    buffers = dict(net.named_buffers())

    def loss(weights, seed):
        pixels, labels = batch(seed)
        return functional.cross_entropy(functional_call(net, {**weights, **arch, **buffers}, (pixels,)), labels)

    step = torch.autograd.grad(loss(names, 10), list(names.values()), create_graph=True, allow_unused=True)
    moved = {n: p if g is None else p - rate * g for (n, p), g in zip(names.items(), step, strict=True)}
    total = train * loss(moved, 10) + validation * loss(moved, 20)
    return torch.autograd.grad(total, net.architecture())


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors]).detach()


def error(found, wanted):
    return float((flat(found) - flat(wanted)).norm() / flat(wanted).norm())


@pytest.fixture
def smooth(monkeypatch):
    """Makes a supernet smooth. Finite differences of a rectified network jump wherever w crosses a kink: there their
    error grows as the radius shrinks, until no kink lies within it."""

    def soften(net):
        for module in list(net.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.ReLU):
                    setattr(module, name, nn.Softplus())
        monkeypatch.setattr(torch, "relu", functional.softplus)
        return net

    return soften


CASES = [("darts2", 0.0), ("milenas2", 0.7)]


@pytest.mark.parametrize("topology", ["fixed", "stretchable"])
@pytest.mark.parametrize(("update", "lam"), CASES)
def test_second_order_is_the_gradient_of_the_unrolled_objective(update, lam, topology, smooth):
    net = smooth(supernet(topology))
    wanted = exact(net, *shares(update, lam), rate=0.05)
    errors = [
        error(direction(update, problem_of(net), lam=lam, rate=0.05, epsilon=epsilon), wanted)
        for epsilon in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[0] < 1e-2
    for larger, smaller in itertools.pairwise(errors):  # ε² : a tenth of the radius, a hundredth of the error
        assert smaller < larger / 50
    without = first_order(problem_of(net), *shares(update, lam))
    assert error(without, wanted) > 20 * errors[0]  # the second order is there


@pytest.mark.parametrize(("update", "lam"), CASES)
def test_second_order_of_a_rectified_supernet_where_no_kink_is_near(update, lam):
    net = supernet(seed=4)
    found = direction(update, problem_of(net), lam=lam, rate=0.05, epsilon=1e-5)
    assert error(found, exact(net, *shares(update, lam), rate=0.05)) < 1e-8


@pytest.mark.parametrize("update", ["darts2", "milenas2"])
def test_second_order_leaves_the_weights_and_statistics_bit_for_bit(update):
    net = supernet()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items() if "num_batches" not in name}
    direction(update, problem_of(net), lam=1.0, rate=RATE)
    after = net.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("norm", [math.inf, math.nan])
def test_second_order_has_no_direction_where_the_gradient_of_the_weights_is_not_finite(norm):
    net = supernet()
    before = [weight.clone() for weight in net.weights()]

    def gradient(loss, parameters):
        found = plain_gradient(loss, parameters)
        outer = len(parameters) > len(before)  # of the loss after the step of w
        return [torch.full_like(one, norm) for one in found] if outer else found

    found = direction("darts2", replace(problem_of(net), gradient=gradient), lam=0.0, rate=RATE)
    assert all(one.isnan().all() for one in found)
    assert all(torch.equal(weight, one) for weight, one in zip(net.weights(), before, strict=True))


def test_weights_come_back_where_a_loss_fails():
    net = supernet()
    before = [weight.clone() for weight in net.weights()]
    problem, calls = problem_of(net), iter(range(3))

    def failing():
        if next(calls) == 2:
            raise RuntimeError("no memory")
        return problem.train()

    with pytest.raises(RuntimeError):
        unrolled(
            Problem(weights=net.weights(), alphas=net.alphas(), betas=[], train=failing, validation=problem.validation),
            0.0, 1.0, rate=RATE,
        )  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(before, net.weights(), strict=True))


def test_first_order_with_lambda_0_is_single_level_to_the_bit():
    net = supernet("outputs")
    mixed = direction("milenas1", problem_of(net, True), lam=0.0, rate=RATE)
    single = direction("single", problem_of(net, True), lam=5.0, rate=RATE)
    assert all(torch.equal(a, b) for a, b in zip(mixed, single, strict=True))


def test_first_order_tends_to_bilevel_as_lambda_grows():
    net = supernet()
    bilevel = direction("darts1", problem_of(net), lam=0.0, rate=RATE)
    errors = []
    for lam in (1.0, 10.0, 100.0, 1000.0):
        mixed = direction("milenas1", problem_of(net), lam=lam, rate=RATE)
        errors.append(error([tensor / (1 + lam) for tensor in mixed], bilevel))
    assert errors[-1] < 3e-3
    assert all(later < 0.2 * earlier for earlier, later in itertools.pairwise(errors))


def test_second_order_with_lambda_0_is_darts_second_order_to_the_bit():
    net = supernet()
    mixed = direction("milenas2", problem_of(net), lam=0.0, rate=RATE)
    bilevel = direction("darts2", problem_of(net), lam=3.0, rate=RATE)
    assert all(torch.equal(a, b) for a, b in zip(mixed, bilevel, strict=True))


def test_second_order_without_a_step_is_first_order():
    net = supernet()
    ahead, here = (direction(update, problem_of(net), lam=0, rate=0.0) for update in ("darts2", "darts1"))
    assert error(ahead, here) < 1e-12


def test_beta_has_its_own_batch_and_pays_the_penalty():
    net = supernet("stretchable")
    shared, weights = problem_of(net, penalised=True), net.weights()
    pixels, labels = batch(30)
    apart = Problem(
        weights=weights, alphas=net.alphas(), betas=net.betas(), train=shared.train, validation=shared.validation,
        topology=lambda: functional.cross_entropy(net(pixels), labels), penalty=shared.penalty,
    )  # fmt: skip
    own = direction("darts1", apart, lam=0, rate=RATE)
    common = direction("darts1", shared, lam=0, rate=RATE)
    assert all(torch.equal(a, b) for a, b in zip(own[:2], common[:2], strict=True))
    wanted = torch.autograd.grad(apart.topology() + shared.penalty(), net.betas())
    torch.testing.assert_close(own[2:], list(wanted))
    with pytest.raises(ValueError, match="first-order"):
        direction("darts2", apart, lam=0, rate=RATE)


def test_a_gradient_function_of_ones_own_is_used_for_every_gradient():
    net = supernet()
    taken = []

    def gradient(loss, parameters):
        taken.append(len(parameters))
        return [torch.zeros_like(p) for p in parameters]

    direction("milenas1", replace(problem_of(net), gradient=gradient), lam=1.0, rate=RATE)
    assert taken == [2, 2]


def test_the_operations_of_darts_have_none_and_learned_topologies_do_not():
    assert DARTS_OPERATIONS[0] == "none"
    assert "none" not in learned(DARTS_OPERATIONS)
