"""What a comparison has found: a search's winner and a baseline on the test images, which every training reads once."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.experiments.folder import WEIGHTS
from zoo.files import parsed_json, write_json
from zoo.pages.written import large
from zoo.population.trial import Record, Trial
from zoo.population.weights import WeightStore
from zoo.reliability.interval import Estimate
from zoo.reliability.repeats import Hits, image_weights, repeats_difference
from zoo.spaces.baseline import unsearched
from zoo.training.comparison import (
    BASELINE,
    CHANNELS,
    REPEATS,
    SIDE,
    USUAL_REPEATS,
    WINNER,
    compared_setup,
    is_compared,
)
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    import pandas as pd

    from zoo.data.image_set import ImageSet
    from zoo.experiments.run import Run

FILE = "comparison.json"
"""In the run folder: what every training named right, and the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two networks.

    Attributes:
        name: what it is called.
        channels: of the skeleton it is built on, before the setting of the training reduces it.
        macs: per image.
        params: weights.
        scores: of its trainings on the test images.
    """

    name: str
    channels: int
    macs: int
    params: int
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the scores."""
        return float(np.mean(self.scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """The winner and the baseline on the test images.

    Attributes:
        metric: accuracy or balanced_accuracy, a share.
        images: of the test set.
        winner: the network that the search found.
        baseline: the network that needs no search.
        difference: how much better the winner is, with its interval over trainings and test images.
    """

    metric: str
    images: int
    winner: Side
    baseline: Side
    difference: Estimate

    @property
    def verdict(self) -> str:
        """Better, worse, or neither is shown."""
        if self.difference.low > 0:
            return "better than"
        return "worse than" if self.difference.high < 0 else "not shown to be better or worse than"

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        one, other, found = self.winner, self.baseline, self.difference
        name = self.metric.replace("_", " ")
        reach = "" if math.isnan(found.low) else f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
        counts = len(one.scores), len(other.scores)
        words = "{} and {} new trainings" if len(set(counts)) > 1 else "{} new trainings of each"
        times = words.format(*counts)
        return (
            f"{one.name[0].upper()}{one.name[1:]} is {self.verdict} {other.name}, which needs no search: "
            f"{100 * one.mean:.1f} % against "
            f"{100 * other.mean:.1f} % {name} on the test images, {100 * found.value:+.1f} points{reach}; {times}, "
            f"{large(one.macs)} against {large(other.macs)} MACs."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers; null where unknown."""
        ends = {name: getattr(self.difference, name) for name in ENDS}
        known = {name: None if math.isnan(value) else value for name, value in ends.items()}
        sides = {WINNER: self.winner, BASELINE: self.baseline}
        return {"metric": self.metric, "images": self.images, "difference": known} | {
            name: dataclasses.asdict(side) | {"scores": list(side.scores), "mean": side.mean}
            for name, side in sides.items()
        }

    def frame(self) -> "pd.DataFrame":
        """A row per training, with what it reaches on the test images."""
        import pandas as pd

        rows = [
            {"network": one.name, "repeat": repeat, "channels": one.channels, "macs": one.macs, "params": one.params,
             f"test_{self.metric}": score}
            for one in (self.winner, self.baseline)
            for repeat, score in enumerate(one.scores)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ComparisonResult":
        """Read :meth:`to_dict`'s form."""
        value, low, high = (math.nan if (end := data["difference"][name]) is None else float(end) for name in ENDS)
        names = [field.name for field in dataclasses.fields(Side)]
        sides = {
            side: Side(**({name: data[side][name] for name in names} | {"scores": tuple(data[side]["scores"])}))
            for side in (WINNER, BASELINE)
        }
        difference = Estimate(value, low, high)
        return cls(metric=data["metric"], images=data["images"], difference=difference, **sides)


ENDS = ("value", "low", "high")


def keep_comparison(
    run: "Run", setup: TrainingSetup, images: "ImageSet", metric: str, winner: str = "the winner"
) -> dict[str, Any]:
    """Measure the trainings of a run's comparison on the test images, each once, and write what they say.

    Args:
        run: whose folder has the weights; what was measured before is not measured again.
        setup: they were trained with.
        images: of the run.
        metric: that judges.
        winner: what the network that the search found is called.

    Returns:
        The result, JSON-ready; nothing where there was no comparison, or a network never was trained to the end.

    Raises:
        LostWeights: if weights are missing or damaged.
    """
    done = _ended(run)
    if not done:
        return {}
    held = _held(run)
    trainings = {str(trial.index): _measured(run, held, trial, record, setup, images) for trial, record in done}
    write_json(run.folder / FILE, {"trainings": trainings})
    hits = {side: _hits(trainings, done, side, len(images.test)) for side in (WINNER, BASELINE)}
    if not all(len(found) for found in hits.values()):
        return {}
    weights = image_weights(images.test.labels, balanced=metric == "balanced_accuracy")
    result = ComparisonResult(
        metric=metric,
        images=len(images.test),
        difference=repeats_difference(hits[WINNER], hits[BASELINE], weights),
        **{side: _side(done, side, winner, hits[side] @ weights) for side in (WINNER, BASELINE)},
    )
    write_json(run.folder / FILE, {"trainings": trainings, "result": result.to_dict()})
    return {"comparison": result.to_dict()}


def read_comparison(run: "Run") -> ComparisonResult | None:
    """What :func:`keep_comparison` found; None where there is nothing."""
    try:
        data = parsed_json((run.folder / FILE).read_text(encoding="utf-8"))
        return ComparisonResult.from_dict(data["result"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def comparison_remark(trials: Sequence[Trial], winner: Trial | None, found: ComparisonResult | None) -> str:
    """What a report says of the comparison: its finding, how far it is, or how to have one.

    Args:
        trials: of the search.
        winner: of it; None where nothing was found.
        found: of the comparison, where it has ended.
    """
    own = [trial for trial in trials if is_compared(trial)]
    if found is not None:
        return found.sentence
    if own:
        return f"The comparison with {_name(own)} has no result: {2 * _wanted(own)} trainings to the end are wanted."
    if winner is None:
        return ""
    name, _ = unsearched(winner.genotype)
    return (
        f"Whether it is better than {name} of as many MACs, which needs no search, is not known: the same command "
        f"with --compare {USUAL_REPEATS} trains both {USUAL_REPEATS} times anew."
    )


def _name(own: Sequence[Trial]) -> str:
    return next((unsearched(trial.genotype)[0] for trial in own if trial.tags[SIDE] == BASELINE), "a baseline")


def _wanted(own: Sequence[Trial]) -> int:
    return max(int(trial.tags[REPEATS]) for trial in own)  # type: ignore[arg-type]  # ours


def _ended(run: "Run") -> list[tuple[Trial, Record]]:
    """The comparison's trainings that reached their last epoch."""
    with run.journal() as journal:
        trials, records = journal.trials(), journal.records()
    return [
        (trial, record)
        for trial in trials
        if is_compared(trial) and trial.setting is not None and trial.stop == trial.setting.e
        for record in (records.get(trial.index),)
        if record is not None and record.ok
    ]


def _held(run: "Run") -> Mapping[str, Any]:
    try:
        held = parsed_json((run.folder / FILE).read_text(encoding="utf-8"))["trainings"]
        return held if isinstance(held, dict) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _measured(
    run: "Run", held: Mapping[str, Any], trial: Trial, record: Record, setup: TrainingSetup, images: "ImageSet"
) -> dict[str, Any]:
    """What a training named right of the test images, as bits in hexadecimal digits, and whose weights it were."""
    from zoo.export.trained import test_hits, trained_model
    from zoo.training.device import local_device

    before = held.get(str(trial.index))
    if isinstance(before, dict) and before.get("of") == [record.checkpoint, images.fingerprint]:
        return before
    device, again = local_device(setup.precision), run.restored(record)
    own = compared_setup(setup, trial)
    model = trained_model(trial, again, WeightStore(run.folder / WEIGHTS), own, images, device)
    hits = test_hits(model, images, setup.precision, device)
    return {"of": [record.checkpoint, images.fingerprint], "right": np.packbits(hits).tobytes().hex()}


def _hits(trainings: Mapping[str, Any], done: Sequence[tuple[Trial, Record]], side: str, count: int) -> Hits:
    rows = [
        np.unpackbits(np.frombuffer(bytes.fromhex(trainings[str(trial.index)]["right"]), np.uint8), count=count)
        for trial, _ in done
        if trial.tags[SIDE] == side
    ]
    return np.array(rows, dtype=np.bool_).reshape(len(rows), count)


def _side(done: Sequence[tuple[Trial, Record]], side: str, winner: str, scores: NDArray[np.float64]) -> Side:
    trial, record = next((trial, record) for trial, record in done if trial.tags[SIDE] == side)
    channels = int(trial.tags[CHANNELS])  # type: ignore[arg-type]  # ours
    return Side(
        name=unsearched(trial.genotype)[0] if side == BASELINE else winner,
        channels=channels,
        macs=int(record.metrics["macs"]),
        params=int(record.metrics["params"]),
        scores=tuple(float(score) for score in scores),
    )
