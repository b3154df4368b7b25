"""The tables of a search's report: its finalists and its audits."""

import math

import pandas as pd

from econas.history.history import History
from econas.history.trajectory import Retrained
from zoo.population.cell_latency import LATENCY


def finalists_frame(found: History) -> pd.DataFrame:
    """One row per finalist: what the search and the retraining said; tested is the winner only.

    Beside accuracy there is a column for the search's signal, and for the metric, where they are something else.
    """
    rows, signal, metric = [], f"search_{found.terms.signal.name}", found.terms.metric
    for rank, one in enumerate(found.finalists, start=1):
        reached, end = found.networks[one.network].reached, one.curve[-1]
        rows.append(
            {
                "rank": rank,
                "network": one.network,
                "trial": end.trial.index,
                "search_setting": str(reached.trial.setting) if reached else "",
                "search_epochs": reached.trial.stop if reached else None,
                "search_accuracy": reached.accuracy if reached else math.nan,
                signal: signal_of(found, one),
                "setting": str(end.trial.setting),
                "epochs": max((t.trial.stop for t in one.curve if t.state == "ok"), default=0),
                "accuracy": one.accuracy,
                metric: one.judged,
                LATENCY: end.metrics.get(LATENCY, math.nan),
                "winner": found.wins(one),
                f"test_{metric}": found.tested if found.wins(one) else math.nan,
                "status": one.status,
                "genotype": found.networks[one.network].genotype.to_json(),
            }
        )
    timed = [LATENCY] if any(LATENCY in one.curve[-1].metrics for one in found.finalists) else []
    names = ["rank", "network", "trial", "search_setting", "search_epochs", "search_accuracy", signal, "setting",
             "epochs", "accuracy", metric, *timed, "winner", f"test_{metric}", "status", "genotype"]  # fmt: skip
    return pd.DataFrame(rows, columns=list(dict.fromkeys(names)))


def signal_of(found: History, finalist: Retrained) -> float:
    """The signal that a finalist was chosen for, as it was measured; NaN where unknown."""
    reached, signal = found.networks[finalist.network].reached, found.terms.signal
    return math.nan if reached is None else -reached.score if signal.lower else reached.score


def audits_frame(found: History) -> pd.DataFrame:
    """One row per audit, as the search journaled them."""
    names = ["cycle", "setting", "reference", "networks", "rho", "low", "high", "decision"]
    return pd.DataFrame([dict(one) for one in found.audits], columns=names)
