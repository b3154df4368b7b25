"""Resources: workers that share a GPU keep to their share of its memory, and what cannot be had is refused early."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from milenas.experiment import DifferentiableExperiment
from milenas.training.setup import SearchSetup
from scarlet.evaluation.setup import SubnetSetup
from scarlet.experiments.front import FrontExperiment
from scarlet.experiments.supernet import SupernetExperiment
from scarlet.strategy.goal import read_goal
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.setup import SupernetSetup
from thriftnas.job_options import TrainOptions
from thriftnas.options import Given
from zoo.cli import main
from zoo.experiments import Resources, Run, machine, resources
from zoo.experiments.kinds.study import StudyExperiment
from zoo.experiments.kinds.training import TrainingExperiment
from zoo.experiments.resources import threads_of
from zoo.population.proxy import ProxySetting
from zoo.spaces.literature import DARTS_V1
from zoo.training import Precision, TrainingSetup, memory


@pytest.mark.parametrize(("gpus", "claimed"), [(0.25, [0.25]), (1.0, []), (2.0, []), (0.0, [])])
def test_a_worker_with_a_part_of_a_gpu_keeps_to_that_part_of_its_memory(
    monkeypatch: pytest.MonkeyPatch, gpus: float, claimed: list[float]
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(memory, "claim", shares.append)

    def executor(make: Any, payload: Any, **_: Any) -> Any:
        assert shares == []  # it is claimed in the worker
        return make(payload)

    # Ray takes seconds to import
    monkeypatch.setitem(sys.modules, "zoo.population.ray_executor", SimpleNamespace(RayExecutor=executor))
    made: Any = Resources(workers=2, gpus=gpus).executor(lambda payload: [payload], "images", 1)  # type: ignore[list-item,return-value]
    assert made == ["images"]
    assert shares == claimed


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("asked", "device", "said"),
    [
        (Resources(workers=4), "cuda", "every worker on cuda needs a GPU or a share .* got --workers 4 --gpus 0"),
        (Resources(workers=2), "cuda:1", "every worker on cuda:1 needs a GPU"),
        (Resources(address="10.0.0.1:6379"), "cuda", "every worker on cuda needs a GPU"),
        (Resources(gpus=0.25), "cuda:1", "expected --device cuda, got cuda:1"),
        (Resources(workers=2, gpus=1), "cuda:0", "expected --device cuda, got cuda:0"),
        (Resources(), "cuda:2", "computed on cuda:2, which this machine does not have"),
    ],
)
def test_workers_and_devices_that_do_not_go_together(asked: Resources, device: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        asked.check(device)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("asked", "device"),
    [
        (Resources(), "cuda"),
        (Resources(), "cuda:1"),
        (Resources(workers=4, gpus=0.5), "cuda"),
        (Resources(workers=4), "cpu"),
        (Resources(workers=4), None),
    ],
)
def test_workers_and_devices_that_do(asked: Resources, device: str | None) -> None:
    asked.check(device)


def test_a_cluster_may_have_a_device_that_this_machine_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Resources(gpus=0.5, address="10.0.0.1:6379").check_device("cuda")
    with pytest.raises(ValueError, match="computed on cuda, which this machine does not have"):
        Resources().check_device("cuda")


@pytest.mark.usefixtures("gpus")
def test_what_is_said_of_a_gpu_names_what_sharing_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (60e9, 80e9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    found = machine.device_at_hand()
    assert found["best"] == "cuda"
    assert found["detail"].startswith("H200, 60 of 80 GB free; without NVIDIA's MPS, workers with a part of a GPU only")


def test_every_experiment_that_computes_names_its_device() -> None:
    """Or its runs would be resumed where they cannot be."""
    trained = TrainingSetup(precision=Precision(device="cuda"))
    genotype, setting = DARTS_V1, ProxySetting(0, 0, 0, 1)
    found = [
        StudyExperiment(setup=trained, settings=(setting,), reference=setting),
        TrainingExperiment(setup=trained, genotype=genotype, setting=setting),
        SupernetExperiment(
            form=SupernetForm(space="nas-bench-macro"),
            setting=setting,
            setup=SupernetSetup(training=trained, sampling="fair"),
        ),
        DifferentiableExperiment(setup=SearchSetup(precision=trained.precision)),
        FrontExperiment(goal=read_goal((), (), None, ()), setup=SubnetSetup(device="cuda")),
    ]
    assert [one.device for one in found] == ["cuda"] * 5


@pytest.mark.usefixtures("gpus")
def test_several_gpus_have_a_worker_each_unless_something_else_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(
        workers: int | None = None, gpus: float = 0.0, address: str | None = None, device: str = "cuda"
    ) -> tuple[int, float]:
        found = Resources.asked(workers, gpus, address, device)
        return found.workers, found.gpus

    assert asked() == (2, 1.0)
    assert asked(workers=1) == (1, 0.0)
    assert asked(gpus=0.5) == (1, 0.5)
    assert asked(address="auto") == asked(device="cpu") == asked(device="cuda:1") == (1, 0.0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert asked() == (1, 0.0)


def test_a_run_without_workers_chooses_its_threads_once(tmp_path, monkeypatch, capsys):
    """What it was begun with counts, on whatever machine it is continued, and what is asked for before all."""
    monkeypatch.setattr(resources, "usable_cores", lambda: 6)
    train = [
        *("zoo", "train", "PC_DARTS", "--data", "digits", "--resolution", "8", "--channels", "2", "--cells", "3"),
        *("--batch", "40", "--epochs", "2"),
    ]
    train += ["--train", "40", "--val", "20", "--time", "0.01s", "--out", str(tmp_path / "run")]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(train) == 0
    assert Run.open(tmp_path / "run").experiment.threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert threads_of(tmp_path / "other", "cpu") == 6
    assert main(train) == 0
    assert main([*train, "--threads", "3"]) == 2
    assert "threads is 1 there, got 3" in capsys.readouterr().err
    given = Given("train", {}, TrainOptions)
    given.precision(distributed=True)
    assert given.numbers(alone=tmp_path / "run")["threads"] == 1
    assert Given("study", {}, TrainOptions).numbers()["threads"] == 1  # workers are what it has


@pytest.mark.parametrize(
    ("cores", "told", "beside", "device", "threads"),
    [(6, "", 1, "cpu", 6), (64, "", 1, "cpu", 8), (64, "", 16, "cpu", 4), (2, "", 4, "cpu", 1), (6, "1", 1, "cpu", 1),
     (6, "4,2", 1, "cpu", 6), (6, "", 1, "cuda:0", 1)],
)  # fmt: skip
def test_a_new_run_has_as_many_threads_as_there_are(monkeypatch, tmp_path, cores, told, beside, device, threads):
    monkeypatch.setattr(resources, "usable_cores", lambda: cores)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(beside))
    assert threads_of(tmp_path / "none", device) == threads
    assert threads_of(tmp_path / "none", device, asked=5) == 5
