"""The protocol of a search space: what a strategy may ask of one."""

from typing import Any, Protocol

import numpy as np


class Space(Protocol):
    """Architectures that can be drawn and changed; ``G`` below is the space's own genotype class."""

    @property
    def name(self) -> str:
        """What the command line and journals call it."""
        ...

    def sample(self, rng: np.random.Generator) -> Any:
        """A random G."""
        ...

    def mutate(self, genotype: Any, rng: np.random.Generator) -> Any:
        """A neighbour of a G, with another key."""
        ...

    def function_key(self, genotype: Any) -> str:
        """Equal only if two Gs compute the same family of functions."""
        ...
