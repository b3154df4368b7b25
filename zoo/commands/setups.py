"""Setups of trainings out of groups of options."""

from typing import TYPE_CHECKING

from zoo.commands.options import Cluster, Compute, Engine, Network

if TYPE_CHECKING:
    from zoo.training.recipe import Recipe
    from zoo.training.setup import TrainingSetup


def cell_setup(
    network: Network, compute: Compute, engine: Engine, cluster: Cluster, seed: int, recipe: "Recipe"
) -> "TrainingSetup":
    """How networks of cells are trained on workers.

    Raises:
        ValueError: for anything out of range, before images are read.
    """
    from zoo.spaces.skeleton import Skeleton
    from zoo.training.setup import TrainingSetup

    if seed < 0:
        raise ValueError(f"the seed must not be negative, got {seed}")
    return TrainingSetup(
        skeleton=Skeleton(channels=network.channels, cells=network.cells, resolution=network.resolution or 32),
        recipe=recipe,
        precision=compute.precision(cluster),
        seed=seed,
        threads=compute.threads,
        engine=engine.engine,
        streams=engine.streams,
    )
