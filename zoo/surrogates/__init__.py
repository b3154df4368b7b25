"""Models that predict a network's quality from its features, learned from the networks trained so far. No torch."""

from zoo.surrogates.surrogate import KINDS, Kind, Surrogate, normal_scores

__all__ = ["KINDS", "Kind", "Surrogate", "normal_scores"]
