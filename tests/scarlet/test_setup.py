"""The setup of a supernet's training as a run's identity writes it, and read back from it."""

import json

import pytest

from scarlet.supernet.setup import SupernetSetup
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import TrainingSetup

TRAINING = TrainingSetup(recipe=Recipe(batch=9, lr=0.1), precision=Precision(dtype="float64"), seed=4)


@pytest.mark.parametrize(
    "setup",
    [
        SupernetSetup(training=TrainingSetup(), sampling="fair"),
        SupernetSetup(training=TRAINING, sampling="uniform", start="random"),
    ],
)
def test_what_an_identity_wrote_is_read_back(setup: SupernetSetup) -> None:
    assert SupernetSetup.from_dict(json.loads(json.dumps(setup.identity()))) == setup


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sampling": "best"}, "sampling: expected fair, .* got 'best'"),
        ({"sampling": "fair", "stabilizer_start": "late"}, "unknown start 'late'"),
        ({"sampling": "fair", "speed": 1}, "TrainingSetup has no speed"),
    ],
)
def test_what_no_setup_can_be_is_refused(change, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SupernetSetup.from_dict(TRAINING.identity() | change)
