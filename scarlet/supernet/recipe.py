"""The recipe of a supernet's training; no torch."""

from zoo.training.recipe import Recipe

RECIPE = Recipe(batch=128, lr=0.045, lr_min=0.0, weight_decay=4e-5, cutout=0.0)
"""Ours: SGD with the published momentum and batch of 128; the image is seen whole."""

EPOCHS = 60
"""Of the schedule; ours."""

SPACE = "scarlet-s2-cifar"
"""Of supernets where the user names none: the paper's S2 for small images."""
