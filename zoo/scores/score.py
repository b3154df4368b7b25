"""A score: a number of a network that is not trained, by which networks are ranked. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.plugins import named
from zoo.population.trial import TRAINING
from zoo.spaces.genotype import Genotype
from zoo.spaces.skeleton import Skeleton

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.networks.network import Network

ADDED_SCORES = "thriftnas.scores"

Batch = tuple["Tensor", "Tensor"]
"""A mini-batch: float images (b, C, H, W), normalised, and their labels (b,)."""

Measure = Callable[["Network", Sequence[Batch]], float]
"""(a network at its initial weights, mini-batches) to a number. The network is the score's own and may be changed."""

Count = Callable[[Genotype, Skeleton], float]
"""(an architecture, what surrounds it) to a number; no network is built."""

MEASURED = ("accuracy", "balanced_accuracy", "loss", "train_loss", "images", TRAINING)
"""Names of what a training records, which no score may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a network is ranked by without training it.

    Attributes:
        name: as users write it, and the name of the metric in records.
        words: what it is, in a few words.
        measure: its function of a network, or the text "module:function", which is imported when a network is scored.
        count: its function of an architecture, where it needs no network; as a function or as text. Either this or
            ``measure`` is given.
        batches: mini-batches of images that it needs; 0 for none.
        labels: whether it reads their labels.
        relu: whether it reads the signs of ReLUs, so that a network must have some.
        lower: whether less of it is better.

    Raises:
        ValueError: for a score with the name of what a training records, or without exactly one function.
    """

    name: str
    words: str
    measure: Measure | str | None = None
    count: Count | str | None = None
    batches: int = 0
    labels: bool = False
    relu: bool = False
    lower: bool = False

    def __post_init__(self) -> None:
        if self.name in MEASURED:
            raise ValueError(f"a score must not be called {self.name!r}, which a training records; choose another name")
        if (self.measure is None) == (self.count is None):
            raise ValueError(f"the score {self.name!r} must have either a measure or a count, got neither or both")

    @property
    def needs(self) -> str:
        """What it needs, for lists and messages."""
        if self.count is not None:
            return "no network"
        several = "" if self.batches == 1 else "es"
        images = [f"{self.batches} mini-batch{several} of images{' with labels' if self.labels else ''}"]
        return " and ".join([*(images if self.batches else []), *(["nn.ReLU"] if self.relu else [])]) or "a network"

    def of(self, network: "Network", batches: Sequence[Batch]) -> float:
        """The score of a network, which may be changed by it.

        Args:
            network: at its initial weights.
            batches: at least as many as it needs.

        Raises:
            ValueError: for too few mini-batches, a network without nn.ReLU where it needs one, or a score that is
                counted.
        """
        if self.measure is None:
            raise ValueError(f"the score {self.name!r} is counted on an architecture, it needs {self.needs}")
        if len(batches) < self.batches:
            raise ValueError(f"the score {self.name!r} needs {self.needs}, got {len(batches)}")
        if self.relu and not _has_relu(network):
            raise ValueError(f"the score {self.name!r} needs {self.needs}, and the network has no nn.ReLU")
        found: float = _function(self.measure, self.name)(network, batches)
        return found

    def counted(self, genotype: Genotype, skeleton: Skeleton) -> float:
        """The score of an architecture, where it needs no network.

        Raises:
            ValueError: for a score that is measured on a network, or an architecture that it does not know.
        """
        if self.count is None:
            raise ValueError(f"the score {self.name!r} is measured on a network, it needs {self.needs}")
        found: float = _function(self.count, self.name)(genotype, skeleton)
        return found


def _has_relu(network: "Network") -> bool:
    from torch import nn

    return any(isinstance(module, nn.ReLU) for module in network.modules())


def _function(held: Callable[..., float] | str, name: str) -> Callable[..., float]:
    """A function, imported where it is a text."""
    if not isinstance(held, str):
        return held
    module, _, function = held.partition(":")
    try:
        found: Any = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"the function {held!r} of the score {name!r} cannot be imported") from error
    return found  # type: ignore[no-any-return]


SCORES: dict[str, Score] = {
    one.name: one
    for one in (
        Score(name="synflow", words="synaptic flow, as a logarithm", measure="zoo.scores.synflow:synflow"),
        Score(
            name="snip",
            words="sensitivity of the loss to removing weights",
            measure="zoo.scores.gradients:snip",
            batches=1,
            labels=True,
        ),
        Score(
            name="grad_norm",
            words="norms of the gradients of all layers",
            measure="zoo.scores.gradients:grad_norm",
            batches=1,
            labels=True,
        ),
        Score(
            name="naswot",
            words="how differently ReLUs see different images",
            measure="zoo.scores.naswot:naswot",
            batches=1,
            relu=True,
        ),
        Score(
            name="zico",
            words="how alike the gradients of different mini-batches are",
            measure="zoo.scores.zico:zico",
            batches=2,
            labels=True,
        ),
        Score(name="macs", words="multiply-accumulates of an image", count="zoo.scores.counts:macs"),
        Score(name="params", words="parameters", count="zoo.scores.counts:params"),
        Score(name="depth", words="layers with weights on the longest path", count="zoo.scores.counts:depth"),
    )
}
"""The scores of this package."""


@lru_cache(maxsize=64)
def find_score(name: str) -> Score:
    """The score of this name, ours or an installed package's (entry point group ``thriftnas.scores``).

    Raises:
        ValueError: if there is none, or the package's is no score of this name.
    """
    return named(ADDED_SCORES, name, "score", SCORES)
