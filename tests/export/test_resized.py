"""Networks at a reduced resolution: pictures are resized alike in validation, in `predict` and in programs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.data import load
from zoo.data.augmentation import prepare
from zoo.data.picture import decode_picture
from zoo.export.model import Model, load_model, save_model
from zoo.export.prediction import predictions
from zoo.export.program import Deployable
from zoo.export.trained import trained_model
from zoo.population import Job, ProxySetting, Trial
from zoo.population.weights import WeightStore
from zoo.spaces import PUBLISHED, Skeleton
from zoo.training import Recipe, TrainingEvaluator, TrainingSetup

PHOTOS = 200


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for label in range(4):
        (folder / f"class{label}").mkdir()
        for number in range(PHOTOS // 4):
            size = tuple(rng.integers(18, 60, 2))
            coarse = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize(size).save(folder / f"class{label}" / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def model(photos, tmp_path_factory) -> Model:
    """A network trained for a moment at 8 of 16 pixels."""
    folder = tmp_path_factory.mktemp("run")
    images = load(f"imagefolder:{photos}", resolution=16, root=folder / "cache")
    skeleton = Skeleton(channels=4, cells=3, resolution=16, classes=4)
    setup = TrainingSetup(skeleton=skeleton, recipe=Recipe(batch=32))
    trial = Trial(index=0, genotype=PUBLISHED["DARTS_V2"], setting=ProxySetting(0, 2, 0, 1), start=0, stop=1, keep=True)
    ((record, weights),) = TrainingEvaluator(setup, images)([Job(trial, 0, None)])
    store = WeightStore(folder / "weights")
    found = trained_model(trial, replace(record, checkpoint=store.put(weights)), store, setup, images, "cpu")
    found.network.eval()
    assert (found.skeleton.resolution, found.shape) == (8, (3, 16))
    return found


def test_predict_agrees_with_validation_on_every_photo(photos, model, tmp_path):
    save_model(model, tmp_path / "model.pt")
    held = load_model(tmp_path / "model.pt")
    assert held.shape == (3, 16)
    images = load(f"imagefolder:{photos}", resolution=16, root=tmp_path / "cache")
    validated = {}
    for split in (images.train, images.validation, images.test):
        pixels = prepare(torch.tensor(split.images), 8, images.mean, images.std)
        with torch.no_grad():
            named = model.network(pixels).softmax(dim=1)
        validated |= {image.tobytes(): row for image, row in zip(split.images, named.numpy(), strict=True)}
    files = sorted(photos.rglob("*.png"))
    said = [dict(one.classes) for one in predictions(held, files, top=4)]
    worst = max(
        abs(chances[name] - validated[decode_picture(path, 16).tobytes()][number])
        for path, chances in zip(files, said, strict=True)
        for number, name in enumerate(held.classes)
    )
    assert len(said) == PHOTOS
    assert worst < 1e-6


def test_programs_resize_as_training_does(model):
    pixels = torch.randint(0, 256, (64, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    with torch.no_grad():
        logits = Deployable(model)(pixels.float() / 255)
        expected = model.network(prepare(pixels, 8, model.mean, model.std))
    assert torch.allclose(logits, expected, atol=1e-4)


def test_a_side_that_is_none_is_a_damaged_file(model, tmp_path):
    save_model(replace(model, side=-3), tmp_path / "model.pt")
    with pytest.raises(ValueError, match="1 to 8192 pixels a side, got -3"):
        load_model(tmp_path / "model.pt")
