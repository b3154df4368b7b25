"""The winner of a weighted search, and what it and networks trained alone are judged by."""

from collections.abc import Mapping

from scarlet.strategy.goal import Goal
from zoo.experiments.fronts import best_of
from zoo.population.judged import ranking
from zoo.population.metric import LOSS, METRICS
from zoo.population.run_front import front_among
from zoo.population.trial import Record, Trial
from zoo.reliability.signal import find_signal
from zoo.spaces.genotype import ChainGenotype


def best_ranked(goal: Goal, measured: Mapping[int, tuple[Trial, Record]]) -> ChainGenotype | None:
    """The network that ``run export --best`` takes of a search, the best within its limits; None without any.

    Args:
        goal: of the search.
        measured: its trials with their records.
    """
    trials, records = [trial for trial, _ in measured.values()], {index: one for index, (_, one) in measured.items()}
    try:
        found = front_among("", sorted(trials, key=lambda trial: trial.index), records, goal.objectives, goal.limits)
        chosen = found.trials[int(best_of(found, _ranked_by(goal))[0])].genotype
    except ValueError:  # nothing was measured, or nothing keeps the limits
        return None
    return chosen if isinstance(chosen, ChainGenotype) else None


def judging(goal: Goal, metric: str) -> str:
    """The accuracy that networks trained alone are judged by: the goal's, or this metric where it names none."""
    return next((name for name in goal.metrics if name in METRICS), metric)


def words_of(goal: Goal) -> str:
    """What is compared with a baseline."""
    metric = _ranked_by(goal)
    ranked = "least validation loss" if metric == LOSS else f"highest {find_signal(metric).words}"
    return f"the network with the {ranked} within the limits"


def _ranked_by(goal: Goal) -> str:
    return ranking(one.metric for one in goal.objectives)
