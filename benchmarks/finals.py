"""Should finalists be retrained fully, or twice as many begin and the worse half leave at a quarter and at a half?

Both cost the same epochs. The answer is read off studies that are there, such as `python -m benchmarks signals` leaves
under `--runs`: their cheap trainings choose who is retrained, one training of the reference is the retraining, and the
mean accuracy of the others is what a network is worth. Who leaves is told by the training loss of the epoch.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from zoo.experiments import Run
from zoo.experiments.kinds.study import StudyExperiment
from zoo.population.trial import TRAIN_LOSSES, Record
from zoo.purposes import FINALS
from zoo.reliability.correlation import Array
from zoo.reliability.signal import find_signal

NETWORKS, FINALISTS = 16, 4


@dataclass(frozen=True, slots=True)
class Zoo:
    """The networks of a study.

    Attributes:
        cheap: by setting the (N,) scores of the cheap trainings, more is better.
        losses: (N, repeats, epochs) training losses of the reference.
        accuracy: (N, repeats) validation accuracies at its end.
    """

    cheap: dict[str, Array]
    losses: Array
    accuracy: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--studies", type=Path, nargs="+", required=True, help="folders of studies with repeats")
    parser.add_argument("--signal", default="train_loss_late", help="by which cheap trainings choose")
    parser.add_argument("--draws", type=int, default=2000, help="searches a study and setting")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per study and setting, and the mean over studies with Student's 95 % interval.

    Raises:
        ValueError: for fewer than two studies, or one without repeats or curves.
    """
    if len(args.studies) < 2:
        raise ValueError(f"an interval over studies needs at least 2, got {len(args.studies)}")
    rows, means = [], []
    for folder in args.studies:
        zoo = read(folder, args.signal)
        gains = []
        for setting, cheap in zoo.cheap.items():
            full, halved = compared(zoo, cheap, args.draws)
            gains.append(halved - full)
            rows.append({"study": folder.name, "setting": setting, "full": full, "halved": halved, "gain": gains[-1]})
        means.append(float(np.mean(gains)))
    low, high = stats.t.interval(0.95, len(means) - 1, np.mean(means), stats.sem(means))
    rows = [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()} for row in rows
    ]
    overall = {
        "studies": len(means),
        "gain": round(float(np.mean(means)), 3),
        "low": round(low, 3),
        "high": round(high, 3),
    }
    return {"name": "finals", "rows": rows, "overall": [overall], "unit": "percentage points below the best network"}


def read(folder: Path, signal: str) -> Zoo:
    """The networks that were trained at every setting and at the reference at least twice.

    Raises:
        ValueError: if there are fewer than wanted, or their trainings have no curves.
    """
    score = find_signal(signal).score
    study = Run.open(folder)
    if not isinstance(study.experiment, StudyExperiment):
        raise ValueError(f"{folder} is no study")
    reference = study.experiment.reference
    with study.journal() as journal:
        trials, told = journal.trials(), journal.records()
    full: dict[str, list[Record]] = {}
    cheap: dict[str, dict[str, float]] = {}
    for trial in trials:
        record = told.get(trial.index)
        if record is None or not record.ok or TRAIN_LOSSES not in record.notes:
            continue
        if trial.setting == reference:
            full.setdefault(trial.genotype.key, []).append(record)
        else:
            cheap.setdefault(str(trial.setting), {})[trial.genotype.key] = score(record)
    repeats = max((len(records) for records in full.values()), default=0)
    keys = [
        key for key, records in full.items() if len(records) == repeats and all(key in one for one in cheap.values())
    ]
    if len(keys) < NETWORKS or repeats < 2 or not cheap:
        raise ValueError(f"{folder} has {len(keys)} networks of {repeats} full trainings, expected {NETWORKS} of 2")
    curves = [[record.notes[TRAIN_LOSSES] for record in full[key]] for key in keys]
    accuracy = [[record.metrics["accuracy"] for record in full[key]] for key in keys]
    scores = {setting: np.array([one[key] for key in keys]) for setting, one in cheap.items()}
    return Zoo(scores, np.array(curves, dtype=np.float64), np.array(accuracy))


def compared(zoo: Zoo, cheap: Array, draws: int) -> tuple[float, float]:
    """How far below the best network the winner is, in points, retrained fully and by halving; means over draws.

    A draw is a search of its own: some of the networks, and of each the training that is its retraining.
    """
    rng, found = np.random.default_rng(FINALS), np.zeros((draws, 2))
    count, repeats, epochs = zoo.losses.shape
    for row in found:
        some = rng.permutation(count)[:NETWORKS]
        one = rng.integers(repeats, size=NETWORKS)
        accuracy, losses = zoo.accuracy[some, one], zoo.losses[some, one]
        worth = (zoo.accuracy[some].sum(axis=1) - accuracy) / (repeats - 1)
        order = np.argsort(-cheap[some], kind="stable")
        left = order[: 2 * FINALISTS]
        for stop, stay in ((epochs // 4, FINALISTS), (epochs // 2, FINALISTS // 2)):
            left = left[np.argsort(losses[left, stop - 1], kind="stable")][:stay]
        for place, retrained in enumerate((order[:FINALISTS], left)):
            row[place] = 100 * (worth[retrained[np.argmax(accuracy[retrained])]] - worth.max())
    full, halved = found.mean(axis=0)
    return float(full), float(halved)
