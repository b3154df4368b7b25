"""Optuna's samplers on a table, as its users run them: define by run, a pruner, trials one after another."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

from zoo.population.table import Table

POPULATION = 16
"""Of NSGA-II, as many as EcoNAS starts with: Optuna's default of 50 would never leave its first generation here."""


def installed() -> bool:
    """Whether there is an Optuna to compare with."""
    return importlib.util.find_spec("optuna") is not None


Training = tuple[float, int, float, tuple[int, ...]]
"""Epochs paid so far, this one's included; its epochs; its accuracy; the choices."""


def optimise(sampler: str, table: Table, budget: float, seed: int) -> list[Training]:
    """Everything one study trained until the next training would exceed ``budget`` epochs, in order.

    A choice per position. Every trial trains cheaply and reports; the pruner (successive halving, Optuna's defaults
    with the cheap training as its least resource) ends it there or lets it train fully. The cheap training of a
    table is a schedule of its own, so that a trial pays for it and, where it goes on, for the full one as well, like
    a promotion of ASHA. What is drawn again is paid again: Optuna does not know.

    Args:
        sampler: "tpe" or "nsga2".
    """
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    *cheaper, full = table.epochs
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed),
    }
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=cheaper[0]) if cheaper else optuna.pruners.NopPruner()
    study = optuna.create_study(direction="maximize", sampler=samplers[sampler](), pruner=pruner)
    paid, trained = 0.0, list[Training]()
    while True:
        trial = study.ask()
        names = [trial.suggest_categorical(f"choice {i}", list(range(n))) for i, n in enumerate(table.space.options)]
        choices = tuple(names)
        for epochs in table.epochs:
            if paid + epochs > budget:
                return trained
            paid += epochs
            accuracy = table.accuracies[choices][epochs]
            trained.append((paid, epochs, accuracy, choices))
            if epochs == full:
                study.tell(trial, accuracy)
                break
            trial.report(accuracy, epochs)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break


def prefix(trained: Sequence[Training], budget: float) -> list[Training]:
    """What a smaller budget would have paid: the sampler does not know the budget."""
    return [one for one in trained if one[0] <= budget]
