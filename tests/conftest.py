"""One thread a process, and in the gate the same examples every time; the digest of a run; a Ray instance."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Two test processes with two threads each would wait for one another most of the time. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("explore", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "explore")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No test is named after bytes: compressed ones hold the time, and parallel workers must find the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def digest() -> Callable[[Path], str]:
    """The digest of a run folder."""
    from zoo.population.journal import Journal  # imports numpy: after the number of threads is set

    def read(folder: Path) -> str:
        with contextlib.closing(Journal.open(folder, readonly=True)) as journal:
            return journal.digest()

    return read


@pytest.fixture
def without_drawing() -> Iterator[None]:
    """Pictures, which have tests of their own, are not drawn: they would take most of the time of a report."""
    from matplotlib.figure import Figure  # only where a test asks for it

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda _, stream, **__: stream.write(b"<svg/>"))
        yield


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """An instance of a module's own; its four processors are four places, whatever the machine has and runs."""
    from zoo.population.ray_executor import ray  # takes seconds to import

    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100_000_000,
    )
    yield
    ray.shutdown()
