import dataclasses
import json
import math

import numpy as np
import pytest

from zoo.population import ProxySetting, Record, Trial
from zoo.population.trial import INCIDENTAL
from zoo.spaces import CELL_SPACES, PUBLISHED

SETTING = ProxySetting.parse("c4r4s0e60")


def trial(**changes):
    fields = {"index": 5, "genotype": PUBLISHED["DARTS_V2"], "setting": SETTING, "start": 0, "stop": 20}
    return Trial(**(fields | changes))


TRIALS = [
    trial(),
    trial(start=20, stop=40, resumes=0, role="promotion", keep=True, tags={"cycle": 3, "rung": None}),
    trial(parent="0123456789abcdef0123", setting=None),
    *(trial(genotype=space.sample(np.random.default_rng(1))) for space in CELL_SPACES.values()),
]
SCORED = trial(stop=0, measure="synflow", role="score", tags={"network": 3})
RECORDS = [
    Record(index=3, ok=True),
    Record(index=0, ok=False, reason="loss is nan in epoch 2", epochs_paid=1.5, seconds=0.25),
    Record(
        index=9,
        ok=True,
        metrics={"accuracy": 0.1 + 0.2, "macs": 10**18},
        checkpoint="ab" * 32,
        batch=8,
        attempt=3,
        host="h",
        notes={"genotype": {"nodes": [[["skip_connect", 1]], []]}, "curve": [0.1 + 0.2, 1, True, None]},
    ),
]


@pytest.mark.parametrize("value", [*TRIALS, SCORED, trial(setting=None, stop=0, measure="macs"), *RECORDS])
def test_the_json_form_gives_the_same_back(value):
    text = json.dumps(value.to_dict(), allow_nan=False)
    assert type(value).from_dict(json.loads(text)) == value


@pytest.mark.parametrize(("value", "kind"), [(SCORED, Trial), (RECORDS[2], Record)])
def test_the_json_form_has_every_field(value, kind):
    assert list(value.to_dict()) == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": 0}, "0 to 60 epochs, got 0 to 0"),
        ({"stop": 61}, "0 to 60 epochs, got 0 to 61"),
        ({"start": 30, "stop": 20, "resumes": 0}, "got 30 to 20"),
        ({"start": -1, "resumes": 0}, "got -1 to 20"),
        ({"start": 10}, "start 10, resumes None"),
        ({"resumes": 1}, "start 0, resumes 1"),
        ({"start": 10, "resumes": 5}, "trial 5 cannot resume trial 5"),
        ({"start": 10, "resumes": 7}, "trial 5 cannot resume trial 7"),
        ({"start": 10, "resumes": -1}, "cannot resume trial -1"),
    ],
)
def test_an_impossible_stage_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        trial(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": 1}, "a score trains nothing: .*, got start 0, stop 1, resumes None, keep False"),
        ({"start": 1, "stop": 1}, "got start 1, stop 1"),
        ({"resumes": 0}, "resumes 0"),
        ({"keep": True}, "keep True"),
        ({"measure": ""}, "trial 5 must measure 'training' or a score by name, got ''"),
        ({"measure": None}, "trial 5 must measure 'training' or a score by name, got None"),
    ],
)
def test_a_score_that_trains_or_has_no_name_is_refused(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        trial(**{"stop": 0, "measure": "snip"} | changes)
    assert "\n" not in str(caught.value)


def test_a_training_is_no_score_by_another_name():
    assert trial(measure="training") == trial()
    with pytest.raises(ValueError, match="0 to 60 epochs, got 0 to 0"):
        trial(stop=0, measure="training")


def test_the_measure_of_a_training_is_no_part_of_the_json():
    """So that digests are those of before there were scores."""
    assert "measure" not in TRIALS[0].to_dict()
    assert list(TRIALS[0].to_dict()) == [
        "index", "genotype", "setting", "start", "stop", "resumes", "parent", "role", "keep",
    ]  # fmt: skip
    assert SCORED.to_dict()["measure"] == "synflow"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "0.5", None, np.float32(0.5)])
def test_a_metric_that_is_no_finite_number_is_named(value):
    with pytest.raises(ValueError, match="metric 'accuracy' of trial 4 must be a finite number"):
        Record(index=4, ok=True, metrics={"loss": 1.0, "accuracy": value})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "must be finite, got nan as 'a'"),
        ([1.0, {"b": [-math.inf]}], "must be finite, got -inf as 'b'"),
        ((1, 2), r"must be JSON, got tuple \(1, 2\) as 'a'"),
        ({"b": {1}}, r"must be JSON, got set \{1\} as 'b'"),
        (np.float32(0.5), "must be JSON, got float32"),
        (np.int64(1), "must be JSON, got int64"),
        ({1: 2}, "must be text, got 1"),
    ],
)
def test_tags_and_notes_that_are_no_json_are_named(value, message):
    with pytest.raises(ValueError, match=f"tags of trial 5 {message}"):
        trial(tags={"fine": 1, "a": value})
    with pytest.raises(ValueError, match=f"notes of trial 4 {message}"):
        Record(index=4, ok=True, notes={"fine": 1, "a": value})


def test_a_name_that_is_no_text_is_named():
    with pytest.raises(ValueError, match="names of tags of trial 5 must be text, got 1"):
        trial(tags={1: 2})


def test_no_tags_and_no_notes_are_no_part_of_the_json():
    assert "tags" not in TRIALS[0].to_dict()
    assert "notes" not in RECORDS[0].to_dict()


def test_a_trial_with_tags_can_be_in_a_set():
    assert len({trial(tags={"cycle": 1}), trial(tags={"cycle": 1}), trial(tags={"cycle": 2})}) == 2


def test_both_are_frozen():
    for value, name in ((TRIALS[0], "role"), (RECORDS[0], "ok")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, "x")


def test_what_differs_from_run_to_run_is_part_of_a_record():
    assert set(INCIDENTAL) < set(RECORDS[0].to_dict())


@pytest.mark.parametrize("kind", [Trial, Record])
def test_an_unknown_field_is_not_ignored(kind):
    data = (TRIALS[0] if kind is Trial else RECORDS[0]).to_dict()
    with pytest.raises(TypeError, match="surplus"):
        kind.from_dict(data | {"surplus": 1})
