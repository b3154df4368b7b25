"""EcoNAS: evolution that trains children cheaply and promotes the best to longer training (Zhou et al. 2020).

What this package offers is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from econas.audit_request import AuditRequest
    from econas.experiment import EcoNASExperiment
    from econas.history.history import History
    from econas.history.report import search_report
    from econas.strategy.audit import Auditing, Step, Verdict
    from econas.strategy.baselines import (
        RandomBaseline,
        RegularizedEvolution,
        ThenRetrain,
        evolution_then_retrain,
        random_then_retrain,
    )
    from econas.strategy.halving import Rung, SuccessiveHalving
    from econas.strategy.hierarchical import HierarchicalSearch
    from econas.strategy.parameters import Parameters
    from econas.table_experiment import TableExperiment, table_parameters

__all__ = [
    "AuditRequest",
    "Auditing",
    "EcoNASExperiment",
    "HierarchicalSearch",
    "History",
    "Parameters",
    "RandomBaseline",
    "RegularizedEvolution",
    "Rung",
    "Step",
    "SuccessiveHalving",
    "TableExperiment",
    "ThenRetrain",
    "Verdict",
    "evolution_then_retrain",
    "random_then_retrain",
    "search_report",
    "table_parameters",
]

__getattr__ = lazily(
    __name__,
    {
        "AuditRequest": "audit_request",
        "Auditing": "strategy.audit",
        "EcoNASExperiment": "experiment",
        "HierarchicalSearch": "strategy.hierarchical",
        "History": "history.history",
        "Parameters": "strategy.parameters",
        "RandomBaseline": "strategy.baselines",
        "RegularizedEvolution": "strategy.baselines",
        "Rung": "strategy.halving",
        "Step": "strategy.audit",
        "SuccessiveHalving": "strategy.halving",
        "TableExperiment": "table_experiment",
        "ThenRetrain": "strategy.baselines",
        "Verdict": "strategy.audit",
        "evolution_then_retrain": "strategy.baselines",
        "random_then_retrain": "strategy.baselines",
        "search_report": "history.report",
        "table_parameters": "table_experiment",
    },
)
