"""Merged probabilities against the sums they stand for, the penalty on every topology, derivation."""

import itertools
from math import comb

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from milenas.supernet.config import SupernetConfig, learned, read_config
from milenas.supernet.derivation import NoNodeLeftError, build_cell, depth, derive_cell
from milenas.supernet.operations import Norm
from milenas.supernet.supernet import build_supernet
from milenas.supernet.topology import Topology, _members, _scales, merged, most_probable, penalty, probabilities
from zoo.spaces import Cell, Edge, Skeleton
from zoo.spaces.genotype import SpaceGenotype

LEARNED = ["inputs", "outputs", "stretchable"]
NODES = range(2, 8)  # intermediate nodes: N = 4 to 9 as the formulas count


def random_beta(topology, seed=0):
    generator = torch.Generator().manual_seed(seed)
    beta = torch.randn(sum(topology.sizes), generator=generator, dtype=torch.float64)
    return beta.requires_grad_()


def explicit(topology, beta, values):
    """Every node's sum over the choices of everybody, term by term; ``values`` is what each edge carries."""
    sums = {node: torch.zeros((), dtype=torch.float64) for node in range(2, topology.nodes + 2)}
    first = 0
    for chooser in topology.choosers:
        part = beta[first : first + len(chooser.choices)]
        first += len(chooser.choices)
        total = part.exp().sum()
        n = len({edge for choice in chooser.choices for edge in choice})
        pairs = comb(n, 2) / max(1, comb(n - 1, 1))
        scale = {"inputs": 1.0, "outputs": pairs, "stretchable": (2**n - 1) / 2 ** (n - 1)}
        for score, choice in zip(part, chooser.choices, strict=True):
            for edge in choice:
                sums[edge[1]] = sums[edge[1]] + scale[topology.kind] * score.exp() / total * values[edge]
    return torch.stack(list(sums.values()))


@pytest.mark.parametrize("kind", LEARNED)
@pytest.mark.parametrize("nodes", NODES)
def test_merged_probabilities_are_the_explicit_sums_and_have_their_gradients(kind, nodes):
    topology = Topology(kind, nodes)
    beta = random_beta(topology)
    values = {edge: torch.tensor(float(7 * edge[0] + edge[1] ** 2 + 1), dtype=torch.float64) for edge in topology.edges}
    weights = merged(topology, beta)
    sums = {node: torch.zeros((), dtype=torch.float64) for node in range(2, nodes + 2)}
    for edge, weight in zip(topology.edges, weights, strict=True):
        sums[edge[1]] = sums[edge[1]] + weight * values[edge]
    found, wanted = torch.stack(list(sums.values())), explicit(topology, beta, values)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    slopes = torch.arange(1.0, nodes + 1, dtype=torch.float64) ** 2
    (gradient,) = torch.autograd.grad((found * slopes).sum(), beta, retain_graph=True)
    (exact,) = torch.autograd.grad((wanted * slopes).sum(), beta)
    torch.testing.assert_close(gradient, exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nodes", NODES)
def test_uniform_logits_give_the_printed_weights(nodes):
    n = {node: nodes if node < 2 else nodes + 1 - node for node in range(nodes + 2)}  # successors
    for kind in LEARNED:
        topology = Topology(kind, nodes)
        weights = merged(topology, torch.zeros(sum(topology.sizes), dtype=torch.float64))
        for (source, target), weight in zip(topology.edges, weights.tolist(), strict=True):
            wanted = {"inputs": 2 / target, "outputs": 1.0, "stretchable": 1 - 2.0 ** -n[source]}[kind]
            assert weight == pytest.approx(wanted, rel=1e-12)


def test_pairs_keep_as_many_edges_as_darts():
    topology = Topology("outputs", 4)  # N = 6: nodes 1 to 4 choose a pair each, node 5 has one successor
    assert [chooser.node for chooser in topology.choosers] == [0, 1, 2, 3]
    assert topology.sizes == [6, 6, 3, 1]
    assert len(most_probable(topology, random_beta(topology))) == 8
    assert (4, 5) not in topology.edges
    assert Topology("stretchable", 4).sizes == [16, 16, 8, 4, 2]
    assert len(Topology("inputs", 4).edges) == len(Topology("fixed", 4).edges) == 14


def test_probabilities_sum_to_one_for_every_chooser():
    topology = Topology("stretchable", 5)
    parts = probabilities(topology, random_beta(topology)).detach().split(topology.sizes)
    assert [float(part.sum()) for part in parts] == pytest.approx([1.0] * len(parts))


@pytest.mark.parametrize(("kind", "nodes"), [("stretchable", 2), ("stretchable", 3), ("outputs", 3), ("outputs", 4)])
def test_the_penalty_is_zero_exactly_on_valid_topologies(kind, nodes):
    topology = Topology(kind, nodes)
    noise = random_beta(topology).detach()
    invalid = 0
    for picks in itertools.product(*(range(size) for size in topology.sizes)):
        beta, first, kept = noise.clone(), 0, set()
        for chooser, pick in zip(topology.choosers, picks, strict=True):
            beta[first + pick] += 8.0
            kept |= set(chooser.choices[pick])
            first += len(chooser.choices)
        valid = {target for _, target in kept} == set(range(2, nodes + 2))
        price = float(penalty(topology, beta))
        assert (price == 0) if valid else (price > 0.9)
        invalid += not valid
        if valid:  # then derivation drops nothing
            assert len(build_cell(dict.fromkeys(kept, "skip_connect")).nodes) == nodes
    assert invalid > 0


@pytest.fixture
def nothing_cached():
    """What a test makes on a device that does not exist is not kept for others."""
    yield
    _members.cache_clear()
    _scales.cache_clear()


@pytest.mark.usefixtures("nothing_cached")
@pytest.mark.parametrize("kind", ["stretchable", "outputs"])
def test_the_penalty_asks_a_device_for_no_number(kind):
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:  # an unknown shape would stop here
        topology = Topology(kind, 4)
        beta = fake.from_tensor(torch.zeros(sum(topology.sizes), requires_grad=True))
        penalty(topology, beta).backward()


def test_the_penalty_reaches_the_last_node_and_descends():
    topology = Topology("stretchable", 3)
    beta = torch.zeros(sum(topology.sizes), dtype=torch.float64)
    codes = [code for chooser in topology.choosers for code in chooser.choices]
    for i, code in enumerate(codes):
        beta[i] = -4.0 if any(target == 4 for _, target in code) else 0.0  # nobody batches node 4, the last one
    beta += random_beta(topology).detach() * 1e-3
    beta.requires_grad_()
    optimizer = torch.optim.Adam([beta], lr=0.05)
    assert penalty(topology, beta).item() > 0.9
    for _ in range(200):
        optimizer.zero_grad()
        penalty(topology, beta).backward()
        optimizer.step()
    assert penalty(topology, beta).item() == 0
    assert 4 in {target for _, target in most_probable(topology, beta)}


@pytest.mark.parametrize("margin", [1e-9, 1e-3, 1.0])
def test_the_penalty_is_positive_however_little_an_invalid_topology_leads(margin):
    topology = Topology("stretchable", 3)
    codes = [code for chooser in topology.choosers for code in chooser.choices]
    for missing in (2, 3, 4):
        beta = torch.tensor([-margin if any(target == missing for _, target in code) else 0.0 for code in codes])
        assert beta.dtype == torch.float32
        assert float(penalty(topology, beta)) > 0


def test_input_pairs_and_fixed_edges_pay_nothing():
    assert float(penalty(Topology("inputs", 4), random_beta(Topology("inputs", 4)))) == 0
    assert float(penalty(Topology("fixed", 4), torch.zeros(0))) == 0


# ---------------------------------------------------------------- derivation


def test_the_fixed_topology_keeps_the_two_strongest_edges_without_none():
    topology, operations = Topology("fixed", 2), ("none", "skip_connect", "sep_conv_3x3")
    # edges: (0,2) (1,2) | (0,3) (1,3) (2,3)
    alpha = torch.tensor([[9.0, 0, 1], [0, 2, 1], [5, 0, 0.1], [0, 0, 2], [0, 3, 0]])
    cell = derive_cell(topology, operations, alpha, None, keep=2)
    assert cell == Cell(
        ((Edge("sep_conv_3x3", 0), Edge("skip_connect", 1)), (Edge("sep_conv_3x3", 1), Edge("skip_connect", 2))), (2, 3)
    )
    assert derive_cell(topology, operations, alpha, None, keep=1).nodes[1] == (Edge("skip_connect", 2),)


def test_nodes_without_inputs_are_dropped_with_what_hangs_on_them():
    kept = {
        (0, 2): "skip_connect", (3, 4): "sep_conv_3x3", (4, 5): "sep_conv_3x3", (2, 6): "dil_conv_3x3",
        (5, 6): "skip_connect",
    }  # fmt: skip
    assert build_cell(kept) == Cell(((Edge("skip_connect", 0),), (Edge("dil_conv_3x3", 2),)), (2, 3))
    with pytest.raises(NoNodeLeftError):
        build_cell({(3, 4): "skip_connect"})
    with pytest.raises(NoNodeLeftError):
        build_cell({})


def test_an_empty_code_leaves_the_node_in_the_output():
    topology = Topology("stretchable", 2)  # codes of 0 and 1: {}, {3}, {2}, {2, 3}; of 2: {}, {3}
    beta = torch.tensor([0.0, 0, 0, 1, 1, 0, 0, 0, 1, 0])
    alpha = torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 0], [1, 0]])
    cell = derive_cell(topology, ("skip_connect", "sep_conv_3x3"), alpha, beta, keep=2)
    assert cell == Cell(((Edge("skip_connect", 0),), (Edge("sep_conv_3x3", 0),)), (2, 3))
    empty = torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 1, 0])
    with pytest.raises(NoNodeLeftError):
        derive_cell(topology, ("skip_connect", "sep_conv_3x3"), alpha, empty, 2)


def test_depth_is_the_longest_path():
    chain = build_cell({(0, 2): "skip_connect", (2, 3): "skip_connect", (3, 4): "skip_connect", (1, 4): "skip_connect"})
    assert depth(chain) == 3
    assert depth(build_cell({(0, 2): "skip_connect", (1, 3): "skip_connect"})) == 1


# ---------------------------------------------------------------- the shape of a supernet


def test_a_shape_is_a_genotype_and_back():
    shape = SupernetConfig(topology="stretchable", nodes=9, operations=("skip_connect", "sep_conv_3x3"))
    assert read_config(shape.genotype()) == shape
    assert read_config(SupernetConfig().genotype()) == SupernetConfig()
    with pytest.raises(ValueError, match="darts-supernet"):
        read_config(SpaceGenotype("another"))
    with pytest.raises(ValueError, match="keep, nodes"):
        read_config(SpaceGenotype("darts-supernet", (("keep", 2),)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": 3}, "expected at least 4, got 3"),
        ({"topology": "outputs", "operations": learned(SupernetConfig().operations), "nodes": 4}, "at least 2"),
        ({"topology": "stretchable"}, "without 'none'"),
        ({"keep": 6}, "1 to 5 edges to keep, got 6"),
        ({"keep": 0}, "got 0 kept edges"),
        ({"operations": ("none",)}, "other than 'none'"),
        ({"operations": ("conv_9x9",)}, "unknown operation"),
        ({"operations": ("skip_connect", "skip_connect")}, "once"),
        ({"topology": "loose"}, "one of fixed"),
        ({"nodes": 40, "topology": "stretchable", "operations": ("skip_connect",)}, "at most 12"),
    ],
)
def test_bad_shapes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SupernetConfig(**options)


@pytest.mark.parametrize("kind", ["fixed", "inputs", "outputs"])
def test_cells_of_many_nodes_are_searched_and_derived(kind):
    shape = SupernetConfig(topology=kind, nodes=18, operations=("skip_connect",))
    net = build_supernet(shape, Skeleton(channels=1, cells=3, resolution=8), torch.Generator().manual_seed(0))
    assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    assert len(net.derive().normal.nodes) > 1


# ---------------------------------------------------------------- memory


def saved_bytes(shape):
    """Bytes that a forward pass keeps for its backward pass, each storage once."""
    net = build_supernet(shape, Skeleton(channels=4, cells=3, resolution=16), torch.Generator().manual_seed(0))
    held = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(torch.zeros(8, 3, 16, 16)).sum()
    return sum(size for size, _ in held.values())


def test_learned_topologies_take_the_memory_of_fixed_edges():
    operations = learned(SupernetConfig().operations)
    plain = saved_bytes(SupernetConfig(operations=operations))
    for kind in ("inputs", "stretchable"):  # of equal edges
        assert saved_bytes(SupernetConfig(topology=kind, operations=operations)) < 1.1 * plain


def peak_bytes(shape):
    """The most bytes that are allocated at one time in a forward and backward pass, beside the network itself."""
    net = build_supernet(shape, Skeleton(channels=4, cells=3, resolution=16), torch.Generator().manual_seed(0))
    pixels = torch.zeros(8, 3, 16, 16)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        torch.autograd.grad(net(pixels).sum(), [*net.architecture(), *net.weights()], allow_unused=True)
    events = sorted(
        (event.start_ns(), event.nbytes())
        for event in profile.profiler.kineto_results.events()
        if event.name() == "[memory]"
    )
    return max(itertools.accumulate(size for _, size in events))


@pytest.mark.slow
def test_the_peak_of_learned_topologies_is_that_of_fixed_edges():
    operations = learned(SupernetConfig().operations)
    plain = peak_bytes(SupernetConfig(operations=operations))
    for kind in ("inputs", "stretchable"):  # of equal edges
        assert peak_bytes(SupernetConfig(topology=kind, operations=operations)) < 1.1 * plain


def test_the_supernet_has_no_scale_or_shift_beyond_its_stem():
    net = build_supernet(SupernetConfig(), Skeleton(channels=4, cells=3, resolution=8), torch.Generator())
    names = [name for name, module in net.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert names == ["stem.1"]
    assert sum(isinstance(module, Norm) for module in net.modules()) > 100
