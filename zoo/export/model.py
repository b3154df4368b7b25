"""A trained network as one file: genotype, skeleton, class names, statistics and weights, read without running code."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.augmentation import prepare
from zoo.export.formats import NAME as NAME
from zoo.files import parsed_json, write_bytes
from zoo.networks.chain_network import ChainNetwork
from zoo.networks.network import Network, build_any
from zoo.spaces.blueprint import Blueprint
from zoo.spaces.genotype import Genotype, genotype_from_dict
from zoo.spaces.skeleton import Skeleton
from zoo.training.sealed import read_sealed, sealed_bytes

SCHEMA = 1
LARGEST_SIDE = 1 << 13


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A network ready to classify images.

    Attributes:
        network: in evaluation mode.
        genotype: its cells or its chain.
        skeleton: what surrounds them; gives resolution and channels of its input.
        classes: names, in the order of the logits.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        notes: what is known about it: accuracies, seed, data.
        side: pixels a side of the images it was trained on, where they are resized again, to the network's resolution,
            as at a setting that reduces it; None: they are not.
    """

    network: Network
    genotype: Genotype
    skeleton: Skeleton
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: dict[str, Any]
    side: int | None = None

    @property
    def blueprint(self) -> Blueprint:
        """Everything that builds the network."""
        return Blueprint(
            genotype=self.genotype, skeleton=self.skeleton, classes=self.classes, mean=self.mean, std=self.std
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Channels of an image, and its pixels a side as pictures are to be read."""
        return self.skeleton.in_channels, self.side or self.skeleton.resolution

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Class probabilities (N, classes) of images (N, channels, side, side)."""
        chances: NDArray[Any] = self.predict(torch.from_numpy(images)).numpy()
        return chances

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Class probabilities (N, classes) of uint8 images (N, C, H, W), resized to the network's resolution.

        Raises:
            ValueError: for images of another type or number of channels.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != self.skeleton.in_channels:
            raise ValueError(
                f"expected uint8 images (N, {self.skeleton.in_channels}, H, W), "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        pixels = prepare(images, self.skeleton.resolution, self.mean, self.std)
        weight = next(self.network.parameters())
        probabilities: Tensor = self.network(pixels.to(weight)).softmax(dim=1)
        return probabilities


def save_model(model: Model, path: Path) -> None:
    """Write the model to one file, whole or not at all.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    facts, weights = _contents(model)
    write_bytes(path, sealed_bytes({"schema": SCHEMA, "facts": json.dumps(facts), "weights": weights}), sync=True)


def save_safetensors(model: Model, path: Path) -> float:
    """Write the weights by name to a safetensors file, with what builds the network as its metadata.

    :func:`load_model` reads it back. Returns how far the weights read back deviate: 0.

    Raises:
        ValueError: if it does not read back as it was written, or safetensors is missing.
        OSError: if it cannot be written.
    """
    from safetensors.torch import load_file, save

    facts, weights = _contents(model)
    told = {"schema": str(SCHEMA), "facts": json.dumps(facts)}
    write_bytes(path, save({name: tensor.contiguous() for name, tensor in weights.items()}, told), sync=True)
    again = load_file(path)
    if again.keys() != weights.keys() or not all(torch.equal(again[name], weights[name]) for name in weights):
        raise ValueError(f"{path} does not read back as it was written")
    return 0.0


def _contents(model: Model) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file holds: facts that build the network, and its weights by name."""
    facts: dict[str, Any] = {
        "genotype": model.genotype.to_dict(),
        "skeleton": dataclasses.asdict(model.skeleton),
        "classes": list(model.classes),
        "mean": list(model.mean),
        "std": list(model.std),
        "notes": model.notes,
    }
    if isinstance(model.network, ChainNetwork) and model.network.stabilizers:
        facts["stabilizers"] = True
    if model.side is not None:
        facts["side"] = model.side
    weights = {
        name: tensor.detach().cpu()
        for name, tensor in model.network.state_dict().items()
        if not name.startswith("auxiliary.")
    }
    return facts, weights


def load_model(path: Path, device: str = "cpu") -> Model:
    """Read a model file, or one of :func:`save_safetensors`; nothing in it can run code.

    Raises:
        ValueError: if the file is no model, damaged, or of another schema.
        OSError: if it cannot be read.
    """
    state = _read_safetensors(path) if path.suffix == ".safetensors" else read_sealed(path, f"model {path}")
    if state.get("schema") != SCHEMA or "facts" not in state:
        raise ValueError(f"{path} is not a model file of schema {SCHEMA}")
    try:
        model = _restore(parsed_json(state["facts"]), state["weights"])
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is a damaged model file: {str(error).splitlines()[0]}") from None
    model.network.to(device)
    return model


def _read_safetensors(path: Path) -> dict[str, Any]:
    """What a safetensors file holds, in the form of a model file."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ValueError(f"{path} needs safetensors, which is not installed: pip install safetensors") from error
    path.open("rb").close()  # what is missing is said as of any file
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is a damaged safetensors file: {str(error).splitlines()[0]}") from None
    return {**told, "schema": int(told.get("schema", 0)), "weights": weights}


def _restore(facts: dict[str, Any], weights: dict[str, Tensor]) -> Model:
    """The model a file describes; raises whatever is wrong with it."""
    genotype, skeleton = genotype_from_dict(facts["genotype"]), Skeleton(**facts["skeleton"])
    classes, mean, std = (tuple(facts[name]) for name in ("classes", "mean", "std"))
    if (len(classes), len(mean), len(std)) != (skeleton.classes, skeleton.in_channels, skeleton.in_channels):
        raise ValueError("its class names or statistics do not fit its network")
    double = any(tensor.dtype == torch.float64 for tensor in weights.values())
    network = build_any(
        genotype,
        skeleton,
        torch.Generator().manual_seed(0),
        stabilizers=facts.get("stabilizers") is True,
        dtype=torch.float64 if double else torch.float32,
    )
    network.load_state_dict(weights)
    side = facts.get("side")
    if side is not None and not (isinstance(side, int) and 0 < side <= LARGEST_SIDE):
        raise ValueError(f"its images must have 1 to {LARGEST_SIDE} pixels a side, got {side!r}")
    return Model(
        network=network.eval(),
        genotype=genotype,
        skeleton=skeleton,
        classes=classes,
        mean=mean,
        std=std,
        notes=dict(facts["notes"]),
        side=side,
    )
