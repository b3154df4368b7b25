"""Chain spaces: drawing, changing, names of published tables, and functions checked on networks that are computed."""

import itertools
from collections import defaultdict

import numpy as np
import pytest

from zoo.spaces import genotype_from_json
from zoo.spaces.chain_space import _NB201_EDGES, _NB201_OPERATIONS, CHAIN_SPACES, NAS_BENCH_201, NAS_BENCH_MACRO
from zoo.spaces.genotype import ChainGenotype

SEEDS = range(60)
SPACES = list(CHAIN_SPACES.values())
every_space = pytest.mark.parametrize("space", SPACES, ids=[space.name for space in SPACES])


def generator(*seed):
    return np.random.default_rng(seed)


def everything(space):
    return [tuple(map(int, choices)) for choices in np.ndindex(space.options)]


# ---------------------------------------------------------------- drawing and changing


@every_space
def test_samples_lie_in_the_space_and_reach_every_choice(space):
    samples = [space.sample(generator(seed)) for seed in range(200)]
    assert samples == [space.sample(generator(seed)) for seed in range(200)]
    assert all(space.contains(one) for one in samples)
    for place, count in enumerate(space.options):
        assert {one.choices[place] for one in samples} == set(range(count))
    assert all(genotype_from_json(one.to_json()) == one for one in samples)


@every_space
def test_a_mutant_differs_in_one_choice_and_may_be_any_neighbour(space):
    parent = space.sample(generator(0))
    neighbours = set()
    for seed in range(600 if space.size < 20_000 else 3000):
        child = space.mutate(parent, generator(seed))
        assert space.contains(child)
        (place,) = (i for i, (a, b) in enumerate(zip(parent.choices, child.choices, strict=True)) if a != b)
        neighbours.add((place, child.choices[place]))
    assert len(neighbours) == sum(count - 1 for count in space.options)


@every_space
def test_a_child_of_two_has_every_choice_from_one_of_them(space):
    for seed in SEEDS:
        first, second = space.sample(generator(seed)), space.sample(generator(seed, 1))
        child = space.cross(first, second, generator(seed, 2))
        assert space.contains(child)
        pairs = zip(child.choices, zip(first.choices, second.choices, strict=True), strict=True)
        assert all(choice in pair for choice, pair in pairs)
        assert space.cross(first, first, generator(seed)) == first


@every_space
def test_what_is_not_of_the_space_is_refused(space):
    own = space.sample(generator(0))
    strangers = [
        ChainGenotype("another", own.choices),
        ChainGenotype(space.name, own.choices[1:]),
        ChainGenotype(space.name, (*own.choices[1:], max(space.options))),
    ]
    for stranger in strangers:
        assert not space.contains(stranger)
        for attempt in (
            lambda one: space.mutate(one, generator(0)),
            lambda one: space.cross(one, own, generator(0)),
            lambda one: space.cross(own, one, generator(0)),
            space.function_key,
        ):
            with pytest.raises(ValueError, match=f"not of the space {space.name!r}"):
                attempt(stranger)
    assert not space.contains("text")


# ---------------------------------------------------------------- names


@every_space
def test_every_name_is_read_as_it_is_written(space):
    small = space.size < 20_000
    chains = everything(space) if small else sorted({space.sample(generator(seed)).choices for seed in SEEDS})
    assert len(chains) == (space.size if small else len(SEEDS))
    names = [space.write(choices) for choices in chains]
    assert len(set(names)) == len(chains)
    assert [space.read(name) for name in names] == chains


def test_names_are_those_of_the_published_tables():
    cell = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|none~2|"
    assert NAS_BENCH_201.read(cell) == (4, 2, 1, 2, 1, 0)
    assert NAS_BENCH_MACRO.read("01201201") == (0, 1, 2, 0, 1, 2, 0, 1)
    assert (NAS_BENCH_201.size, NAS_BENCH_MACRO.size) == (15_625, 6_561)


GOOD = NAS_BENCH_201.write((0, 1, 2, 3, 4, 0))


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (NAS_BENCH_201, ""),
        (NAS_BENCH_201, GOOD[:-1]),
        (NAS_BENCH_201, GOOD.replace("none", "nothing")),
        (NAS_BENCH_201, GOOD.replace("~1", "~2")),
        (NAS_BENCH_201, GOOD + "+" + GOOD),
        (NAS_BENCH_201, GOOD.replace("+", "", 1)),
        (NAS_BENCH_MACRO, ""),
        (NAS_BENCH_MACRO, "0120120"),
        (NAS_BENCH_MACRO, "012012013"),
        (NAS_BENCH_MACRO, "01201203"),
        (NAS_BENCH_MACRO, "0120120 "),
    ],
)
def test_other_text_is_refused(space, text):
    with pytest.raises(ValueError, match="is not a NAS-Bench-"):
        space.read(text)


# ---------------------------------------------------------------- functions of NAS-Bench-Macro


def macro_modules(choices):
    """What the network is made of, in order: (kind, shape), identities that change nothing left out."""
    modules = []
    for place, choice in enumerate(choices):
        first = place in (0, 2, 5)
        if choice or first:
            modules.append((choice, first))
    return tuple(modules)


def test_3969_macro_functions_are_the_sequences_of_modules():
    classes = defaultdict(set)
    for choices in everything(NAS_BENCH_MACRO):
        classes[NAS_BENCH_MACRO.function(choices)].add(macro_modules(choices))
    assert len(classes) == 3969
    assert all(len(modules) == 1 for modules in classes.values())
    assert len(set().union(*classes.values())) == 3969


# ---------------------------------------------------------------- functions of NAS-Bench-201, computed

SIZE, CHANNELS = 4, 2


def pooled(x):
    """3×3 average pooling that does not count the padding. x: (C, H, W)."""
    padded = np.pad(np.stack([x, np.ones_like(x)]), ((0, 0), (0, 0), (1, 1), (1, 1)))
    total, count = sum(padded[:, :, i : i + SIZE, j : j + SIZE] for i in range(3) for j in range(3))
    return total / count


def convolved(x, weight):
    """ReLU, convolution (C, C, k, k) with zero padding, and what its normalisation adds (C,)."""
    kernel, bias = weight
    reach = kernel.shape[-1] // 2
    padded = np.pad(np.maximum(x, 0), ((0, 0), (reach, reach), (reach, reach)))
    parts = itertools.product(range(kernel.shape[-1]), repeat=2)
    out = sum(np.einsum("oc,chw->ohw", kernel[:, :, i, j], padded[:, i : i + SIZE, j : j + SIZE]) for i, j in parts)
    return out + bias[:, None, None]


def computed(choices, weights, x):
    """The cell's output; ``weights`` by edge, none for convolutions that do not reach it."""
    nodes = [x]
    for node in (1, 2, 3):
        value = np.zeros_like(x)
        for edge, (source, target) in enumerate(_NB201_EDGES):
            name = _NB201_OPERATIONS[choices[edge]]
            if target != node or name == "none" or (name.startswith("nor_conv") and edge not in weights):
                continue
            inner = nodes[source]
            value = (
                value
                + {
                    "skip_connect": lambda inner=inner: inner,
                    "avg_pool_3x3": lambda inner=inner: pooled(inner),
                    "nor_conv_1x1": lambda inner=inner, edge=edge: convolved(inner, weights[edge]),
                    "nor_conv_3x3": lambda inner=inner, edge=edge: convolved(inner, weights[edge]),
                }[name]()
            )
        nodes.append(value)
    return nodes[3]


def live(choices):
    """Convolutions the output depends on, and which of them have nothing but zero to work on."""
    reach = {3}
    for source, target, choice in reversed([(*e, c) for e, c in zip(_NB201_EDGES, choices, strict=True)]):
        if target in reach and choice:
            reach.add(source)
    zero, convolutions, constants = {1, 2, 3}, [], []
    for node in (1, 2, 3):
        for edge, (source, target) in enumerate(_NB201_EDGES):
            if target == node and choices[edge]:
                if choices[edge] in (2, 3) and node in reach:
                    (constants if source in zero else convolutions).append(edge)
                if source not in zero or choices[edge] in (2, 3):
                    zero.discard(node)
    return convolutions, constants


def drawn(choices, rng):
    """Random weights by edge, none for a second constant: two constants are one."""
    convolutions, constants = live(choices)
    weights = {}
    for edge in (*convolutions, *constants):
        kernel = rng.normal(size=(CHANNELS, CHANNELS, *(2 * (1 if choices[edge] == 2 else 3,))))
        weights[edge] = (kernel, rng.normal(size=CHANNELS) * (edge not in constants[1:]))
    return weights


def imitates(other, choices, weights, x):
    """Whether ``other`` computes what ``choices`` does, with each of its convolutions' weights where they fit."""
    wanted = computed(choices, weights, x)
    convolutions, constants = live(choices)
    mine, own = live(other)
    for order in itertools.permutations(convolutions):
        if len(mine) != len(convolutions) or any(other[a] != choices[b] for a, b in zip(mine, order, strict=True)):
            continue
        given = {a: weights[b] for a, b in zip(mine, order, strict=True)}
        for place, edge in enumerate(own):
            bias = weights[constants[0]][1] if constants and place == 0 else np.zeros(CHANNELS)
            given[edge] = (np.zeros((CHANNELS, CHANNELS, *(2 * (1 if other[edge] == 2 else 3,)))), bias)
        if np.allclose(computed(other, given, x), wanted, rtol=0, atol=1e-9):
            return True
    return False


def test_cells_with_equal_keys_compute_the_same_functions():
    """Some way to hand one's weights to the other gives the same output, for every pair drawn."""
    classes = defaultdict(list)
    for choices in everything(NAS_BENCH_201):
        classes[NAS_BENCH_201.function(choices)].append(choices)
    assert len(classes) == 5460
    rng = generator(0)
    several = [members for members in classes.values() if len(members) > 1]
    for members in several:
        first, second = (members[int(i)] for i in rng.choice(len(members), 2, replace=False))
        weights, x = drawn(first, rng), rng.normal(size=(CHANNELS, SIZE, SIZE))
        assert imitates(second, first, weights, x), (first, second)


def test_one_convolution_read_twice_is_not_two():
    """Node 1 = conv(x), output = conv(node 1) + node 2: whether node 2 reads node 1 or x's own convolution matters."""
    shared, parted = (2, 0, 2, 0, 2, 1), (2, 2, 0, 0, 2, 2)
    assert NAS_BENCH_201.function(shared) != NAS_BENCH_201.function(parted)
    rng = generator(1)
    assert not imitates(shared, parted, drawn(parted, rng), rng.normal(size=(CHANNELS, SIZE, SIZE)))
    assert len(live(shared)[0]) == 3
    assert len(live(parted)[0]) == 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, 0, 0, 1, 0, 0), (1, 0, 0, 0, 1, 0)),  # x, directly and through node 1
        ((3, 0, 0, 0, 1, 0), (0, 3, 0, 0, 0, 1)),  # conv(x) through node 1 or 2
        ((0, 0, 2, 1, 0, 4), (0, 0, 0, 1, 3, 0)),  # x and a constant, which pooling leaves as it is
        ((0, 0, 4, 1, 4, 0), (0, 0, 0, 1, 0, 0)),  # pools of nothing
        ((3, 1, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0)),  # nodes nobody reads
    ],
)
def test_what_makes_no_difference_makes_no_difference(first, second):
    assert NAS_BENCH_201.function(first) == NAS_BENCH_201.function(second)


def test_with_the_same_weights_everywhere_all_cells_of_a_class_agree():
    """Constants are zero here; a third of all cells."""
    rng = generator(2)
    x = rng.normal(size=(CHANNELS, SIZE, SIZE))
    kernels = {k: rng.normal(size=(CHANNELS, CHANNELS, k, k)) for k in (1, 3)}
    outputs = defaultdict(set)
    for choices in everything(NAS_BENCH_201)[::3]:
        weights = {e: (kernels[1 if c == 2 else 3], np.zeros(CHANNELS)) for e, c in enumerate(choices)}
        outputs[NAS_BENCH_201.function(choices)].add((computed(choices, weights, x).round(9) + 0.0).tobytes())
    assert {len(different) for different in outputs.values()} == {1}
