"""The program is another execution of the same modules: equal logits, gradients, statistics and weights."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.cells import STRETCHED
from zoo.networks import build_network
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine import pieces, planning, program, stages
from zoo.networks.engine.parameter_buffer import ParameterBuffer
from zoo.networks.engine.program import Program
from zoo.networks.operations import Zero
from zoo.networks.taps import Window, tap_matrix
from zoo.spaces import CELL_SPACES, PUBLISHED, Cell, CellGenotype, Edge, Skeleton

N = 12
SKELETON = Skeleton(channels=3, cells=5, resolution=8, classes=4)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def networks(
    genotypes: list[CellGenotype], skeleton: Skeleton = SKELETON, auxiliary: bool = False
) -> list[CellNetwork]:
    return [
        build_network(genotype, skeleton, generator(seed), auxiliary=auxiliary, dtype=torch.float64)
        for seed, genotype in enumerate(genotypes)
    ]


def sampled(space: str, *seeds: int) -> list[CellGenotype]:
    return [CELL_SPACES[space].sample(np.random.default_rng(seed)) for seed in seeds]


def batch(count: int, skeleton: Skeleton = SKELETON) -> tuple[Tensor, Tensor]:
    size, random = skeleton.resolution, generator(99)
    images = torch.randn(count, N, skeleton.in_channels, size, size, generator=random, dtype=torch.float64)
    return images, torch.randint(skeleton.classes, (count, N), generator=random)


def plain_pass(network: CellNetwork, images: Tensor, labels: Tensor, drop: float, seed: int) -> float:
    paths = generator(seed)
    if network.auxiliary is None:
        loss = functional.cross_entropy(network(images, drop, paths), labels)
    else:
        logits, extra = network.with_auxiliary(images, drop, paths)
        loss = functional.cross_entropy(logits, labels) + 0.4 * functional.cross_entropy(extra, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def program_pass(program: Program, images: Tensor, labels: Tensor, drop: float) -> list[float]:
    paths = [generator(seed) for seed in range(len(images))]
    run, logits, auxiliary = program.forward(images, training=True, drop=drop, generators=paths)
    leaves = [logits.detach().requires_grad_()]
    losses = functional.cross_entropy(leaves[0].transpose(1, 2), labels, reduction="none").mean(1)
    if auxiliary is not None:
        leaves.append(auxiliary.detach().requires_grad_())
        losses = losses + 0.4 * functional.cross_entropy(leaves[1].transpose(1, 2), labels, reduction="none").mean(1)
    program.backward(run, *torch.autograd.grad(losses.sum(), leaves))
    program.buffer.track(images.shape[1])
    return losses.tolist()


def agree(
    genotypes: list[CellGenotype], skeleton: Skeleton = SKELETON, drop: float = 0.0, auxiliary: bool = False
) -> None:
    """Losses, gradients, statistics in use, and logits in evaluation mode, against autograd on the modules."""
    images, labels = batch(len(genotypes), skeleton)
    plain, ours = networks(genotypes, skeleton, auxiliary), networks(genotypes, skeleton, auxiliary)
    expected = [plain_pass(*each, drop, seed) for seed, each in enumerate(zip(plain, images, labels, strict=True))]
    program = Program(ours)
    assert program_pass(program, images, labels, drop) == pytest.approx(expected, rel=1e-9)
    gradients = {id(parameter): view for _, parameter, view in program.buffer.views(program.buffer.gradients)}
    for network, reference in zip(ours, plain, strict=True):
        for (name, parameter), other in zip(network.named_parameters(), reference.parameters(), strict=True):
            assert (id(parameter) in gradients) == (other.grad is not None), name
            if other.grad is not None:
                scale = other.grad.abs().max() + 1e-3
                assert ((gradients[id(parameter)] - other.grad).abs().max() / scale).item() < 1e-9, name
    program.close()
    for network, reference in zip(ours, plain, strict=True):
        moved = 0
        for (name, buffer), other in zip(network.named_buffers(), reference.buffers(), strict=True):
            used = buffer.ndim == 0 or not torch.equal(buffer, torch.full_like(buffer, float("var" in name)))
            moved += used
            if used and network.state_dict()[name.rsplit(".", 1)[0] + ".num_batches_tracked"]:
                torch.testing.assert_close(buffer, other, rtol=1e-9, atol=1e-12)
        assert moved
        reference.eval()
    _, logits, _ = Program(ours).forward(images, training=False)
    with torch.no_grad():
        for found, network, image in zip(logits, plain, images, strict=True):
            torch.testing.assert_close(found, network(image), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("space", CELL_SPACES)
@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_network_has_the_gradients_of_autograd(space: str, seed: int) -> None:
    agree(sampled(space, seed))


@pytest.mark.parametrize("space", CELL_SPACES)
@pytest.mark.parametrize(
    ("drop", "auxiliary"), [pytest.param(0.0, False, marks=pytest.mark.slow), (0.3, True)]
)  # alone they are executed without either
def test_different_networks_together_have_the_gradients_of_autograd(space: str, drop: float, auxiliary: bool) -> None:
    agree(sampled(space, 11, 12, 13), drop=drop, auxiliary=auxiliary)


@pytest.mark.parametrize(
    ("space", "drop"), [("econas-search", 0.0), ("darts", 0.3), pytest.param("econas-zoo", 0.0, marks=pytest.mark.slow)]
)
def test_what_a_gpu_launches_together_has_the_gradients_of_autograd(space: str, drop: float, monkeypatch: Any) -> None:
    """Layers as large as they can be, one product for all kernels of a window, matrices in the place of kernels."""
    monkeypatch.setattr(program, "room_on", lambda *_: math.inf)
    monkeypatch.setattr(planning, "largest_matrix", lambda *_: stages.LAUNCHED_LIMIT)
    agree(sampled(space, 11, 12, 13), drop=drop)


def test_nodes_may_have_any_number_of_inputs() -> None:
    agree([STRETCHED, *sampled("darts", 4)], drop=0.3, auxiliary=True)


def test_nodes_that_only_a_node_of_nothing_names_are_not_computed() -> None:
    """Node 4 adds nothing, though it names node 3; nodes 2 and 3 and an input have no other reader."""
    normal = Cell(
        (
            (Edge("sep_conv_3x3", 1),),
            (Edge("dil_conv_5x5", 2), Edge("skip_connect", 1)),
            (Edge("none", 3), Edge("none", 1)),
            (Edge("skip_connect", 4), Edge("max_pool_3x3", 0)),
        ),
        (5,),
    )
    reduction = Cell(((Edge("none", 0),), (Edge("sep_conv_3x3", 0), Edge("conv_1x1", 2))), (2, 3))
    empty = Cell(((Edge("none", 0), Edge("none", 1)),), (2,))
    agree([CellGenotype(normal, reduction), CellGenotype(normal, empty), *sampled("econas-search", 1)])
    constant = CellGenotype(normal, Cell(((Edge("sep_conv_3x3", 1),), (Edge("none", 2), Edge("none", 1))), (3,)))
    agree([constant, *sampled("econas-search", 2)])
    agree([constant], Skeleton(channels=2, cells=3, resolution=32, classes=3, form="imagenet"))
    agree([CellGenotype(normal, reduction)], Skeleton(channels=2, cells=4, resolution=32, classes=3, form="imagenet"))


@pytest.mark.parametrize(
    "skeleton",
    [
        Skeleton(channels=1, cells=3, resolution=4, classes=3, in_channels=1),
        Skeleton(channels=2, cells=2, resolution=12, classes=3),
        Skeleton(channels=2, cells=1, resolution=20, classes=3),
        Skeleton(channels=2, cells=4, resolution=32, classes=3, form="imagenet"),
    ],
    ids=["smallest", "12 px", "one cell, maps too large for matrices", "imagenet form"],
)
def test_every_skeleton_is_executed(skeleton: Skeleton) -> None:
    agree(sampled("econas-zoo", 3, 4), skeleton)
    agree([PUBLISHED["PC_DARTS"]], skeleton, drop=0.2)


@pytest.mark.parametrize("limits", [(0, 0), (10**6, 10**6)], ids=["ordinary kernels", "matrices"])
def test_every_kind_of_convolution_is_exact_at_every_size(limits: tuple[int, int], monkeypatch: Any) -> None:
    monkeypatch.setattr(pieces, "DEPTHWISE_LIMIT", limits[0])
    monkeypatch.setattr(stages, "MATRIX_LIMIT", dict.fromkeys(stages.MATRIX_LIMIT, limits[1]))
    agree(sampled("econas-zoo", 5, 6))


def test_nodes_and_cells_nobody_reads_are_not_computed() -> None:
    nodes = (
        (Edge("sep_conv_3x3", 0), Edge("none", 1)),
        (Edge("none", 0), Edge("none", 1)),
        (Edge("dil_conv_3x3", 3),),
        (Edge("max_pool_3x3", 0),),
    )
    blind = Cell(nodes, (2, 4))
    genotype = CellGenotype(blind, blind)
    (network,) = networks([genotype])
    plan = planning.Plan([network], ParameterBuffer([network], torch.float64), math.inf)
    # the stem and cells 0, 2 and 4; of a cell input 0 and nodes 2, 3 (which is nothing) and 4. Without a limit to what
    # is one layer, nodes 2 and 4, which have one term each, are one, and so are the last blocks of their ways there.
    assert Counter(type(layer).__name__ for layer in plan.layers) == {
        "Block": 1 + 3 * (1 + 2), "Node": 3, "Nothing": 3, "Stack": 3, "Classifier": 1,
    }  # fmt: skip
    assert any(isinstance(module, Zero) for module in network.modules())
    agree([genotype, *sampled("darts", 1)])
    agree([genotype], drop=0.4)


def test_networks_are_untouched_by_their_neighbours() -> None:
    genotypes = sampled("econas-search", 1, 2, 3)
    images, labels = batch(3)
    sick = networks(genotypes)
    with torch.no_grad():
        next(sick[1].parameters()).fill_(torch.nan)
    together = Program(sick)
    losses = program_pass(together, images, labels, 0.0)
    together.buffer.step(0.1, momentum=0.9, decay=1e-3, clip=0.5)
    assert np.isnan(losses[1])
    for number in (0, 2):
        alone = Program(networks(genotypes)[number : number + 1])
        (loss,) = program_pass(alone, images[number : number + 1], labels[number : number + 1], 0.0)
        alone.buffer.step(0.1, momentum=0.9, decay=1e-3, clip=0.5)
        alone.close()
        assert loss == pytest.approx(losses[number], rel=1e-12)
    together.close()
    for number in (0, 2):
        alone_again = networks(genotypes)[number : number + 1]
        program = Program(alone_again)
        program_pass(program, images[number : number + 1], labels[number : number + 1], 0.0)
        program.buffer.step(0.1, momentum=0.9, decay=1e-3, clip=0.5)
        program.close()
        for a, b in zip(sick[number].state_dict().values(), alone_again[0].state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


def test_steps_are_those_of_sgd_with_clipping() -> None:
    genotypes = sampled("econas-search", 4, 5)
    images, labels = batch(2)
    plain, ours = networks(genotypes), networks(genotypes)
    program = Program(ours)
    options: dict[str, Any] = {"lr": 0.3, "momentum": 0.9, "weight_decay": 0.01}
    optimizers = [torch.optim.SGD(network.parameters(), **options) for network in plain]
    for clip in (0.1, 100.0, 0.2):  # clipped, not clipped, clipped
        program_pass(program, images, labels, 0.0)
        program.buffer.step(0.3, momentum=0.9, decay=0.01, clip=clip)
        for seed, (network, optimizer) in enumerate(zip(plain, optimizers, strict=True)):
            optimizer.zero_grad()
            plain_pass(network, images[seed], labels[seed], 0.0, seed)
            nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
    program.close()
    for network, reference in zip(ours, plain, strict=True):
        for (name, parameter), other in zip(network.named_parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(parameter, other, rtol=1e-9, atol=1e-11, msg=name)


def test_networks_stay_where_they_are_while_a_program_is_elsewhere() -> None:
    """The first CPU by its number is another device to the buffer, as a GPU would be."""
    images, labels = batch(2)
    here, there = networks(sampled("econas-zoo", 4, 5)), networks(sampled("econas-zoo", 4, 5))
    before = [parameter.clone() for network in there for parameter in network.parameters()]
    programs = Program(here), Program(there, device=torch.device("cpu", 0))
    for made in programs:
        program_pass(made, images, labels, 0.0)
        made.buffer.step(0.1, momentum=0.9, decay=1e-3, clip=0.5)
    for parameter, old in zip((p for network in there for p in network.parameters()), before, strict=True):
        assert torch.equal(parameter, old)  # until the program is closed
    for made in programs:
        made.close()
    for network, other in zip(here, there, strict=True):
        for (name, value), same in zip(network.state_dict().items(), other.state_dict().values(), strict=True):
            assert torch.equal(value, same), name


def test_weights_are_borrowed_and_given_back() -> None:
    (network,) = networks(sampled("econas-zoo", 8))
    before, homes = network.state_dict(), [parameter.data_ptr() for parameter in network.parameters()]
    names = list(before)
    copies = {name: value.clone() for name, value in before.items()}
    Program([network]).close()
    assert list(network.state_dict()) == names
    assert [parameter.data_ptr() for parameter in network.parameters()] == homes
    assert all(torch.equal(value, copies[name]) for name, value in network.state_dict().items())


def test_bfloat16_is_near() -> None:
    genotypes = sampled("econas-search", 6, 7)
    images, labels = batch(2)
    expected = program_pass(Program(networks(genotypes)), images, labels, 0.0)
    low = [network.float() for network in networks(genotypes)]
    program = Program(low, torch.bfloat16)
    assert program.buffer.gradients.dtype == torch.float32
    assert program_pass(program, images, labels, 0.0) == pytest.approx(expected, rel=0.05)


def test_networks_of_different_skeletons_are_refused() -> None:
    small, large = (
        networks(sampled("darts", 1)),
        networks(sampled("darts", 2), Skeleton(channels=2, cells=5, resolution=8, classes=4)),
    )
    with pytest.raises(ValueError, match="one skeleton"):
        Program([*small, *large])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), 1), ((5, 5), 2), ((1, 7), 1), ((7, 1), 1)])
@pytest.mark.parametrize("side", [2, 5, 8])
def test_taps_make_a_convolution_a_product(side: int, kernel: tuple[int, int], dilation: int, stride: int) -> None:
    padding = tuple(dilation * (k - 1) // 2 for k in kernel)
    conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation, bias=False, dtype=torch.float64)  # type: ignore[arg-type]
    image = torch.randn(1, 1, side, side, dtype=torch.float64, generator=generator(0))
    window = Window.of(conv, (side, side))
    taps = tap_matrix(window, torch.float64, torch.device("cpu"))
    matrix = (conv.weight.view(1, -1) @ taps).view(window.out_pixels, window.pixels)
    torch.testing.assert_close((matrix @ image.flatten()).view(1, 1, *window.out), conv(image))


def test_a_program_holds_the_matrices_its_steps_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A captured step reads their memory again and again, whoever else needs the place in the cache of matrices."""
    program = Program(networks(sampled("econas-zoo", 1)))
    monkeypatch.setattr(stages, "tap_matrix", lambda *_: pytest.fail("a step looked a matrix up"))
    images, _ = batch(1)
    run, logits, _ = program.forward(images, training=True)
    program.backward(run, torch.ones_like(logits))
    kinds = {type(stage) for layer in program._plan.layers for stage in getattr(layer, "stages", ())}
    assert {stages.Depthwise, stages.Matrix} <= kinds
