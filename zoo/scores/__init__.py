"""Scores without training: numbers of a network at its initial weights by which networks are ranked.

What this package offers can be read without torch; the functions of the scores are imported when one is computed.
"""

from zoo.scores.score import ADDED_SCORES, SCORES, Score, find_score

__all__ = ["ADDED_SCORES", "SCORES", "Score", "find_score"]
