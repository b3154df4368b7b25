"""Cell networks: both forms, the auxiliary head, path dropout, nodes of nothing, state dicts."""

from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from zoo.networks import build_network
from zoo.networks.cell_network import CellModule, CellNetwork, drop_path
from zoo.spaces import CELL_SPACES, PUBLISHED, Cell, CellGenotype, Edge, Skeleton
from zoo.spaces.skeleton import CellPlan

GENOTYPE = PUBLISHED["PC_DARTS"]
SMALL = Skeleton(channels=4, cells=3, resolution=8, classes=7)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, size: int, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=generator(9))


@pytest.mark.parametrize("resolution", [4, 8, 12, 20, 32])
@pytest.mark.parametrize("auxiliary", [False, True])
def test_cifar_form_shapes(resolution: int, auxiliary: bool) -> None:
    skeleton = Skeleton(channels=4, cells=5, resolution=resolution, in_channels=1, classes=7)
    network = build_network(GENOTYPE, skeleton, generator(), auxiliary=auxiliary)
    x = images(2, resolution, 1)
    assert network(x).shape == (2, 7)
    if auxiliary:
        logits, extra = network.with_auxiliary(x)
        assert logits.shape == extra.shape == (2, 7)


@pytest.mark.parametrize("resolution", [32, 64, 96])
def test_imagenet_form_shapes(resolution: int) -> None:
    skeleton = Skeleton(channels=4, cells=4, resolution=resolution, classes=7, form="imagenet")
    network = build_network(GENOTYPE, skeleton, generator(), auxiliary=True)
    logits, extra = network.with_auxiliary(images(2, resolution))
    assert logits.shape == extra.shape == (2, 7)


@pytest.mark.parametrize("space", CELL_SPACES)
@pytest.mark.parametrize("cells", [1, 2, 3, 4])
def test_random_genotypes_build_and_run_with_any_number_of_cells(space: str, cells: int) -> None:
    for seed in range(3):
        genotype = CELL_SPACES[space].sample(np.random.default_rng(seed))
        skeleton = Skeleton(channels=1 + seed, cells=cells, resolution=8)
        out = build_network(genotype, skeleton, generator())(images(2, 8))
        assert out.shape == (2, 10)
        assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_cells_learn_in_every_weight(name: str) -> None:
    network = build_network(PUBLISHED[name], SMALL, generator())
    network(images(4, 8)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_width_follows_the_concatenation() -> None:
    network = build_network(PUBLISHED["NASNET_A"], SMALL, generator())
    # Cells 1 and 2 reduce (of 3): the last has 4 · 2 · 2 channels and concatenates 3 nodes.
    assert network.classifier.in_features == 16 * 3


def test_the_auxiliary_head_sits_after_the_second_reduction() -> None:
    skeleton = Skeleton(channels=4, cells=6, resolution=16)  # reductions at 2 and 4
    network = build_network(GENOTYPE, skeleton, generator(), auxiliary=True).eval()
    maps: list[torch.Tensor] = []
    network.cells[4].register_forward_hook(lambda _m, _i, out: maps.append(out))
    _, extra = network.with_auxiliary(images(2, 16))
    assert network.auxiliary is not None
    torch.testing.assert_close(extra, network.auxiliary(maps[0]), rtol=0, atol=0)
    assert maps[0].shape == (2, 64, 4, 4)


def test_without_a_head_its_logits_are_refused() -> None:
    with pytest.raises(ValueError, match="no auxiliary head"):
        build_network(GENOTYPE, SMALL, generator()).with_auxiliary(images(2, 8))


# ---------------------------------------------------------------- nodes


def module_of(cell: Cell, reduction: bool = False) -> CellModule:
    """One cell of 3 channels whose inputs are used as they are."""
    plan = CellPlan(before_previous=3, previous=3, channels=3, resolution=4, reduction=reduction, after_reduction=False)
    module = CellModule(cell, plan)
    module.preprocess_0 = module.preprocess_1 = nn.Identity()
    return module


def edges(*pairs: tuple[str, int]) -> tuple[Edge, ...]:
    return tuple(Edge(op, source) for op, source in pairs)


def test_a_node_is_the_sum_of_its_edges_and_the_output_their_concatenation() -> None:
    cell = Cell(
        (edges(("skip_connect", 0), ("skip_connect", 0)), edges(("skip_connect", 2), ("none", 0), ("skip_connect", 1))),
        (2, 3),
    )
    a, b = images(2, 4), images(2, 4) + 1
    torch.testing.assert_close(module_of(cell)(a, b), torch.cat([2 * a, 2 * a + b], dim=1))


@pytest.mark.parametrize("reduction", [False, True])
def test_nodes_of_nothing_but_none_are_zero(reduction: bool) -> None:
    cell = Cell((edges(("none", 0), ("none", 1)), edges(("none", 2))), (2, 3))
    out = module_of(cell, reduction)(images(2, 4), images(2, 4))
    size = 2 if reduction else 4
    assert out.shape == (2, 6, size, size)
    assert (out == 0).all()


def test_a_genotype_of_nothing_still_gives_logits() -> None:
    nothing = Cell((edges(("none", 0), ("none", 1)),), (2,))
    network = build_network(CellGenotype(nothing, nothing), SMALL, generator())
    out = network(images(3, 8))
    torch.testing.assert_close(out, network.classifier.bias.expand(3, 7))


def test_strides_are_on_the_cells_inputs_only() -> None:
    cell = Cell((edges(("max_pool_3x3", 0)), edges(("max_pool_3x3", 2), ("max_pool_3x3", 1))), (2, 3))
    assert module_of(cell, reduction=True)(images(2, 8), images(2, 8)).shape == (2, 6, 4, 4)


# ---------------------------------------------------------------- path dropout


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_path_dropout_keeps_the_mean(probability: float) -> None:
    count = 40_000
    out = drop_path(torch.ones(count, 1, 1, 1, dtype=torch.float64), probability, generator())
    kept = 1 / (1 - probability)
    assert all(min(abs(v), abs(v - kept)) < 1e-12 for v in out.unique().tolist())
    assert abs(out.mean().item() - 1) < 6 * sqrt(probability * kept / count)


def test_path_dropout_drops_whole_examples() -> None:
    out = drop_path(torch.ones(64, 3, 4, 4), 0.5, generator())
    assert ((out == 0).flatten(1).all(1) | (out == 2).flatten(1).all(1)).all()
    assert 0 < (out[:, 0, 0, 0] == 0).sum() < 64


def test_identities_are_never_dropped() -> None:
    skips = Cell((edges(("skip_connect", 0), ("skip_connect", 1)),), (2,))
    a, b = images(64, 4), images(64, 4)
    torch.testing.assert_close(module_of(skips)(a, b, 0.9, generator()), a + b)
    pools = Cell((edges(("max_pool_3x3", 0), ("skip_connect", 1)),), (2,))
    dropped = module_of(pools)(torch.ones_like(a), torch.zeros_like(b), 0.5, generator())
    assert dropped.unique().tolist() == [0.0, 2.0]
    kept = module_of(pools)(torch.zeros_like(a), b, 0.5, generator())
    assert torch.equal(kept, b)


def test_every_edge_is_dropped_by_itself() -> None:
    pools = Cell((edges(("max_pool_3x3", 0), ("max_pool_3x3", 1)),), (2,))
    ones = torch.ones(256, 3, 4, 4)
    out = module_of(pools)(ones, 10 * ones, 0.5, generator())
    assert out[:, 0, 0, 0].unique().tolist() == [0.0, 2.0, 20.0, 22.0]


def test_the_generator_makes_path_dropout_repeatable() -> None:
    network = build_network(GENOTYPE, SMALL, generator()).eval()
    x = images(8, 8)
    state = torch.get_rng_state()
    runs = [network(x, 0.5, generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), state), "the global random state is not used"
    assert torch.equal(network(x), network(x, 0.0, generator(1)))


# ---------------------------------------------------------------- state


def test_a_state_dict_round_trip_gives_the_same_function() -> None:
    first, second = (build_network(GENOTYPE, SMALL, generator(seed)) for seed in (0, 1))
    x = images(8, 8)
    first(x)  # moves the running statistics
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(x), second.eval()(x))


def test_nothing_of_the_network_stays_on_meta() -> None:
    network = build_network(GENOTYPE, SMALL, generator(), auxiliary=True, dtype=torch.float64)
    assert isinstance(network, CellNetwork)
    for name, tensor in network.state_dict().items():
        assert tensor.device.type == "cpu", name
        assert tensor.dtype == (torch.int64 if name.endswith("num_batches_tracked") else torch.float64), name
