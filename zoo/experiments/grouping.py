"""Grouping of a run: networks a batch, and programs side by side, as a new run measures them on its GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.experiments.experiment import Experiment
from zoo.experiments.resources import Resources, Say
from zoo.experiments.run import Run
from zoo.population.journal import FILE
from zoo.population.trial import TRAINING, Job, Trial

if TYPE_CHECKING:
    from zoo.experiments.kinds.on_images import OnImages

MOST = 56
"""Networks of the largest batch that is tried: more of them gain little and cost memory."""
MARGIN = 1.05
"""A larger batch must be so many times as fast: it also costs memory, and more is done again after a kill."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way of training several networks at a time, and the images a second of all of them together."""

    group: int
    streams: int
    rate: float


def grouped(
    experiment: Experiment, folder: Path, material: Any, resources: Resources, say: Say
) -> tuple[Experiment, list[Way]]:
    """The experiment with a group where none was asked for, and the ways that were tried to find it.

    A run that exists has its own. A new one on a GPU tries some for about a minute, on one worker, with the networks
    that it will train first; elsewhere networks are trained one at a time.
    """
    asked = getattr(experiment, "choose_group", False)
    if not asked:
        return experiment, []
    found: OnImages = experiment  # type: ignore[assignment]  # no other kind has the field
    if (folder / FILE).exists():
        with Run(folder).journal() as journal:
            held = journal.identity
        return _with(found, int(held.get("group", 1)), int(held.get("setup", {}).get("streams", 1))), []
    if not found.device.startswith("cuda") or found.setup.engine == "plain":
        return experiment, []
    ways = tried(found, material, resources, say)
    if not ways:
        return experiment, []
    best = recommended(ways)
    say(
        f"{best.group} networks a batch, in {best.streams} programs side by side: {best.rate:,.0f} images a second, "
        f"the best of {len(ways)} ways that were tried. --group and --streams say otherwise."
    )
    return _with(found, best.group, best.streams), ways


def tried(experiment: "OnImages", material: Any, resources: Resources, say: Say) -> list[Way]:
    """Ways of training the networks that a run begins with, timed by one worker; none where they make no difference."""
    from zoo.training.grouping import make_timer

    trials = first_trainings(experiment, MOST)
    jobs = [
        Job(replace(trial, index=number), number, None)
        for number, trial in enumerate(trials[: max(1, len(trials) // resources.workers)])
    ]
    if len(jobs) < 2:
        return []
    say("Trying how many networks to train at a time, for about a minute; the run keeps to it.")
    one = replace(resources, workers=1)
    workers = one.executor(partial(make_timer, experiment.setup), material, experiment.threads, report=say)
    try:
        workers.submit(jobs)
        record = min((record for record, _ in workers.collect()), key=lambda record: record.index)
    finally:
        workers.close()
    if not record.ok:
        say(f"Networks are trained one at a time: several could not be tried ({record.reason}).")
    return ways_of(record.metrics)


def ways_of(metrics: Mapping[str, float]) -> list[Way]:
    """What a timer's record says, smaller batches and fewer programs first."""
    ways = []
    for name, rate in metrics.items():
        group, streams = map(int, name.split("/"))
        ways.append(Way(group, streams, rate))
    return sorted(ways, key=lambda found: (found.group, found.streams))


def recommended(ways: list[Way]) -> Way:
    """The first way that is nearly as fast as the fastest."""
    best = max(found.rate for found in ways)
    return next(found for found in ways if found.rate * MARGIN >= best)


def first_trainings(experiment: "OnImages", most: int) -> list[Trial]:
    """What a run trains first, of one setting, each network once: of its smallest maps, where it has several settings.

    At most ``most``, and fewer where the strategy wants to be told something before it asks for more.
    """
    strategy, asked, found = experiment.strategy(), 0, dict[Any, dict[Any, Trial]]()

    def smallest() -> list[Trial]:
        settings = sorted(found, key=lambda one: one.skeleton(experiment.setup.skeleton).resolution)
        return list(found[settings[0]].values()) if settings else []

    while len(smallest()) < most and (batch := strategy.ask(most, asked)):
        asked += len(batch)
        for trial in batch:
            if trial.measure == TRAINING and trial.start == 0 and trial.setting is not None:
                found.setdefault(trial.setting, {}).setdefault(trial.genotype, trial)
    return smallest()[:most]


def _with(experiment: "OnImages", group: int, streams: int) -> Experiment:
    """The experiment with this group; asked for by name, its streams stay."""
    setup = experiment.setup if experiment.setup.streams > 1 else replace(experiment.setup, streams=streams)
    return replace(experiment, group=group, setup=setup, choose_group=False)
