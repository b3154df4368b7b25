"""`function_key`: genotypes it calls equal compute the same functions, checked on networks with mapped weights."""

from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from itertools import permutations, product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.networks.cell_network import CellModule, CellNetwork, build_network
from zoo.spaces import ECONAS_SEARCH, Cell, CellGenotype, Edge, Skeleton
from zoo.spaces.skeleton import CellPlan

SKIP, NONE, MAX, AVG, CONV = "skip_connect", "none", "max_pool_3x3", "avg_pool_3x3", "conv_1x1"
FILLER = Cell(((Edge(CONV, 0),),), (2,))


def cell_of(*nodes: list[tuple[str, int]], concat: tuple[int, ...]) -> Cell:
    return Cell(tuple(tuple(Edge(op, source) for op, source in edges) for edges in nodes), concat)


def function_key(cell: Cell, reduction: bool) -> str:
    return ECONAS_SEARCH.function_key(CellGenotype(FILLER, cell) if reduction else CellGenotype(cell, FILLER))


@torch.no_grad()
def randomised(network: nn.Module, seed: int) -> nn.Module:
    """Evaluation mode, float64, and norms as training could have left them."""
    generator = torch.Generator().manual_seed(seed)
    network = network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.normal_(generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                assert tensor is not None
                tensor.normal_(generator=generator)
            assert module.running_var is not None
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network


# ---------------------------------------------------------------- random cells, all ways to share weights


def built_cell(cell: Cell, reduction: bool, seed: int) -> CellModule:
    """A cell of 2 channels whose inputs are used as they are."""
    plan = CellPlan(before_previous=2, previous=2, channels=2, resolution=4, reduction=reduction, after_reduction=False)
    module = CellModule(cell, plan)
    module.preprocess_0 = module.preprocess_1 = nn.Identity()
    randomised(module, seed)
    return module


def with_weights(module: CellModule) -> dict[str, list[nn.Module]]:
    """The operations that have weights, by what they are."""
    found = defaultdict(list)
    for operations in module.nodes:
        for operation in operations:
            if any(True for _ in operation.parameters()):
                found[str(operation)].append(operation)
    return found


def shared_in_all_ways(first: CellModule, second: CellModule) -> Iterator[None]:
    """Give ``second`` weights of ``first``, every assignment of like operations in turn."""
    own, other = with_weights(second), with_weights(first)
    choices = []
    for kind, operations in own.items():
        spare = [*other[kind], *operations[: max(0, len(operations) - len(other[kind]))]]
        choices.append([list(zip(operations, p, strict=True)) for p in permutations(spare, len(operations))])
    everything = [operation for found in (own, other) for like in found.values() for operation in like]
    kept = {id(operation): deepcopy(operation.state_dict()) for operation in everything}
    for assignment in product(*choices):
        for target, source in (pair for pairs in assignment for pair in pairs):
            target.load_state_dict(kept[id(source)])
        yield


def outputs(module: CellModule, inputs: tuple[Tensor, Tensor]) -> list[Tensor]:
    """The cell's maps, one per concatenated node, zeros left out."""
    with torch.no_grad():
        maps = module(*inputs).split(2, dim=1)
    return [m for m in maps if m.abs().max() > 1e-9]


def same_set(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(
        any(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for b in others)
        for maps, others in ((first, second), (second, first))
        for a in maps
    )


def compute_the_same(first: Cell, second: Cell, reduction: bool) -> bool:
    """Whether the second cell can be given weights of the first so that their maps are the same set."""
    generator = torch.Generator().manual_seed(0)
    inputs = tuple(torch.randn(1, 2, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    a, b = built_cell(first, reduction, 1), built_cell(second, reduction, 2)
    expected = outputs(a, inputs)
    return any(same_set(expected, outputs(b, inputs)) for _ in shared_in_all_ways(a, b))


def random_cell(rng: np.random.Generator) -> Cell:
    def edge(node: int) -> tuple[str, int]:
        op = rng.choice([NONE, SKIP, MAX, AVG, CONV], p=[0.3, 0.35, 0.15, 0.1, 0.1])
        return str(op), int(rng.integers(2 + node))

    nodes = [[edge(node) for _ in range(2)] for node in range(3)]
    return cell_of(*nodes, concat=tuple(range(2, 5)) if rng.random() < 0.5 else (3, 4))


@pytest.mark.parametrize("reduction", [False, True])
def test_equal_function_keys_compute_the_same(reduction: bool) -> None:
    first_with: dict[str, Cell] = {}
    compared = 0
    for seed in range(4000):
        cell = random_cell(np.random.default_rng(seed))
        first = first_with.setdefault(function_key(cell, reduction), cell)
        if CellGenotype(cell, FILLER).key != CellGenotype(first, FILLER).key:
            compared += 1
            assert compute_the_same(first, cell, reduction), (first, cell)
        if compared == 60:
            break
    assert compared == 60


def test_the_comparison_of_functions_can_fail() -> None:
    """The oracle of the test above says no where it should."""
    once, twice = cell_of([(SKIP, 0)], concat=(2,)), cell_of([(SKIP, 0), (SKIP, 0)], concat=(2,))
    assert not compute_the_same(once, twice, reduction=False)
    assert not compute_the_same(cell_of([(CONV, 0)], concat=(2,)), cell_of([(CONV, 1)], concat=(2,)), reduction=False)
    assert compute_the_same(once, cell_of([(NONE, 0)], [(SKIP, 0), (MAX, 2)], concat=(2, 3)), reduction=False)


def test_equal_keys_have_equal_function_keys() -> None:
    for seed in range(300):
        rng = np.random.default_rng(seed)
        parent = ECONAS_SEARCH.sample(rng)
        flipped = [
            Cell(tuple(tuple(reversed(e)) for e in c.nodes), c.concat) for c in (parent.normal, parent.reduction)
        ]
        assert ECONAS_SEARCH.function_key(CellGenotype(*flipped)) == ECONAS_SEARCH.function_key(parent)


# ---------------------------------------------------------------- every rewrite in one whole network

# What a cell says, the cell it is rewritten to, and where its concatenated maps go (None: they are zero).
NORMAL = cell_of(
    [("sep_conv_3x3", 0), (NONE, 1)],
    [(SKIP, 2), (NONE, 0)],  # only skips: node 2
    [(MAX, 3), ("dil_conv_3x3", 1)],
    [(MAX, 2), (SKIP, 1)],
    [(SKIP, 1), (MAX, 3)],  # the same as node 5
    [(NONE, 0), (NONE, 1)],  # zero
    [(AVG, 7), (SKIP, 7)],  # pooled and skipped zeros
    concat=(2, 3, 4, 5, 6, 7, 8),
)
NORMAL_REWRITTEN = cell_of(
    [("sep_conv_3x3", 0)], [(MAX, 2), ("dil_conv_3x3", 1)], [(MAX, 2), (SKIP, 1)], concat=(2, 3, 4)
)
NORMAL_MAP = (0, 0, 1, 2, 2, None, None)
REDUCTION = cell_of(
    [(SKIP, 0), (NONE, 1)],  # a factorized reduce, with weights
    [(MAX, 1), (AVG, 0)],
    [(AVG, 0), (MAX, 1)],
    [(SKIP, 2), (NONE, 3)],
    [(CONV, 5), (SKIP, 4)],
    concat=(2, 3, 4, 5, 6),
)
REDUCTION_REWRITTEN = cell_of([(SKIP, 0)], [(AVG, 0), (MAX, 1)], [(CONV, 2), (SKIP, 3)], concat=(2, 3, 4))
REDUCTION_MAP = (0, 1, 1, 0, 2)


def fold(weight: Tensor, places: tuple[int | None, ...], channels: int) -> Tensor:
    """(out, C · len(places), …) to (out, C · 3, …): equal maps share a weight, their sum."""
    out = torch.zeros(weight.shape[0], 3 * channels, *weight.shape[2:], dtype=weight.dtype)
    for part, place in zip(weight.split(channels, dim=1), places, strict=True):
        if place is not None:
            out[:, place * channels : (place + 1) * channels] += part
    return out


def rewritten_weights(network: CellNetwork) -> dict[str, Tensor]:
    """The network's weights as the rewritten one holds them."""
    plans = list(network.skeleton.plan(network.genotype))
    moved = {  # (node, edge) of the rewritten cell from (node, edge) as built
        False: {"0.0": "0.0", "1.1": "2.1"},
        True: {"0.0": "0.0", "2.0": "4.0"},
    }
    state = network.state_dict()
    new = {name: value for name, value in state.items() if ".nodes." not in name}
    for position, plan in enumerate(plans):
        for to, origin in moved[plan.reduction].items():
            prefix = f"cells.{position}.nodes.{origin}."
            new |= {
                f"cells.{position}.nodes.{to}.{name.removeprefix(prefix)}": value
                for name, value in state.items()
                if name.startswith(prefix)
            }
        for number, source in enumerate((position - 2, position - 1)):
            for name in [n for n in new if n.startswith(f"cells.{position}.preprocess_{number}.")]:
                if source >= 0 and new[name].ndim == 4:
                    places = REDUCTION_MAP if plans[source].reduction else NORMAL_MAP
                    new[name] = fold(new[name], places, plans[source].channels)
    last = plans[-1]
    new["classifier.weight"] = fold(
        state["classifier.weight"], REDUCTION_MAP if last.reduction else NORMAL_MAP, last.channels
    )
    return new


def test_a_network_and_its_rewritten_one_compute_the_same() -> None:
    long, short = CellGenotype(NORMAL, REDUCTION), CellGenotype(NORMAL_REWRITTEN, REDUCTION_REWRITTEN)
    assert long.key != short.key
    assert ECONAS_SEARCH.function_key(long) == ECONAS_SEARCH.function_key(short)
    skeleton = Skeleton(channels=3, cells=6, resolution=16)
    networks = [randomised(build_network(g, skeleton, torch.Generator().manual_seed(0)), 3) for g in (long, short)]
    assert isinstance(networks[0], CellNetwork)
    networks[1].load_state_dict(rewritten_weights(networks[0]))
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        expected, got = (network(images) for network in networks)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())


# ---------------------------------------------------------------- functions known to differ

BOTH = (False, True)
DIFFERENT = {
    "skip twice is 2x": (cell_of([(SKIP, 0), (SKIP, 0)], concat=(2,)), cell_of([(SKIP, 0)], concat=(2,)), BOTH),
    "two separate convolutions": (
        cell_of([(CONV, 0)], [(CONV, 0)], concat=(2, 3)),
        cell_of([(CONV, 0)], [(SKIP, 2)], concat=(2, 3)),
        BOTH,
    ),
    "two strided skips are two factorized reduces": (
        cell_of([(SKIP, 0)], [(SKIP, 0)], concat=(2, 3)),
        cell_of([(SKIP, 0)], [(SKIP, 2)], concat=(2, 3)),
        (True,),
    ),
    "a convolution of zero is its norm's bias": (
        cell_of([(NONE, 0)], [(CONV, 2), (SKIP, 1)], concat=(3,)),
        cell_of([(SKIP, 1)], concat=(2,)),
        BOTH,
    ),
    "average is not maximum": (cell_of([(AVG, 0)], concat=(2,)), cell_of([(MAX, 0)], concat=(2,)), BOTH),
    "an input among the outputs": (
        cell_of([(SKIP, 0)], [(CONV, 1)], concat=(2, 3)),
        cell_of([(SKIP, 1)], [(CONV, 1)], concat=(2, 3)),
        BOTH,
    ),
    "outputs that differ": (
        cell_of([(MAX, 0)], [(MAX, 2)], concat=(2, 3)),
        cell_of([(MAX, 0)], [(MAX, 2)], concat=(3,)),
        BOTH,
    ),
}


@pytest.mark.parametrize(("first", "second", "kinds"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_functions_have_different_keys(first: Cell, second: Cell, kinds: tuple[bool, ...]) -> None:
    for reduction in kinds:
        assert function_key(first, reduction) != function_key(second, reduction)


def test_two_skips_of_an_input_are_one_in_a_normal_cell() -> None:
    """At stride 1 they have no weights: the counterpart of the strided case above."""
    first = cell_of([(SKIP, 0)], [(SKIP, 0)], concat=(2, 3))
    assert function_key(first, False) == function_key(cell_of([(SKIP, 0)], concat=(2,)), False)


def test_a_cell_of_zeros_has_a_key() -> None:
    zeros = cell_of([(NONE, 0)], [(AVG, 2)], concat=(2, 3))
    assert function_key(zeros, False) == function_key(cell_of([(NONE, 1)], concat=(2,)), False)
