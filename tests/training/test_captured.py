"""Captured steps: eager with a stated reason where there is no graph, and the same losses either way."""

import contextlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.torch_version import TorchVersion

from tests.training.fake_gpu import on_gpu
from zoo.networks import build_network
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.program import Program
from zoo.spaces import ECONAS_SEARCH, ECONAS_ZOO, Skeleton
from zoo.spaces.cell_space import CellSpace
from zoo.training import Precision, Recipe, captured, graphs
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import make_program, train_together
from zoo.training.epoch import Examples, Stage
from zoo.training.graphs import Work
from zoo.training.memory import out_of_memory
from zoo.training.step import train_step

RECIPE = Recipe(batch=8, lr=0.1)
TINY = 4  # pixels: matrices of convolutions are made number by number, each of them an operator to look at
asks_no_driver = pytest.mark.skipif(
    TorchVersion(torch.__version__) < (2, 9) and not torch.cuda.is_available(),
    reason="up to torch 2.8 fake tensors of a GPU ask its driver",
)


def networks(count: int = 2, space: CellSpace = ECONAS_SEARCH, resolution: int = 8) -> list[CellNetwork]:
    skeleton = Skeleton(channels=2, cells=3, resolution=resolution)
    genotypes = [space.sample(np.random.default_rng(seed)) for seed in range(count)]
    return [build_network(g, skeleton, torch.Generator().manual_seed(0)) for g in genotypes]


def program() -> Program:
    return Program(networks())


IMAGES, LABELS = (
    torch.randn(2, 8, 3, 8, 8, generator=torch.Generator().manual_seed(1)),
    torch.arange(16).view(2, 8) % 10,
)


def losses(step: Any, count: int = 4) -> list[list[float]]:
    return [step(IMAGES, LABELS, 0.1).tolist() for _ in range(count)]


def test_on_a_cpu_steps_are_eager_and_say_why() -> None:
    step = CapturedStep(program(), RECIPE)
    assert step.eager == "a CUDA graph needs a CUDA device, the networks are on cpu"
    plain = program()
    assert losses(step) == losses(lambda images, labels, rate: train_step(plain, images, labels, RECIPE, rate))


class Replayed:
    """Stands for a captured graph where there is no device for one: it runs the step it was made for."""

    def __init__(self, inputs: Sequence[torch.Tensor], dtype: torch.dtype, work: Work) -> None:
        self._work, self._dtype = work, dtype
        self.shapes = [each.shape for each in inputs]

    def replay(self, inputs: Sequence[torch.Tensor], rate: float) -> torch.Tensor:
        assert [each.shape for each in inputs] == self.shapes
        return self._work(inputs, torch.tensor(rate, dtype=self._dtype))


def test_the_second_batch_of_a_shape_is_captured_and_later_ones_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = CapturedStep(program(), RECIPE)
    monkeypatch.setattr(graphs, "unavailable", lambda _: "")
    monkeypatch.setattr(graphs, "Recorded", Replayed)
    step = CapturedStep(program(), RECIPE)
    assert losses(step) == losses(plain)
    assert (step.graphs, plain.graphs) == (1, 0)
    step(IMAGES[:, :5], LABELS[:, :5], 0.1)  # the last batch of an epoch is smaller: eager once, then its own graph
    assert step.graphs == 1
    step(IMAGES[:, :5], LABELS[:, :5], 0.1)
    assert step.graphs == 2


def fails_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def failing(*_: Any) -> None:
        try:
            raise error
        finally:
            if isinstance(error, torch.OutOfMemoryError):  # as torch's capture ends after one
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    graphs.say.cache_clear()
    monkeypatch.setattr(graphs, "unavailable", lambda _: "")
    monkeypatch.setattr(graphs, "Recorded", failing)


def test_a_capture_that_fails_is_named_and_logged_and_steps_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails_with(monkeypatch, RuntimeError("operation not permitted when stream is capturing\nmore"))
    step, plain = CapturedStep(program(), RECIPE), program()
    assert losses(step) == losses(lambda images, labels, rate: train_step(plain, images, labels, RECIPE, rate))
    assert step.eager == "capture failed: operation not permitted when stream is capturing"
    losses(CapturedStep(program(), RECIPE))  # the next batch of trials: said once
    assert [record.getMessage() for record in caplog.records if record.name == "thriftnas"] == [
        f"training steps are launched kernel by kernel, not as a CUDA graph: {step.eager}"
    ]


def test_a_capture_without_memory_is_no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    step = CapturedStep(program(), RECIPE)
    step(IMAGES, LABELS, 0.1)
    with pytest.raises(RuntimeError, match="previous error during capture") as caught:
        step(IMAGES, LABELS, 0.1)
    assert out_of_memory(caught.value)
    assert step.eager == ""


class Devices:
    """Stands for torch.cuda on a machine of two GPUs: notes which is current when something is made or run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current, self.seen = torch.device("cuda:0"), list[tuple[str, str]]()
        stands = {
            "device": self.changed,
            "current_stream": lambda device: f"default of {device}",
            "default_stream": lambda device: f"default of {device}",
            "Stream": lambda device: self.note("stream", device) or f"stream of {device}",
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: self.note("replay")),
            "graph": self.recorded,
        }
        for name, stand in stands.items():
            monkeypatch.setattr(torch.cuda, name, stand)

    def note(self, what: str, device: Any = None) -> None:
        self.seen.append((what, str(device or self.current)))

    @contextlib.contextmanager
    def changed(self, device: Any) -> Iterator[None]:
        before, self.current = self.current, device
        yield
        self.current = before

    @contextlib.contextmanager
    def recorded(self, graph: Any, stream: str | None = None) -> Iterator[None]:
        self.note(f"capture on {stream}")
        yield


def test_a_graph_is_recorded_and_replayed_on_the_device_of_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs.capture_stream.cache_clear()
    devices, second = Devices(monkeypatch), torch.device("cuda:1")
    held = SimpleNamespace(device=second, clone=lambda: SimpleNamespace(copy_=lambda _: None))
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: SimpleNamespace(fill_=lambda _: None))
    for _ in range(2):  # the stream is made once a device
        made = graphs.Recorded([held, held], torch.float32, lambda *_: "losses")  # type: ignore[list-item,return-value,arg-type]
        assert made.replay([held, held], 0.1) == "losses"  # type: ignore[list-item,comparison-overlap]
    once = [("capture on stream of cuda:1", "cuda:1"), ("replay", "cuda:1")]
    assert devices.seen == [("stream", "cuda:1"), *once, *once]
    graphs.capture_stream.cache_clear()


def test_train_together_says_what_was_captured_and_why_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    examples = Examples(
        images=torch.zeros(21, 3, 6, 6, dtype=torch.uint8), labels=torch.arange(21) % 10, resolution=TINY,
        mean=(0.5,) * 3, std=(0.2,) * 3, flip=True,
    )  # fmt: skip

    def trained() -> Any:
        made = make_program(networks(1, resolution=TINY), Precision(), RECIPE)
        stages = [[Stage(start=0, stop=1, epochs=1, seed=0, root=0)]]
        (found,) = train_together([made], examples, RECIPE, Precision(), stages)
        return found

    assert (trained().graphs, trained().fallback) == (0, "")  # a CPU has no graphs
    assert caplog.records == []
    graphs.say.cache_clear()
    monkeypatch.setattr(graphs.Graphs, "fallback", property(lambda step: step.eager))  # as on a GPU
    monkeypatch.setattr(graphs, "unavailable", lambda _: "")
    monkeypatch.setattr(graphs, "Recorded", Replayed)
    assert (trained().graphs, trained().fallback) == (1, "")
    monkeypatch.setattr(captured, "why_eager", lambda *_: "path dropout")
    assert (trained().graphs, trained().fallback) == (0, "path dropout")
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("option", "reason"), [("path_dropout", "path dropout"), ("auxiliary", "auxiliary head")])
def test_what_a_graph_cannot_repeat_is_named(option: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = program()
    assert CapturedStep(made, Recipe(**{option: 0.2})).fallback == ""  # on a CPU there is nothing to fall back from
    monkeypatch.setattr(made.buffer, "device", torch.device("cuda"))
    assert reason in CapturedStep(made, Recipe(**{option: 0.2})).fallback
    assert CapturedStep(made, RECIPE).eager == ""


@asks_no_driver
@pytest.mark.parametrize(
    ("dtype", "space"),
    [
        ("float32", ECONAS_SEARCH),
        pytest.param("bfloat16", ECONAS_ZOO, marks=pytest.mark.slow),
        pytest.param("bfloat16", ECONAS_SEARCH, marks=pytest.mark.slow),
        pytest.param("float32", ECONAS_ZOO, marks=pytest.mark.slow),
    ],
    ids=lambda one: one if isinstance(one, str) else one.name,
)
def test_a_step_on_a_gpu_is_launches_only(dtype: str, space: CellSpace) -> None:
    def step(held: list[CellNetwork]) -> torch.Tensor:
        images = torch.empty(len(held), 8, 3, TINY, TINY, device="cuda")
        labels = torch.empty(len(held), 8, dtype=torch.long, device="cuda")
        rate = torch.empty((), device="cuda")  # as in a graph
        return train_step(make_program(held, Precision(dtype=dtype), RECIPE), images, labels, RECIPE, rate)

    losses = on_gpu(networks(3, space, TINY), step)
    assert (losses.device.type, losses.dtype, losses.shape) == ("cuda", torch.float32, (3,))


@asks_no_driver
def test_an_epoch_on_a_gpu_waits_at_its_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setattr(captured, "why_eager", lambda *_: "there is nothing to record on")

    def epoch(held: list[CellNetwork]) -> None:
        examples = Examples(
            images=torch.empty(21, 3, 6, 6, dtype=torch.uint8, device="cuda"),
            labels=torch.empty(21, dtype=torch.long, device="cuda"),
            resolution=TINY, mean=(0.5,) * 3, std=(0.2,) * 3, flip=True,
        )  # fmt: skip
        made = make_program(held, Precision(), RECIPE)
        made.buffer.track = lambda images: ended.append(images)  # type: ignore[method-assign]
        train_together([made], examples, RECIPE, Precision(), [[Stage(start=0, stop=1, epochs=1, seed=0, root=0)] * 2])

    with pytest.raises(DataDependentOutputException, match="local_scalar"):
        on_gpu(networks(resolution=TINY), epoch)
    assert ended == [8, 8, 5]  # all batches were launched before anybody asked for a number


def test_a_gpu_s_normalisation_is_the_cpu_s() -> None:
    x, weight, bias = torch.randn(1, 6, 40), torch.rand(6) + 0.5, torch.randn(6)
    cpu = torch.native_group_norm(x, weight, bias, 1, 6, 40, 6, 1e-5)
    gpu = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, 1e-5)
    for one, other in zip(cpu, gpu, strict=True):
        torch.testing.assert_close(one.flatten(), other.flatten(), rtol=1e-5, atol=1e-5)
