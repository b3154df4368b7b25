"""Model files: what is read back is what was written, and what is damaged is refused."""

import io
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.export import Model, load_model, save_model
from zoo.export.model import save_safetensors
from zoo.export.prediction import likeliest
from zoo.networks.cell_network import build_network
from zoo.spaces.literature import DARTS_V1, NASNET_A
from zoo.spaces.skeleton import Skeleton


def make_model(genotype=DARTS_V1, *, channels: int = 3, dtype: torch.dtype = torch.float32, auxiliary: bool = False):
    """A model with random weights and used batch statistics."""
    skeleton = Skeleton(channels=4, cells=3, resolution=8, in_channels=channels, classes=4)
    generator = torch.Generator().manual_seed(1)
    network = build_network(genotype, skeleton, generator, dtype=dtype, auxiliary=auxiliary)
    network.train()
    network(torch.randn(16, channels, 8, 8, generator=generator, dtype=dtype))
    return Model(
        network=network.eval(),
        genotype=genotype,
        skeleton=skeleton,
        classes=("cat", "dog", "newt", "Ünze [1]"),
        mean=(0.5, 0.25, 0.125)[:channels],
        std=(0.1, 0.2, 0.3)[:channels],
        notes={"accuracy": 0.5, "seed": 3},
    )


def images(channels: int = 3, side: int = 8) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(0).integers(0, 256, (5, channels, side, side), dtype=np.uint8))


@pytest.mark.parametrize("genotype", [DARTS_V1, NASNET_A])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_model_read_back_predicts_the_same_bit_for_bit(tmp_path, genotype, dtype, channels, auxiliary):
    model = make_model(genotype, channels=channels, dtype=dtype, auxiliary=auxiliary)
    save_model(model, tmp_path / "model.pt")
    read = load_model(tmp_path / "model.pt")
    for name in ("genotype", "skeleton", "classes", "mean", "std", "notes"):
        assert getattr(read, name) == getattr(model, name)
    assert torch.equal(read.predict(images(channels)), model.predict(images(channels)))
    assert not read.network.training


def test_equal_models_give_equal_files(tmp_path):
    for name in ("a.pt", "b.pt"):
        save_model(make_model(), tmp_path / name)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.pt", "b.pt"]
    again = load_model(tmp_path / "a.pt")
    save_model(again, tmp_path / "b.pt")
    assert torch.equal(load_model(tmp_path / "b.pt").predict(images()), again.predict(images()))


@pytest.mark.parametrize("side", [5, 8, 30])
def test_probabilities_of_images_of_any_size_sum_to_one(side):
    chances = make_model().predict(images(side=side))
    assert chances.shape == (5, 4)
    assert torch.allclose(chances.sum(dim=1), torch.ones(5))
    assert not chances.requires_grad


@pytest.mark.parametrize(
    "wrong", [images(1), images().float(), images()[0], images().to(torch.int64)], ids=lambda t: str(tuple(t.shape))
)
def test_images_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match=r"expected uint8 images \(N, 3, H, W\), got"):
        make_model().predict(wrong)


def test_a_target_that_cannot_be_replaced_leaves_nothing(tmp_path):
    (tmp_path / "model.pt").mkdir()
    with pytest.raises(OSError, match=r"model\.pt"):
        save_model(make_model(), tmp_path / "model.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize("place", ["missing/model.pt", "file/model.pt"])
def test_a_target_without_a_folder_leaves_nothing(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"model\.pt"):
        save_model(make_model(), tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_keeps_the_model_that_was_there(tmp_path, monkeypatch):
    save_model(make_model(), tmp_path / "model.pt")
    before = (tmp_path / "model.pt").read_bytes()

    class Full(io.FileIO):
        def write(self, data) -> int:
            super().write(data[:100])
            raise OSError(28, "No space left on device", self.name)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode: Full(path, mode))
        with pytest.raises(OSError, match="No space left"):
            save_model(replace(make_model(), notes={}), tmp_path / "model.pt")
    assert os.listdir(tmp_path) == ["model.pt"]
    assert (tmp_path / "model.pt").read_bytes() == before


def rewrite(path: Path, **changes: object) -> None:
    """Write the model file again with other facts; None drops one. It is one of before there were checksums."""
    state = torch.load(path, weights_only=True)
    del state["sha256"]
    facts = {**json.loads(state["facts"]), **changes}
    state["facts"] = json.dumps({name: value for name, value in facts.items() if value is not None})
    torch.save(state, path)


@pytest.mark.parametrize(
    "changes",
    [
        *[{name: None} for name in ("genotype", "skeleton", "classes", "mean", "std", "notes")],
        {"classes": ["cat", "dog"]},
        {"mean": [0.5]},
        {"std": [0.1, 0.2, 0.3, 0.4]},
        {"classes": 4},
        {"notes": 3},
        {"skeleton": {"channels": 0}},
        {"skeleton": {"width": 4}},
        {"skeleton": {"channels": 8, "cells": 3, "resolution": 8, "in_channels": 3, "classes": 4}},
        {"genotype": NASNET_A.to_dict()},
        {"genotype": {"schema": 9}},
    ],
    ids=lambda changes: next(iter(changes.items()))[0],
)
def test_a_model_whose_facts_do_not_fit_is_damaged(tmp_path, changes):
    save_model(make_model(), tmp_path / "model.pt")
    rewrite(tmp_path / "model.pt", **changes)
    with pytest.raises(ValueError, match=r"model\.pt is a damaged model file: ") as caught:
        load_model(tmp_path / "model.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("facts", ["", "[]", "3", "null", 7])
def test_facts_of_another_form_are_damaged(tmp_path, facts):
    torch.save({"schema": 1, "facts": facts, "weights": {}}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="is a damaged model file"):
        load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("weights", [None, [], {}, {"stem": 3}])
def test_weights_of_another_form_are_damaged(tmp_path, weights):
    save_model(make_model(), tmp_path / "model.pt")
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    del state["sha256"]
    torch.save({**state, "weights": weights}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="is a damaged model file"):
        load_model(tmp_path / "model.pt")


def test_a_model_without_weights_is_damaged(tmp_path):
    torch.save({"schema": 1, "facts": "{}"}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="model file"):
        load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"no model", pickle.dumps({"schema": 1}), b"PK\x03\x04"])
def test_what_is_no_whole_file_is_said_in_one_line(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read safely: it is no such file, or not the whole of one"):
        load_model(tmp_path / "model.pt")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.pt"):
        load_model(tmp_path / "model.pt")


def test_a_safetensors_file_is_read_back_as_the_same_model(tmp_path):
    """It holds weights by name for others, and everything that this package needs to build the network again."""
    safetensors = pytest.importorskip("safetensors.torch")
    model = make_model(auxiliary=True)
    assert save_safetensors(model, tmp_path / "m.safetensors") == 0
    names = set(safetensors.load_file(tmp_path / "m.safetensors"))
    assert names == {name for name in model.network.state_dict() if not name.startswith("auxiliary.")}
    read = load_model(tmp_path / "m.safetensors")
    assert (read.blueprint, read.notes) == (model.blueprint, model.notes)
    assert torch.equal(read.predict(images()), model.predict(images()))


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x08\0\0\0\0\0\0\0{}      ", "cut"])
def test_a_safetensors_file_that_is_none_is_one_line(tmp_path, content):
    pytest.importorskip("safetensors")
    path = tmp_path / "m.safetensors"
    if content == "cut":
        save_safetensors(make_model(), path)
        content = path.read_bytes()[:-100]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.safetensors is (a damaged|not a model file)") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "missing.safetensors")


def test_likeliest_is_ordered_and_cut():
    chances = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]])
    assert likeliest(chances, ("a", "b", "c"), 2) == [[("b", 0.6), ("c", 0.3)], [("a", 0.5), ("c", 0.3)]]
    assert [len(row) for row in likeliest(chances, ("a", "b", "c"), 9)] == [3, 3]
