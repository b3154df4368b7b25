"""A small supernet on digits, whose search and trainings alone take seconds."""

import dataclasses

import scarlet
from zoo.experiments import ImageSource, execute
from zoo.population import ProxySetting
from zoo.spaces import Skeleton
from zoo.training import TrainingSetup

DIGITS = ImageSource(name="digits", train=60, validation=40)


def trained_supernet(folder):
    """Train it for two epochs; returns its run folder."""
    recipe = dataclasses.replace(scarlet.RECIPE, batch=20)
    setup = TrainingSetup(skeleton=Skeleton(channels=4, cells=8), recipe=recipe, seed=3, engine="auto")
    training = scarlet.SupernetExperiment(
        form=scarlet.SupernetForm(space="nas-bench-macro"),
        setting=ProxySetting(0, 0, 0, 2),
        setup=scarlet.SupernetSetup(training=setup, sampling="fair"),
    )
    return execute(training, DIGITS, folder).folder
