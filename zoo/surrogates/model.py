"""The protocol of a model: numbers of networks and their quality in, a prediction with its uncertainty out."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Predict = Callable[[Array], tuple[Array, Array]]
"""Features (N, F) of networks to the means and standard deviations (N,) of their quality."""

Fit = Callable[[Array, Array, int], Predict]
"""Features (N, F), quality (N,) and a random seed to what predicts; on one thread, equal for equal arguments."""
