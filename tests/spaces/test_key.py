"""`key`: equal for equal graphs, whatever their numbering, and different for different ones."""

from itertools import permutations

import numpy as np

from zoo.spaces import CELL_SPACES, ECONAS_SEARCH, OPERATIONS, Cell, CellGenotype, Edge

Rng = np.random.Generator
FILLER = Cell(((Edge("skip_connect", 0),),), (2,))


def key(cell: Cell) -> str:
    return CellGenotype(cell, FILLER).key


def random_cell(rng: Rng, nodes: int, ops: list[str]) -> Cell:
    """Any cell: one to three edges a node, any operations, any concatenation, dead nodes included."""
    edges = [
        tuple(Edge(ops[rng.integers(len(ops))], int(rng.integers(2 + i))) for _ in range(rng.integers(1, 4)))
        for i in range(nodes)
    ]
    concat = [node for node in range(2, 2 + nodes) if rng.random() < 0.5] or [1 + nodes]
    return Cell(tuple(edges), tuple(concat))


def renumbered(cell: Cell, rng: Rng) -> Cell:
    """The same graph: nodes in a random topological order, every node's edges shuffled."""
    waiting = dict(enumerate(cell.nodes, start=2))
    number = {0: 0, 1: 1}
    nodes: list[tuple[Edge, ...]] = []
    while waiting:
        ready = [n for n, edges in waiting.items() if all(e.source in number for e in edges)]
        node = ready[rng.integers(len(ready))]
        edges = [Edge(e.op, number[e.source]) for e in waiting.pop(node)]
        number[node] = 2 + len(nodes)
        nodes.append(tuple(edges[i] for i in rng.permutation(len(edges))))
    return Cell(tuple(nodes), tuple(sorted(number[node] for node in cell.concat)))


def with_dead_node(cell: Cell, rng: Rng) -> Cell:
    """The cell with a node put in somewhere that reads others and that nothing reads."""
    place = int(rng.integers(2, 3 + len(cell.nodes)))
    up = [n if n < place else n + 1 for n in range(2 + len(cell.nodes))]
    nodes = [tuple(Edge(e.op, up[e.source]) for e in edges) for edges in cell.nodes]
    dead = tuple(Edge("conv_3x3", int(rng.integers(place))) for _ in range(2))
    return Cell((*nodes[: place - 2], dead, *nodes[place - 2 :]), tuple(up[n] for n in cell.concat))


def brute_force_form(cell: Cell) -> object:
    """The smallest of all relabelled forms of the live graph: equal exactly for isomorphic graphs."""
    nodes = dict(enumerate(cell.nodes, start=2))
    live, stack = set[int](), list(cell.concat)
    while stack:
        node = stack.pop()
        if node > 1 and node not in live:
            live.add(node)
            stack += [edge.source for edge in nodes[node]]
    forms = []
    for order in permutations(sorted(live)):
        label = {0: 0, 1: 1} | {node: 2 + i for i, node in enumerate(order)}
        forms.append(tuple((tuple(sorted((label[e.source], e.op) for e in nodes[n])), n in cell.concat) for n in order))
    return min(forms)


def test_renumbering_and_edge_order_make_no_difference() -> None:
    moved = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        cell = random_cell(rng, int(rng.integers(2, 8)), list(OPERATIONS)[: 2 + seed % 10])
        other = renumbered(cell, rng)
        moved += other != cell
        assert key(other) == key(cell), cell
    assert moved > 800  # the test would be empty if nothing ever moved


def test_renumbering_makes_no_difference_in_the_spaces() -> None:
    for space in CELL_SPACES.values():
        for seed in range(100):
            rng = np.random.default_rng(seed)
            genotype = space.sample(rng)
            other = CellGenotype(renumbered(genotype.normal, rng), renumbered(genotype.reduction, rng))
            assert other.key == genotype.key


def test_dead_nodes_make_no_difference() -> None:
    for seed in range(300):
        rng = np.random.default_rng(seed)
        cell = random_cell(rng, int(rng.integers(1, 6)), list(OPERATIONS))
        assert key(with_dead_node(with_dead_node(cell, rng), rng)) == key(cell), cell


def test_equal_exactly_when_isomorphic_by_brute_force() -> None:
    """Few nodes and operations, so that isomorphic pairs and near misses are frequent; all pairs are compared."""
    keys: dict[str, object] = {}
    forms: dict[object, str] = {}
    cells = 0
    for seed in range(3000):
        rng = np.random.default_rng((1, seed))
        cell = random_cell(rng, int(rng.integers(1, 5)), ["skip_connect", "conv_3x3"][: 1 + seed % 2])
        found, form = key(cell), brute_force_form(cell)
        assert keys.setdefault(found, form) == form, f"different graphs, one key: {cell}"
        assert forms.setdefault(form, found) == found, f"one graph, two keys: {cell}"
        cells += 1
    assert len(keys) < 0.9 * cells  # many were isomorphic to an earlier one


def test_reading_two_twins_is_not_reading_one_of_them_twice() -> None:
    conv, skip = "conv_3x3", "skip_connect"
    twins = ((Edge(conv, 0),), (Edge(conv, 0),))
    for concat in ((4,), (2, 3, 4)):
        both = Cell((*twins, (Edge(skip, 2), Edge(skip, 3))), concat)
        one_twice = Cell((*twins, (Edge(skip, 2), Edge(skip, 2))), concat)
        other_twice = Cell((*twins, (Edge(skip, 3), Edge(skip, 3))), concat)
        assert key(one_twice) == key(other_twice)
        assert key(both) != key(one_twice)


def test_twins_are_told_apart_by_who_reads_them() -> None:
    """Two pairs of twins, crossed or not: the greedy numbering must try both twins."""
    conv, skip, pool = "conv_3x3", "skip_connect", "max_pool_3x3"
    twins = ((Edge(conv, 0),), (Edge(conv, 0),))
    straight = Cell((*twins, (Edge(skip, 2), Edge(pool, 2)), (Edge(skip, 3), Edge(pool, 3))), (4, 5))
    crossed = Cell((*twins, (Edge(skip, 2), Edge(pool, 3)), (Edge(skip, 3), Edge(pool, 2))), (4, 5))
    assert key(straight) != key(crossed)


def test_operation_source_and_concat_make_a_difference() -> None:
    cell = Cell(((Edge("conv_3x3", 0), Edge("none", 1)), (Edge("skip_connect", 2),)), (2, 3))
    others = [
        Cell(((Edge("conv_3x3", 1), Edge("none", 0)), (Edge("skip_connect", 2),)), (2, 3)),
        Cell(((Edge("conv_1x1", 0), Edge("none", 1)), (Edge("skip_connect", 2),)), (2, 3)),
        Cell(((Edge("conv_3x3", 0),), (Edge("skip_connect", 2),)), (2, 3)),
        Cell(cell.nodes, (3,)),
    ]
    assert len({key(c) for c in [cell, *others]}) == 5


def test_the_two_cells_have_their_places() -> None:
    first = ECONAS_SEARCH.sample(np.random.default_rng(0))
    assert CellGenotype(first.reduction, first.normal).key != first.key
