"""Small images, small searches, and the command line called in process in a folder of its own."""

import contextlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from milenas.strategy.search import SupernetSearch
from milenas.supernet.config import SupernetConfig
from milenas.training.evaluator import SearchEvaluator, parts_per_epoch
from milenas.training.material import steps_per_epoch
from milenas.training.setup import Method, SearchSetup
from tests.overriding import overridden
from zoo.cli import main
from zoo.data import ImageSet
from zoo.data.image_set import Split
from zoo.population import Journal, Manager, SerialExecutor, WeightStore
from zoo.spaces import Skeleton
from zoo.training import Recipe

OPERATIONS = ("skip_connect", "avg_pool_3x3", "conv_1x1")


def noise_images(train=40, validation=12, classes=2, channels=1):
    """Images whose class shifts their brightness."""
    rng = np.random.default_rng(0)

    def split(count):
        labels = np.arange(count, dtype=np.int64) % classes
        pixels = rng.integers(0, 160, (count, channels, 8, 8)) + 90 * labels[:, None, None, None] // classes
        return Split(images=pixels.astype(np.uint8), labels=labels)

    return ImageSet(
        name="noise", classes=tuple("abcdefgh"[:classes]), train=split(train), validation=split(validation),
        test=split(8), mean=(0.4,) * channels, std=(0.2,) * channels, flip=False,
    )  # fmt: skip


def small_setup(**changes):
    """A search of two epochs that takes a fraction of a second; changes may name fields of its method too."""
    topology = changes.pop("topology", "fixed")
    method = {name: changes.pop(name) for name in list(changes) if name in Method.__slots__}
    setup = SearchSetup(
        shape=SupernetConfig(topology=topology, nodes=5, operations=OPERATIONS),
        skeleton=Skeleton(channels=2, cells=3, resolution=8, in_channels=1, classes=2),
        final=Skeleton(channels=3, cells=3, resolution=8, in_channels=1, classes=2),
        recipe=Recipe(batch=8, cutout=0.0),
        retrain=Recipe(batch=8, cutout=0.0),
        method=Method(**{"lr": 0.05, **method}),
        epochs=2,
    )
    return replace(setup, **changes)


@dataclass
class Ran:
    """What a search left behind."""

    manager: Manager
    strategy: SupernetSearch
    journal: Journal
    store: WeightStore

    def weights(self, index=-1):
        return self.store.get(self.manager.records[index].checkpoint)


def run_small(setup, folder, *, images=None, executor=None, journal=None, stop=lambda: False, **strategy):
    """Run a search, or continue one from its journal and folder."""
    images = images or noise_images()
    per_epoch = parts_per_epoch(setup, steps_per_epoch(setup, images))
    search = SupernetSearch(
        setup.shape, setup.epochs, per_epoch=per_epoch, retrain_epochs=setup.retrain_epochs, **strategy
    )
    journal = journal or Journal.memory({"strategy": {"name": "darts"}})
    store = WeightStore(Path(folder))
    manager = Manager(search, journal, store)
    manager.run(executor or SerialExecutor(SearchEvaluator.of(setup, images)), stop=stop)
    for record in manager.records:
        assert record.ok or record.reason.startswith("diverged"), record.reason
    return Ran(manager, search, journal, store)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def thriftnas(tmp_path, monkeypatch):
    """Runs a command in an empty folder: ``thriftnas("darts", "search", ...)``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")

    def call(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(overridden(arguments))
        return Answer(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def images():
    return noise_images


@pytest.fixture(scope="session")
def setup():
    return small_setup


@pytest.fixture(scope="session")
def run():
    return run_small
