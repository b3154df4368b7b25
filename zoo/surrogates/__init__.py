"""Models that predict a network's quality from its features, learned from the networks trained so far. No torch."""

from zoo.surrogates.scale import LogGap, log_gaps, normal_scores
from zoo.surrogates.surrogate import KINDS, Kind, Surrogate

__all__ = ["KINDS", "Kind", "LogGap", "Surrogate", "log_gaps", "normal_scores"]
