"""Tables with a planted truth: what the cheap training says of the full one is known.

Accuracies are smooth in a cell's features, with an interaction and some noise of its own, and saturate at the top.
"""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from zoo.population.table import Table
from zoo.purposes import PLANTED_TABLE
from zoo.spaces.chain_space import NAS_BENCH_201
from zoo.spaces.genotype import ChainGenotype
from zoo.surrogates.surrogate import columns, matrix

Array = npt.NDArray[np.float64]

KINDS = ("perfect", "good", "biased", "useless", "inverted")
"""The cheap ranking is the full one; has noise; prefers other features as well; has nothing to do with it; is upside
down among the best tenth."""
CHEAP, FULL = 12, 200


def planted(kind: str, seed: int) -> Table:
    """A table of the cells of NAS-Bench-201.

    Raises:
        ValueError: for a kind that there is not.
    """
    if kind not in KINDS:
        raise ValueError(f"expected a planted table of {', '.join(KINDS)}, got {kind!r}")
    rng = np.random.default_rng((seed, KINDS.index(kind), PLANTED_TABLE))
    cells = list(itertools.product(*(range(count) for count in NAS_BENCH_201.options)))
    genotypes = [ChainGenotype(NAS_BENCH_201.name, cell) for cell in cells]
    features = [NAS_BENCH_201.features(one) for one in genotypes]
    table = matrix(features, columns(features))
    functions = [NAS_BENCH_201.function_key(one) for one in genotypes]
    _, first, inverse = np.unique(functions, return_index=True, return_inverse=True)

    def smooth() -> Array:
        linear, *factors = (standard(table @ rng.normal(size=table.shape[1])) for _ in range(3))
        mixed = linear + 0.5 * standard(factors[0] * factors[1])
        return standard(mixed[first][inverse])  # equal functions have equal accuracies

    def noise() -> Array:
        return rng.normal(size=len(first))[inverse]

    truth = standard(smooth() + 0.25 * noise())
    top = float(np.quantile(truth, 0.9))
    cheap: dict[str, Callable[[], Array]] = {
        "perfect": lambda: truth,
        "good": lambda: truth + 0.35 * noise(),
        "biased": lambda: truth + 0.6 * smooth() + 0.1 * noise(),
        "useless": smooth,
        "inverted": lambda: np.where(truth < top, truth, 2 * top - truth) + 0.05 * noise(),
    }
    short, full = accuracy(standard(cheap[kind]()), 0.80, 0.12), accuracy(truth, 0.944, 0.03)
    rows = zip(cells, short.tolist(), full.tolist(), strict=True)
    return Table(NAS_BENCH_201, {cell: {CHEAP: a, FULL: b} for cell, a, b in rows})


def standard(values: Array) -> Array:
    """Values of mean 0 and deviation 1."""
    found: Array = (values - values.mean()) / values.std()
    return found


def accuracy(quality: Array, best: float, spread: float) -> Array:
    """Accuracies of a quality: close together at the top, far apart at the bottom."""
    found: Array = best - spread * (-np.log(np.clip(norm.cdf(quality), 1e-9, 1))) ** 0.7
    return found
