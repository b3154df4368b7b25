"""The recipes of EcoNAS and the sizes of its networks (Appendix E, Zhou 2020); no torch."""

from zoo.training.originals import ORIGINALS
from zoo.training.recipe import Recipe

SPACE = "econas-search"
CHANNELS, CELLS = ORIGINALS["cifar"].channels, ORIGINALS["cifar"].cells

SEARCH_RECIPE = Recipe(batch=384, lr=0.1, lr_min=0.0, cutout=0.0)
"""Of the cheap trainings."""

FINAL_RECIPE = ORIGINALS["cifar"].recipe
"""Of the retraining."""
