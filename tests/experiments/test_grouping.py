"""Grouping: a new run on a GPU tries some, a run that exists keeps its own, and whoever names one has it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.data import load
from zoo.experiments import HeldSource, Resources, execute, grouping
from zoo.experiments.grouping import Way, first_trainings, grouped, recommended, tried
from zoo.experiments.kinds.study import StudyExperiment
from zoo.experiments.kinds.zoo import ZooExperiment
from zoo.population import ProxySetting
from zoo.spaces import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training import grouping as timing
from zoo.training.recipe import Precision

IMAGES = load("digits", resolution=8, train=20, validation=10)
SETUP = TrainingSetup(skeleton=Skeleton(channels=4, cells=2), recipe=Recipe(batch=10), engine="auto")
SHORT = ProxySetting(0, 0, 0, 1)


def said(sentence: str) -> None:
    SAID.append(sentence)


SAID: list[str] = []


def zoo(setup: TrainingSetup = SETUP, **more: Any) -> ZooExperiment:
    return ZooExperiment(setting=SHORT, setup=setup, models=5, **{"choose_group": True, **more})


def test_the_networks_that_a_run_trains_first_are_timed_in_several_ways_by_a_worker() -> None:
    SAID.clear()
    fitted = zoo().fitted(IMAGES, said)
    ways = tried(fitted, IMAGES, Resources(), said)
    assert [(way.group, way.streams) for way in ways] == [(1, 1), (2, 1), (2, 2), (5, 1), (5, 2), (5, 4)]
    assert all(way.rate > 0 for way in ways)
    assert len(SAID) == 1
    shared = tried(fitted, IMAGES, Resources(workers=2), said)  # as many as every worker can have
    assert max(way.group for way in shared) == 2


def test_what_does_not_fit_in_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def rate(self: object, begun: list[object], streams: int) -> float:
        if len(begun) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return float(len(begun))

    monkeypatch.setattr(timing.GroupTimer, "_rate", rate)
    ways = tried(zoo().fitted(IMAGES, said), IMAGES, Resources(), said)
    assert [(way.group, way.streams) for way in ways] == [(1, 1), (2, 1), (2, 2)]
    assert recommended(ways) == Way(2, 1, 2.0)


def test_no_way_is_tried_after_a_minute_and_one_always_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", -1.0)
    assert len(tried(zoo().fitted(IMAGES, said), IMAGES, Resources(), said)) == 1


def test_a_larger_batch_must_pay() -> None:
    ways = [Way(1, 1, 10), Way(4, 1, 97), Way(8, 1, 100), Way(8, 4, 101)]
    assert recommended(ways) == Way(4, 1, 97)


def test_maps_that_are_no_programs_and_few_networks_are_not_tried() -> None:
    wide = load("digits", resolution=16, train=20, validation=10)
    assert tried(zoo().fitted(wide, said), wide, Resources(), said) == []
    assert tried(zoo().fitted(IMAGES, said), IMAGES, Resources(workers=4), said) == []


def test_a_study_is_tried_at_its_smallest_maps_and_not_by_its_scores() -> None:
    small = ProxySetting(0, 2, 0, 1)
    study = StudyExperiment(
        setup=SETUP, settings=(SHORT, small), reference=ProxySetting(0, 0, 0, 2), models=6, scores=("synflow",)
    )
    found = first_trainings(study.fitted(IMAGES, said), 4)
    assert {trial.setting for trial in found} == {small}
    assert len({trial.genotype for trial in found}) == 4


def test_only_a_new_run_on_a_gpu_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = [Way(1, 1, 10.0), Way(4, 2, 90.0)]
    monkeypatch.setattr(grouping, "tried", lambda *_: best)
    on_gpu = replace(SETUP, precision=Precision(device="cuda"))
    cases = [(SETUP, {}, 1, 1), (on_gpu, {}, 4, 2), (replace(on_gpu, engine="plain"), {}, 1, 1)]
    cases += [(on_gpu, {"group": 3, "choose_group": False}, 3, 1), (replace(on_gpu, streams=3), {}, 4, 3)]
    for setup, more, group, streams in cases:
        found, ways = grouped(zoo(setup, **more), tmp_path / "new", IMAGES, Resources(), said)
        assert (found.group, found.setup.streams) == (group, streams)
        assert ways == (best if (group, streams) in {(4, 2), (4, 3)} else [])


def test_a_run_that_exists_keeps_its_group(tmp_path: Path) -> None:
    """Whoever continues it need not know which it is."""
    folder, source = tmp_path / "run", HeldSource(material=IMAGES)
    run = execute(zoo(group=2, choose_group=False), source, folder)
    with run.journal() as journal:
        assert journal.identity["group"] == 2
    assert execute(zoo(), source, folder).finished
    with pytest.raises(ValueError, match="another run"):
        execute(zoo(group=3, choose_group=False), source, folder)


def test_what_was_tried_is_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.experiments import execution

    def chosen(experiment: ZooExperiment, *_: object) -> tuple[ZooExperiment, list[Way]]:
        return replace(experiment, group=2), [Way(2, 1, 5.0)]

    monkeypatch.setattr(execution, "grouped", chosen)
    run = execute(zoo(), HeldSource(material=IMAGES), tmp_path / "run")
    assert run.value("grouping") == [{"group": 2, "streams": 1, "rate": 5.0}]
