"""Measuring a score: an architecture to a finite number, the same however many threads a worker has."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from zoo.networks.network import Network
from zoo.scores.score import Score
from zoo.scores.scored_images import ScoredImages
from zoo.spaces.chain_cost import network_cost
from zoo.spaces.genotype import Genotype
from zoo.spaces.skeleton import Skeleton


class Unscored(ArithmeticError):
    """A network has no finite score; says why in one line."""


def measure_score(
    score: Score, genotype: Genotype, skeleton: Skeleton, build: Callable[[], Network], images: ScoredImages
) -> dict[str, float]:
    """The metrics of a record: the score under its name, MACs and parameters.

    Numbers are of the network's dtype, without mixed precision. One thread computes, whatever the worker has, so that
    the number of threads changes nothing.

    Args:
        score: what is measured.
        genotype: of the network.
        skeleton: what surrounds it.
        build: makes the network at its initial weights; called where the score needs one.
        images: where its mini-batches come from.

    Raises:
        Unscored: if the score refuses the network, or is no finite number.
        ValueError: for a genotype without a cost, as a supernet's.
    """
    price = network_cost(genotype, skeleton)
    try:
        with one_thread():
            value = (
                score.counted(genotype, skeleton)
                if score.count is not None
                else score.of(build(), images.batches(score.batches))
            )
    except (ValueError, ArithmeticError) as error:
        raise Unscored(" ".join(str(error).split()) or type(error).__name__) from error
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise Unscored(f"the score {score.name!r} is no finite number: {' '.join(repr(value).split())}")
    return {score.name: float(value), "macs": price.macs, "params": price.params}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one CPU thread; afterwards there are as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
