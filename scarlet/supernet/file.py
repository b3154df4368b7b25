"""A trained supernet as one file: form, skeleton, classes, statistics of the images and weights."""

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scarlet.supernet.form import SupernetForm
from scarlet.supernet.supernet import Supernet, build_supernet
from zoo.data.image_set import ImageSet
from zoo.files import parsed_json, write_bytes
from zoo.spaces.skeleton import Skeleton
from zoo.training.sealed import read_sealed, sealed_bytes

SCHEMA = 1
NAME = "supernet.pt"
"""Of the file in the run folder of a supernet's training."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedSupernet:
    """A supernet to search in.

    Attributes:
        network: in evaluation mode; its form and skeleton say what it is.
        classes: names, in the order of the logits.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        notes: what is known about it: "data" is the fingerprint of the images it has seen; accuracy, epochs, seed.
    """

    network: Supernet
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: dict[str, Any]


def supernet_bytes(supernet: TrainedSupernet) -> bytes:
    """The file's content; equal supernets give equal bytes."""
    network = supernet.network
    facts = {
        "form": dataclasses.asdict(network.form),
        "skeleton": dataclasses.asdict(network.skeleton),
        "classes": list(supernet.classes),
        "mean": list(supernet.mean),
        "std": list(supernet.std),
        "notes": supernet.notes,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return sealed_bytes({"schema": SCHEMA, "supernet": json.dumps(facts), "weights": weights})


def save_supernet(supernet: TrainedSupernet, path: Path) -> None:
    """Write a supernet to one file, whole or not at all.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    write_bytes(path, supernet_bytes(supernet), sync=True)


def read_supernet(data: bytes, name: str = "supernet", device: str = "cpu") -> TrainedSupernet:
    """Read a file's content; nothing in it can run code.

    Args:
        data: the content.
        name: what errors call it.
        device: of the network.

    Raises:
        ValueError: if it is no supernet, damaged, or of another schema.
    """
    state = read_sealed(io.BytesIO(data), f"supernet {name}")
    if state.get("schema") != SCHEMA or "supernet" not in state:
        raise ValueError(f"{name} is not a supernet file of schema {SCHEMA}")
    try:
        return _restore(parsed_json(state["supernet"]), state["weights"], device)
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{name} is a damaged supernet file: {str(error).splitlines()[0]}") from None


def load_supernet(path: Path, device: str = "cpu") -> tuple[TrainedSupernet, str]:
    """A supernet file and the SHA-256 of its content, which a run that uses it may put into its identity.

    Raises:
        ValueError: as :func:`read_supernet`.
        OSError: if it cannot be read.
    """
    data = path.read_bytes()
    return read_supernet(data, str(path), device), hashlib.sha256(data).hexdigest()


def require_fitting(images: ImageSet, classes: tuple[str, ...], skeleton: Skeleton) -> None:
    """Find out early whether a supernet can read ``images``.

    Args:
        images: to measure on, or to take statistics from.
        classes: the supernet's.
        skeleton: of the supernet.

    Raises:
        ValueError: for images of other colours or other classes.
    """
    if images.channels != skeleton.in_channels:
        raise ValueError(
            f"the supernet reads images of {skeleton.in_channels} channels, those of {images.name} have "
            f"{images.channels}: expected the images it was trained on"
        )
    if tuple(images.classes) != classes:
        raise ValueError(
            f"the supernet knows the {len(classes)} classes {', '.join(classes[:5])}, those of {images.name} are the "
            f"{len(images.classes)} classes {', '.join(images.classes[:5])}"
        )


def _restore(facts: dict[str, Any], weights: dict[str, torch.Tensor], device: str) -> TrainedSupernet:
    form, skeleton = SupernetForm(**facts["form"]), Skeleton(**facts["skeleton"])
    classes, mean, std = (tuple(facts[name]) for name in ("classes", "mean", "std"))
    if (len(classes), len(mean), len(std)) != (skeleton.classes, skeleton.in_channels, skeleton.in_channels):
        raise ValueError("its class names or statistics do not fit its network")
    if not all(torch.isfinite(tensor).all() for tensor in weights.values()):
        raise ValueError("some of its weights are no finite numbers")
    double = any(tensor.dtype == torch.float64 for tensor in weights.values())
    network = build_supernet(
        form, skeleton, torch.Generator().manual_seed(0), dtype=torch.float64 if double else torch.float32
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:  # its second line names the first things that do not fit
        detail = " ".join(str(error).split("\n")[1].split())
        raise ValueError(f"its weights are of another supernet than one of {form.space!r}: {detail[:200]}") from None
    return TrainedSupernet(
        network=network.to(device).eval(), classes=classes, mean=mean, std=std, notes=dict(facts["notes"])
    )
