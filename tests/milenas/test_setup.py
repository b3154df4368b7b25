"""The setup of a search as a run's identity writes it, and read back from it."""

import json

import pytest

from milenas.supernet.config import SupernetConfig
from milenas.training.setup import Method, SearchSetup
from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import Precision, Recipe

FULL = SearchSetup(
    shape=SupernetConfig(topology="stretchable", nodes=6, operations=("skip_connect", "sep_conv_3x3")),
    skeleton=Skeleton(channels=4, cells=5, resolution=8, in_channels=1),
    final=Skeleton(channels=12, cells=6),
    params=1e5,
    recipe=Recipe(batch=12, smoothing=0.1),
    method=Method(update="milenas2", lam=0.5, sampler="gumbel", bilevel_until=2, moments=(0.4, 0.9)),
    epochs=4,
    every=3,
    eigenvalue=True,
    retrain=Recipe(batch=7),
    retrain_epochs=2,
    precision=Precision(dtype="float64"),
    seed=5,
    threads=2,
)


@pytest.mark.parametrize("setup", [SearchSetup(), FULL])
def test_what_an_identity_wrote_is_read_back(setup: SearchSetup) -> None:
    written = json.loads(json.dumps(setup.identity()))
    assert SearchSetup.from_dict(written) == setup


def test_fields_left_out_have_their_defaults_and_unknown_ones_are_refused() -> None:
    assert SearchSetup.from_dict({"method": {"update": "darts2"}}) == SearchSetup(method=Method(update="darts2"))
    with pytest.raises(ValueError, match="Method has no rate"):
        SearchSetup.from_dict({"method": {"rate": 1}})
