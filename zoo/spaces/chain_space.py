"""Chain search spaces: one choice per position, and which choices compute the same function."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from zoo.spaces.chain import CHAINS, SKIP_NAME, Chain, chain_of
from zoo.spaces.features import Features, choice_features, path_features
from zoo.spaces.genotype import ChainGenotype

Draw = np.random.Generator


@dataclass(frozen=True, slots=True)
class ChainSpace:
    """A space of chain genotypes.

    Attributes:
        name: what genotypes carry and the command line calls it.
        options: how many choices every position has.
        function: choices to text, equal only where two chains compute the same family of functions.
        write: choices to the text that published tables name an architecture by.
        read: the same backwards; raises ValueError for text of another form.
        further: choices to features beside them: counts of functional paths where the chain is written for a graph,
            widths where choices are widths.
    """

    name: str
    options: tuple[int, ...]
    function: Callable[[tuple[int, ...]], str]
    write: Callable[[Sequence[int]], str]
    read: Callable[[str], tuple[int, ...]]
    further: Callable[[tuple[int, ...]], Features] | None = None

    def sample(self, rng: Draw) -> ChainGenotype:
        """Draw every choice uniformly and independently."""
        return self._chain(rng.integers(self.options))

    def mutate(self, genotype: ChainGenotype, rng: Draw) -> ChainGenotype:
        """``genotype`` with one position, drawn uniformly, changed to another choice.

        Raises:
            ValueError: if the genotype is not of this space.
        """
        self._require(genotype)
        choices = list(genotype.choices)
        places = [i for i, count in enumerate(self.options) if count > 1]
        place = places[rng.integers(len(places))]
        choices[place] = (choices[place] + 1 + int(rng.integers(self.options[place] - 1))) % self.options[place]
        return self._chain(choices)

    def cross(self, first: ChainGenotype, second: ChainGenotype, rng: Draw) -> ChainGenotype:
        """Uniform crossover: every position from one parent or the other.

        Raises:
            ValueError: if a parent is not of this space.
        """
        self._require(first)
        self._require(second)
        return self._chain(np.where(rng.integers(2, size=len(self.options)), first.choices, second.choices))

    def contains(self, genotype: object) -> bool:
        """Whether this space can sample ``genotype``."""
        return (
            isinstance(genotype, ChainGenotype)
            and genotype.space == self.name
            and len(genotype.choices) == len(self.options)
            and all(choice < count for choice, count in zip(genotype.choices, self.options, strict=True))
        )

    @property
    def size(self) -> int:
        """How many genotypes the space has."""
        return prod(self.options)

    def function_key(self, genotype: ChainGenotype) -> str:
        """Equal only if two genotypes compute the same family of functions."""
        self._require(genotype)
        return self.function(genotype.choices)

    def features(self, genotype: ChainGenotype) -> Features:
        """What a model that predicts its quality sees of a genotype.

        Raises:
            ValueError: if the genotype is not of this space.
        """
        self._require(genotype)
        further = {} if self.further is None else self.further(genotype.choices)
        return {**choice_features(genotype.choices), **further}

    def _chain(self, choices: Sequence[int] | npt.NDArray[np.int64]) -> ChainGenotype:
        return ChainGenotype(self.name, tuple(int(choice) for choice in choices))

    def _require(self, genotype: ChainGenotype) -> None:
        if not self.contains(genotype):
            raise ValueError(f"the genotype is not of the space {self.name!r}")


# ---------------------------------------------------------------- NAS-Bench-201 (Dong and Yang 2020)

_NB201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_NB201_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # (source, node), in the order tables write them
_NB201_NODE_1_TWICE = (2, 4, 5)  # the edges 1 → 2, 1 → 3 and 2 → 3
_BIAS = "b"


@lru_cache(maxsize=1 << 14)  # the whole space: searches ask again and again
def _nb201_function(choices: tuple[int, ...]) -> str:
    """The output node as a sum of terms, after what makes no difference is gone.

    A ``none`` edge adds nothing, nor does a pool of nothing; a skip passes its node's terms on; a convolution
    of nothing is its normalisation's bias, and two biases are one. Where the output reads node 1's convolution
    both directly and through node 2, one set of weights does two things: it is marked, since two convolutions
    would do more. (No other node has two readers.) 5,460 classes, most of them coarser than the 6,466 of the
    published isomorphism index, which keeps nodes apart that are zero but does not mark what is shared.
    """
    shared = all(_NB201_OPERATIONS[choices[edge]] != "none" for edge in _NB201_NODE_1_TWICE)
    terms: dict[int, list[str]] = {0: ["x"]}
    for node in (1, 2, 3):
        added: list[str] = []
        for (source, target), choice in zip(_NB201_EDGES, choices, strict=True):
            name, inner = _NB201_OPERATIONS[choice], terms.get(source, [])
            if target != node or name == "none":
                continue
            if name == "skip_connect" or (name == "avg_pool_3x3" and inner in ([], [_BIAS])):
                added += inner  # a mean of equal values is their value: the padding is not counted
            else:
                mark = "*" if shared and target == 1 and name.startswith("nor_conv") else ""
                added.append(f"{name}{mark}({'+'.join(inner)})" if inner else _BIAS)
        biases = [_BIAS] if _BIAS in added else []
        terms[node] = sorted(term for term in added if term != _BIAS) + biases
    return "+".join(terms[3])


def _nb201_paths(choices: tuple[int, ...]) -> Features:
    """Counts of the paths from the cell's input to its output."""
    edges: dict[int, list[tuple[int, str]]] = {1: [], 2: [], 3: []}
    for (source, target), choice in zip(_NB201_EDGES, choices, strict=True):
        edges[target].append((source, _NB201_OPERATIONS[choice]))
    return {path: float(count) for path, count in path_features(edges, 1, (3,)).items()}


def _nb201_write(choices: Sequence[int]) -> str:
    names = [_NB201_OPERATIONS[choice] for choice in choices]
    groups = [
        "|" + "|".join(f"{name}~{s}" for (s, t), name in zip(_NB201_EDGES, names, strict=True) if t == node) + "|"
        for node in (1, 2, 3)
    ]
    return "+".join(groups)


def _nb201_read(text: str) -> tuple[int, ...]:
    parts = [part for group in text.split("+") for part in group.strip("|").split("|")]
    names = [part.partition("~")[0] for part in parts]
    unknown = [name for name in names if name not in _NB201_OPERATIONS]
    choices = tuple(_NB201_OPERATIONS.index(name) for name in names) if not unknown else ()
    if len(choices) != len(_NB201_EDGES) or _nb201_write(choices) != text:
        raise ValueError(f"{text!r} is not a NAS-Bench-201 cell like |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
    return choices


NAS_BENCH_201 = ChainSpace("nas-bench-201", (5,) * 6, _nb201_function, _nb201_write, _nb201_read, _nb201_paths)
"""The cells of NAS-Bench-201: six edges, five operations each."""


# ---------------------------------------------------------------- NAS-Bench-Macro (Su et al. 2021)

_MACRO = CHAINS["nas-bench-macro"]


def _macro_write(choices: Sequence[int]) -> str:
    return "".join(map(str, choices))


def _macro_read(text: str) -> tuple[int, ...]:
    if len(text) != _MACRO.starts[-1] or set(text) - set("012"):
        raise ValueError(f"{text!r} is not a NAS-Bench-Macro chain of eight digits 0, 1 or 2")
    return tuple(map(int, text))


NAS_BENCH_MACRO = ChainSpace(_MACRO.name, (3,) * 8, _MACRO.function, _macro_write, _macro_read)
"""The chains of NAS-Bench-Macro: eight blocks; identity, or an inverted bottleneck of two sizes."""


# ---------------------------------------------------------------- NATS-Bench's sizes (Dong et al. 2021)

_WIDTHS = tuple(range(8, 65, 8))
_STAGES = 5


def _size_widths(choices: tuple[int, ...]) -> Features:
    """The width of every stage, for that widths have an order is the most that is to be known of them."""
    return {f"width {stage}": float(_WIDTHS[choice]) for stage, choice in enumerate(choices)}


def _size_write(choices: Sequence[int]) -> str:
    return ":".join(str(_WIDTHS[choice]) for choice in choices)


def _size_read(text: str) -> tuple[int, ...]:
    parts = text.split(":")
    if len(parts) != _STAGES or not set(parts) <= {str(width) for width in _WIDTHS}:
        raise ValueError(f"{text!r} is not a NATS-Bench size like 8:16:64:8:32, five widths from 8 to 64 by 8")
    return tuple(_WIDTHS.index(int(part)) for part in parts)


NATS_BENCH_SIZE = ChainSpace(
    "nats-bench-size", (len(_WIDTHS),) * _STAGES, _size_write, _size_write, _size_read, _size_widths
)
"""The sizes of NATS-Bench: the widths of five stages of one network, eight to choose from."""


# ---------------------------------------------------------------- SCARLET (Chu et al. 2019)


def _space(chain: Chain) -> ChainSpace:
    options = (len(chain.choices),) * chain.starts[-1]
    return ChainSpace(chain.name, options, chain.function, chain.text, chain.choices_of)


SCARLET_S1, SCARLET_S2, SCARLET_S1_CIFAR, SCARLET_S2_CIFAR = (
    _space(CHAINS[name]) for name in ("scarlet-s1", "scarlet-s2", "scarlet-s1-cifar", "scarlet-s2-cifar")
)

CHAIN_SPACES: dict[str, ChainSpace] = {
    space.name: space
    for space in (
        NAS_BENCH_201,
        NAS_BENCH_MACRO,
        NATS_BENCH_SIZE,
        SCARLET_S1,
        SCARLET_S2,
        SCARLET_S1_CIFAR,
        SCARLET_S2_CIFAR,
    )
}


def choice_names(space: ChainSpace) -> tuple[str, ...]:
    """What tables call a space's choices, in the order of their numbers; none of a space whose choices are sizes."""
    if space.name == NAS_BENCH_201.name:
        return _NB201_OPERATIONS
    return tuple(str(choice or SKIP_NAME) for choice in CHAINS[space.name].choices) if space.name in CHAINS else ()


def require_chain(genotype: ChainGenotype) -> ChainGenotype:
    """``genotype`` where a network is to be built of it.

    Raises:
        ValueError: if its space is unknown or none of chain networks, or does not hold it.
    """
    chain_of(genotype.space)
    if not CHAIN_SPACES[genotype.space].contains(genotype):
        raise ValueError(f"the genotype is not of the space {genotype.space!r}")
    return genotype


PUBLISHED_CHAINS: dict[str, ChainGenotype] = {
    name: ChainGenotype(SCARLET_S2.name, SCARLET_S2.read(text))
    for name, text in (
        (
            "SCARLET_A",
            "3-7,6-5|3-5,3-7S,6-3S,3-5S|6-3S,3-3,3-7S,3-7|3-5,3-7S,3-3,3-7S|6-3S,6-5S,3-3S,6-3S|6-7S",
        ),
        (
            "SCARLET_B",
            "3-3S,3-5S|3-3S,6-7S,3-3,3-5|6-7S,3-3S,I,3-5|3-3S,3-3S,6-7S,3-3S|6-5S,6-5S,I,6-7S|6-5S",
        ),
        (
            "SCARLET_C",
            "3-5S,3-3S|3-5S,I,I,3-3|6-7S,3-3S,3-3S,3-5|3-7S,3-7,3-3S,3-7S|3-3S,I,6-3S,6-7S|6-5S",
        ),
    )
}
"""SCARLET-A, -B and -C (Chu et al. 2019)."""


def chosen_names(chain: ChainGenotype) -> list[str]:
    """The choices of a chain by the names its space writes them with; numbers where it has none."""
    space = CHAIN_SPACES.get(chain.space)
    names = re.findall(r"[^|+]+", space.write(chain.choices)) if space else []
    return names if len(names) == len(chain.choices) else list(map(str, chain.choices))
