import hashlib
import pickle
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from scipy.io import savemat
from torch.nn import functional as F

from zoo.data import SOURCES, load, sources
from zoo.data.resizing import resize

PIXELS = np.random.default_rng(0).integers(0, 256, (70, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(70) % 10


def with_checksums(folder: Path, names: list[str]) -> list[list[str]]:
    return [[name, hashlib.md5((folder / name).read_bytes()).hexdigest()] for name in names]


def write_cifar(root: Path, monkeypatch, dataset: type, folder: str, files: list[str], keys: tuple[str, str]):
    """60 images in the training files, 10 in the test file, in the archives' own format."""
    (root / folder).mkdir()
    fine, names = keys
    parts = [*np.array_split(np.arange(60), len(files) - 1), np.arange(60, 70)]
    for name, part in zip(files, parts, strict=True):
        content = {"data": PIXELS[part].reshape(len(part), -1), fine: LABELS[part].tolist()}
        (root / folder / name).write_bytes(pickle.dumps(content))
    (root / folder / "meta").write_bytes(pickle.dumps({names: [f"class {i}" for i in range(10)]}))
    listed = with_checksums(root / folder, files)
    monkeypatch.setattr(dataset, "train_list", listed[:-1])
    monkeypatch.setattr(dataset, "test_list", listed[-1:])
    (_, checksum), *_ = with_checksums(root / folder, ["meta"])
    monkeypatch.setattr(dataset, "meta", {"filename": "meta", "key": names, "md5": checksum})


def write_cifar10(root, monkeypatch):
    files = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    keys = ("labels", "label_names")
    write_cifar(root, monkeypatch, torchvision.datasets.CIFAR10, "cifar-10-batches-py", files, keys)


def write_cifar100(root, monkeypatch):
    keys = ("fine_labels", "fine_label_names")
    write_cifar(root, monkeypatch, torchvision.datasets.CIFAR100, "cifar-100-python", ["train", "test"], keys)


def write_svhn(root, monkeypatch):
    listed = {}
    for split, part in (("train", slice(0, 60)), ("test", slice(60, 70))):
        labels = np.where(LABELS[part] == 0, 10, LABELS[part])  # the files call the digit 0 "10"
        savemat(root / f"{split}_32x32.mat", {"X": PIXELS[part].transpose(2, 3, 1, 0), "y": labels[:, None]})
        (name, checksum), *_ = with_checksums(root, [f"{split}_32x32.mat"])
        listed[split] = ["", name, checksum]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed)


def write_fashion(root, monkeypatch):
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for split, part in (("train", slice(0, 60)), ("t10k", slice(60, 70))):
        pixels = PIXELS[part, 0, :28, :28]
        header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in pixels.shape)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        header = b"\0\0\x08\x01" + len(pixels).to_bytes(4, "big")
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(header + LABELS[part].astype(np.uint8).tobytes())


ARCHIVES = {
    "cifar10": (write_cifar10, True, PIXELS),
    "cifar100": (write_cifar100, True, PIXELS),
    "svhn": (write_svhn, False, PIXELS),
    "fashion-mnist": (write_fashion, True, PIXELS[:, :1, :28, :28]),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_read_from_their_own_format(name, tmp_path, monkeypatch, capsys):
    write, flip, pixels = ARCHIVES[name]
    write(tmp_path, monkeypatch)
    images = load(name, root=tmp_path)
    assert (len(images.train), len(images.validation), len(images.test)) == (48, 12, 10)
    assert images.flip is flip
    assert len(images.classes) == 10
    assert np.array_equal(images.test.images, pixels[60:])
    assert np.array_equal(images.test.labels, LABELS[60:])
    assert images.train.images.flags.c_contiguous
    label_of = {pixel.tobytes(): label for pixel, label in zip(pixels, LABELS, strict=True)}
    assert len(label_of) == 70
    for split in (images.train, images.validation):
        assert [label_of[image.tobytes()] for image in split.images] == split.labels.tolist()
    assert capsys.readouterr().out == "", "standard output is for results"


def test_root_defaults_to_the_environment(tmp_path, monkeypatch):
    write_fashion(tmp_path, monkeypatch)
    monkeypatch.setenv("THRIFTNAS_DATA", str(tmp_path))
    assert len(load("fashion-mnist", train=20).train) == 20


@pytest.mark.parametrize("name", ARCHIVES)
def test_missing_archives_say_where_to_place_them(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "PACKAGED_FASHION", tmp_path / "absent")  # Debian's package may be installed
    with pytest.raises(ValueError, match=f"^{name}: not found .*expected .* in {tmp_path}$") as caught:
        load(name, root=tmp_path, download=False)
    assert "\n" not in str(caught.value)


def test_a_failed_download_says_where_to_place_the_files(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", unreachable)
    expected = rf"^cifar10: download failed \(.*\); expected cifar-10-python\.tar\.gz in {tmp_path}$"
    with pytest.raises(ValueError, match=expected) as caught:
        load("cifar10", root=tmp_path)
    assert "\n" not in str(caught.value)


def test_what_torchvision_prints_stays_off_standard_output(tmp_path, monkeypatch, capsys):
    def talkative(*_, **__):
        print("Downloading")
        raise RuntimeError("Dataset not found")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", talkative)
    with pytest.raises(ValueError, match="Dataset not found"):
        load("cifar10", root=tmp_path)
    assert capsys.readouterr() == ("", "Downloading\n")


def test_digits_are_the_default_base_of_16_pixels():
    digits = load("digits")
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1150, 288, 359)
    assert (digits.resolution, digits.channels, digits.flip) == (16, 1, False)
    assert digits.classes == tuple("0123456789")
    assert (digits.train.images.min(), digits.train.images.max()) == (0, 255)


def test_digits_are_the_upscaled_originals():
    from sklearn.datasets import load_digits

    original = torch.from_numpy(load_digits().images).float()[:, None]
    upscaled = F.interpolate(original, size=(16, 16), mode="bilinear", antialias=True) * (255 / 16)
    expected = {image.tobytes() for image in upscaled.round().to(torch.uint8).numpy()}
    digits = load("digits")
    found = [i.tobytes() for part in (digits.train, digits.validation, digits.test) for i in part.images]
    assert len(found) == 1797
    assert set(found) == expected


def test_test_split_depends_on_neither_the_seed_nor_the_counts():
    one, other = load("digits", seed=0), load("digits", seed=1, train=200, validation=50)
    assert np.array_equal(one.test.images, other.test.images)
    assert one.fingerprint != other.fingerprint


def test_validation_and_training_choice_depend_on_the_seed():
    one, other = load("digits", seed=0, train=1150), load("digits", seed=1, train=1150)
    assert {i.tobytes() for i in one.validation.images} != {i.tobytes() for i in other.validation.images}
    few = [{i.tobytes() for i in load("digits", seed=seed, train=20).train.images} for seed in (0, 1)]
    assert len(few[0] & few[1]) < 10


def test_splits_share_no_image_and_are_balanced():
    # An image of the digits occurs once, so contents identify it.
    digits = load("digits", seed=3, train=500, validation=100)
    parts = [{i.tobytes() for i in part.images} for part in (digits.train, digits.validation, digits.test)]
    assert [len(part) for part in parts] == [500, 100, 359]
    assert len(parts[0] | parts[1] | parts[2]) == 959
    for part, count in ((digits.train, 50), (digits.validation, 10)):
        assert np.bincount(part.labels).tolist() == pytest.approx([count] * 10, abs=2)  # 174 to 183 images a class


def test_more_training_images_only_add_and_leave_validation_alone():
    few, many = load("digits", train=300), load("digits", train=900)
    assert {i.tobytes() for i in few.train.images} < {i.tobytes() for i in many.train.images}
    assert np.array_equal(few.validation.images, many.validation.images)


def test_statistics_are_those_of_the_training_images():
    digits = load("digits", train=300)
    scaled = digits.train.images / 255
    assert digits.mean == pytest.approx((scaled.mean(),))
    assert digits.std == pytest.approx((scaled.std(),))


def test_loading_is_reproducible():
    assert load("digits", seed=4, resolution=8).fingerprint == load("digits", seed=4, resolution=8).fingerprint


@pytest.mark.parametrize("resolution", [8, 20, 32])
def test_resolution_is_a_choice(resolution):
    assert load("digits", resolution=resolution).test.images.shape == (359, 1, resolution, resolution)


def test_resize_is_antialiased_bilinear_rounded_to_nearest():
    pixels = np.random.default_rng(1).integers(0, 256, (2060, 3, 8, 8), dtype=np.uint8)  # more than one chunk
    expected = F.interpolate(torch.from_numpy(pixels).double(), size=(6, 6), mode="bilinear", antialias=True)
    assert np.abs(resize(pixels, 6) - expected.numpy()).max() <= 0.501
    assert resize(pixels, 8) is pixels


@pytest.mark.parametrize("name", ["digit", "imagefolder", "imagefolder:", "CIFAR10", ""])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match=f"got {name!r}$") as caught:
        load(name)
    assert all(source in str(caught.value) for source in SOURCES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0}, "train: expected a positive number, got 0"),
        ({"train": -3}, "train: expected a positive number, got -3"),
        ({"validation": 0}, "validation: expected a positive number, got 0"),
        ({"resolution": -4}, "resolution: expected a positive number, got -4"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"train": 1151}, r"train: expected 1 to 1150 images \(288 are for validation\), got 1151"),
        ({"validation": 1438}, "validation: expected 1 to 1437 images, got 1438"),
        (
            {"train": 5},
            "train: expected at least one image of each of the 10 classes, got none of '.' among 5",
        ),
    ],
)
def test_counts_out_of_range_name_the_value_and_the_range(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        load("digits", **options)


def test_too_many_pixels_for_the_memory_are_refused_before_reading(monkeypatch):
    monkeypatch.setattr("zoo.data.pool.available_bytes", lambda: 400_000)
    with pytest.raises(ValueError, match=r"^digits: .*1797 images of 1 x 16 x 16\); lower --resolution or --train$"):
        load("digits")
    assert len(load("digits", train=900).train) == 900
