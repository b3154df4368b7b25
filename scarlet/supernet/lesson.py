"""What the paths of one training step learn: labels, the first path's predictions, the order of their MACs."""

import torch
from torch import Tensor
from torch.nn import functional

from scarlet.supernet.rules import SamplingRule


class Lesson:
    """The losses of a step's paths, one after another.

    The pairwise rank loss takes MACs as what is known of two networks before training: the one with more should have
    the smaller loss. Of a path and those of the step with fewer MACs it is the mean of max(0, difference of their
    cross-entropies), in which the cheaper path's is a constant: nothing is made worse for the sake of the order. So a
    step needs the maps of one path at a time.

    Args:
        rule: of the sampling.
        labels: (B,), class numbers.
        smoothing: of the labels.
    """

    def __init__(self, rule: SamplingRule, labels: Tensor, smoothing: float) -> None:
        self._rule, self._labels, self._smoothing = rule, labels, smoothing
        self._teacher: Tensor | None = None
        self._cheaper: list[Tensor] = []
        self.entropies = torch.zeros((), device=labels.device)
        """Sum of the paths' cross-entropies with the labels."""

    def loss(self, logits: Tensor) -> Tensor:
        """What the next path has to make small, given its logits (B, classes)."""
        entropy = functional.cross_entropy(logits, self._labels, label_smoothing=self._smoothing)
        self.entropies = self.entropies + entropy.detach()
        if self._rule.distils and self._teacher is None:
            self._teacher = logits.detach().softmax(dim=1)
            return entropy
        # Cross-entropy with the teacher has the gradient of the Kullback-Leibler divergence from it.
        loss = entropy if self._teacher is None else functional.cross_entropy(logits, self._teacher)
        if self._rule.ranks and self._cheaper:
            loss = loss + self._rule.ranks * functional.relu(entropy - torch.stack(self._cheaper)).mean()
        self._cheaper.append(entropy.detach())
        return loss
