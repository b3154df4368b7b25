"""Cell spaces: what is drawn, changed and crossed stays inside, and draws are what the papers say."""

from collections import Counter
from itertools import combinations, combinations_with_replacement, product
from math import sqrt

import numpy as np
import pytest

from zoo.spaces import CELL_SPACES, DARTS, ECONAS_SEARCH, ECONAS_ZOO, Cell, CellGenotype, CellSpace, Edge, cell_space

SPACES = pytest.mark.parametrize("space", CELL_SPACES.values(), ids=CELL_SPACES)
TINY = CellSpace("tiny", ("skip_connect", "conv_1x1"), nodes=2, concat="all")
TINY_DISTINCT = CellSpace("tiny-distinct", ("skip_connect", "conv_1x1"), nodes=2, concat="all", distinct=True)


def within_6_sigma(hits: int, draws: int, probability: float) -> bool:
    return abs(hits - draws * probability) <= 6 * sqrt(draws * probability * (1 - probability))


def cells_of(genotype: CellGenotype) -> tuple[Cell, Cell]:
    return genotype.normal, genotype.reduction


def edge_changes(before: CellGenotype, after: CellGenotype) -> list[tuple[Edge, Edge]]:
    return [
        (old, new)
        for a, b in zip(cells_of(before), cells_of(after), strict=True)
        for (_, old), (_, new) in zip(a.edges(), b.edges(), strict=True)
        if old != new
    ]


def test_the_spaces_are_those_of_the_papers() -> None:
    assert (len(ECONAS_ZOO.operations), ECONAS_ZOO.nodes, ECONAS_ZOO.concat) == (13, 5, "all")
    assert (len(ECONAS_SEARCH.operations), ECONAS_SEARCH.nodes, ECONAS_SEARCH.concat) == (8, 4, "loose")
    assert (len(DARTS.operations), DARTS.nodes, DARTS.concat, DARTS.distinct) == (7, 4, "all", True)
    assert "none" not in (*ECONAS_ZOO.operations, *DARTS.operations)
    assert "none" in ECONAS_SEARCH.operations
    for space in CELL_SPACES.values():
        assert len(set(space.operations)) == len(space.operations)
        assert cell_space(space.name) is space


def test_an_unknown_space_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'nope'.*econas-zoo, econas-search, darts"):
        cell_space("nope")


@SPACES
def test_samples_are_contained_and_shaped_like_the_space(space: CellSpace) -> None:
    for seed in range(300):
        genotype = space.sample(np.random.default_rng(seed))
        assert space.contains(genotype)
        for cell in cells_of(genotype):
            assert [len(edges) for edges in cell.nodes] == [2] * space.nodes
            everything = tuple(range(2, 2 + space.nodes))
            assert cell.concat == (everything if space.concat == "all" else cell.loose_ends)
            if space.distinct:
                assert all(edges[0].source != edges[1].source for edges in cell.nodes)


@SPACES
def test_sampling_is_repeatable_and_depends_on_the_generator(space: CellSpace) -> None:
    draws = [space.sample(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@SPACES
def test_sampled_sources_and_operations_are_uniform_and_independent(space: CellSpace) -> None:
    draws = 1500
    sources: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(space.nodes)]
    operations: Counter[tuple[str, ...]] = Counter()
    for seed in range(draws):
        for cell in cells_of(space.sample(np.random.default_rng(seed))):
            for node, edges in enumerate(cell.nodes):
                sources[node][tuple(edge.source for edge in edges)] += 1
                operations[tuple(edge.op for edge in edges)] += 1
    for node, counted in enumerate(sources):
        pairs = [p for p in product(range(2 + node), repeat=2) if not space.distinct or p[0] != p[1]]
        assert all(within_6_sigma(counted[pair], 2 * draws, 1 / len(pairs)) for pair in pairs)
        assert sum(counted[pair] for pair in pairs) == 2 * draws
    both = list(product(space.operations, repeat=2))
    assert all(within_6_sigma(operations[pair], 2 * draws * space.nodes, 1 / len(both)) for pair in both)


@SPACES
def test_a_mutant_is_another_graph_one_edge_away(space: CellSpace) -> None:
    for seed in range(400):
        rng = np.random.default_rng(seed)
        parent = space.sample(rng)
        before = parent.to_json()
        child = space.mutate(parent, rng)
        assert parent.to_json() == before
        assert space.contains(child)
        assert child.key != parent.key
        ((old, new),) = edge_changes(parent, child)
        assert (old.op == new.op) != (old.source == new.source)


# In DARTS's space node 2 has both of its sources already: of 4 nodes, 3 can rewire, so 3/4 against 1 per draw.
@pytest.mark.parametrize(
    ("space", "rewired"), [(ECONAS_ZOO, 1 / 2), (ECONAS_SEARCH, 1 / 2), (DARTS, 3 / 7)], ids=["zoo", "search", "darts"]
)
def test_half_of_the_mutants_are_rewired_and_half_swapped(space: CellSpace, rewired: float) -> None:
    draws, hits, in_normal = 1000, 0, 0
    for seed in range(draws):
        rng = np.random.default_rng((2, seed))
        parent = space.sample(rng)
        child = space.mutate(parent, rng)
        ((old, new),) = edge_changes(parent, child)
        hits += old.op == new.op
        in_normal += parent.normal != child.normal
    assert within_6_sigma(hits, draws, rewired)
    assert within_6_sigma(in_normal, draws, 1 / 2)


def test_mutation_reaches_every_place_source_and_operation() -> None:
    parent = ECONAS_SEARCH.sample(np.random.default_rng(0))
    seen = {ECONAS_SEARCH.mutate(parent, np.random.default_rng(seed)).key for seed in range(3000)}
    neighbours = set()
    for which, cell in enumerate(cells_of(parent)):
        for node, slot in product(range(4), range(2)):
            old = cell.nodes[node][slot]
            new = [Edge(op, old.source) for op in ECONAS_SEARCH.operations]
            new += [Edge(old.op, source) for source in range(2 + node)]
            for edge in new:
                edges = tuple(edge if i == slot else e for i, e in enumerate(cell.nodes[node]))
                nodes = tuple(edges if i == node else e for i, e in enumerate(cell.nodes))
                changed = Cell(nodes, Cell(nodes, (2,)).loose_ends)
                cells = [changed if i == which else c for i, c in enumerate(cells_of(parent))]
                neighbours.add(CellGenotype(*cells).key)
    assert seen == neighbours - {parent.key}


def test_a_space_with_one_operation_can_only_rewire() -> None:
    space = CellSpace("one", ("skip_connect",), nodes=3, concat="all")
    for seed in range(50):
        rng = np.random.default_rng(seed)
        parent = space.sample(rng)
        assert space.contains(space.mutate(parent, rng))


@SPACES
def test_a_cross_takes_every_node_from_a_parent(space: CellSpace) -> None:
    from_first = total = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        first, second = space.sample(rng), space.sample(rng)
        child = space.cross(first, second, rng)
        assert space.contains(child)
        for a, b, c in zip(cells_of(first), cells_of(second), cells_of(child), strict=True):
            for x, y, z in zip(a.nodes, b.nodes, c.nodes, strict=True):
                assert z in (x, y)
                if x != y:
                    from_first, total = from_first + (z == x), total + 1
    assert within_6_sigma(from_first, total, 1 / 2)


@SPACES
def test_a_genotype_with_itself_crosses_to_itself(space: CellSpace) -> None:
    rng = np.random.default_rng(0)
    parent = space.sample(rng)
    assert space.cross(parent, parent, rng) == parent


def test_genotypes_of_other_spaces_are_not_contained_and_refused() -> None:
    rng = np.random.default_rng(0)
    foreign = ECONAS_ZOO.sample(rng)
    own = ECONAS_SEARCH.sample(rng)
    assert not ECONAS_SEARCH.contains(foreign)
    for call in (
        lambda: ECONAS_SEARCH.mutate(foreign, rng),
        lambda: ECONAS_SEARCH.cross(own, foreign, rng),
        lambda: ECONAS_SEARCH.cross(foreign, own, rng),
    ):
        with pytest.raises(ValueError, match="not of the space 'econas-search'"):
            call()


def test_contains_looks_at_operations_sources_edges_nodes_and_concat() -> None:
    skip, conv = Edge("skip_connect", 0), Edge("conv_1x1", 1)
    good = Cell(((skip, conv), (skip, conv)), (2, 3))
    bad = [
        Cell(((skip, Edge("conv_3x3", 1)), (skip, conv)), (2, 3)),
        Cell(((skip, skip), (skip, conv)), (2, 3)),
        Cell(((skip, conv), (skip,)), (2, 3)),
        Cell(((skip, conv),), (2,)),
        Cell(((skip, conv), (skip, conv)), (3,)),
    ]
    assert TINY_DISTINCT.contains(CellGenotype(good, good))
    for cell in bad:
        assert not TINY_DISTINCT.contains(CellGenotype(good, cell))
        assert not TINY_DISTINCT.contains(CellGenotype(cell, good))
    assert not TINY_DISTINCT.contains("a genotype")  # type: ignore[arg-type]


def test_a_node_read_only_by_none_is_no_loose_end() -> None:
    """The loose ends go by the graph, as in the authors' code, not by what an operation computes."""
    space = CellSpace("loose", ("none", "skip_connect"), nodes=2, concat="loose")
    skip = Edge("skip_connect", 0)
    cell = Cell(((skip, skip), (Edge("none", 2), skip)), (3,))
    assert space.contains(CellGenotype(cell, cell))


def test_size_by_hand_and_by_enumeration() -> None:
    for space in (TINY, TINY_DISTINCT):
        cells = 1
        for node in range(space.nodes):
            edges = list(product(space.operations, range(2 + node)))
            pairs = combinations(edges, 2) if space.distinct else combinations_with_replacement(edges, 2)
            cells *= sum(not space.distinct or a[1] != b[1] for a, b in pairs)
        assert space.size == cells**2
    assert TINY.size == (10 * 21) ** 2
    assert TINY_DISTINCT.size == (4 * 12) ** 2
    # Liu et al. 2019, §3.2: with 7 operations, a cell's choices are Π C(k+1, 2) · 7² for k = 1 … 4: about 10⁹.
    assert DARTS.size == (1 * 3 * 6 * 10 * 7**8) ** 2


@pytest.mark.parametrize("space", [TINY, TINY_DISTINCT], ids=lambda space: space.name)
def test_sampling_finds_every_cell_of_a_tiny_space(space: CellSpace) -> None:
    rng = np.random.default_rng(0)
    found = {tuple(tuple(sorted(edges)) for edges in space.sample(rng).normal.nodes) for _ in range(6000)}
    assert len(found) ** 2 == space.size
