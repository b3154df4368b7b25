"""Streams: steps in turn, results in order, and the same results whoever else is there."""

from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from tests.training.test_cotraining import AUTO, GENOTYPES, evaluated, job, same
from zoo.training import TrainingSetup
from zoo.training.cuda_streams import in_turns
from zoo.training.evaluator import side_by_side


def test_steps_are_taken_in_turn_and_results_are_in_order() -> None:
    seen: list[str] = []

    def work(name: str, steps: int) -> Generator[None, None, str]:
        for _ in range(steps):
            seen.append(name)
            yield
        return name.upper()

    assert in_turns([work("a", 1), work("b", 3), work("c", 2)], "cpu") == ["A", "B", "C"]
    assert "".join(seen) == "abcbcb"
    assert in_turns([], "cpu") == []


def test_what_a_work_raises_reaches_the_caller() -> None:
    def failing() -> Generator[None, None, None]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_turns([failing()], "cpu")


class FakeStream:
    """Stands for a CUDA stream: notes whom it waits for."""

    device = torch.device("cuda:0")

    def __init__(self, *_: object) -> None:
        self.waited_for: list[FakeStream] = []

    def wait_stream(self, other: "FakeStream") -> None:
        self.waited_for.append(other)


def test_a_work_that_raises_leaves_nobody_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of the current stream may be given away after an error: every stream is waited for, every work closed."""
    current, made, closed = FakeStream(), list[FakeStream](), list[str]()

    def stream(_: object) -> FakeStream:
        made.append(FakeStream())
        return made[-1]

    monkeypatch.setattr(torch.cuda, "Stream", stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: current)

    def work(name: str, steps: int) -> Generator[None, None, None]:
        try:
            for _ in range(steps):
                yield
            raise torch.OutOfMemoryError(name)
        finally:
            closed.append(name)

    with pytest.raises(torch.OutOfMemoryError, match="b"):
        in_turns([work("a", 9), work("b", 1), work("c", 9)], "cuda")
    assert current.waited_for == made
    assert [one.waited_for for one in made] == [[current]] * 3
    assert sorted(closed) == ["a", "b", "c"]


@pytest.mark.parametrize(("count", "streams", "sizes"), [(8, 3, [2, 3, 3]), (2, 4, [1, 1]), (5, 1, [5])])
def test_networks_are_shared_out_evenly(count: int, streams: int, sizes: list[int]) -> None:
    parts = side_by_side(count, streams)
    assert [part.stop - part.start for part in parts] == sizes
    assert [i for part in parts for i in range(count)[part]] == list(range(count))


def test_a_batch_on_several_streams_gives_what_its_networks_give_alone() -> None:
    jobs = [job(i, genotype) for i, genotype in enumerate(GENOTYPES)]
    for one, other in zip(evaluated(replace(AUTO, streams=2), *jobs), evaluated(AUTO, *jobs), strict=True):
        same(one, other)


def test_streams_are_part_of_a_run_where_there_are_several() -> None:
    assert replace(AUTO, streams=2).identity() == AUTO.identity() | {"streams": 2}
    assert "streams" not in TrainingSetup().identity()
    with pytest.raises(ValueError, match="streams must be at least 1, got 0"):
        replace(AUTO, streams=0)
