"""The frame of a run: a row per trial with what was asked and what was measured."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from zoo.population.trial import TRAINING, Record, Trial


def frame_of(trials: Sequence[Trial], records: Mapping[int, Record]) -> pd.DataFrame:
    """As :meth:`zoo.population.journal.Journal.frame` says."""
    tagged = any(trial.tags for trial in trials)
    scored = any(trial.measure != TRAINING for trial in trials)
    noted = any(record.notes for record in records.values())
    rows = []
    for trial in trials:
        row: dict[str, Any] = trial.to_dict() | {
            "key": trial.genotype.key,
            "genotype": trial.genotype.to_json(),
        }
        if tagged:
            row["tags"] = json.dumps(dict(trial.tags))
        if scored:
            row["measure"] = trial.measure
        if record := records.get(trial.index):
            measured = record.to_dict()
            if noted:
                measured["notes"] = json.dumps(dict(record.notes))
            row |= {name: measured[name] for name in measured if name not in ("index", "metrics")}
            row |= measured["metrics"]
        rows.append(row)
    return pd.DataFrame(rows)
