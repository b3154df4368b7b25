"""Unequal classes, as a user goes: what is judged by, what is said, and numbers that a count by hand gives again."""

import json

import numpy as np
import pytest

from tests.journeys.conftest import folder_of, shape_of, whole

SIZES = "--channels 8 --cells 3 --resolution 16 --batch 16"
SAID = [
    "Data: imagefolder:photos: # classes (across, down) of # to # training images each; # training, # validation, "
    "# test images; # × # pixels, RGB",
    "The classes are unequal (# to # training images): judged by balanced accuracy, the mean of every class's own. "
    "--metric accuracy counts every image alike instead.",
    "validation accuracy of # networks: # % to # %, median # %",
    "best by balanced accuracy: trial #, validation # %, test # %",
    "Model: runs/zoo/model.pt (use: thriftnas predict runs/zoo/model.pt IMAGE)",
]


@pytest.mark.slow
def test_unequal_classes_from_photos_to_the_count_by_hand(thriftnas, tmp_path):
    rng = np.random.default_rng(0)
    folder_of(tmp_path / "photos/train", {"across": 160, "down": 24}, rng)
    folder_of(tmp_path / "photos/test", {"across": 60, "down": 12}, rng)

    said = thriftnas(f"zoo build --data imagefolder:photos --models 2 --setting c0r1s0e6 {SIZES} --out runs/zoo")
    assert sorted(shape_of(said)) == sorted(SAID)
    assert whole(said, "thriftnas predict runs/zoo/model.pt IMAGE")
    as_json = json.loads(thriftnas(f"zoo build --data imagefolder:photos --models 2 --setting c0r1s0e6 {SIZES} "
                                   "--out runs/zoo --json"))  # fmt: skip
    kept = json.loads((tmp_path / "runs/zoo/best.json").read_text())
    assert {name: as_json[name] for name in kept if name in as_json and name != "model"} == {
        name: value for name, value in kept.items() if name in as_json and name != "model"
    }

    status = thriftnas("run status runs/zoo")
    assert "state    finished" in status
    assert f"test accuracy {100 * kept['test_accuracy']:.2f} %" in status
    assert json.loads(thriftnas("run status runs/zoo --json"))["result"] in status

    named = json.loads(thriftnas("predict runs/zoo/model.pt photos/test --json"))
    truth = [one["image"].split("/")[-2] for one in named]
    right = np.array([one["classes"][0]["name"] == label for one, label in zip(named, truth, strict=True)])
    recalls = [right[np.array(truth) == label].mean() for label in ("across", "down")]
    assert len(named) == 72
    assert right.mean() == pytest.approx(kept["test_accuracy"])
    assert np.mean(recalls) == pytest.approx(kept["test_balanced_accuracy"])
