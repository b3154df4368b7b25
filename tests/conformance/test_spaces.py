import json

import numpy as np
import pytest

from zoo.spaces import CELL_SPACES, Skeleton, cost, genotype_from_dict, genotype_from_json
from zoo.spaces.genotype import Cell, CellGenotype, Edge

SEEDS = range(40)


def generator(*seed):
    return np.random.default_rng(seed)


def test_samples_lie_in_the_space_and_depend_on_the_generator_alone(space):
    first = [space.sample(generator(seed)) for seed in SEEDS]
    assert all(space.contains(genotype) for genotype in first)
    assert first == [space.sample(generator(seed)) for seed in SEEDS]
    assert len({genotype.key for genotype in first}) == len(SEEDS)


def test_samples_reach_every_operation_and_every_source(space):
    rng, ops, sources = generator(0), set(), set()
    for _ in range(200):
        genotype = space.sample(rng)
        for cell in (genotype.normal, genotype.reduction):
            ops |= {edge.op for _, edge in cell.edges()}
            sources |= {(node, edge.source) for node, edge in cell.edges()}
    assert ops == set(space.operations)
    assert sources == {(node, source) for node in range(2, 2 + space.nodes) for source in range(node)}


def test_samples_survive_json_and_have_a_cost(space):
    for seed in SEEDS:
        genotype = space.sample(generator(seed))
        assert genotype_from_json(genotype.to_json()) == genotype
        assert genotype_from_dict(json.loads(json.dumps(genotype.to_dict()))).key == genotype.key
        price = cost(genotype, Skeleton(channels=8, cells=5, resolution=16))
        assert price.macs > 0
        assert price.params > 0


def test_a_mutant_is_another_graph_of_the_space_and_the_parent_stays(space):
    for seed in SEEDS:
        parent = space.sample(generator(seed))
        before = parent.to_json()
        child = space.mutate(parent, generator(seed, 1))
        assert space.contains(child)
        assert child.key != parent.key
        assert parent.to_json() == before
        assert child == space.mutate(parent, generator(seed, 1))


def test_a_mutant_differs_in_one_edge(space):
    for seed in SEEDS:
        parent = space.sample(generator(seed))
        child = space.mutate(parent, generator(seed, 1))
        pairs = [(parent.normal, child.normal), (parent.reduction, child.reduction)]
        changed = [
            (old, new) for a, b in pairs for (_, old), (_, new) in zip(a.edges(), b.edges(), strict=True) if old != new
        ]
        ((old, new),) = changed
        assert (old.op == new.op) != (old.source == new.source)


def test_a_child_has_every_node_from_one_of_its_parents(space):
    for seed in SEEDS:
        first, second = space.sample(generator(seed)), space.sample(generator(seed, 1))
        child = space.cross(first, second, generator(seed, 2))
        assert space.contains(child)
        assert child == space.cross(first, second, generator(seed, 2))
        for name in ("normal", "reduction"):
            parents = zip(getattr(first, name).nodes, getattr(second, name).nodes, strict=True)
            for node, pair in zip(getattr(child, name).nodes, parents, strict=True):
                assert node in pair
        assert space.cross(first, first, generator(seed)) == first


def test_the_same_graph_computes_the_same_function(space):
    by_key = {}
    for seed in SEEDS:
        genotype = space.sample(generator(seed))
        turned = CellGenotype(
            *(Cell(tuple(n[::-1] for n in c.nodes), c.concat) for c in (genotype.normal, genotype.reduction))
        )
        assert turned.key == genotype.key
        assert space.function_key(turned) == space.function_key(genotype)
        by_key[genotype.key] = space.function_key(genotype)
    assert len(set(by_key.values())) <= len(by_key)


def test_the_size_is_a_whole_number_beyond_what_could_be_tried(space):
    assert isinstance(space.size, int)
    assert space.size > 10**10


def test_what_is_not_of_the_space_is_refused(space):
    rng, foreign = generator(0), Cell(((Edge("conv_3x3", 0),),), (2,))
    stranger = CellGenotype(foreign, foreign)
    own = space.sample(rng)
    assert not space.contains(stranger)
    for attempt in (
        lambda: space.mutate(stranger, rng),
        lambda: space.cross(stranger, own, rng),
        lambda: space.cross(own, stranger, rng),
    ):
        with pytest.raises(ValueError, match=f"not of the space {space.name!r}"):
            attempt()


def test_names_are_those_of_the_command_line(space):
    assert CELL_SPACES[space.name] is space
    assert space.name == space.name.lower().strip()
